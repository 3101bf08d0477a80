# Sets up evloop_cmocka, which every test links.
#
# EVLOOP_CMOCKA_HEADER: for another machine, for which there is no cmocka: its header alone. The tests are
# then compiled and linked, and cannot run.

set(EVLOOP_CMOCKA_HEADER "" CACHE FILEPATH "cmocka.h: the tests are compiled and linked without cmocka, and cannot run")
add_library(evloop_cmocka INTERFACE)

if(EVLOOP_CMOCKA_HEADER)
    set(dir "${CMAKE_CURRENT_BINARY_DIR}/cmocka")
    configure_file("${EVLOOP_CMOCKA_HEADER}" "${dir}/cmocka.h" COPYONLY)
    set(text "")
    foreach(name
        _assert_in_range _assert_int_equal _assert_int_not_equal _assert_memory_equal
        _assert_memory_not_equal _assert_string_equal _assert_string_not_equal _assert_true
        _cmocka_run_group_tests _fail _skip cmocka_set_test_filter print_error)
        string(APPEND text "void ${name}(void);\nvoid ${name}(void)\n{\n}\n")
    endforeach()
    file(CONFIGURE OUTPUT "${dir}/stand_in.c" CONTENT "${text}" @ONLY)
    add_library(evloop_cmocka_stand_in STATIC "${dir}/stand_in.c")
    target_include_directories(evloop_cmocka SYSTEM INTERFACE "${dir}")
    target_link_libraries(evloop_cmocka INTERFACE evloop_cmocka_stand_in)
    return()
endif()

find_package(PkgConfig)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
endif()
if(NOT TARGET PkgConfig::cmocka)
    message(FATAL_ERROR "the tests need pkg-config and cmocka (Debian: pkg-config libcmocka-dev; "
        "Homebrew: pkgconf cmocka): install them, or configure with -DEVLOOP_BUILD_TESTS=OFF")
endif()
target_link_libraries(evloop_cmocka INTERFACE PkgConfig::cmocka)
