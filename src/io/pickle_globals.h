#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xattn::io {

/// What the reader does when a pickle calls a name. Nothing here runs code of the file.
enum class GlobalAction : std::uint8_t {
  kInert,        ///< A name that is only passed on: a dtype, a storage class.
  kRecord,       ///< A call that is kept with its arguments: a tensor, a device, a complex number.
  kDict,         ///< Makes a dict, empty or of its argument: OrderedDict, Counter.
  kList,         ///< Makes a list of its argument: set, list.
  kFirst,        ///< Gives its first argument back: TorchScript's type tags, torch.Size.
  kScriptClass,  ///< A class of a TorchScript archive, an inert record of attributes.
};

/// What a pickle's global may do, or nothing where it is not on the list of what is allowed.
///
/// `torchscript`: names that begin with `__torch__` are classes of the archive.
std::optional<GlobalAction> find_global(std::string_view full_name, bool torchscript);

/// Why a global is refused and what to do, for the error message.
std::string advice_for_global(std::string_view full_name);

}  // namespace xattn::io
