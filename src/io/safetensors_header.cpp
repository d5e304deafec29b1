// The header of a safetensors file, a JSON object:
//
//   {"__metadata__": {"key": "value", …},
//    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
//
// Ranges are counted from the header's end. Sorted, they cover the data section from its first byte
// to the file's last without holes or overlaps. The header may end with spaces.
#include "io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "core/text.h"
#include "core/utf8.h"
#include "io/json.h"

namespace xattn::io {
namespace {

constexpr std::string_view kMetadata = "__metadata__";

/// Receives the parser's events. Knows the header's one shape, so that anything else is refused
/// where it appears and no tree is built.
class HeaderReader : public JsonEvents {
 public:
  HeaderReader(const Subject& subject, Contents& contents, std::vector<ByteRange>& ranges)
      : subject_(subject), contents_(contents), ranges_(ranges) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a fraction, or a number beyond 64 bits");
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) return unexpected("a number");
    if (numbers_.size() == kMostDimensions) fail(cat("more than ", kMostDimensions, " numbers"));
    numbers_.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      // Copied, not moved: the parser's strings have room for twice their text.
      contents_.attributes.emplace_back(key_, value);
      charge(content_bytes(contents_.attributes.back()));
      if (contents_.attributes.size() > kMostAttributes)
        fail("holds more metadata than can be read");
      return true;
    }
    if (depth_ != 2 || field_ != "dtype") return unexpected("a text");
    dtype_ = dtype_of_safetensors(value);
    if (!dtype_) fail(cat("dtype ", quote(value), " is not one that is read"));
    return true;
  }

  bool start_object(std::size_t) override {
    if (in_array_ || depth_ == 2) return unexpected("an object");
    if (++depth_ == 2 && !in_metadata_) {
      dtype_.reset();
      shape_.reset();
      offsets_.reset();
      if (contents_.tensors.size() == kMostTensors) {
        fail(cat("expected at most ", kMostTensors, " tensors, got more"));
      }
    }
    return true;
  }

  bool key(string_t& value) override {
    if (depth_ == 1) {
      in_metadata_ = value == kMetadata;
      if (in_metadata_ && std::exchange(metadata_seen_, true))
        fail("'__metadata__' is there twice");
      name_ = value;
    } else if (in_metadata_) {
      key_ = value;
    } else {
      const bool again = (value == "dtype" && dtype_) || (value == "shape" && shape_) ||
                         (value == "data_offsets" && offsets_);
      if (again) fail(cat("the key ", quote(value), " is there twice"));
      if (value != "dtype" && value != "shape" && value != "data_offsets") {
        fail(cat("the key ", quote(value), " is not known"));
      }
      field_ = value;
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_array_ || in_metadata_ ||
        (field_ != "shape" && field_ != "data_offsets")) {
      return unexpected("an array");
    }
    in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    (field_ == "shape" ? shape_ : offsets_) = numbers_;
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2) {
      if (!in_metadata_) finish_tensor();
      in_metadata_ = false;
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    subject_.fail(
        cat("safetensors header: expected a JSON object in UTF-8, got an error at its byte ",
            position));
  }

 private:
  void finish_tensor() {
    if (!dtype_ || !shape_ || !offsets_) fail("expected 'dtype', 'shape' and 'data_offsets'");
    if (offsets_->size() != 2 || (*offsets_)[0] > (*offsets_)[1]) {
      fail(cat("data_offsets: expected [begin, end], got ", shape_text(*offsets_)));
    }
    TensorRecord record;
    record.name = name_;
    record.dtype = *dtype_;
    record.storage = contents_.tensors.size();
    for (const std::uint64_t size : *shape_) {
      if (size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) fail_overflow(record);
      record.shape.push_back(static_cast<std::int64_t>(size));
    }
    std::int64_t bytes = 0;
    if (!contiguous_bytes(record.shape, record.dtype, bytes)) fail_overflow(record);
    const std::uint64_t range = (*offsets_)[1] - (*offsets_)[0];
    if (range != static_cast<std::uint64_t>(bytes)) {
      subject_.fail(cat("safetensors header: tensor ", quote(record.name), ": expected ", bytes,
                        " bytes for ", name(record.dtype), ' ', shape_text(record.shape), ", got ",
                        range));
    }
    record.strides = contiguous_strides(record.shape);
    ranges_.push_back({(*offsets_)[0], (*offsets_)[1]});
    charge(content_bytes(record));
    contents_.tensors.push_back(std::move(record));
  }

  [[noreturn]] void fail_overflow(const TensorRecord& record) const {
    subject_.fail(cat("safetensors header: tensor ", quote(record.name), ": shape ",
                      shape_text(*shape_), " overflows"));
  }

  void charge(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > kMostContentBytes) {
      subject_.fail(cat("safetensors header: its names, metadata and shapes take more than ",
                        kMostContentBytes >> 20, " MiB"));
    }
  }

  bool unexpected(std::string_view what) const { fail(cat("did not expect ", what)); }

  [[noreturn]] void fail(std::string_view what) const {
    const std::string where = name_.empty() ? std::string() : cat(quote(name_), ": ");
    subject_.fail(cat("safetensors header: ", where, what));
  }

  const Subject& subject_;
  Contents& contents_;
  std::vector<ByteRange>& ranges_;
  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::size_t bytes_ = 0;
  std::string name_;   // the tensor's, or __metadata__
  std::string key_;    // inside __metadata__
  std::string field_;  // inside a tensor
  std::vector<std::uint64_t> numbers_;
  std::optional<DType> dtype_;
  std::optional<std::vector<std::uint64_t>> shape_;
  std::optional<std::vector<std::uint64_t>> offsets_;
};

template <class Records, class NameOf>
void refuse_duplicates(const Subject& subject, const Records& records, NameOf name_of) {
  std::vector<const std::string*> names;
  names.reserve(records.size());
  for (const auto& record : records) names.push_back(&name_of(record));
  std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
  const auto twice =
      std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
  if (twice != names.end()) {
    subject.fail(cat("safetensors header: the key ", quote(**twice), " is there twice"));
  }
}

void check_coverage(const Subject& subject, const Contents& contents,
                    const std::vector<ByteRange>& ranges, std::uint64_t data_size) {
  std::vector<std::uint32_t> order(ranges.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return std::pair(ranges[a].begin, ranges[a].end) < std::pair(ranges[b].begin, ranges[b].end);
  });
  std::uint64_t next = 0;
  for (const std::uint32_t i : order) {
    if (ranges[i].begin != next) {
      subject.fail(cat("safetensors header: tensor ", quote(contents.tensors[i].name),
                       ": expected its data to begin at ", next, ", without hole or overlap, got ",
                       ranges[i].begin));
    }
    next = ranges[i].end;
  }
  if (next != data_size) {
    subject.fail(
        cat("safetensors header: expected ", next, " bytes of data after it, got ", data_size));
  }
}

std::string json_text(const Subject& subject, const std::string& text) {
  if (!is_utf8(text)) subject.fail(cat("the name or metadata ", quote(text), " is not UTF-8"));
  return nlohmann::json(text).dump();
}

}  // namespace

void parse_safetensors_header(const Subject& subject, std::string_view json,
                              std::uint64_t data_size, Contents& contents,
                              std::vector<ByteRange>& ranges) {
  if (!json.starts_with('{')) subject.fail("safetensors header: expected '{' as its first byte");
  json = json.substr(0, json.find_last_not_of(' ') + 1);  // the padding
  contents.format = CheckpointFormat::kSafetensors;
  HeaderReader reader(subject, contents, ranges);
  scan_json(json, {.levels = 3, .text_bytes = kLargestSafetensorsHeader}, reader);
  if (!reader.problem.empty()) subject.fail(cat("safetensors header: ", reader.problem));
  refuse_duplicates(subject, contents.tensors,
                    [](const auto& tensor) -> const std::string& { return tensor.name; });
  refuse_duplicates(subject, contents.attributes,
                    [](const auto& attribute) -> const std::string& { return attribute.first; });
  check_coverage(subject, contents, ranges, data_size);
}

SafetensorsLayout make_safetensors_header(const Subject& subject,
                                          const std::vector<SafetensorsEntry>& entries,
                                          const std::map<std::string, std::string>& metadata) {
  SafetensorsLayout layout;
  layout.order.resize(entries.size());
  std::iota(layout.order.begin(), layout.order.end(), std::size_t{0});
  std::stable_sort(layout.order.begin(), layout.order.end(), [&](auto a, auto b) {
    return item_size(entries[a].dtype) > item_size(entries[b].dtype);
  });

  std::vector<ByteRange> ranges(entries.size());
  std::int64_t next = 0;
  for (const std::size_t i : layout.order) {
    const SafetensorsEntry& entry = entries[i];
    std::int64_t bytes = 0;
    if (info(entry.dtype).safetensors.empty()) {
      subject.fail(
          cat("tensor ", quote(entry.name), ": safetensors has no dtype for ", name(entry.dtype)));
    }
    if (entry.name == kMetadata) subject.fail("a tensor cannot be named '__metadata__'");
    if (entry.shape.size() > kMostDimensions ||
        !contiguous_bytes(entry.shape, entry.dtype, bytes) ||
        __builtin_add_overflow(next, bytes, &bytes)) {
      subject.fail(cat("tensor ", quote(entry.name), ": shape ", shape_text(entry.shape),
                       " is too large to be written"));
    }
    ranges[i] = {static_cast<std::uint64_t>(next), static_cast<std::uint64_t>(bytes)};
    next = bytes;
  }
  refuse_duplicates(subject, entries,
                    [](const auto& entry) -> const std::string& { return entry.name; });

  std::string json = "{";
  const auto separate = [&] {
    if (json.size() > 1) json += ',';
  };
  if (!metadata.empty()) {
    json += cat(json_text(subject, std::string(kMetadata)), ":{");
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!std::exchange(first, false)) json += ',';
      json += cat(json_text(subject, key), ':', json_text(subject, value));
    }
    json += '}';
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    separate();
    json += cat(json_text(subject, entries[i].name), ":{\"dtype\":\"",
                info(entries[i].dtype).safetensors, "\",\"shape\":[");
    for (std::size_t d = 0; d < entries[i].shape.size(); ++d) {
      json += cat(d > 0 ? "," : "", entries[i].shape[d]);
    }
    json += cat("],\"data_offsets\":[", ranges[i].begin, ",", ranges[i].end, "]}");
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > kLargestSafetensorsHeader) {
    subject.fail(cat("the header takes ", json.size(), " bytes, the format allows ",
                     kLargestSafetensorsHeader));
  }
  for (int shift = 0; shift < 64; shift += 8) {
    layout.header += static_cast<char>((std::uint64_t{json.size()} >> shift) & 0xff);
  }
  layout.header += json;
  return layout;
}

}  // namespace xattn::io
