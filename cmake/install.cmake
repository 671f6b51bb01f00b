# `cmake --install build --prefix DIR` installs the program with the bundled model, and the library with
# its headers and a CMake package (find_package(emend), target emend::emend). `cpack` in build/ writes
# two Debian packages: emend and emend-dev.
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/emend)

install(TARGETS emend RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT emend)
install(DIRECTORY models/scenes-blip2 DESTINATION ${CMAKE_INSTALL_DATADIR}/emend/models COMPONENT emend)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT emend)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT emend)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs COMPONENT emend)

set(libraries serving exports evaluation editing suites models nn text io)  # in the order of linking
list(TRANSFORM libraries PREPEND emend_ OUTPUT_VARIABLE targets)
install(TARGETS ${targets} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/emend COMPONENT dev
  FILES_MATCHING PATTERN "*.h" PATTERN cli EXCLUDE PATTERN testing EXCLUDE PATTERN testdata EXCLUDE)

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/emend-config.cmake.in ${CMAKE_BINARY_DIR}/emend-config.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/emend-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/emend-config.cmake ${CMAKE_BINARY_DIR}/emend-config-version.cmake
  DESTINATION ${package_dir} COMPONENT dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The emend authors <maintainers@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL emend dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_EMEND_PACKAGE_NAME emend)
set(CPACK_DEBIAN_EMEND_DESCRIPTION "Editor of facts in vision-language models\n emend edits what a vision-language model answers, measures the side\n effects, and saves the edit as a patch that can be removed.")
set(CPACK_DEBIAN_EMEND_PACKAGE_SHLIBDEPS ON)
# The reference BLAS that apt would choose is 10 to 30 times slower.
set(CPACK_DEBIAN_EMEND_PACKAGE_DEPENDS libopenblas0-pthread)
set(CPACK_DEBIAN_EMEND_PACKAGE_SECTION science)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME emend-dev)
set(CPACK_DEBIAN_DEV_DESCRIPTION "Headers and static libraries of emend\n The C++ library of emend with its CMake package.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libtorch-dev, nlohmann-json3-dev, libfmt-dev, libspdlog-dev, libjpeg62-turbo-dev, libpng-dev, libwebp-dev, libpcre2-dev, libutf8proc-dev, libhwy-dev, libxxhash-dev, libyaml-cpp-dev, libcpp-httplib-dev, pkg-config")
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
include(CPack)
