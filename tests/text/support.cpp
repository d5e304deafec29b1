#include "support.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "io/weights_file.h"
#include "text/byte_level.h"

namespace xattn::testing {
namespace {

using nlohmann::json;

std::filesystem::path area_folder() {
  const char* folder = std::getenv("XATTN_GOLDEN_MODELS_DIR");
  return std::filesystem::path(folder ? folder : "") / "tokenizer";
}

template <class Row>
std::vector<Row> read_rows(const std::filesystem::path& path) {
  std::vector<Row> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line).get<Row>());
  return rows;
}

}  // namespace

std::vector<std::string> TokenizerCase::texts() const {
  return read_rows<std::string>(folder.parent_path() / "texts" /
                                (facts.at("texts").get<std::string>() + ".jsonl"));
}

std::vector<std::vector<std::string>> TokenizerCase::decoded() const {
  return read_rows<std::vector<std::string>>(folder / "decoded.jsonl");
}

std::vector<TokenizerCase> tokenizer_cases() {
  std::ifstream manifest(area_folder() / "manifest.json");
  if (!manifest) {
    if (std::getenv("CI"))
      throw std::runtime_error("CI without golden data of tokenizer (XATTN_GOLDEN_MODELS_DIR)");
    return {TokenizerCase{}};
  }
  std::vector<TokenizerCase> cases;
  const auto document = json::parse(manifest);
  for (const auto& facts : document.at("cases")) {
    const std::string name = facts.at("name");
    cases.push_back({name, area_folder() / name, facts});
  }
  return cases;
}

TokenizerCase tokenizer_case(const std::string& name) {
  for (const auto& found : tokenizer_cases()) {
    if (found.name == name) return found;
  }
  return {};
}

std::vector<std::int32_t> golden_ids(const TokenizerCase& tokenizer_case, const std::string& name) {
  const auto file =
      io::WeightsFile::open("test", (tokenizer_case.folder / "golden.safetensors").string());
  for (const auto& record : file->contents().tensors) {
    if (record.name != name) continue;
    std::vector<std::int32_t> ids(file->storage_size(record.storage) / sizeof(std::int32_t));
    file->read_storage(record.storage, ids.data());
    return ids;
  }
  throw std::out_of_range(name);
}

json small_vocabulary() {
  json vocabulary;
  const auto add = [&](const std::string& token) { vocabulary[token] = vocabulary.size(); };
  for (int byte = 0; byte < 256; ++byte) {
    add(text::character_of_byte(static_cast<unsigned char>(byte)));
    add(text::character_of_byte(static_cast<unsigned char>(byte)) + "</w>");
  }
  for (const auto* token : {"ca", "cat</w>", "at</w>", "<|startoftext|>", "<|endoftext|>"})
    add(token);
  return vocabulary;
}

}  // namespace xattn::testing
