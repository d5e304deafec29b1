#include "xattn/text/prompt_syntax.h"

#include "core/text.h"
#include "xattn/core/error.h"

namespace xattn {

PromptSyntax prompt_syntax_from_name(std::string_view name) {
  if (name == "plain") return PromptSyntax::kPlain;
  if (name == "a1111") return PromptSyntax::kA1111;
  if (name == "compel") return PromptSyntax::kCompel;
  throw ValueError(cat("[PromptSyntax] name: expected plain, a1111 or compel, got ", quote(name)));
}

}  // namespace xattn
