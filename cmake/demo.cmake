# cmake -P cmake/demo.cmake
#
# Installs what a bare Debian or Ubuntu lacks, builds a release in build/demo, and runs the demo for about
# ten seconds. Fails if anything does, the demo's own checks included.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/script.cmake")

packages_install(${BUILD_PACKAGES} OPTIONAL ${BUILD_PACKAGES_OPTIONAL})
build(demo
    -DCMAKE_BUILD_TYPE=Release
    -DEVLOOP_BUILD_TESTS=OFF
    -DEVLOOP_BUILD_EXAMPLES=ON)
run("the demo" "${BUILD_DIR}/examples/evloop-demo")
