# A release is built and installed as a user would do it; then the whole prefix is moved elsewhere, where
# the other tests use it. No installed file may know the place where it was built or first installed.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

set(staging "${WORK_DIR}/staging")
file(REMOVE_RECURSE "${WORK_DIR}")
run(${CMAKE_COMMAND} -S "${SOURCE_DIR}" -B "${WORK_DIR}/build" ${BUILD_ARGUMENTS}
    -DEVLOOP_BUILD_TESTS=OFF -DEVLOOP_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_LIBDIR=lib)
run(${CMAKE_COMMAND} --build "${WORK_DIR}/build" --config Release)
run(${CMAKE_COMMAND} --install "${WORK_DIR}/build" --config Release --prefix "${staging}")
file(RENAME "${staging}" "${PREFIX}")

list(TRANSFORM SHARED_LIBRARY_NAMES PREPEND lib/)
foreach(file
        include/evloop.h
        include/evloop/version.h
        lib/libevloop.a
        ${SHARED_LIBRARY_NAMES}
        lib/pkgconfig/evloop.pc
        lib/cmake/evloop/evloopConfig.cmake
        lib/cmake/evloop/evloopConfigVersion.cmake)
    if(NOT EXISTS "${PREFIX}/${file}")
        message(FATAL_ERROR "not installed: ${file}")
    endif()
endforeach()

file(GLOB_RECURSE installed RELATIVE "${PREFIX}" "${PREFIX}/*")
foreach(file IN LISTS installed)
    file(STRINGS "${PREFIX}/${file}" lines)
    foreach(place "${SOURCE_DIR}" "${staging}")
        string(FIND "${lines}" "${place}/" at)
        if(NOT at EQUAL -1)
            message(FATAL_ERROR "${file} knows ${place}")
        endif()
    endforeach()
endforeach()
