# What `cmake --install` puts where. Everything that is installed can be moved with its prefix.

include(CMakePackageConfigHelpers)

if(NOT EVLOOP_INSTALL)
    return()
endif()

install(FILES include/evloop.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY include/evloop DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

set(cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/evloop")
foreach(kind static shared)
    if(TARGET evloop_${kind})
        install(TARGETS evloop_${kind} EXPORT evloop-${kind}
            ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
            LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
            RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
        install(EXPORT evloop-${kind} NAMESPACE evloop:: FILE evloop-${kind}.cmake
            DESTINATION "${cmake_dir}")
    endif()
endforeach()

configure_package_config_file(cmake/evloopConfig.cmake.in "${PROJECT_BINARY_DIR}/evloopConfig.cmake"
    INSTALL_DESTINATION "${cmake_dir}")
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
else()
    set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/evloopConfigVersion.cmake"
    COMPATIBILITY ${compatibility})
install(FILES
    "${PROJECT_BINARY_DIR}/evloopConfig.cmake"
    "${PROJECT_BINARY_DIR}/evloopConfigVersion.cmake"
    DESTINATION "${cmake_dir}")
if(EVLOOP_HAVE_LIBURING)
    install(FILES cmake/FindLiburing.cmake DESTINATION "${cmake_dir}")
endif()

# The .pc file finds its prefix from where it lies, unless a distribution pins absolute directories.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/prefix/${pc_dir}" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# Named as a library, not as a package: one that is required, be it in private, has to be installed wherever
# evloop's flags are asked for, and the shared library's users need none of it.
set(pc_libs_private "")
if(EVLOOP_HAVE_LIBURING)
    foreach(dir IN LISTS PC_LIBURING_LIBRARY_DIRS)
        string(APPEND pc_libs_private " -L${dir}")
    endforeach()
    string(APPEND pc_libs_private " -luring")
endif()
if(NOT APPLE) # where threads are the C library's
    string(APPEND pc_libs_private " -pthread")
endif()
configure_file(cmake/evloop.pc.in "${PROJECT_BINARY_DIR}/evloop.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/evloop.pc" DESTINATION "${pc_dir}")
