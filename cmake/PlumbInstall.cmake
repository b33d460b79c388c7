# `cmake --install` and find_package(plumb): the targets plumb::headers and plumb::plumb.
include(CMakePackageConfigHelpers)
install(DIRECTORY include/plumb TYPE INCLUDE)
install(DIRECTORY kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/plumb FILES_MATCHING PATTERN "*.hpp")
install(TARGETS plumb_headers plumb EXPORT plumb-targets)
install(EXPORT plumb-targets NAMESPACE plumb:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/plumb)
configure_package_config_file(cmake/plumb-config.cmake.in ${PROJECT_BINARY_DIR}/plumb-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/plumb)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/plumb-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/plumb-config.cmake ${PROJECT_BINARY_DIR}/plumb-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/plumb)
