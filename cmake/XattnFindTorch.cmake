# Finds LibTorch's package, for xattn's own build and for its package.

# TorchConfig warns on every configure that the optional kineto is missing; only that is silenced.
macro(xattn_find_torch_package)
  set(xattn_message_level "${CMAKE_MESSAGE_LOG_LEVEL}")
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  find_package(Torch 2.5 QUIET ${ARGN})
  set(CMAKE_MESSAGE_LOG_LEVEL "${xattn_message_level}")
endmacro()

# The version of the target `torch`, whoever found it.
function(xattn_torch_version result)
  get_target_property(folders torch INTERFACE_INCLUDE_DIRECTORIES)
  find_file(header NAMES torch/headeronly/version.h torch/version.h PATHS ${folders} NO_DEFAULT_PATH NO_CACHE REQUIRED)
  file(STRINGS "${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX REPLACE "[^0-9]+" "." version "${lines}")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${version}")
  set(${result} "${version}" PARENT_SCOPE)
endfunction()
