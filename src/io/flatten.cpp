#include "io/flatten.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text.h"
#include "io/decimal.h"
#include "io/tensor_record.h"

namespace xattn::io {
namespace {

using Kind = PickleValue::Kind;
using NodeKind = PickleNode::Kind;

constexpr int kDeepest = 64;
// Shared containers are visited once for each name they have, which doubles with every level of a
// hostile file.
constexpr std::size_t kMostVisits = 1'000'000;

std::string float_text(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

std::string latin1_to_utf8(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

/// Of a dict or of an item of a list. The texts are the pickle's own.
using Key = std::variant<std::string_view, std::int64_t>;

std::size_t longest(const Key& key) {
  const auto* const text = std::get_if<std::string_view>(&key);
  return text ? text->size() : std::numeric_limits<std::int64_t>::digits10 + 2;
}

class Flattener {
 public:
  Flattener(const Pickle& pickle, const ZipArchive& zip, Contents& contents,
            std::vector<const ZipEntry*>& storages)
      : pickle_(pickle),
        reader_(pickle, zip, storages, [this] { return shown_name(); }),
        contents_(contents) {}

  void run() {
    visit(pickle_.root(), 0);
    refuse_collisions();
  }

 private:
  void visit(const PickleValue& value, int depth) {
    if (++visits_ > kMostVisits) {
      pickle_.fail(
          cat("holds more than ", kMostVisits, " values, counted once for each of their names"));
    }
    if (depth > kDeepest) {
      fail(cat("is nested deeper than ", kDeepest, " levels, or contains itself"));
    }
    if (!value.is(Kind::kNode)) {
      visit_scalar(value);
      return;
    }
    const PickleNode& node = pickle_.node(value);
    switch (node.kind) {
      case NodeKind::kTuple:
      case NodeKind::kList:
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          visit_item(static_cast<std::int64_t>(i), node.items[i], depth);
        }
        return;
      case NodeKind::kDict:
        for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
          visit_pair(node.items[i], node.items[i + 1], depth);
        }
        return;
      case NodeKind::kObject:
        if (!node.items.empty()) visit(node.items[0], depth + 1);
        return;
      case NodeKind::kCall:
        visit_call(node, depth);
        return;
      case NodeKind::kStorage:
        fail("is a bare storage, not a tensor");
    }
  }

  /// Names are put together only where something is found: a long one above many empty containers
  /// would be copied for each of them.
  void visit_item(const Key& key, const PickleValue& value, int depth) {
    const std::size_t length = name_length_;
    name_length_ += longest(key) + 1;
    if (name_length_ > kLongestName) {
      fail(cat("expected names of at most ", kLongestName, " bytes, got more"));
    }
    path_.push_back(key);
    visit(value, depth + 1);
    path_.pop_back();
    name_length_ = length;
  }

  void visit_pair(const PickleValue& key, const PickleValue& value, int depth) {
    if (key.is(Kind::kText)) {
      visit_item(pickle_.slice(key), value, depth);
    } else if (key.is(Kind::kInt)) {
      visit_item(key.integer, value, depth);
    } else {
      fail(cat("has a key that is neither str nor int: ", pickle_.describe(key)));
    }
  }

  void visit_scalar(const PickleValue& value) {
    switch (value.kind) {
      case Kind::kNone:
        add_attribute(std::monostate());
        return;
      case Kind::kBool:
        add_attribute(value.boolean);
        return;
      case Kind::kInt:
        add_attribute(value.integer);
        return;
      case Kind::kFloat:
        add_attribute(value.real);
        return;
      case Kind::kBigInt:
        add_attribute(decimal_of(pickle_.slice(value)));
        return;
      case Kind::kText:
        add_text(pickle_.slice(value));
        return;
      case Kind::kBytes:
        add_bytes(pickle_.slice(value));
        return;
      case Kind::kGlobal:
        add_attribute(pickle_.global(value.index).name);
        return;
      case Kind::kNode:
        return;
    }
  }

  void visit_call(const PickleNode& call, int depth) {
    const std::string& callee = pickle_.global(call.global).name;
    const auto& arguments = pickle_.node(call.items[0]).items;
    if (reader_.is_tensor(callee)) {
      add_tensor(call);
    } else if (callee == "torch.device") {
      if (arguments.empty() || !arguments[0].is(Kind::kText)) fail("is a device without a name");
      std::string device(pickle_.slice(arguments[0]));
      if (arguments.size() > 1 && arguments[1].is(Kind::kInt)) {
        device += cat(':', arguments[1].integer);
      }
      add_attribute(std::move(device));
    } else if (callee.ends_with(".complex")) {
      if (arguments.size() != 2 || !arguments[0].is(Kind::kFloat) ||
          !arguments[1].is(Kind::kFloat)) {
        fail("is a complex number without its two parts");
      }
      const double imaginary = arguments[1].real;
      add_attribute(cat('(', float_text(arguments[0].real), imaginary < 0 ? "" : "+",
                        float_text(imaginary), "j)"));
    } else {  // _codecs.encode and bytearray: bytes, as protocol 2 must spell them
      if (arguments.empty()) {
        add_attribute(std::string());
      } else if (arguments[0].is(Kind::kText)) {
        add_text(pickle_.slice(arguments[0]));
      } else if (arguments[0].is(Kind::kBytes)) {
        add_bytes(pickle_.slice(arguments[0]));
      } else {
        visit(arguments[0], depth + 1);
      }
    }
  }

  void add_tensor(const PickleNode& call) {
    if (contents_.tensors.size() == kMostTensors) {
      pickle_.fail(cat("holds more than ", kMostTensors, " tensors"));
    }
    TensorRecord record = reader_.read(call);
    record.name = own_name();
    charge(content_bytes(record));
    contents_.tensors.push_back(std::move(record));
  }

  // Texts of a file may be as large as the file: they are copied only where they fit.
  void add_text(std::string_view text) {
    if (text.size() > kMostContentBytes) charge(text.size());
    add_attribute(std::string(text));
  }

  void add_bytes(std::string_view bytes) {
    if (bytes.size() > kMostContentBytes / 4) charge(kMostContentBytes + 1);
    add_attribute(latin1_to_utf8(bytes));
  }

  void add_attribute(Attribute value) {
    if (contents_.attributes.size() == kMostAttributes) {
      pickle_.fail(cat("holds more than ", kMostAttributes, " plain values"));
    }
    std::pair attribute(own_name(), std::move(value));
    charge(content_bytes(attribute));
    contents_.attributes.push_back(std::move(attribute));
  }

  /// The time of the digits grows with the square of the length, and an integer may be used many
  /// times. 10⁹ squared bytes take 0.1 s.
  std::string decimal_of(std::string_view bytes) {
    constexpr std::uint64_t kMostWork = 1'000'000'000;
    constexpr std::uint64_t kMostWorkPerByte = 512;
    decimal_work_ += bytes.size() * bytes.size();
    if (decimal_work_ > kMostWork + kMostWorkPerByte * pickle_.size()) {
      fail("is one of more large integers than a file of this size may use");
    }
    return decimal(bytes);
  }

  std::string own_name() const {
    if (path_.empty()) return "value";
    const auto text_of = [](const Key& key) {
      return std::visit([](const auto& part) { return cat(part); }, key);
    };
    if (path_.size() == 1) return text_of(path_.front());
    std::string name;
    for (const Key& key : path_) {
      if (&key != &path_.front()) name += '.';
      name += text_of(key);
    }
    name.shrink_to_fit();  // what is counted is its size
    return name;
  }

  void charge(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > kMostContentBytes) {
      pickle_.fail(
          cat("its names, texts and shapes take more than ", kMostContentBytes >> 20, " MiB"));
    }
  }

  void refuse_collisions() {
    std::vector<const std::string*> names;
    names.reserve(contents_.tensors.size() + contents_.attributes.size());
    for (const auto& tensor : contents_.tensors) names.push_back(&tensor.name);
    for (const auto& attribute : contents_.attributes) names.push_back(&attribute.first);
    std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
    const auto twice =
        std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
    if (twice != names.end()) {
      pickle_.fail(
          cat("the name ", quote(**twice), " is there twice, once its containers are joined"));
    }
  }

  std::string shown_name() const { return quote(own_name()); }

  [[noreturn]] void fail(std::string_view what) const {
    pickle_.fail(cat(shown_name(), ' ', what));
  }

  const Pickle& pickle_;
  TensorReader reader_;
  Contents& contents_;
  std::vector<Key> path_;
  std::size_t name_length_ = 0;
  std::uint64_t decimal_work_ = 0;
  std::size_t visits_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

void flatten(const Pickle& pickle, const ZipArchive& zip, Contents& contents,
             std::vector<const ZipEntry*>& storages) {
  Flattener(pickle, zip, contents, storages).run();
}

}  // namespace xattn::io
