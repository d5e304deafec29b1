#include "io/json.h"

#include <algorithm>
#include <vector>

#include "core/text.h"
#include "io/json_guard.h"
#include "io/mistaken.h"

namespace xattn::io {
namespace {

using nlohmann::json;

/// Makes the values, and counts what they take.
class TreeBuilder : public JsonEvents {
 public:
  explicit TreeBuilder(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  // Copied, not moved: the parser's strings have room for twice their text.
  bool string(string_t& value) override { return charge(bytes_of(value)) && add(value); }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    constexpr std::uint64_t kNode = 96;  // of a map: links, a name, a value, the allocator's own
    if (!charge(kNode + bytes_of(name))) return false;
    place_ = &(*open_.back())[name];
    return true;
  }

  json take() { return std::move(root_); }

 private:
  static std::uint64_t bytes_of(const std::string& text) { return 48 + text.size(); }

  bool charge(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= most_bytes_) return true;
    problem = cat("JSON: expected values that take at most ", most_bytes_ >> 20, " MiB, got more");
    return false;
  }

  /// The value's place: the root, a key's, or the end of the open list.
  json* put(json value) {
    // A list that grows holds up to three times its items for a while.
    constexpr std::uint64_t kItem = 3 * sizeof(json);
    if (!charge(kItem)) return nullptr;
    if (open_.empty()) return &(root_ = std::move(value));
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    return &(*place_ = std::move(value));
  }

  bool add(json value) { return put(std::move(value)) != nullptr; }

  bool open(json value) {
    constexpr std::uint64_t kContainer = 64;
    json* const made = charge(kContainer) ? put(std::move(value)) : nullptr;
    if (made) open_.push_back(made);
    return made != nullptr;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::uint64_t most_bytes_;
  std::uint64_t bytes_ = 0;
  json root_;
  // They stay where they are: nothing is added to a container while one inside it is open.
  std::vector<json*> open_;
  json* place_ = nullptr;
};

std::string with_quoted_constants(std::string_view text) {
  std::string quoted;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    std::size_t length = 1;
    if (rest.front() == '"') {
      while (length < rest.size() && rest[length] != '"') length += rest[length] == '\\' ? 2 : 1;
      length = std::min(length + 1, rest.size());
    }
    bool is_constant = false;
    for (const std::string_view constant : {"NaN", "Infinity", "-Infinity"}) {
      if (!rest.starts_with(constant)) continue;
      length = constant.size();
      is_constant = true;
    }
    if (is_constant) quoted += '"';
    quoted += rest.substr(0, length);
    if (is_constant) quoted += '"';
    at += length;
  }
  return quoted;
}

}  // namespace

bool JsonEvents::binary(binary_t&) {
  return false;  // JSON has none
}

bool JsonEvents::parse_error(std::size_t position, const std::string& last_token,
                             const json::exception& error) {
  constexpr int kNumberOverflow = 406;
  problem = error.id == kNumberOverflow
                ? cat("JSON: expected numbers that a double holds, got ", quote(last_token))
                : cat("expected a JSON object, got an error at byte ", position);
  return false;
}

void scan_json(std::string_view text, const JsonLimits& limits, JsonEvents& events) {
  if (text.size() > limits.text_bytes) {
    events.problem = cat("JSON: expected at most ", limits.text_bytes, " bytes, got ", text.size());
    return;
  }
  events.problem = json_guard_problem(text, limits.levels);
  if (!events.problem.empty()) return;
  if (limits.constants && text.find_first_of("NI") != text.npos) {
    const auto quoted = with_quoted_constants(text);
    json::sax_parse(quoted.begin(), quoted.end(), &events);
  } else {
    json::sax_parse(text.begin(), text.end(), &events);
  }
}

ParsedJson parse_json(std::string_view text, const JsonLimits& limits) {
  TreeBuilder builder(limits.value_bytes);
  scan_json(text, limits, builder);
  if (!builder.problem.empty()) return {nullptr, std::move(builder.problem)};
  return {builder.take(), {}};
}

json read_json_object(const Subject& subject, std::string_view text, const JsonLimits& limits) {
  auto [value, problem] = parse_json(text, limits);
  if (!problem.empty()) subject.fail(problem);
  if (!value.is_object()) subject.fail(cat("expected a JSON object, got ", quote(shown(value))));
  return std::move(value);
}

json read_json_object(const File& file, const JsonLimits& limits) {
  return read_json_object(file.subject(), read_text(file, limits), limits);
}

std::string read_text(const File& file, const JsonLimits& limits) {
  if (file.size() > limits.text_bytes) {
    file.fail(cat("expected at most ", limits.text_bytes, " bytes, got ", file.size()));
  }
  auto text = file.read(0, static_cast<std::size_t>(file.size()));
  if (const auto mistake = mistaken_bytes(text); !mistake.empty()) file.fail(mistake);
  return text;
}

std::string shown(const json& value) {
  constexpr std::size_t kLongest = 120;
  constexpr bool kAscii = true;
  auto text = value.dump(-1, ' ', kAscii, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

}  // namespace xattn::io
