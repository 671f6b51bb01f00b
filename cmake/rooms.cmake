set(EMEND_WARNINGS -Wall -Wextra -Werror)

# Precompiled headers, because headers take most of the build time. There are two: one with LibTorch's
# headers, and a plain one for rooms that do not use LibTorch. (Every file pays for all precompiled
# headers, whether it uses them or not.)
function(emend_precompiled name)
  if(NOT EXISTS ${CMAKE_BINARY_DIR}/${name}.cpp)  # writing the file again would compile it again
    file(WRITE ${CMAKE_BINARY_DIR}/${name}.cpp "\n")
  endif()
  add_library(${name} STATIC ${CMAKE_BINARY_DIR}/${name}.cpp)
  # Libraries that define macros must be linked here, or the precompiled header is not used.
  target_link_libraries(${name} PUBLIC torch_headers fmt::fmt spdlog::spdlog
    nlohmann_json::nlohmann_json)
  # Without OpenMP, LibTorch's parallel_for, which is a template, runs in one thread.
  target_link_libraries(${name} PUBLIC OpenMP::OpenMP_CXX)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${name} PUBLIC EMEND_VERSION="${PROJECT_VERSION}")
  target_compile_options(${name} PRIVATE ${EMEND_WARNINGS})
  target_precompile_headers(${name} PRIVATE <nlohmann/json.hpp> <fmt/format.h> <functional> <map>
    <memory> <optional> <string> <vector> ${ARGN})
endfunction()
emend_precompiled(emend_pch <ATen/ATen.h> <torch/csrc/autograd/autograd.h>)
emend_precompiled(emend_plain_pch)

# emend_target(NAME [PLAIN]): sets emend's warnings, precompiled headers and unity builds for a target.
# In a unity build, the compiler reads EMEND_UNITY_BATCH source files of a folder at once, so that
# headers and templates are compiled once for all of them. 0 compiles every file on its own.
function(emend_target name)
  set(headers emend_pch)
  if(ARGN STREQUAL PLAIN)
    set(headers emend_plain_pch)
  endif()
  if(EMEND_UNITY_BATCH GREATER 0)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE BATCH
      UNITY_BUILD_BATCH_SIZE ${EMEND_UNITY_BATCH})
  endif()
  target_compile_options(${name} PRIVATE ${EMEND_WARNINGS})
  target_link_libraries(${name} PUBLIC ${headers})
  target_precompile_headers(${name} REUSE_FROM ${headers})
endfunction()

# emend_light(NAME): reduces the optimization of a target whose own code takes little time at run time.
# Compiling then takes a quarter less time.
function(emend_light name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# emend_kernels(FOLDER): the files of FOLDER include themselves once for each target of Highway, so they
# are compiled on their own. -O3 unrolls their loops, which keeps sums in registers; a precompiled
# header would reset it to -O2. GCC 12 warns about values in its own intrinsics that are undefined on
# purpose.
function(emend_kernels folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  set_source_files_properties(${sources} PROPERTIES
    SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON
    COMPILE_OPTIONS "-Wno-maybe-uninitialized;$<$<CONFIG:Release>:-O3>")
endfunction()

# emend_room(NAME [PLAIN] LINKS ...): makes the static library emend_NAME of src/NAME/** and the test
# program emend_NAME_test. PLAIN: no file of the room uses LibTorch.
function(emend_room name)
  cmake_parse_arguments(ROOM "PLAIN" "" "LINKS" ${ARGN})
  set(headers)
  if(ROOM_PLAIN)
    set(headers PLAIN)
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "/src/${EMEND_TEST_FILES}_test\\.cpp$")
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
  emend_target(emend_${name} ${headers})
  emend_tests(emend_${name} "${tests}" ${headers})
endfunction()

# emend_tests(LIBRARY "FILES" [PLAIN]): makes one GoogleTest binary for the library. Its suites are
# tests of ctest.
function(emend_tests library files)
  if(NOT EMEND_TESTS OR NOT files)
    return()
  endif()
  add_executable(${library}_test ${files})
  target_link_libraries(${library}_test PRIVATE ${library} GTest::gmock GTest::gtest_main)
  target_include_directories(${library}_test PRIVATE ${PROJECT_SOURCE_DIR})  # tests/tiny_vlm.h
  target_compile_definitions(${library}_test PRIVATE
    EMEND_SOURCE_DIR="${PROJECT_SOURCE_DIR}" EMEND_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared")
  emend_target(${library}_test ${ARGN})
  emend_light(${library}_test)
  emend_test_suites(${library}_test)
endfunction()
if(EMEND_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(cmake/test_suites.cmake)
endif()
