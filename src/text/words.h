#pragma once

#include <functional>
#include <string_view>

namespace xattn::text {

/// Calls `take` with each word of a normalised text: the matches of
///
///     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
///
/// of which GPT-2's expression, the original's second, splits only the two special tokens.
void for_each_word(std::string_view text, const std::function<void(std::string_view)>& take);

}  // namespace xattn::text
