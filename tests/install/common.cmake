# For the scripts beside this one. They get SOURCE_DIR, WORK_DIR, VERSION, SYSTEM, GENERATOR, C_COMPILER,
# CXX_COMPILER, PKG_CONFIG and NM from CMakeLists.txt.

cmake_minimum_required(VERSION 3.20)

set(PREFIX "${WORK_DIR}/prefix")
set(OUTSIDE "${CMAKE_CURRENT_LIST_DIR}/outside")
set(BUILD_ARGUMENTS -G "${GENERATOR}" -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_BUILD_TYPE=Release)

# The shared library's file, and the names that lead to it.
string(REGEX MATCH "^[0-9]+" major "${VERSION}")
if(SYSTEM STREQUAL "Darwin")
    set(SHARED_LIBRARY libevloop.dylib)
    set(SHARED_LIBRARY_NAMES libevloop.dylib libevloop.${major}.dylib libevloop.${VERSION}.dylib)
else()
    set(SHARED_LIBRARY libevloop.so)
    set(SHARED_LIBRARY_NAMES libevloop.so libevloop.so.${major} libevloop.so.${VERSION})
endif()

# A library path from outside would let a program find a library that it should not.
unset(ENV{LD_LIBRARY_PATH})
unset(ENV{DYLD_LIBRARY_PATH})

# run(COMMAND...): runs it, for a minute at most, and fails with its output if it fails.
function(run)
    execute_process(COMMAND ${ARGV} TIMEOUT 60
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        list(JOIN ARGV " " line)
        message("${output}")
        message(FATAL_ERROR "failed (${result}): ${line}")
    endif()
endfunction()

# capture(OUT COMMAND...): the same, and sets OUT to what it prints.
function(capture out)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors
        OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
        list(JOIN ARGN " " line)
        message("${output}\n${errors}")
        message(FATAL_ERROR "failed (${result}): ${line}")
    endif()
    set(${out} "${output}" PARENT_SCOPE)
endfunction()
