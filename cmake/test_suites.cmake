include(cmake/test_labels.cmake)

# emend_test_suites(TARGET): makes each GoogleTest suite of the binary a test of ctest. The suites
# are listed when ctest runs. A process for each test case would spend more time on loading LibTorch
# than on testing.
function(emend_test_suites target)
  set(include ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
  file(GENERATE OUTPUT ${include} CONTENT
    "set(binary \"$<TARGET_FILE:${target}>\")\ninclude(\"${PROJECT_SOURCE_DIR}/cmake/list_suites.cmake\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include})
endfunction()
