# Builds tests/package/project against xattn, installed or as a subproject, and runs it.
set(work "${BUILD_DIR}/consumer-${WAY}")
set(common -DCMAKE_CXX_COMPILER=${COMPILER})

# configure FOLDER OPTION…: its output is in `output`.
function(configure folder)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/project" -B "${folder}" -G "${GENERATOR}" ${common} ${ARGN}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  set(output "${output}" PARENT_SCOPE)
  set(result "${result}" PARENT_SCOPE)
endfunction()

if(WAY STREQUAL "installed")
  # From nothing each time: a file that is no longer installed must not help. What is installed may be moved.
  file(REMOVE_RECURSE "${work}")
  execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${work}/staged"
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(RENAME "${work}/staged" "${work}/prefix")
  # The LibTorch that xattn was built with is found through xattn's own package.
  configure("${work}/build" -DCMAKE_PREFIX_PATH=${work}/prefix -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
else()
  # The library a second time: without optimisation, that is quick.
  configure("${work}/build" -DXATTN_SOURCE_DIR=${SOURCE_DIR} -DTorch_DIR=${TORCH_DIR} -DBUILD_SHARED_LIBS=ON
            -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
            -DXATTN_UNITY_BUILD=${UNITY} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
endif()
if(result OR output MATCHES "Warning")
  message(FATAL_ERROR "configured with an error or a warning:\n${output}")
endif()
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${work}/build" COMMAND_ERROR_IS_FATAL ANY)

if(WAY STREQUAL "installed")
  include("${CMAKE_CURRENT_LIST_DIR}/check_installed.cmake")
else()
  set(FOLDER "${work}/build/xattn/src")
  include("${CMAKE_CURRENT_LIST_DIR}/check_run_paths.cmake")
endif()

set(model "${GOLDEN_DIR}/cli/simple_unet_spatial")
if(NOT EXISTS "${model}.scripted.pt")
  message("built; not run, as there is no golden data")
  return()
endif()
execute_process(
  COMMAND "${work}/build/consumer" "${model}.scripted.pt" "${model}.input.safetensors" "${model}.expected.safetensors"
  COMMAND_ERROR_IS_FATAL ANY)
