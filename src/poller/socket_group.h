/*
 * socket_group.h: between socket_group_plain.c and the systems' files.
 */
#ifndef POLLER_SOCKET_GROUP_H
#define POLLER_SOCKET_GROUP_H

#include "poller/socket_dgram.h"

int socket_change_v4_group(int fd, int option, struct in_addr group, unsigned interface_index);

#endif
