#include "xattn/pipelines/weighted_prompt.h"
#include "xattn/core/error.h"
namespace xattn {
EncodedText encode_weighted_prompt(const CLIPTokenizer&, const EncodeIds&, const std::string&, PromptSyntax) { throw ValueError("stub"); }
std::vector<EncodedText> same_length(const CLIPTokenizer&, const EncodeIds&, std::vector<EncodedText>, PromptSyntax) { throw ValueError("stub"); }
}
