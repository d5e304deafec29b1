# Everything that xattn is built from. LibTorch is looked for in this order: what the user passes
# (CMAKE_PREFIX_PATH or Torch_DIR), the torch of the active Python, the virtual environment that `./x`
# keeps in build/venv.

# A parent project that adds xattn as a subdirectory links these targets too, so it must see them.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

# The Python that makes the tests' golden data: it needs torch, and tests skip without it.
set(XATTN_PYTHON "" CACHE FILEPATH "Python interpreter with torch (default: the one whose torch is used)")

function(xattn_torch_prefix_of python result)
  execute_process(
    COMMAND "${python}" -c "import torch; print(torch.utils.cmake_prefix_path)"
    OUTPUT_VARIABLE prefix ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    set(prefix "")
  endif()
  set(${result} "${prefix}" PARENT_SCOPE)
endfunction()

# TorchConfig warns on every configure that the optional kineto is missing; only that is silenced.
macro(xattn_find_torch_package)
  set(xattn_message_level "${CMAKE_MESSAGE_LOG_LEVEL}")
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  find_package(Torch 2.5 QUIET ${ARGN})
  set(CMAKE_MESSAGE_LOG_LEVEL "${xattn_message_level}")
endmacro()

if(NOT TARGET torch)
  # An activated virtual environment comes first: a cmake of another Python may hide it in PATH.
  find_program(xattn_active_python NAMES python3 python HINTS "$ENV{VIRTUAL_ENV}/bin" NO_CACHE)
  xattn_find_torch_package()
  if(NOT Torch_FOUND)
    foreach(python IN ITEMS "${XATTN_PYTHON}" "${xattn_active_python}"
                            "${CMAKE_CURRENT_SOURCE_DIR}/build/venv/bin/python")
      if(python AND NOT Torch_FOUND)
        xattn_torch_prefix_of("${python}" torch_prefix)
        if(torch_prefix)
          xattn_find_torch_package(PATHS "${torch_prefix}" NO_DEFAULT_PATH)
        endif()
      endif()
    endforeach()
  endif()
  if(NOT Torch_FOUND)
    message(FATAL_ERROR "LibTorch not found. Pass -DCMAKE_PREFIX_PATH=/path/to/libtorch, or run "
                        "`pip install torch==2.13.0`, or let `./x build` set up a private copy.")
  endif()
endif()

if(NOT XATTN_PYTHON)
  foreach(python IN ITEMS "${xattn_active_python}" "${CMAKE_CURRENT_SOURCE_DIR}/build/venv/bin/python")
    if(python AND NOT XATTN_PYTHON)
      xattn_torch_prefix_of("${python}" torch_prefix)
      if(torch_prefix)
        set(XATTN_PYTHON "${python}" CACHE FILEPATH "" FORCE)
      endif()
    endif()
  endforeach()
endif()

find_package(ZLIB REQUIRED)
find_package(utf8proc MODULE REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(nlohmann_json 3.9 REQUIRED)

# LibTorch bundles fmt's headers, and the copy that the compiler meets first wins. That copy is used
# everywhere, header-only, so that no other version can be linked by accident.
add_library(xattn_fmt INTERFACE)
target_compile_definitions(xattn_fmt INTERFACE FMT_HEADER_ONLY=1)
get_target_property(torch_include_dirs torch INTERFACE_INCLUDE_DIRECTORIES)
find_path(XATTN_FMT_INCLUDE_DIR fmt/format.h HINTS ${torch_include_dirs} NO_CACHE REQUIRED)
target_include_directories(xattn_fmt SYSTEM INTERFACE "${XATTN_FMT_INCLUDE_DIR}")

if(XATTN_BUILD_APPS)
  find_package(CLI11 2.1 REQUIRED)
endif()
if(XATTN_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(XATTN_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
