# An installed tree, which was moved: its programs start and find the embedded model, what they name is there,
# pkg-config's program links, and another LibTorch is refused.
set(FOLDER "${work}/prefix/bin")
include("${CMAKE_CURRENT_LIST_DIR}/check_run_paths.cmake")
unset(ENV{XATTN_SHARE_DIR})
set(draw xattn generate --prompt "the sea" --steps 1 --force --output "${work}/sea.png")
foreach(program IN ITEMS "xattn;--version" "xattn-demo;--embed-dim;16;--image-size;8;--pictures;${work}/pictures"
                         "${draw}")
  list(POP_FRONT program name)
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env --unset=LD_LIBRARY_PATH "${work}/prefix/bin/${name}" ${program}
                  WORKING_DIRECTORY / OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()

# It is the tree's own model that they find, and not the sources': broken, it is named.
file(RENAME "${work}/prefix/share/xattn/bada/unet" "${work}/unet")
list(POP_FRONT draw name)
execute_process(COMMAND "${work}/prefix/bin/${name}" ${draw} WORKING_DIRECTORY /
                ERROR_VARIABLE error OUTPUT_QUIET RESULT_VARIABLE result)
file(RENAME "${work}/unet" "${work}/prefix/share/xattn/bada/unet")
if(NOT result EQUAL 3 OR NOT error MATCHES "${work}/prefix/share/xattn/bada/unet")
  message(FATAL_ERROR "expected an error that names the installed model's unet, got ${result}: ${error}")
endif()

foreach(name IN ITEMS doc/xattn/LICENSE man/man1/xattn.1 man/man1/xattn-demo.1 bash-completion/completions/xattn
                      zsh/site-functions/_xattn fish/vendor_completions.d/xattn.fish
                      xattn/python/xattn_record.py xattn/python/xattn_export.py xattn/python/xattn_reference.py
                      xattn/bada/model_index.json xattn/bada/README.md)
  if(NOT EXISTS "${work}/prefix/share/${name}")
    message(FATAL_ERROR "share/${name} is not installed")
  endif()
endforeach()

# A later LibTorch, whose interface would be another.
set(other "${work}/other-torch")
file(WRITE "${other}/include/torch/version.h"
  "#define TORCH_VERSION_MAJOR 99\n#define TORCH_VERSION_MINOR 1\n#define TORCH_VERSION_PATCH 0\n")
file(WRITE "${other}/TorchConfig.cmake"
  "add_library(torch INTERFACE IMPORTED)\ntarget_include_directories(torch INTERFACE \"${other}/include\")\n")
file(WRITE "${other}/TorchConfigVersion.cmake" "set(PACKAGE_VERSION 99.1.0)\nset(PACKAGE_VERSION_COMPATIBLE ON)\n")
configure("${work}/other-build" -DCMAKE_PREFIX_PATH=${work}/prefix -DTorch_DIR=${other})
string(REGEX REPLACE "[ \n]+" " " output "${output}")
if(NOT result OR NOT output MATCHES "xattn was built with LibTorch [0-9.]+ and cannot be used with LibTorch 99.1.0")
  message(FATAL_ERROR "another LibTorch must be refused by name:\n${output}")
endif()

find_program(pkg_config pkg-config)
if(NOT pkg_config)
  message("pkg-config is not there: its program is not built")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} "${work}/prefix/lib/pkgconfig")
execute_process(COMMAND "${pkg_config}" --cflags --libs xattn
                OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND "${COMPILER}" "${CMAKE_CURRENT_LIST_DIR}/pkg_config.cpp" ${flags} -o "${work}/pkg_config"
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${work}/pkg_config" COMMAND_ERROR_IS_FATAL ANY)
