# Checks one model with SPIN; CMakeLists.txt says what the variables are.
#
# First that every line of the sources that the model quotes is still there. Then that pan, having
# looked at every state, finds no assertion violated, no thread stuck, and no step that is never
# taken; and for every claim (`ltl`), under weak fairness, no run on which it does not hold.
#
# With MUTATION a defect is put into the model first, and pan must find it, in the way that the file
# says. This checks the model: one that cannot fail proves nothing.

cmake_minimum_required(VERSION 3.20)

set(MEMORY_MB 512)
set(TABLE_AT_FIRST 20) # of 2 to the power of it; it grows
set(DEPTH_AT_MOST 10000)
set(QUOTE_AT_LEAST 8)

get_filename_component(name "${MODEL}" NAME)

include("${CMAKE_CURRENT_LIST_DIR}/../../mutation/lines.cmake")

# A quote stands between the name of the file and the end of the comment, whole, on one line.
function(check_quotes text)
    set(quotes 0)
    while(NOT text STREQUAL "")
        take_line(line text)
        if(line MATCHES "/\\* (src/[a-z_/]+\\.[ch]): (.*) \\*/$")
            set(file "${CMAKE_MATCH_1}")
            set(quote "${CMAKE_MATCH_2}")
            if(NOT EXISTS "${SOURCE_DIR}/${file}")
                message(FATAL_ERROR "${name} quotes ${file}, which is not there")
            endif()
            file(READ "${SOURCE_DIR}/${file}" source)
            string(FIND "${source}" "${quote}" found)
            string(LENGTH "${quote}" length)
            if(found EQUAL -1 OR length LESS QUOTE_AT_LEAST)
                message(FATAL_ERROR "${name} stands for a line that ${file} does not have:\n"
                    "    ${quote}\nIf the protocol has changed, the model must change with it.")
            endif()
            math(EXPR quotes "${quotes} + 1")
        elseif(line MATCHES "src/")
            message(FATAL_ERROR "${name} has a quote that is not of the form:\n${line}")
        endif()
    endwhile()
    if(quotes EQUAL 0)
        message(FATAL_ERROR "${name} quotes nothing")
    endif()
    message("${name}, quotes of the sources: ${quotes}, all there")
endfunction()

# Reads MUTATION: sets `finds`, and `text` to the model with the defect.
#   Model: the model's file name
#   Finds: assertion, or invalid end state, or ltl and the name of a claim
# Then, each as often as need be, a line --- and the old text, a line +++ and the new one.
function(mutate)
    file(READ "${MUTATION}" rest)
    take_line(line rest)
    if(NOT line STREQUAL "Model: ${name}")
        message(FATAL_ERROR "${MUTATION} is not for ${name}: ${line}")
    endif()
    take_line(line rest)
    if(NOT line MATCHES "^Finds: (assertion|invalid end state|ltl [a-z_]+)$")
        message(FATAL_ERROR "${MUTATION} does not say what finds it: ${line}")
    endif()
    set(finds "${CMAKE_MATCH_1}" PARENT_SCOPE)
    set(part "")
    set(changes 0)
    while(NOT rest STREQUAL "")
        take_line(line rest)
        if(line STREQUAL "---" OR line STREQUAL "+++")
            set(part "${line}")
            set("${part}" "")
        elseif(part)
            string(APPEND "${part}" "${line}\n")
        endif()
        if(part STREQUAL "+++" AND (rest STREQUAL "" OR rest MATCHES "^---\n"))
            change("${---}" "${+++}")
            math(EXPR changes "${changes} + 1")
            set(part "")
        endif()
    endwhile()
    if(changes EQUAL 0)
        message(FATAL_ERROR "${MUTATION} changes nothing")
    endif()
    set(text "${text}" PARENT_SCOPE)
endfunction()

# Replaces `old` by `new` in `text`; it must be there exactly once. It may end within a line.
macro(change old new)
    string(REGEX REPLACE "\n$" "" old_text "${old}")
    string(REGEX REPLACE "\n$" "" new_text "${new}")
    string(FIND "${text}" "${old_text}" first)
    string(FIND "${text}" "${old_text}" last REVERSE)
    if(old_text STREQUAL "" OR first EQUAL -1 OR NOT first EQUAL last)
        message(FATAL_ERROR "${MUTATION}: not in ${name}, or more than once:\n${old_text}")
    endif()
    string(REPLACE "${old_text}" "${new_text}" text "${text}")
endmacro()

# run(WHAT COMMAND...): in WORK_DIR; fails if the command does.
function(run what)
    execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${WORK_DIR}"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${what} failed (${result}):\n${output}")
    endif()
endfunction()

# compile(PROGRAM OPTION...): pan.c, with the limit on memory. Mostly that takes longer than to run it.
function(compile program)
    run("compiling the verifier" "${COMPILER}" -w -DMEMLIM=${MEMORY_MB} ${ARGN} -o ${program} pan.c)
endfunction()

# search(PROGRAM ARGUMENT...): sets `output`, `errors` and `states`. Fails if the search was not of
# all states.
function(search program)
    execute_process(COMMAND "${WORK_DIR}/${program}" -m${DEPTH_AT_MOST} -w${TABLE_AT_FIRST} ${ARGN}
        WORKING_DIRECTORY "${WORK_DIR}"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0 OR NOT output MATCHES "errors: ([0-9]+)")
        message(FATAL_ERROR "${program} failed (${result}):\n${output}")
    endif()
    set(errors ${CMAKE_MATCH_1})
    # An error ends the search; nothing else may.
    if(errors EQUAL 0 AND
       output MATCHES "max search depth too small|Search not completed|MEMLIM|out of memory")
        message(FATAL_ERROR "${name}: the search was cut short:\n${output}")
    endif()
    string(REGEX MATCH "([0-9.e+]+) states, stored" states "${output}")
    set(states "${CMAKE_MATCH_1}" PARENT_SCOPE)
    set(errors ${errors} PARENT_SCOPE)
    set(output "${output}" PARENT_SCOPE)
endfunction()

# The steps that led to the error.
function(show_trail)
    execute_process(COMMAND "${SPIN}" "-P${COMPILER} -E -x c" -t -p -g ${name}
        WORKING_DIRECTORY "${WORK_DIR}" OUTPUT_VARIABLE trail ERROR_VARIABLE trail)
    message("${trail}")
endfunction()

# check(PROPERTY PROGRAM ARGUMENT...): there must be no error.
function(check property)
    search(${ARGN})
    if(NOT errors EQUAL 0)
        show_trail()
        message(FATAL_ERROR "${name}, ${property}: does not hold:\n${output}")
    endif()
    message("${name}, ${property}: ${states} states, complete")
    set(output "${output}" PARENT_SCOPE)
endfunction()

file(READ "${MODEL}" text)
if(DEFINED MUTATION)
    mutate()
else()
    check_quotes("${text}")
endif()
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")
file(WRITE "${WORK_DIR}/${name}" "${text}")
run("spin" "${SPIN}" "-P${COMPILER} -E -x c" -a ${name})

if(NOT DEFINED MUTATION)
    compile(safety -O0 -DSAFETY -DNOCLAIM)
    check("assertions and end states" safety)
    if(output MATCHES "unreached in proctype [a-z_]+\n\t[^(]")
        message(FATAL_ERROR "${name} has steps that are never taken:\n${output}")
    endif()
    compile(liveness -O1)
    set(claims 0)
    while(NOT text STREQUAL "")
        take_line(line text)
        if(line MATCHES "^ltl ([a-z_]+)")
            check("ltl ${CMAKE_MATCH_1}" liveness -a -f -N ${CMAKE_MATCH_1})
            math(EXPR claims "${claims} + 1")
        endif()
    endwhile()
    if(claims EQUAL 0)
        message(FATAL_ERROR "${name} claims nothing")
    endif()
elseif(finds MATCHES "^ltl (.*)$")
    compile(liveness -O0)
    search(liveness -a -f -A -N ${CMAKE_MATCH_1})
    set(expected "acceptance cycle")
else()
    compile(safety -O0 -DSAFETY -DNOCLAIM)
    if(finds STREQUAL "assertion")
        search(safety -E)
        set(expected "assertion violated")
    else()
        search(safety -A)
        set(expected "${finds}")
    endif()
endif()

if(DEFINED MUTATION)
    if(errors EQUAL 0)
        message(FATAL_ERROR "THE DEFECT IS NOT FOUND: ${name} holds with it (${finds})")
    elseif(NOT output MATCHES "pan:[0-9]+: ${expected}")
        message(FATAL_ERROR "${name} should fail by ${finds}:\n${output}")
    endif()
    message("${name}, ${finds}: found, after ${states} states")
endif()
file(REMOVE_RECURSE "${WORK_DIR}")
