// JSON texts. What is read is written and read again the same.
#include "fuzz/support/fuzz.h"
#include "io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xattn;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  io::ParsedJson parsed;
  {
    const fuzz::MemoryBound bound(size + fuzz::kMostMemory);
    parsed = io::parse_json(text);
  }
  fuzz::expect(io::shown(parsed.value).size() < 200, "a value is shown in short");
  if (!parsed.problem.empty()) return 0;
  const auto again = io::parse_json(parsed.value.dump());
  fuzz::expect(again.problem.empty(), "what was read can be read again");
  fuzz::expect(again.value == parsed.value, "and is the same");
  return 0;
}
