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

include(XattnFindTorch)

# LibTorch with CUDA is an error of its package, not a miss, where the CUDA toolkit is missing: such a Python's
# is not for us.
function(xattn_can_use_torch prefix result)
  find_program(XATTN_NVCC nvcc PATHS "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
  mark_as_advanced(XATTN_NVCC)
  set(${result} ON PARENT_SCOPE)
  if(NOT XATTN_NVCC AND EXISTS "${prefix}/../../lib/libtorch_cuda.so")
    message(STATUS "LibTorch in ${prefix} has CUDA and there is no CUDA toolkit: looking on")
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()

if(XATTN_WITH_TORCH AND NOT TARGET torch)
  # An activated virtual environment comes first: a cmake of another Python may hide it in PATH.
  find_program(xattn_active_python NAMES python3 python HINTS "$ENV{VIRTUAL_ENV}/bin" NO_CACHE)
  xattn_find_torch_package()
  if(NOT Torch_FOUND)
    foreach(python IN ITEMS "${XATTN_PYTHON}" "${xattn_active_python}"
                            "${CMAKE_CURRENT_SOURCE_DIR}/build/venv/bin/python")
      if(python AND NOT Torch_FOUND)
        xattn_torch_prefix_of("${python}" torch_prefix)
        if(torch_prefix)
          xattn_can_use_torch("${torch_prefix}" can_use)
        endif()
        if(torch_prefix AND can_use)
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

# LibTorch's package has every program look for MKL's libraries in /lib/intel64 and the like where there is no MKL.
if(TARGET caffe2::mkl AND NOT MKL_ROOT)
  set_property(TARGET caffe2::mkl PROPERTY INTERFACE_LINK_DIRECTORIES)
endif()

# What a parent project has found already is taken as it is.
if(NOT TARGET ZLIB::ZLIB)
  find_package(ZLIB REQUIRED)
endif()
if(NOT TARGET utf8proc::utf8proc)
  find_package(utf8proc MODULE REQUIRED)
endif()
if(NOT TARGET nlohmann_json::nlohmann_json)
  find_package(nlohmann_json 3.9 REQUIRED)
endif()
if(XATTN_WITH_TORCH)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  if(NOT TARGET PNG::PNG)
    find_package(PNG 1.6 REQUIRED)
  endif()
  if(NOT TARGET JPEG::JPEG)
    find_package(JPEG REQUIRED)
  endif()
endif()

# LibTorch bundles fmt's headers, and the copy that the compiler meets first wins. That copy is used
# everywhere, header-only, so that no other version can be linked by accident.
add_library(xattn_fmt INTERFACE)
target_compile_definitions(xattn_fmt INTERFACE FMT_HEADER_ONLY=1)
set(torch_include_dirs)
if(XATTN_WITH_TORCH)
  get_target_property(torch_include_dirs torch INTERFACE_INCLUDE_DIRECTORIES)
endif()
find_path(XATTN_FMT_INCLUDE_DIR fmt/format.h HINTS ${torch_include_dirs} NO_CACHE REQUIRED)
target_include_directories(xattn_fmt SYSTEM INTERFACE "${XATTN_FMT_INCLUDE_DIR}")

if(XATTN_BUILD_APPS AND NOT TARGET CLI11::CLI11)
  find_package(CLI11 2.1 REQUIRED)
endif()
if(XATTN_BUILD_TESTS AND NOT TARGET GTest::gtest_main)
  find_package(GTest 1.12 REQUIRED)
endif()
if(XATTN_BUILD_BENCH AND NOT TARGET benchmark::benchmark_main)
  find_package(benchmark REQUIRED)
endif()
