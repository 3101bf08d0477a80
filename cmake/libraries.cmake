# How the two libraries are put together, which every linker's kind does in its own way: ELF's (Linux, the
# BSDs) or Mach-O's (Darwin).

include(CheckLinkerFlag)

# evloop_merge(OUT): sets OUT to the one object that libevloop.a consists of. A program that links it sees
# what users may call, and nothing else: what is hidden in the shared library must not meet the program's own
# names here. Where the tools cannot make one, OUT is the objects as they were compiled.
function(evloop_merge out)
    set(merged "${PROJECT_BINARY_DIR}/evloop${CMAKE_C_OUTPUT_EXTENSION}")
    set(options "")
    set(hide "")
    if(APPLE)
        # Its linker makes local what is hidden.
        foreach(architecture IN LISTS CMAKE_OSX_ARCHITECTURES)
            list(APPEND options -arch ${architecture})
        endforeach()
        if(CMAKE_OSX_DEPLOYMENT_TARGET)
            list(APPEND options -mmacosx-version-min=${CMAKE_OSX_DEPLOYMENT_TARGET})
        endif()
    else()
        execute_process(COMMAND "${CMAKE_OBJCOPY}" --help OUTPUT_VARIABLE help ERROR_QUIET)
        if(NOT help MATCHES "--localize-hidden")
            message(STATUS "evloop: the static library shows its inner names: no objcopy with --localize-hidden")
            set(${out} $<TARGET_OBJECTS:evloop_objects> PARENT_SCOPE)
            return()
        endif()
        set(hide COMMAND "${CMAKE_OBJCOPY}" --localize-hidden "${merged}")
        # Functions that the compiler makes for each object, and that the linker keeps once, are kept here
        # for good: 32-bit x86 has such, and as another program's they would be thrown away.
        check_linker_flag(C LINKER:--force-group-allocation EVLOOP_HAVE_FORCE_GROUP_ALLOCATION)
        if(EVLOOP_HAVE_FORCE_GROUP_ALLOCATION)
            list(APPEND options -Wl,--force-group-allocation)
        endif()
    endif()
    add_custom_command(OUTPUT "${merged}"
        COMMAND "${CMAKE_C_COMPILER}" -r -nostdlib ${options} -o "${merged}" $<TARGET_OBJECTS:evloop_objects>
        ${hide}
        DEPENDS evloop_objects $<TARGET_OBJECTS:evloop_objects>
        COMMAND_EXPAND_LISTS
        VERBATIM)
    set(${out} "${merged}" PARENT_SCOPE)
endfunction()

# evloop_export(TARGET): the shared library exports the public functions, and its calls from one of its own
# functions to another go there directly.
function(evloop_export target)
    set_target_properties(${target} PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR})
    if(APPLE) # where hidden functions stay inside, and calls are direct unless a library asks for more
        return()
    endif()
    set(map "${PROJECT_SOURCE_DIR}/cmake/evloop.map")
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${map}")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${map}" LINKER:-Bsymbolic-functions)
    # On OpenBSD it is the program that links the C library.
    if(NOT EVLOOP_SANITIZE AND NOT CMAKE_SYSTEM_NAME STREQUAL "OpenBSD")
        target_link_options(${target} PRIVATE LINKER:--no-undefined)
    endif()
endfunction()
