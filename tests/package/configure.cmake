# Configures xattn where the first Python has a LibTorch that cannot be used, with CUDA and no CUDA toolkit: the
# next one is taken. What LibTorch asks of its users' compiler reaches every object.
set(work "${BUILD_DIR}/configure-test")
file(REMOVE_RECURSE "${work}")

set(fake "${work}/cuda")
file(WRITE "${fake}/share/cmake/Torch/TorchConfig.cmake" "message(FATAL_ERROR \"the CUDA toolkit is missing\")\n")
file(WRITE "${fake}/lib/libtorch_cuda.so" "")
file(WRITE "${work}/bin/python-cuda" "#!/bin/sh\necho '${fake}/share/cmake'\n")
file(CHMOD "${work}/bin/python-cuda" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
file(WRITE "${work}/venv/bin/python3" "#!/bin/sh\necho '${TORCH_DIR}/..'\n")
file(CHMOD "${work}/venv/bin/python3" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
set(ENV{VIRTUAL_ENV} "${work}/venv")
unset(ENV{CMAKE_PREFIX_PATH})
unset(ENV{Torch_DIR})

execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${work}/build" -G "${GENERATOR}"
          -DXATTN_PYTHON=${work}/bin/python-cuda -DTORCH_CXX_FLAGS=-DFOR_EVERY_OBJECT
          -DXATTN_NVCC=OFF -DXATTN_BUILD_TESTS=OFF -DXATTN_BUILD_BENCH=OFF -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
  OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
if(result OR NOT output MATCHES "no CUDA toolkit: looking on")
  message(FATAL_ERROR "expected the second Python's LibTorch:\n${output}")
endif()

file(READ "${work}/build/compile_commands.json" commands)
string(JSON count LENGTH "${commands}")
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
  string(JSON command GET "${commands}" ${i} command)
  if(NOT command MATCHES "-DFOR_EVERY_OBJECT")
    message(FATAL_ERROR "LibTorch's flags are missing in: ${command}")
  endif()
endforeach()
message("${count} objects have LibTorch's flags")
