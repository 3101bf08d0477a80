# The shared library exports the functions that the headers declare: each of them, and nothing else.

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

capture(symbols "${NM}" -D --defined-only "${PREFIX}/lib/libevloop.so")
string(REGEX MATCHALL "[^ \n]+(\n|$)" exported "${symbols}")
list(TRANSFORM exported STRIP)

set(foreign ${exported})
list(FILTER foreign EXCLUDE REGEX "^evloop_[a-z0-9_]+$")
if(foreign)
    message(FATAL_ERROR "exported, but not evloop_*: ${foreign}")
endif()

set(undeclared ${exported})
list(REMOVE_ITEM undeclared ${declared})
if(undeclared)
    message(FATAL_ERROR "exported, but in no header: ${undeclared}")
endif()

list(REMOVE_ITEM declared ${exported})
if(declared)
    message(FATAL_ERROR "in a header, but not exported: ${declared}")
endif()
