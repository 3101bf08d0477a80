# Both libraries show the functions that the headers declare: each of them, and nothing else.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

file(GLOB_RECURSE headers "${PREFIX}/include/*.h")
set(declared "")
foreach(header IN LISTS headers)
    file(READ "${header}" text)
    string(REGEX MATCHALL "EVLOOP_API [^;(]*[ *]evloop_[a-z0-9_]+\\(" declarations "${text}")
    foreach(declaration IN LISTS declarations)
        string(REGEX MATCH "evloop_[a-z0-9_]+\\($" name "${declaration}")
        string(REPLACE "(" "" name "${name}")
        list(APPEND declared ${name})
    endforeach()
endforeach()
if(NOT declared)
    message(FATAL_ERROR "no EVLOOP_API function found in the headers")
endif()

function(check_symbols library)
    capture(symbols "${NM}" ${ARGN} --defined-only -P "${PREFIX}/lib/${library}")
    string(REGEX MATCHALL "(^|\n)[^ \n]+ [A-Z]" exported "${symbols}")
    list(TRANSFORM exported STRIP)
    list(TRANSFORM exported REPLACE " .*" "")
    if(SYSTEM STREQUAL "Darwin") # where C's names begin with a character of their own
        list(TRANSFORM exported REPLACE "^_" "")
    endif()

    set(foreign ${exported})
    list(FILTER foreign EXCLUDE REGEX "^evloop_[a-z0-9_]+$")
    if(foreign)
        message(FATAL_ERROR "${library} shows what is not evloop_*: ${foreign}")
    endif()

    set(undeclared ${exported})
    list(REMOVE_ITEM undeclared ${declared})
    if(undeclared)
        message(FATAL_ERROR "${library} shows what is in no header: ${undeclared}")
    endif()

    set(missing ${declared})
    list(REMOVE_ITEM missing ${exported})
    if(missing)
        message(FATAL_ERROR "${library} does not show what is in a header: ${missing}")
    endif()
endfunction()

set(of_programs -D)
if(SYSTEM STREQUAL "Darwin") # where a shared library has one table of names
    set(of_programs -g)
endif()
check_symbols(${SHARED_LIBRARY} ${of_programs})
check_symbols(libevloop.a -g)
