# The program in the README: one program that stands in three places, and does what it says.
#
#   cmake -DROOT=<source> -DEXTRACT=<file> -P readme.cmake    writes the README's program to a file
#   cmake -DROOT=<source> -DPROGRAM=<executable> -P readme.cmake
#       checks that examples/hello.c and the first page of evloop.h have the same, and runs it; and that
#       examples/echo.c, which is built with the others, is the README's echo server

cmake_minimum_required(VERSION 3.20)

# The first ```c block that has a main.
function(program_of_readme result)
    file(READ "${ROOT}/README.md" text)
    while(TRUE)
        string(FIND "${text}" "\n```c\n" begin)
        if(begin EQUAL -1)
            message(FATAL_ERROR "README.md has no C program")
        endif()
        math(EXPR begin "${begin} + 6")
        string(SUBSTRING "${text}" ${begin} -1 text)
        string(FIND "${text}" "\n```" end)
        math(EXPR end "${end} + 1")
        string(SUBSTRING "${text}" 0 ${end} block)
        string(FIND "${block}" "int main(" main)
        if(NOT main EQUAL -1)
            set(${result} "${block}" PARENT_SCOPE)
            return()
        endif()
    endwhile()
endfunction()

# What stands under the headline, without the comment's frame.
function(program_of_header result)
    file(READ "${ROOT}/include/evloop.h" text)
    string(FIND "${text}" " *     #include <evloop.h>" begin)
    string(SUBSTRING "${text}" ${begin} -1 text)
    string(FIND "${text}" " */" end)
    string(SUBSTRING "${text}" 0 ${end} text)
    string(REPLACE "\n *     " "\n" text "\n${text}")
    string(REPLACE "\n *\n" "\n\n" text "${text}")
    string(SUBSTRING "${text}" 1 -1 text)
    set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(program_of_example result)
    file(READ "${ROOT}/examples/hello.c" text)
    string(REPLACE "/* clang-format off */\n" "" text "${text}")
    set(${result} "${text}" PARENT_SCOPE)
endfunction()

program_of_readme(readme)
if(EXTRACT)
    file(WRITE "${EXTRACT}" "${readme}")
    return()
endif()

program_of_header(header)
if(NOT header STREQUAL readme)
    message(FATAL_ERROR "the program in include/evloop.h is not the README's:\n${header}")
endif()
program_of_example(example)
if(NOT example STREQUAL readme)
    message(FATAL_ERROR "examples/hello.c is not the README's program:\n${example}")
endif()

file(READ "${ROOT}/README.md" text)
file(READ "${ROOT}/examples/echo.c" example)
string(REPLACE "/* clang-format off */\n" "" example "${example}")
string(FIND "${text}" "```c\n${example}```" place)
if(place EQUAL -1)
    message(FATAL_ERROR "examples/echo.c is not the README's echo server:\n${example}")
endif()

execute_process(COMMAND "${PROGRAM}" TIMEOUT 30 RESULT_VARIABLE status OUTPUT_VARIABLE output)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "the README's program failed: ${status}\n${output}")
endif()
if(NOT output STREQUAL "250 ms\n500 ms\n750 ms\n1000 ms\n")
    message(FATAL_ERROR "the README's program printed\n${output}")
endif()
