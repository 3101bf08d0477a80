# Shared by demo.cmake, test.cmake and bench.cmake: a build folder of the script's own, and commands that
# run with the terminal as it is.

cmake_minimum_required(VERSION 3.20)

include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

get_filename_component(SOURCE_DIR "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
cmake_host_system_information(RESULT JOBS QUERY NUMBER_OF_LOGICAL_CORES)

# What every build needs.
set(BUILD_PACKAGES gcc libc6-dev make pkg-config)
# What every build makes use of: the io_uring backend.
set(BUILD_PACKAGES_OPTIONAL liburing-dev)

# run(WHAT COMMAND...): runs the command, its output going where ours goes; fails, saying what failed.
function(run what)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${what} failed (${result})")
    endif()
endfunction()

# build(NAME OPTION...): configures build/NAME with the options and builds it; sets BUILD_DIR.
function(build name)
    set(dir "${SOURCE_DIR}/build/${name}")
    set(generator "")
    if(EXISTS "${dir}/CMakeCache.txt")
        # A folder that was copied or moved along with the sources is of no use.
        file(STRINGS "${dir}/CMakeCache.txt" home REGEX "^CMAKE_HOME_DIRECTORY:")
        if(NOT home STREQUAL "CMAKE_HOME_DIRECTORY:INTERNAL=${SOURCE_DIR}")
            file(REMOVE_RECURSE "${dir}")
        endif()
    endif()
    if(NOT EXISTS "${dir}/CMakeCache.txt" AND NOT DEFINED ENV{CMAKE_GENERATOR})
        find_command(ninja ninja)
        if(ninja)
            set(generator -G Ninja)
        else()
            set(generator -G "Unix Makefiles")
        endif()
    endif()
    run("configuring ${dir}" ${CMAKE_COMMAND} -S "${SOURCE_DIR}" -B "${dir}" ${generator} ${ARGN})
    run("building ${dir}" ${CMAKE_COMMAND} --build "${dir}" --parallel ${JOBS})
    set(BUILD_DIR "${dir}" PARENT_SCOPE)
endfunction()
