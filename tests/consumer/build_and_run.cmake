# Builds tests/consumer/project against xattn, installed or as a subproject, and runs it.
set(work "${BUILD_DIR}/consumer-${WAY}")
set(options -DTorch_DIR=${TORCH_DIR} -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
if(WAY STREQUAL "installed")
  # From nothing each time: a file that is no longer installed must not help.
  file(REMOVE_RECURSE "${work}")
  execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${work}/prefix"
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  # The LibTorch that xattn was built with is found through xattn's own package.
  set(options -DCMAKE_PREFIX_PATH=${work}/prefix -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
else()
  list(APPEND options -DXATTN_SOURCE_DIR=${SOURCE_DIR})
endif()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/project" -B "${work}/build" -G "${GENERATOR}" ${options}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${work}/build" COMMAND_ERROR_IS_FATAL ANY)

set(model "${GOLDEN_DIR}/cli/simple_unet_spatial")
if(NOT EXISTS "${model}.scripted.pt")
  message("built; not run, as there is no golden data")
  return()
endif()
execute_process(
  COMMAND "${work}/build/consumer" "${model}.scripted.pt" "${model}.input.safetensors" "${model}.expected.safetensors"
  COMMAND_ERROR_IS_FATAL ANY)
