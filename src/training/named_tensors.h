#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "xattn/io/state_dict.h"

namespace xattn {

/// "float32 [4, 3]", as errors say it.
std::string tensor_text(const at::Tensor& tensor);

/// Throws a `StateDictError` "[place] …" that names the first ten problems and the number of the
/// rest.
[[noreturn]] void throw_problems(std::string_view place, std::vector<std::string> problems);

/// Copies tensors into those of the same name: all or, where one does not fit, none.
///
/// Throws: `StateDictError` for names that are missing or unexpected, and for other shapes and
/// dtypes.
void copy_named_tensors(std::string_view place, const StateDict& into, const StateDict& tensors);

}  // namespace xattn
