# What depends on the system: the poller's sources, and what the C library offers. Sets
#   EVLOOP_PLATFORM_SOURCES      the files that are this system's
#   EVLOOP_PLATFORM_DEFINITIONS  for every source of the library
#   EVLOOP_BACKENDS              the pollers' names, the best first

include(CheckSymbolExists)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

set(EVLOOP_PLATFORM_SOURCES "")
set(EVLOOP_PLATFORM_DEFINITIONS "")
set(EVLOOP_BACKENDS "")

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(APPEND EVLOOP_PLATFORM_SOURCES
        src/poller/clock.c
        src/poller/descriptor_linux.c
        src/poller/message_linux.c
        src/poller/poller_epoll.c
        src/poller/socket_dgram_linux.c
        src/poller/socket_linux.c
        src/poller/transfer_linux.c
        src/util/cpu_linux.c)
    list(APPEND EVLOOP_PLATFORM_DEFINITIONS _GNU_SOURCE)
    list(APPEND EVLOOP_BACKENDS uring epoll)
    list(APPEND EVLOOP_PLATFORM_SOURCES src/poller/backends_linux.c src/poller/poller_uring.c src/poller/uring_buffer.c src/poller/uring_message.c src/poller/uring_operation.c src/poller/uring_probe.c src/poller/uring_ring.c)
    list(APPEND EVLOOP_PLATFORM_DEFINITIONS EVLOOP_HAVE_LIBURING)
    link_libraries(uring)

    set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
    check_symbol_exists(epoll_pwait2 sys/epoll.h EVLOOP_HAVE_EPOLL_PWAIT2)
    unset(CMAKE_REQUIRED_DEFINITIONS)
    if(EVLOOP_HAVE_EPOLL_PWAIT2)
        list(APPEND EVLOOP_PLATFORM_DEFINITIONS EVLOOP_HAVE_EPOLL_PWAIT2)
    endif()
else()
    message(FATAL_ERROR "evloop ${PROJECT_VERSION} has no poller for ${CMAKE_SYSTEM_NAME}: "
        "it runs on Linux, with epoll")
endif()
