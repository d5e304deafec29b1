#include "xattn/ops/prepared_text.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <string>

#include "core/check.h"
#include "ops/cpu/prepared_blocks.h"

namespace xattn {
namespace {

constexpr auto kPreparedText = "PreparedText";

/// Calls `join` with the same member of every text.
template <typename Member, typename Join>
auto of_all(const std::vector<PreparedText>& texts, const Member& member, const Join& join) {
  std::vector<std::decay_t<decltype(member(texts.front()))>> all;
  for (const auto& text : texts) all.push_back(member(text));
  return join(all);
}

void check_alike(const PreparedText& first, const PreparedText& other) {
  const auto refuse = [](const char* name, const std::string& expected, const std::string& got) {
    throw_value_error(kPreparedText, name, expected + " as the first", got);
  };
  if (!first.versions.is_same(other.versions))
    refuse("cat", "texts of one layer with the same weights,", "another's");
  if (first.path != other.path) refuse("path", to_string(first.path), to_string(other.path));
  if (first.key.size(2) != other.key.size(2)) {
    refuse("tokens", std::to_string(first.key.size(2)), std::to_string(other.key.size(2)));
  }
  const auto kind = [](const PreparedText& text) {
    return text.mask ? "a mask of " + dtype_text(text.mask->scalar_type()) : std::string("no mask");
  };
  if (kind(first) != kind(other)) refuse("mask", kind(first), kind(other));
}

}  // namespace

int64_t PreparedText::batch_size() const {
  return key.defined() ? key.size(0) : 0;
}

PreparedText PreparedText::select(const std::vector<int64_t>& texts) const {
  for (const auto text : texts) {
    if (text >= 0 && text < batch_size()) continue;
    throw_value_error(kPreparedText, "texts",
                      "places from 0 to " + std::to_string(batch_size() - 1), std::to_string(text));
  }
  if (!key.defined()) return *this;
  const auto index = at::tensor(texts, at::TensorOptions(at::kLong).device(key.device()));
  auto selected = *this;
  selected.key = key.index_select(0, index);
  selected.value = value.index_select(0, index);
  if (mask) selected.mask = mask->index_select(0, index);
  if (blocks)
    selected.blocks = std::make_shared<const cpu::PreparedBlocks>(cpu::select(*blocks, index));
  return selected;
}

PreparedText PreparedText::repeat_interleave(int64_t repeats) const {
  check_at_least(kPreparedText, "repeats", repeats, 1);
  std::vector<int64_t> texts;
  for (int64_t i = 0; i < batch_size() * repeats; ++i) texts.push_back(i / repeats);
  return select(texts);
}

PreparedText PreparedText::cat(const std::vector<PreparedText>& texts) {
  if (texts.empty()) throw_value_error(kPreparedText, "cat", "one text or more", "none");
  for (const auto& text : texts) check_alike(texts.front(), text);
  const auto join = [](const std::vector<at::Tensor>& tensors) { return at::cat(tensors); };
  auto joined = texts.front();
  joined.key = of_all(
      texts, [](const PreparedText& text) { return text.key; }, join);
  joined.value = of_all(
      texts, [](const PreparedText& text) { return text.value; }, join);
  if (joined.mask)
    joined.mask = of_all(
        texts, [](const PreparedText& text) { return *text.mask; }, join);
  if (joined.blocks) {
    joined.blocks = of_all(
        texts, [](const PreparedText& text) { return text.blocks; },
        [](const auto& all) { return std::make_shared<const cpu::PreparedBlocks>(cpu::cat(all)); });
  }
  return joined;
}

}  // namespace xattn
