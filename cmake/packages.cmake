# System packages, for the scripts in this folder: what is missing is installed where that can be done.
#
#   cmake "-DPACKAGES=clang;valgrind" -P cmake/packages.cmake     installs those that are missing
#   cmake "-DFETCH=busybox-static" -DINTO=build/x -P cmake/packages.cmake
#       unpacks them into that folder, and installs nothing; with -DARCHITECTURE=arm64 another
#       architecture's, and with -DFETCH_FOR=linux-image-amd64 what that one depends on
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

# Sets OUT to the command that goes before apt-get (empty for root; NOTFOUND: there is none).
function(become_root out)
    execute_process(COMMAND id -u OUTPUT_VARIABLE uid OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(uid STREQUAL "0")
        set(${out} "" PARENT_SCOPE)
        return()
    endif()
    find_command(sudo sudo)
    if(NOT sudo)
        set(sudo NOTFOUND)
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
    become_root(root)
    if(root STREQUAL "NOTFOUND")
        if(missing_needed)
            message(FATAL_ERROR "Packages are missing, and installing them needs root (there is no sudo). "
                "Have this run as root, then try again:\n  apt-get install ${words}")
        endif()
        message(STATUS "Going on without them: installing needs root (there is no sudo)")
        return()
    endif()

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

# packages_fetch(INTO DIR [ARCHITECTURE NAME] [PACKAGES PACKAGE...] [FOR PACKAGE...]): unpacks packages into
# a folder, for the machine's own architecture or another one. Those after FOR stand for what they depend
# on, one level deep. Package lists are kept in the folder: the system's own are neither needed nor changed.
# What is there from an earlier time stays.
function(packages_fetch)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "INTO;ARCHITECTURE" "PACKAGES;FOR")
    get_filename_component(into "${arg_INTO}" ABSOLUTE)
    set(wanted "${arg_ARCHITECTURE} ${arg_PACKAGES} for ${arg_FOR}")
    if(EXISTS "${into}/.fetched")
        file(READ "${into}/.fetched" fetched)
        if(fetched STREQUAL wanted)
            return()
        endif()
    endif()
    find_command(apt apt-get)
    find_command(unpack dpkg-deb)
    if(NOT apt OR NOT unpack)
        message(FATAL_ERROR "Packages are fetched with apt-get and dpkg-deb, and one is missing")
    endif()

    file(REMOVE_RECURSE "${into}")
    set(state "${into}/.apt")
    file(MAKE_DIRECTORY "${state}/lists/partial" "${state}/archives/partial")
    set(options -q -o "Dir::State::lists=${state}/lists" -o "Dir::Cache=${state}"
        -o APT::Sandbox::User=)
    if(arg_ARCHITECTURE)
        list(APPEND options -o APT::Architecture=${arg_ARCHITECTURE}
            -o APT::Architectures=${arg_ARCHITECTURE})
    endif()
    execute_process(COMMAND ${apt} ${options} update RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(WARNING "apt-get update failed; trying with the package lists that it got")
    endif()

    set(packages ${arg_PACKAGES})
    foreach(package IN LISTS arg_FOR)
        execute_process(COMMAND apt-cache ${options} depends --important ${package}
            RESULT_VARIABLE result OUTPUT_VARIABLE depends)
        string(REGEX MATCHALL "Depends: [^<\n]+" depends "${depends}")
        if(NOT result EQUAL 0 OR NOT depends)
            message(FATAL_ERROR "${package} is not known, or depends on nothing")
        endif()
        list(TRANSFORM depends REPLACE "^Depends: " "")
        list(APPEND packages ${depends})
    endforeach()

    execute_process(COMMAND ${apt} ${options} download ${packages}
        WORKING_DIRECTORY "${state}/archives" RESULT_VARIABLE result)
    file(GLOB archives "${state}/archives/*.deb")
    if(NOT result EQUAL 0 OR NOT archives)
        message(FATAL_ERROR "apt-get could not download: ${packages}")
    endif()
    foreach(archive IN LISTS archives)
        execute_process(COMMAND ${unpack} -x "${archive}" "${into}" RESULT_VARIABLE result)
        if(NOT result EQUAL 0)
            message(FATAL_ERROR "${archive} could not be unpacked")
        endif()
    endforeach()
    file(REMOVE_RECURSE "${state}")
    file(WRITE "${into}/.fetched" "${wanted}")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    if(PACKAGES)
        packages_install(${PACKAGES})
    elseif(INTO AND (FETCH OR FETCH_FOR))
        packages_fetch(INTO "${INTO}" ARCHITECTURE "${ARCHITECTURE}" PACKAGES ${FETCH}
            FOR ${FETCH_FOR})
    else()
        message(FATAL_ERROR "usage: cmake \"-DPACKAGES=name;name\" -P cmake/packages.cmake\n"
            "   or: cmake \"-DFETCH=name;name\" -DINTO=folder -P cmake/packages.cmake")
    endif()
endif()
