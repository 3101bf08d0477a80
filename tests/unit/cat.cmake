# The example cat: from a file to a file, and through pipes, nothing is lost or changed.
#
#   cmake -DCAT=program -DWORK=folder -P cat.cmake

set(file "${WORK}/cat-input-$ENV{EVLOOP_BACKEND}")
string(REPEAT "It was a dark and stormy night; the rain fell in torrents.\n" 50000 text)
file(WRITE "${file}" "${text}")

function(expect_copy)
    execute_process(${ARGN} INPUT_FILE "${file}" OUTPUT_FILE "${file}.copy" RESULTS_VARIABLE results)
    file(SHA256 "${file}" wanted)
    file(SHA256 "${file}.copy" got)
    if(NOT results MATCHES "^(0;)*0$" OR NOT got STREQUAL wanted)
        message(FATAL_ERROR "${ARGN}: ${results}, and the copy is ${got}, not ${wanted}")
    endif()
endfunction()

expect_copy(COMMAND "${CAT}")
expect_copy(COMMAND "${CAT}" COMMAND "${CAT}" COMMAND "${CAT}")
file(REMOVE "${file}" "${file}.copy")
