# The version stands in the public header, and nowhere else.

# evloop_read_version(HEADER OUT): sets OUT to "major.minor.patch".
function(evloop_read_version header out)
    file(READ "${header}" text)
    set(parts "")
    foreach(part MAJOR MINOR PATCH)
        if(NOT text MATCHES "#define EVLOOP_VERSION_${part} ([0-9]+)")
            message(FATAL_ERROR "${header} does not define EVLOOP_VERSION_${part}")
        endif()
        list(APPEND parts "${CMAKE_MATCH_1}")
    endforeach()
    list(JOIN parts "." version)
    if(NOT text MATCHES "#define EVLOOP_VERSION_STRING \"${version}\"")
        message(FATAL_ERROR "${header}: EVLOOP_VERSION_STRING is not \"${version}\"")
    endif()
    set(${out} "${version}" PARENT_SCOPE)
endfunction()
