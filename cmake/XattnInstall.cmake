# Installs the library with a CMake package and a pkg-config file, both of which may be moved.
include(CMakePackageConfigHelpers)

set(xattn_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/xattn")

install(TARGETS xattn EXPORT xattn-targets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/xattn" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT xattn-targets NAMESPACE xattn:: DESTINATION "${xattn_cmake_dir}")
if(XATTN_BUILD_APPS)
  install(TARGETS xattn-demo xattn-cli)
endif()

# The LibTorch that the library was built with is the one that its users are offered first.
get_filename_component(XATTN_TORCH_CMAKE_DIR "${Torch_DIR}/.." ABSOLUTE)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/xattn-config.cmake.in" xattn-config.cmake
  INSTALL_DESTINATION "${xattn_cmake_dir}")
write_basic_package_version_file(xattn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/xattn-config.cmake"
              "${PROJECT_BINARY_DIR}/xattn-config-version.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/Findutf8proc.cmake"
        DESTINATION "${xattn_cmake_dir}")

get_filename_component(XATTN_TORCH_PREFIX "${Torch_DIR}/../../.." ABSOLUTE)
configure_file("${PROJECT_SOURCE_DIR}/cmake/xattn.pc.in" xattn.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/xattn.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
