# `cmake --install` and find_package(plumb): the targets plumb::headers and plumb::plumb.
include(CMakePackageConfigHelpers)
set(plumb_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/plumb)
install(DIRECTORY include/plumb TYPE INCLUDE)
# The portable kernels of plumb::headers.
install(DIRECTORY kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/plumb/portable FILES_MATCHING PATTERN "*.hpp")
install(TARGETS plumb_interface plumb_headers plumb EXPORT plumb-targets)
if(PLUMB_BUILD_CLI)
  install(TARGETS plumb_cli)
endif()
install(EXPORT plumb-targets NAMESPACE plumb:: DESTINATION ${plumb_config_dir})
get_target_property(plumb_library_type plumb TYPE)
configure_package_config_file(cmake/plumb-config.cmake.in ${PROJECT_BINARY_DIR}/plumb-config.cmake
  INSTALL_DESTINATION ${plumb_config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/plumb-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/plumb-config.cmake ${PROJECT_BINARY_DIR}/plumb-config-version.cmake
  DESTINATION ${plumb_config_dir})
