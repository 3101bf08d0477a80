# cmake -P cmake/test.cmake
#
# Installs what a bare Debian or Ubuntu lacks, builds library, examples and tests in build/test with every
# assertion, and runs all tests. Fails if anything does, or if there is no test.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/script.cmake")

packages_install(${BUILD_PACKAGES} g++ libcmocka-dev spin OPTIONAL ${BUILD_PACKAGES_OPTIONAL} curl apache2-utils wrk)
build(test
    -DCMAKE_BUILD_TYPE=Debug
    -DEVLOOP_BUILD_TESTS=ON
    -DEVLOOP_BUILD_EXAMPLES=ON)

get_filename_component(bin "${CMAKE_COMMAND}" DIRECTORY)
find_program(ctest ctest HINTS "${bin}" REQUIRED)
# Some wait: a defect that is put back may let its test hang, and that is then what is waited for.
math(EXPR at_once "${JOBS} * 2")
run("the test run" "${ctest}" --test-dir "${BUILD_DIR}" --parallel ${at_once} --output-on-failure
    --no-tests=error)
