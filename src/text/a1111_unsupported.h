#pragma once

#include <string_view>

namespace xattn::text {

/// Throws `ValueError` for a1111's syntax that one text for all steps cannot say, where a prompt
/// certainly means it: `[from:to:when]`, `[to:when]`, `[one|other]`, `AND`, `<lora:name:weight>`.
///
/// Brackets and colons that the original's grammar takes for text are let through.
void refuse_unsupported_a1111(std::string_view place, std::string_view prompt);

}  // namespace xattn::text
