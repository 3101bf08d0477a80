# A program from outside is built with find_package(evloop), shared, static and as it comes, and runs.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

foreach(kind shared static any)
    set(build "${WORK_DIR}/find-package-${kind}")
    file(REMOVE_RECURSE "${build}")
    run(${CMAKE_COMMAND} -S "${OUTSIDE}" -B "${build}" ${BUILD_ARGUMENTS}
        -DCMAKE_PREFIX_PATH=${PREFIX} -DEVLOOP_VERSION=${VERSION} -DKIND=${kind})
    run(${CMAKE_COMMAND} --build "${build}" --config Release)
    run("${build}/bin/outside")
endforeach()

# The shared library is what comes without asking; the static one leaves no trace of the shared one.
foreach(kind shared static any)
    file(STRINGS "${WORK_DIR}/find-package-${kind}/bin/outside" needed REGEX "libevloop\\.(so|[0-9]+\\.dylib)")
    if(kind STREQUAL "static")
        if(needed)
            message(FATAL_ERROR "COMPONENTS static linked the shared library")
        endif()
    elseif(NOT needed)
        message(FATAL_ERROR "${kind}: not linked with the shared library")
    endif()
endforeach()
