# Puts one defect back into a copy of the sources, and demands that the model checker's client that is there
# to find it, which ends well without the defect, finds it. CMakeLists.txt says what the variables are.
#
# Only what the patch changes is compiled again: the file that it names, or everything if that is a header.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/patch.cmake")

foreach(list OBJECTS SOURCES CHECKER OPTIONS DEFINITIONS)
    string(REPLACE "|" ";" ${list} "${${list}}")
endforeach()
list(TRANSFORM DEFINITIONS PREPEND -D)

# The object that the build made of a source.
function(object_of source out)
    string(REGEX MATCH "[^/]+/[^/]+$" name "${source}")
    set(found ${OBJECTS})
    list(FILTER found INCLUDE REGEX "/${name}\\.o(bj)?$")
    set(${out} ${found} PARENT_SCOPE)
endfunction()

message("--- without the defect")
execute_process(COMMAND "${UNCHANGED}" ${CLIENT} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${CLIENT} does not even end well without the defect")
endif()

copy_sources()
file(READ "${PATCH}" patch)
string(REGEX MATCHALL "\n\\+\\+\\+ b/[^\n]*" files "${patch}")
list(TRANSFORM files REPLACE "^.*b/" "")
set(changed ${files})
list(FILTER changed INCLUDE REGEX "\\.h$")
if(changed)
    list(TRANSFORM SOURCES REPLACE "^${SOURCE_DIR}/" "")
    set(files ${SOURCES})
    list(FILTER files EXCLUDE REGEX "/(litmus|suites)\\.c$")
endif()

set(objects ${OBJECTS})
foreach(file IN LISTS files)
    object_of("${file}" old)
    list(REMOVE_ITEM objects ${old})
    string(MAKE_C_IDENTIFIER "${file}" name)
    run("compiling ${file} with the defect" "${COMPILER}" -std=c11 ${OPTIONS} -w ${DEFINITIONS}
        -Itests/model/shim -Itests/model -Iinclude -Isrc -c "${file}" -o "${name}.o")
    list(APPEND objects "${name}.o")
endforeach()
run("linking" "${COMPILER}" -o mutant ${objects} ${CHECKER} -Wl,--wrap=__assert_fail)

message("--- with the defect")
execute_process(COMMAND "${WORK_DIR}/mutant" ${CLIENT} RESULT_VARIABLE result OUTPUT_VARIABLE output
    TIMEOUT 60)
message("${output}")
string(FIND "${output}" "FAILED ${CLIENT} " found)
if(found EQUAL -1 OR NOT result EQUAL 1)
    message(FATAL_ERROR "THE DEFECT IS NOT FOUND: ${CLIENT} ends well with it (${result})")
endif()
message("--- found")
file(REMOVE_RECURSE "${WORK_DIR}")
