# cmake [-DONLY=<regex>] [-DROUNDS=<n>] [-DLIBUV_PREFIX=<dir>] -P cmake/bench.cmake
#
# Builds a release in build/bench and runs the benchmarks, those whose name matches ONLY, side by side with
# libuv, libev and libevent as far as they can be had. Writes build/bench/results.json, and the table as
# build/bench/results.svg. With LIBUV_PREFIX, the libuv that is installed there is the opponent.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/script.cmake")

packages_install(${BUILD_PACKAGES} OPTIONAL ${BUILD_PACKAGES_OPTIONAL} libuv1-dev libev-dev libevent-dev valgrind)
build(bench
    -DCMAKE_BUILD_TYPE=Release
    -DEVLOOP_BUILD_TESTS=OFF
    -DEVLOOP_BUILD_EXAMPLES=OFF
    -DEVLOOP_BUILD_BENCH=ON
    "-DLIBUV_PREFIX=${LIBUV_PREFIX}")

set(arguments --json "${BUILD_DIR}/results.json" --svg "${BUILD_DIR}/results.svg")
if(ONLY)
    list(APPEND arguments --only "${ONLY}")
endif()
if(ROUNDS)
    list(APPEND arguments --rounds "${ROUNDS}")
endif()
run("the benchmark" "${BUILD_DIR}/bench/evloop-bench" ${arguments})
