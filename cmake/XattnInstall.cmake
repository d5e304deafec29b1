# Installs the library with a CMake package and a pkg-config file, and the programs with what belongs to them.
# The whole tree may be moved.
include(CMakePackageConfigHelpers)

set(xattn_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/xattn")

install(TARGETS xattn EXPORT xattn-targets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/xattn" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT xattn-targets NAMESPACE xattn:: DESTINATION "${xattn_cmake_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# The LibTorch that the library was built with is the one that its users are offered first, and no other will do.
get_filename_component(XATTN_TORCH_CMAKE_DIR "${Torch_DIR}/.." ABSOLUTE)
xattn_torch_version(XATTN_TORCH_VERSION)
get_target_property(xattn_type xattn TYPE)
string(COMPARE EQUAL "${xattn_type}" STATIC_LIBRARY XATTN_IS_STATIC)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/xattn-config.cmake.in" xattn-config.cmake
  INSTALL_DESTINATION "${xattn_cmake_dir}")
write_basic_package_version_file(xattn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/xattn-config.cmake"
              "${PROJECT_BINARY_DIR}/xattn-config-version.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/XattnFindTorch.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/Findutf8proc.cmake"
        DESTINATION "${xattn_cmake_dir}")

# Whoever links a static library links what it uses.
set(XATTN_PRIVATE ".private")
if(XATTN_IS_STATIC)
  set(XATTN_PRIVATE "")
endif()
get_filename_component(XATTN_TORCH_PREFIX "${Torch_DIR}/../../.." ABSOLUTE)
file(RELATIVE_PATH XATTN_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/xattn.pc.in" xattn.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/xattn.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# The embedded model, which the library finds from where it is itself.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/share/xattn/bada" DESTINATION "${CMAKE_INSTALL_DATADIR}/xattn")

if(XATTN_BUILD_APPS)
  install(TARGETS xattn-demo xattn-cli)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/python/" DESTINATION "${CMAKE_INSTALL_DATADIR}/xattn/python"
          FILES_MATCHING PATTERN "xattn_*.py" PATTERN "README.md"
          PATTERN "golden*" EXCLUDE PATTERN "__pycache__" EXCLUDE)
  if(TARGET xattn_manual)
    install(DIRECTORY "${PROJECT_BINARY_DIR}/share/" DESTINATION "${CMAKE_INSTALL_DATADIR}")
  endif()
endif()
