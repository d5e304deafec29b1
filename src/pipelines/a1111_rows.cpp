// How the original cuts a prompt into rows: a row that is full ends after its last comma, if that
// is near, and what follows the comma begins the next row.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "pipelines/token_rows.h"

namespace xattn {
namespace {

// The original's option `comma_padding_backtrack`.
constexpr size_t kCommaBacktrack = 20;

class RowsOfA1111 {
 public:
  explicit RowsOfA1111(const CLIPTokenizer& tokenizer)
      : tokenizer_(tokenizer),
        length_(static_cast<size_t>(tokens_per_row(tokenizer))),
        comma_(tokenizer.token_to_id(",</w>")) {}

  void add(const PromptFragment& fragment) {
    if (fragment.is_break) {
      end_row();
      return;
    }
    for (const auto id : ids_alone(tokenizer_, fragment.text)) {
      if (comma_ && id == *comma_) {
        last_comma_ = row_.ids.size();
      } else if (row_.ids.size() == length_ && last_comma_ &&
                 length_ - *last_comma_ <= kCommaBacktrack) {
        end_row_after_comma();
      }
      if (row_.ids.size() == length_) end_row();
      row_.ids.push_back(id);
      row_.weights.push_back(fragment.weight);
    }
  }

  std::vector<TokenRow> rows() {
    if (!row_.ids.empty() || rows_.empty()) end_row();
    return std::move(rows_);
  }

 private:
  void end_row() {
    const auto eos = tokenizer_.eos_token_id(), pad = tokenizer_.pad_token_id();
    row_.ids.insert(row_.ids.begin(), tokenizer_.bos_token_id());
    row_.ids.resize(length_ + 2, eos);
    if (pad != eos) {
      // After the first eos, which the text may hold itself.
      const auto end = std::find(row_.ids.begin(), row_.ids.end(), eos);
      std::fill(std::next(end), row_.ids.end(), pad);
    }
    row_.weights.insert(row_.weights.begin(), 1);
    row_.weights.resize(length_ + 2, 1);
    rows_.push_back(std::exchange(row_, {}));
    last_comma_.reset();
  }

  void end_row_after_comma() {
    const auto cut = static_cast<std::ptrdiff_t>(*last_comma_ + 1);
    TokenRow rest{{row_.ids.begin() + cut, row_.ids.end()},
                  {row_.weights.begin() + cut, row_.weights.end()}};
    row_.ids.erase(row_.ids.begin() + cut, row_.ids.end());
    row_.weights.erase(row_.weights.begin() + cut, row_.weights.end());
    end_row();
    row_ = std::move(rest);
  }

  const CLIPTokenizer& tokenizer_;
  size_t length_;
  std::optional<int64_t> comma_;
  TokenRow row_;
  // Of the row's text, without bos.
  std::optional<size_t> last_comma_;
  std::vector<TokenRow> rows_;
};

}  // namespace

std::vector<TokenRow> a1111_rows(const CLIPTokenizer& tokenizer,
                                 const std::vector<PromptFragment>& fragments) {
  RowsOfA1111 rows(tokenizer);
  for (const auto& fragment : fragments) rows.add(fragment);
  return rows.rows();
}

}  // namespace xattn
