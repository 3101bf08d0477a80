# A program from outside has evloop's sources in its own build, by add_subdirectory(), and runs.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

set(build "${WORK_DIR}-subproject")
file(REMOVE_RECURSE "${build}")
run(${CMAKE_COMMAND} -S "${OUTSIDE}" -B "${build}" ${BUILD_ARGUMENTS} -DEVLOOP_SOURCE=${SOURCE_DIR})
run(${CMAKE_COMMAND} --build "${build}" --config Release)
run("${build}/bin/outside")
