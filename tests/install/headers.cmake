# Every installed header can be included alone and first, from C11 and from C++17, without a warning.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

set(flags -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "-I${PREFIX}/include")

file(GLOB_RECURSE headers RELATIVE "${PREFIX}/include" "${PREFIX}/include/*.h")
if(NOT headers)
    message(FATAL_ERROR "no header is installed")
endif()
foreach(header IN LISTS headers)
    set(source "${WORK_DIR}/header")
    file(WRITE "${source}.c" "#include <${header}>\nint main(void) { return 0; }\n")
    run("${C_COMPILER}" -std=c11 ${flags} "${source}.c")
    if(CXX_COMPILER)
        file(WRITE "${source}.cpp" "#include <${header}>\nint main() { return 0; }\n")
        run("${CXX_COMPILER}" -std=c++17 ${flags} "${source}.cpp")
    endif()
endforeach()
