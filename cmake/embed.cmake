# emend_embed(TARGET CONSTANT FILES...): embeds the concatenated text of the files as `const char*
# const emend::CONSTANT` in TARGET.
function(emend_embed target constant)
  set(output ${CMAKE_BINARY_DIR}/embedded/${constant}.cpp)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DCONSTANT=${constant} "-DFILES=${files}"
      -P ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()

# emend_embed_files(TARGET CONSTANT HEADER FILES...): embeds the bytes of the files as the array
# `const EmbeddedFile emend::CONSTANT[]` and their number `CONSTANTCount`, which HEADER declares.
function(emend_embed_files target constant header)
  set(output ${CMAKE_BINARY_DIR}/embedded/${constant}.cpp)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DCONSTANT=${constant} -DHEADER=${header}
      "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/embed_bytes.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_bytes.cmake VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
