# Puts one defect back into a copy of the sources, builds the test that is there to find it, and
# demands that this test, which passes without the defect, fails with it. CMakeLists.txt says what
# the variables are.

cmake_minimum_required(VERSION 3.20)

# Of what is put back, the most is in what epoll needs; what is not is found over it just as well.
set(environment "EVLOOP_BACKEND=${BACKEND}")
if(PATCH MATCHES "/uring-[^/]*$" OR UNCHANGED MATCHES "uring|(plain|bundled)-buffers")
    set(environment --unset=EVLOOP_BACKEND)
endif()
set(PATIENCE_S 40)

foreach(list LIBRARY_SOURCES TEST_SOURCES TEST_OBJECTS DEFINITIONS CFLAGS LDFLAGS)
    string(REPLACE "|" ";" ${list} "${${list}}")
endforeach()
list(TRANSFORM DEFINITIONS PREPEND -D)

include("${CMAKE_CURRENT_LIST_DIR}/patch.cmake")

# run_case(PROGRAM LIMIT): runs the test case; sets `ending` to passed, assertion, crash or hang.
function(run_case program limit_s)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E env "EVLOOP_TEST_ONLY=${CASE}" ${environment} "${program}"
        TIMEOUT ${limit_s} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    string(FIND "${output}" "[ RUN      ] ${CASE}" begun)
    if(begun EQUAL -1)
        message(FATAL_ERROR "${program} did not run ${CASE}:\n${output}")
    endif()
    message("${output}")
    if(result MATCHES "timeout" OR output MATCHES "TIME LIMIT")
        set(ending hang PARENT_SCOPE)
    elseif(output MATCHES "\\[  (FAILED|ERROR ) +\\] ${CASE}")
        set(ending assertion PARENT_SCOPE)
    elseif(result STREQUAL "0")
        set(ending passed PARENT_SCOPE)
    else()
        set(ending crash PARENT_SCOPE)
    endif()
endfunction()

message("--- without the defect")
string(TIMESTAMP begun_s "%s")
run_case("${UNCHANGED}" ${PATIENCE_S})
string(TIMESTAMP ended_s "%s")
math(EXPR HANG_S "5 + 5 * (${ended_s} - ${begun_s})")
if(NOT ending STREQUAL "passed")
    message(FATAL_ERROR "${CASE} does not even pass without the defect: ${ending}")
endif()

copy_sources()

set(compile "${COMPILER}" -std=c11 -O1 -w ${DEFINITIONS} -Iinclude -Isrc -Itests/support ${CFLAGS})
file(STRINGS "${PATCH}" changed REGEX "^\\+\\+\\+ b/")
list(TRANSFORM changed REPLACE "^\\+\\+\\+ b/" "")
if("${changed}" MATCHES "\\.h" OR "${TEST_OBJECTS}" MATCHES "/stepped/") # it has the library's sources
    run("compiling the library with the defect" ${compile} -c ${LIBRARY_SOURCES})
    file(GLOB objects "${WORK_DIR}/*.o")
    run("archiving the library with the defect" "${ARCHIVER}" rcs libevloop.a ${objects})
    file(GLOB support "${WORK_DIR}/tests/support/*.c")
    list(FILTER support EXCLUDE REGEX "/(over_backend|older_buffers|system_bsd)\\.c$") # not every test's
    run("compiling the test" ${compile} -o mutant ${TEST_SOURCES} ${support} libevloop.a
        ${LDFLAGS} -pthread)
else()
    # Nothing else sees what changed: its object stands before the library that was built.
    run("compiling the defect" ${compile} -c ${changed})
    file(GLOB objects "${WORK_DIR}/*.o")
    run("linking the test" "${COMPILER}" -o mutant ${TEST_OBJECTS} ${objects} ${SUPPORT} ${LIBRARY}
        ${LDFLAGS} -pthread)
endif()

message("--- with the defect")
set(limit_s ${PATIENCE_S})
if(BY MATCHES "hang")
    set(limit_s ${HANG_S})
endif()
run_case("${WORK_DIR}/mutant" ${limit_s})
if(ending STREQUAL "passed")
    message(FATAL_ERROR "THE DEFECT IS NOT FOUND: ${CASE} passes with it")
elseif(NOT BY MATCHES "${ending}")
    message(FATAL_ERROR "${CASE} should fail by ${BY}, and not by ${ending}")
endif()
message("--- found, by ${ending}")
file(REMOVE_RECURSE "${WORK_DIR}")
