set(EMEND_WARNINGS -Wall -Wextra -Werror)

# One precompiled header of LibTorch for every room: torch's headers are most of the build time.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp "\n")
add_library(emend_pch STATIC ${CMAKE_BINARY_DIR}/pch.cpp)
# What defines macros must be known here already, or the precompiled header is not used.
target_link_libraries(emend_pch PUBLIC torch_headers fmt::fmt spdlog::spdlog
  nlohmann_json::nlohmann_json)
# Without it LibTorch's parallel_for, a template, is a loop in one thread.
target_link_libraries(emend_pch PUBLIC OpenMP::OpenMP_CXX)
target_include_directories(emend_pch PUBLIC ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(emend_pch PUBLIC EMEND_VERSION="${PROJECT_VERSION}")
target_compile_options(emend_pch PRIVATE ${EMEND_WARNINGS})
target_precompile_headers(emend_pch PRIVATE <ATen/ATen.h> <torch/csrc/autograd/autograd.h>
  <nlohmann/json.hpp> <fmt/format.h> <functional> <map> <memory> <optional> <string> <vector>)

# emend_target(NAME): our warnings, our precompiled header.
function(emend_target name)
  target_compile_options(${name} PRIVATE ${EMEND_WARNINGS})
  target_link_libraries(${name} PUBLIC emend_pch)
  target_precompile_headers(${name} REUSE_FROM emend_pch)
endfunction()

# emend_room(NAME LINKS ...): static library emend_NAME of src/NAME/**, and its tests emend_NAME_test.
function(emend_room name)
  cmake_parse_arguments(ROOM "" "" "LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}_empty.cpp "\n")
    set(sources ${CMAKE_BINARY_DIR}/${name}_empty.cpp)
  endif()
  add_library(emend_${name} STATIC ${sources})
  foreach(link ${ROOM_LINKS})
    if(TARGET ${link}_dep)
      target_link_libraries(emend_${name} PUBLIC ${link}_dep)
    elseif(NOT link STREQUAL torch)
      target_link_libraries(emend_${name} PUBLIC ${link})
    endif()
  endforeach()
  emend_target(emend_${name})
  emend_tests(emend_${name} ${tests})
endfunction()

# emend_tests(LIBRARY FILES...): one GoogleTest binary beside the library, its cases known to ctest.
function(emend_tests library)
  if(NOT EMEND_TESTS OR NOT ARGN)
    return()
  endif()
  add_executable(${library}_test ${ARGN})
  target_link_libraries(${library}_test PRIVATE ${library} GTest::gmock GTest::gtest_main)
  target_include_directories(${library}_test PRIVATE ${PROJECT_SOURCE_DIR})  # tests/tiny_vlm.h
  target_compile_definitions(${library}_test PRIVATE
    EMEND_SOURCE_DIR="${PROJECT_SOURCE_DIR}" EMEND_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared")
  emend_target(${library}_test)
  # What is tested runs at full speed; its tests are compiled in two thirds of the time.
  target_compile_options(${library}_test PRIVATE $<$<CONFIG:Release>:-O1>)
  gtest_discover_tests(${library}_test DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600)
endfunction()
if(EMEND_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
