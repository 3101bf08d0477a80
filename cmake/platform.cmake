# What depends on the system: the poller's sources, and what the C library offers. Sets
#   EVLOOP_PLATFORM_SOURCES      the files that are this system's
#   EVLOOP_PLATFORM_DEFINITIONS  for every source of the library
#   EVLOOP_PLATFORM_LIBRARIES    what it links beside the C library and threads
#   EVLOOP_HAVE_LIBURING         whether the io_uring backend is built
#   EVLOOP_BACKENDS              the pollers' names, the best first

include(CheckSymbolExists)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

set(EVLOOP_PLATFORM_SOURCES "")
set(EVLOOP_PLATFORM_DEFINITIONS "")
set(EVLOOP_PLATFORM_LIBRARIES "")
set(EVLOOP_BACKENDS "")

# find_liburing(OUT WHY): sets OUT to whether the io_uring backend is built, WHY to the reason if it is not.
function(find_liburing out why)
    set(${out} FALSE PARENT_SCOPE)
    if(with_liburing STREQUAL "OFF")
        set(${why} "EVLOOP_WITH_LIBURING is OFF" PARENT_SCOPE)
        return()
    endif()

    find_package(Liburing QUIET)
    if(Liburing_FOUND)
        try_compile(EVLOOP_LIBURING_WORKS "${PROJECT_BINARY_DIR}/liburing" "${PROJECT_SOURCE_DIR}/cmake/liburing.c"
            COMPILE_DEFINITIONS -D_GNU_SOURCE
            LINK_LIBRARIES Liburing::liburing
            OUTPUT_VARIABLE output)
        set(reason "${LIBURING_LIBRARY}, ${LIBURING_INCLUDE_DIR}/liburing.h: older than 2.3, or of no use")
    else()
        set(EVLOOP_LIBURING_WORKS FALSE)
        set(output "")
        set(reason "liburing was not found; Debian: liburing-dev")
    endif()
    if(with_liburing STREQUAL "ON" AND NOT EVLOOP_LIBURING_WORKS)
        message(FATAL_ERROR "EVLOOP_WITH_LIBURING=ON, but ${reason}\n${output}")
    endif()
    set(${out} "${EVLOOP_LIBURING_WORKS}" PARENT_SCOPE)
    set(${why} "${reason}" PARENT_SCOPE)
    set(Liburing_VERSION "${Liburing_VERSION}" PARENT_SCOPE)
    set(PC_LIBURING_LIBRARY_DIRS "${PC_LIBURING_LIBRARY_DIRS}" PARENT_SCOPE)
endfunction()

# Linux as it is, but for the poller and what it takes from the system.
if(EVLOOP_TEST_KQUEUE)
    if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
        message(FATAL_ERROR "EVLOOP_TEST_KQUEUE is for Linux: ${CMAKE_SYSTEM_NAME} has a kqueue of its own")
    endif()
    list(APPEND EVLOOP_PLATFORM_SOURCES
        src/poller/backends_kqueue.c
        src/poller/clock.c
        src/poller/descriptor_linux.c
        src/poller/make_guarded.c
        src/poller/message_each.c
        src/poller/message_linux.c
        src/poller/poller_kqueue.c
        src/poller/sigpipe_wait.c
        src/poller/socket_dgram_linux.c
        src/poller/socket_group.c
        src/poller/socket_options.c
        src/poller/socket_linux.c
        src/poller/transfer_linux.c
        src/util/cpu_linux.c)
    if(EVLOOP_TEST_KQUEUE STREQUAL "LEAST")
        list(APPEND EVLOOP_PLATFORM_SOURCES src/poller/kqueue_wake_pipe.c)
    else()
        list(APPEND EVLOOP_PLATFORM_SOURCES src/poller/kqueue_wake_user.c)
    endif()
    list(APPEND EVLOOP_PLATFORM_DEFINITIONS _GNU_SOURCE)
    add_subdirectory(tests/kqueue)
    list(APPEND EVLOOP_PLATFORM_LIBRARIES evloop_kqueue)
    list(APPEND EVLOOP_BACKENDS kqueue)
    message(STATUS "evloop: backends: kqueue, over the tests' implementation")
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(APPEND EVLOOP_PLATFORM_SOURCES
        src/poller/backends_linux.c
        src/poller/clock.c
        src/poller/descriptor_linux.c
        src/poller/make_atomic.c
        src/poller/message_batch.c
        src/poller/message_linux.c
        src/poller/poller_epoll.c
        src/poller/sigpipe_timed.c
        src/poller/socket_dgram_linux.c
        src/poller/socket_group.c
        src/poller/socket_options.c
        src/poller/socket_linux.c
        src/poller/transfer_linux.c
        src/util/cpu_linux.c)
    list(APPEND EVLOOP_PLATFORM_DEFINITIONS _GNU_SOURCE)

    set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
    check_symbol_exists(epoll_pwait2 sys/epoll.h EVLOOP_HAVE_EPOLL_PWAIT2)
    unset(CMAKE_REQUIRED_DEFINITIONS)
    if(EVLOOP_HAVE_EPOLL_PWAIT2)
        list(APPEND EVLOOP_PLATFORM_DEFINITIONS EVLOOP_HAVE_EPOLL_PWAIT2)
    endif()

    find_liburing(EVLOOP_HAVE_LIBURING without)
    if(EVLOOP_HAVE_LIBURING)
        list(APPEND EVLOOP_PLATFORM_SOURCES
            src/poller/poller_uring.c
            src/poller/uring_begin.c
            src/poller/uring_buffer.c
            src/poller/uring_event.c
            src/poller/uring_flood.c
            src/poller/uring_message.c
            src/poller/uring_operation.c
            src/poller/uring_probe.c
            src/poller/uring_ring.c
            src/poller/uring_tell.c
            src/poller/uring_urgent.c)
        list(APPEND EVLOOP_PLATFORM_DEFINITIONS EVLOOP_HAVE_LIBURING)
        list(APPEND EVLOOP_PLATFORM_LIBRARIES Liburing::liburing)
        list(APPEND EVLOOP_BACKENDS uring)
        message(STATUS "evloop: backends: uring (liburing ${Liburing_VERSION}), epoll")
    else()
        message(STATUS "evloop: backends: epoll only (${without})")
    endif()
    list(APPEND EVLOOP_BACKENDS epoll)
elseif(CMAKE_SYSTEM_NAME MATCHES "^(Darwin|FreeBSD|NetBSD|OpenBSD)$")
    list(APPEND EVLOOP_PLATFORM_SOURCES
        src/poller/backends_kqueue.c
        src/poller/descriptor_bsd.c
        src/poller/message_bsd.c
        src/poller/poller_kqueue.c
        src/poller/socket_bsd.c
        src/poller/socket_dgram_bsd.c
        src/util/cpu_posix.c)
    if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
        list(APPEND EVLOOP_PLATFORM_SOURCES
            src/poller/clock_darwin.c
            src/poller/make_guarded.c
            src/poller/message_each.c
            src/poller/message_pktinfo.c
            src/poller/sigpipe_forbid.c
            src/poller/socket_darwin.c
            src/poller/socket_group.c
            src/poller/socket_options.c
            src/poller/socket_plain.c
            src/poller/transfer_darwin.c)
        # The options of IPv6 have two sets of names there.
        list(APPEND EVLOOP_PLATFORM_DEFINITIONS _DARWIN_C_SOURCE __APPLE_USE_RFC_3542)
    elseif(CMAKE_SYSTEM_NAME STREQUAL "FreeBSD")
        list(APPEND EVLOOP_PLATFORM_SOURCES
            src/poller/clock.c
            src/poller/make_atomic.c
            src/poller/message_dstaddr.c
            src/poller/message_each.c
            src/poller/sigpipe_timed.c
            src/poller/socket_freebsd.c
            src/poller/socket_group.c
            src/poller/socket_options.c
            src/poller/transfer_freebsd.c)
    elseif(CMAKE_SYSTEM_NAME STREQUAL "NetBSD")
        list(APPEND EVLOOP_PLATFORM_SOURCES
            src/poller/clock.c
            src/poller/make_atomic.c
            src/poller/message_batch.c
            src/poller/message_pktinfo.c
            src/poller/sigpipe_forbid.c
            src/poller/socket_group_netbsd.c
            src/poller/socket_group_plain.c
            src/poller/socket_options.c
            src/poller/socket_netbsd.c
            src/poller/socket_plain.c
            src/poller/transfer_copy.c)
        list(APPEND EVLOOP_PLATFORM_DEFINITIONS _NETBSD_SOURCE)
    else()
        list(APPEND EVLOOP_PLATFORM_SOURCES
            src/poller/clock.c
            src/poller/make_atomic.c
            src/poller/message_batch.c
            src/poller/message_dstaddr.c
            src/poller/sigpipe_wait.c
            src/poller/socket_group_openbsd.c
            src/poller/socket_group_plain.c
            src/poller/socket_openbsd.c
            src/poller/socket_plain.c
            src/poller/transfer_copy.c)
    endif()
    # Older OpenBSD has no event of users'.
    check_symbol_exists(EVFILT_USER "sys/types.h;sys/event.h" EVLOOP_HAVE_EVFILT_USER)
    if(EVLOOP_HAVE_EVFILT_USER)
        list(APPEND EVLOOP_PLATFORM_SOURCES src/poller/kqueue_wake_user.c)
    else()
        list(APPEND EVLOOP_PLATFORM_SOURCES src/poller/kqueue_wake_pipe.c)
    endif()
    list(APPEND EVLOOP_BACKENDS kqueue)
    message(STATUS "evloop: backends: kqueue")
else()
    message(FATAL_ERROR "evloop ${PROJECT_VERSION} has no poller for ${CMAKE_SYSTEM_NAME}: "
        "it runs on Linux, Darwin, FreeBSD, NetBSD and OpenBSD")
endif()
