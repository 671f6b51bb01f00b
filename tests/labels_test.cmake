# Tests that every test of ctest has a label, and that every name in cmake/test_labels.cmake is a test:
#   cmake -D ctest=CTEST -D folder=BUILD_FOLDER -P tests/labels_test.cmake
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/test_labels.cmake)

# Runs ctest in a separate folder, because it would replace the log of the ctest that runs this test.
file(WRITE ${folder}/Testing/labels/CTestTestfile.cmake "subdirs(\"${folder}\")\n")
execute_process(COMMAND ${ctest} -N -V WORKING_DIRECTORY ${folder}/Testing/labels OUTPUT_VARIABLE listed
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(Labels: [^\n]*\n)?  Test +#[0-9]+: [^\n]+" tests "${listed}")
foreach(test ${tests})
  string(REGEX REPLACE ".*: " "" name "${test}")
  if(NOT test MATCHES "^Labels")
    message(SEND_ERROR "the test ${name} has no label")
  endif()
endforeach()
if(listed MATCHES "is_not_built")
  message("Some test programs are not built, so the names are not tested.")
  return()
endif()

list(TRANSFORM tests REPLACE ".*[:/] *" "")  # names without instances
set(slow ${EMEND_SLOW_TESTS})
list(FILTER slow EXCLUDE REGEX "^[0-9]+$")
set(EMEND_slow_TESTS ${slow})
foreach(label slow ${EMEND_TEST_LABELS})
  foreach(pattern ${EMEND_${label}_TESTS})
    set(found ${tests})
    list(FILTER found INCLUDE REGEX "^${pattern}$")
    if(NOT found)
      message(SEND_ERROR "label ${label}: no test matches '${pattern}'")
    endif()
  endforeach()
endforeach()
