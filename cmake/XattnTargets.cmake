# How every target here is compiled, and the one precompiled header.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(XATTN_CCACHE ccache)
  if(XATTN_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${XATTN_CCACHE}")
  endif()
endif()

# Compile settings of all our targets; nothing of it reaches a user of xattn::xattn.
add_library(xattn_compile_settings INTERFACE)
target_compile_features(xattn_compile_settings INTERFACE cxx_std_20)
target_compile_options(xattn_compile_settings INTERFACE
  -Wall -Wextra -Wno-unused-parameter
  # g++ 12 sees overlaps and overflows in std::string's own operator+ (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds>)
if(XATTN_WARNINGS_AS_ERRORS)
  target_compile_options(xattn_compile_settings INTERFACE -Werror)
endif()
if(XATTN_SANITIZE)
  target_compile_options(xattn_compile_settings INTERFACE
    -fsanitize=${XATTN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(xattn_compile_settings INTERFACE -fsanitize=${XATTN_SANITIZE})
  # g++ says of fences in LibTorch's headers that ThreadSanitizer does not see them.
  if(XATTN_SANITIZE MATCHES "thread")
    target_compile_options(xattn_compile_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
target_link_libraries(xattn_compile_settings INTERFACE xattn_fmt)
if(XATTN_WITH_TORCH)
  # Such as LibTorch's ABI of std::string, which what knows no torch must have too.
  target_compile_options(xattn_compile_settings INTERFACE $<TARGET_PROPERTY:torch,INTERFACE_COMPILE_OPTIONS>)
  # Without OpenMP where it is called, at::parallel_for runs on one thread; flags are alike everywhere, for the
  # precompiled header's sake.
  separate_arguments(xattn_openmp_flags NATIVE_COMMAND "${OpenMP_CXX_FLAGS}")
  target_compile_options(xattn_compile_settings INTERFACE ${xattn_openmp_flags})
endif()

# Where our programs look for shared libraries: beside themselves, as in a package, then where each was when
# it was linked. Build and install trees have the same, because CMake ends a path that it is to
# change with an empty entry, which is the working directory.
file(RELATIVE_PATH xattn_lib_from_bin "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set(xattn_run_path "$ORIGIN/${xattn_lib_from_bin}" ${CMAKE_INSTALL_RPATH})
if(XATTN_WITH_TORCH)
  # By name, for CMake leaves out what lies in the project's own folder, as build/venv does.
  list(APPEND xattn_run_path "$<TARGET_FILE_DIR:c10>")
endif()

# All objects are compiled with the same -fPIC, because g++ drops a precompiled header, without a word,
# when flags differ; CMake would give libraries -fPIC and programs -fPIE.
function(xattn_compile_like_a_module target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:xattn_compile_settings>)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "${xattn_run_path}" INSTALL_RPATH_USE_LINK_PATH ON)
  target_compile_options(${target} PRIVATE -fPIC)
endfunction()

# Several sources are compiled as one where XATTN_UNITY_BUILD says so: LibTorch's headers cost the most of each. So
# what is in an unnamed namespace has a name of its own in its target. Forty stay below 2 GiB of memory; with
# sanitizers, which compile slowly and only some targets, twelve keep all cores busy.
function(xattn_build_in_unity)
  set(batch 40)
  if(XATTN_SANITIZE)
    set(batch 12)
  endif()
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ${XATTN_UNITY_BUILD}
    UNITY_BUILD_BATCH_SIZE ${batch})
endfunction()

# For what calls the library and computes little itself, and is compiled more often than it is run.
function(xattn_optimise_little target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# For targets that include LibTorch's module headers.
function(xattn_use_torch_headers target)
  target_link_libraries(${target} PRIVATE torch)
  if(XATTN_PRECOMPILE_HEADERS)
    target_precompile_headers(${target} REUSE_FROM xattn_pch)
    target_compile_options(${target} PRIVATE -Winvalid-pch -Werror=invalid-pch)
  endif()
endfunction()

if(XATTN_PRECOMPILE_HEADERS)
  file(CONFIGURE OUTPUT xattn_pch.cpp CONTENT "")
  add_library(xattn_pch OBJECT EXCLUDE_FROM_ALL "${CMAKE_CURRENT_BINARY_DIR}/xattn_pch.cpp")
  xattn_compile_like_a_module(xattn_pch)
  target_link_libraries(xattn_pch PRIVATE torch)
  # -fpch-preprocess lets ccache see through the header.
  target_compile_options(xattn_pch PRIVATE -Winvalid-pch -Werror=invalid-pch)
  target_precompile_headers(xattn_pch PRIVATE
    <torch/nn/cloneable.h>
    <torch/nn/modules/conv.h>
    <torch/nn/modules/linear.h>)
endif()
