# System packages, for the scripts in this folder: what is missing is installed where that can be done.
#
#   cmake "-DPACKAGES=clang;valgrind" -P cmake/packages.cmake     installs those that are missing
#
# Debian and Ubuntu (apt-get), as root or through sudo. Elsewhere nothing is installed; it says what is
# needed, and the build then says what it does not find.

cmake_minimum_required(VERSION 3.20)

# find_command(OUT NAME...): sets OUT to the path of the first command that there is, now; else to a false
# value.
function(find_command out)
    unset(found CACHE)
    find_program(found NAMES ${ARGN})
    set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Whether the package is installed, or what it is wanted for is there in another way (a compiler or a build
# tool of the user's own).
function(package_present package out)
    set(commands_gcc cc gcc clang)
    set(commands_g++ c++ g++ clang++)
    set(commands_make make gmake ninja)
    set(commands_pkg-config pkg-config pkgconf)
    set(present FALSE)
    if(DEFINED commands_${package})
        find_command(present ${commands_${package}})
    else()
        execute_process(COMMAND dpkg-query -W -f "\${db:Status-Status}" ${package}
            RESULT_VARIABLE result OUTPUT_VARIABLE status ERROR_QUIET)
        if(result EQUAL 0 AND status MATCHES "^installed")
            set(present TRUE)
        endif()
    endif()
    set(${out} ${present} PARENT_SCOPE)
endfunction()

# Sets OUT to the command that goes before apt-get (empty for root); fails where there is none.
function(become_root packages out)
    execute_process(COMMAND id -u OUTPUT_VARIABLE uid OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(uid STREQUAL "0")
        set(${out} "" PARENT_SCOPE)
        return()
    endif()
    find_command(sudo sudo)
    if(NOT sudo)
        list(JOIN packages " " words)
        message(FATAL_ERROR "Packages are missing, and installing them needs root (there is no sudo). "
            "Have this run as root, then try again:\n  apt-get install ${words}")
    endif()
    set(${out} "${sudo}" PARENT_SCOPE)
endfunction()

# packages_install(PACKAGE... [OPTIONAL PACKAGE...]): installs those that are missing, and fails if one of
# the first kind cannot be had.
function(packages_install)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "OPTIONAL")
    set(needed ${arg_UNPARSED_ARGUMENTS})

    find_command(apt apt-get)
    if(NOT apt)
        list(JOIN needed " " words)
        message(STATUS "This is neither Debian nor Ubuntu: no packages are installed. "
            "Needed, by Debian's names: ${words}")
        return()
    endif()

    foreach(kind needed arg_OPTIONAL)
        set(missing_${kind} "")
        foreach(package IN LISTS ${kind})
            package_present(${package} present)
            if(NOT present)
                list(APPEND missing_${kind} ${package})
            endif()
        endforeach()
    endforeach()
    if(NOT missing_needed AND NOT missing_arg_OPTIONAL)
        return()
    endif()

    list(JOIN missing_needed " " words)
    list(JOIN missing_arg_OPTIONAL " " words_optional)
    string(STRIP "${words} ${words_optional}" words)
    message(STATUS "Installing missing system packages: ${words}")
    become_root("${missing_needed};${missing_arg_OPTIONAL}" root)

    set(get ${root} env DEBIAN_FRONTEND=noninteractive ${apt} -q -o DPkg::Lock::Timeout=300)
    execute_process(COMMAND ${get} update RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(WARNING "apt-get update failed; trying with the package lists that are there")
    endif()
    if(missing_needed)
        execute_process(COMMAND ${get} install -y --no-install-recommends ${missing_needed}
            RESULT_VARIABLE result)
        if(NOT result EQUAL 0)
            list(JOIN missing_needed " " words)
            message(FATAL_ERROR "apt-get could not install: ${words}")
        endif()
    endif()
    foreach(package IN LISTS missing_arg_OPTIONAL)
        execute_process(COMMAND ${get} install -y --no-install-recommends ${package}
            RESULT_VARIABLE result)
        if(NOT result EQUAL 0)
            message(STATUS "Going on without ${package}")
        endif()
    endforeach()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    if(NOT PACKAGES)
        message(FATAL_ERROR "usage: cmake \"-DPACKAGES=name;name\" -P cmake/packages.cmake")
    endif()
    packages_install(${PACKAGES})
endif()
