# Text, line by line.

# take_line(LINE REST): the first line of REST, which loses it. Not by CMake's lists, to which C and
# Promela are poison.
macro(take_line line rest)
    string(FIND "${${rest}}" "\n" end)
    if(end EQUAL -1)
        set(${line} "${${rest}}")
        set(${rest} "")
    else()
        string(SUBSTRING "${${rest}}" 0 ${end} ${line})
        math(EXPR end "${end} + 1")
        string(SUBSTRING "${${rest}}" ${end} -1 ${rest})
    endif()
endmacro()
