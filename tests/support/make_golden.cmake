# Makes the golden data with Python. Without a Python that has torch, tests that need them skip on a
# user's machine and fail where CI is set.
if(NOT PYTHON)
  if(DEFINED ENV{CI})
    message(FATAL_ERROR "no Python with torch: the golden data cannot be made")
  endif()
  message("SKIPPED: no Python with torch; pass -DXATTN_PYTHON=… for the tests against Python")
  return()
endif()
execute_process(
  COMMAND "${PYTHON}" "${SOURCE_DIR}/python/golden/make.py" --out "${OUT}" COMMAND_ERROR_IS_FATAL ANY)
