# liburing, with pkg-config's help or without: the target Liburing::liburing, and Liburing_VERSION where
# pkg-config knows it. Serves our build, and is installed beside evloopConfig.cmake for the programs that
# link the static library.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_LIBURING QUIET liburing)
endif()

find_path(LIBURING_INCLUDE_DIR liburing.h HINTS ${PC_LIBURING_INCLUDE_DIRS} ${PC_LIBURING_INCLUDEDIR})
find_library(LIBURING_LIBRARY uring HINTS ${PC_LIBURING_LIBRARY_DIRS} ${PC_LIBURING_LIBDIR})
mark_as_advanced(LIBURING_INCLUDE_DIR LIBURING_LIBRARY)
set(Liburing_VERSION "${PC_LIBURING_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Liburing
    REQUIRED_VARS LIBURING_LIBRARY LIBURING_INCLUDE_DIR
    VERSION_VAR Liburing_VERSION
    REASON_FAILURE_MESSAGE "(Debian: liburing-dev)")

if(Liburing_FOUND AND NOT TARGET Liburing::liburing)
    add_library(Liburing::liburing UNKNOWN IMPORTED)
    set_target_properties(Liburing::liburing PROPERTIES
        IMPORTED_LOCATION "${LIBURING_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${LIBURING_INCLUDE_DIR}")
endif()
