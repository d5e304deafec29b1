# Makes the golden data of one area with diffusers and transformers. Without them, tests that need the data
# skip on a user's machine and fail where CI is set.
if(PYTHON)
  execute_process(COMMAND "${PYTHON}" "${SOURCE_DIR}/python/golden_models/make.py" ${AREA} --out "${OUT}/${AREA}"
                  RESULT_VARIABLE failed)
else()
  set(failed 3)
endif()
if(failed EQUAL 3 AND NOT DEFINED ENV{CI})
  message("SKIPPED: no Python with torch, diffusers and transformers; see python/requirements.txt")
elseif(failed)
  message(FATAL_ERROR "the golden data of ${AREA} cannot be made")
endif()
