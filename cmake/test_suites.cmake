# emend_test_suites(TARGET): each GoogleTest suite of the binary is one test of ctest's, found when
# ctest runs. A process for each test case would spend more time loading LibTorch than testing.
function(emend_test_suites target)
  set(include ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
  file(GENERATE OUTPUT ${include} CONTENT
    "set(binary \"$<TARGET_FILE:${target}>\")\ninclude(\"${PROJECT_SOURCE_DIR}/cmake/list_suites.cmake\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include})
endfunction()
