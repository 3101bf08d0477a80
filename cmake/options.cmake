# What can be chosen at configure time, and the compiler flags that follow from it. They hold for this
# project's own targets only: none of them reaches a program that uses evloop.

if(CMAKE_SOURCE_DIR STREQUAL PROJECT_SOURCE_DIR)
    set(top_level ON)
else()
    set(top_level OFF)
endif()

option(EVLOOP_BUILD_STATIC "Build the static library" ON)
option(EVLOOP_BUILD_SHARED "Build the shared library" ON)
option(EVLOOP_BUILD_TESTS "Build the tests (needs cmocka)" ${top_level})
option(EVLOOP_BUILD_EXAMPLES "Build the examples and the demo" ${top_level})
option(EVLOOP_BUILD_BENCH "Build the benchmarks" OFF)
option(EVLOOP_INSTALL "Generate the install rules" ${top_level})
option(EVLOOP_WERROR "Treat warnings as errors" OFF)
set(EVLOOP_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
set(EVLOOP_WITH_LIBURING AUTO CACHE STRING "The io_uring backend: AUTO (where liburing is found), ON or OFF")
set_property(CACHE EVLOOP_WITH_LIBURING PROPERTY STRINGS AUTO ON OFF)
# ON: with all that kqueue offers anywhere; LEAST: with what every system's offers.
set(EVLOOP_TEST_KQUEUE OFF CACHE STRING
    "For the tests, on Linux: kqueue is the only backend, over an implementation of the tests': OFF, ON or LEAST")
set_property(CACHE EVLOOP_TEST_KQUEUE PROPERTY STRINGS OFF ON LEAST)

if(EVLOOP_TEST_KQUEUE)
    # Nobody is to use it.
    set(EVLOOP_BUILD_SHARED OFF)
    set(EVLOOP_INSTALL OFF)
endif()
if(NOT EVLOOP_BUILD_STATIC AND NOT EVLOOP_BUILD_SHARED)
    message(FATAL_ERROR "EVLOOP_BUILD_STATIC and EVLOOP_BUILD_SHARED are both OFF: nothing to build")
endif()
foreach(part TESTS EXAMPLES)
    if(EVLOOP_BUILD_${part} AND NOT EVLOOP_BUILD_STATIC)
        message(FATAL_ERROR "tests and demo link the static library: with EVLOOP_BUILD_STATIC=OFF, "
            "EVLOOP_BUILD_TESTS and EVLOOP_BUILD_EXAMPLES must be OFF too")
    endif()
endforeach()

string(TOUPPER "${EVLOOP_WITH_LIBURING}" with_liburing)
if(NOT with_liburing MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "EVLOOP_WITH_LIBURING is \"${EVLOOP_WITH_LIBURING}\": choose AUTO, ON or OFF")
endif()

# Who builds without saying how wants a library to use, not one to debug.
get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(top_level AND NOT multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(EVLOOP_WERROR)
    add_compile_options(-Werror)
endif()
if(EVLOOP_SANITIZE)
    add_compile_options(-fsanitize=${EVLOOP_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer -g)
    add_link_options(-fsanitize=${EVLOOP_SANITIZE})
endif()
