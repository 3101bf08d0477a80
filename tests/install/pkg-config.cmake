# A program from outside is built with what pkg-config says, shared and static, and runs.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

set(ENV{PKG_CONFIG_PATH} "${PREFIX}/lib/pkgconfig")

capture(version "${PKG_CONFIG}" --modversion evloop)
if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "evloop.pc says ${version}, not ${VERSION}")
endif()

capture(cflags "${PKG_CONFIG}" --cflags evloop)
capture(libs "${PKG_CONFIG}" --libs evloop)
capture(libs_static "${PKG_CONFIG}" --static --libs evloop)
separate_arguments(cflags UNIX_COMMAND "${cflags}")
separate_arguments(libs UNIX_COMMAND "${libs}")
separate_arguments(libs_static UNIX_COMMAND "${libs_static}")

set(program "${WORK_DIR}/pkg-config")
run("${C_COMPILER}" ${cflags} "${OUTSIDE}/outside.c" -o "${program}-shared" ${libs}
    "-Wl,-rpath,${PREFIX}/lib")
run("${program}-shared")

# Without an rpath: it would not start if it had been linked with the shared library. What evloop itself
# needs may be there as a shared library only.
list(TRANSFORM libs_static REPLACE "^-levloop$" "${PREFIX}/lib/libevloop.a")
run("${C_COMPILER}" ${cflags} "${OUTSIDE}/outside.c" -o "${program}-static" ${libs_static})
run("${program}-static")
