/*
 * socket_dgram.c: options of datagram sockets that all systems have.
 */
#include "poller/socket_dgram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>

#include "util/sockaddr.h"

int socket_connect_dgram(int fd, const evloop_address *address)
{
    int result;
    do
        result = connect(fd, &address->of.any, address->size);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int socket_set_broadcast(int fd, bool on)
{
    return socket_set_option(fd, SOL_SOCKET, SO_BROADCAST, on);
}

/* Of v4 and v6, as the family wants. */
static int set_both(int fd, int family, int v4_option, int v6_option, int value)
{
    if (family != AF_INET && family != AF_INET6)
        return -ENOTSUP;
    int v4_err = socket_set_option(fd, IPPROTO_IP, v4_option, value);
    return family == AF_INET ? v4_err : socket_set_option(fd, IPPROTO_IPV6, v6_option, value);
}

int socket_set_ttl(int fd, int family, unsigned ttl)
{
    return set_both(fd, family, IP_TTL, IPV6_UNICAST_HOPS, (int)ttl);
}

/* Of v4 in the system's own way. */
static int set_multicast(int fd, int family, int v4_option, int v6_option, unsigned value)
{
    if (!socket_is_ip(family))
        return -ENOTSUP;
    int v4_err = socket_set_v4_multicast(fd, v4_option, (unsigned char)value);
    return family == AF_INET ? v4_err : socket_set_option(fd, IPPROTO_IPV6, v6_option, (int)value);
}

int socket_set_multicast_ttl(int fd, int family, unsigned ttl)
{
    return set_multicast(fd, family, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
}

int socket_set_multicast_loop(int fd, int family, bool on)
{
    return set_multicast(fd, family, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

int socket_set_multicast_interface(int fd, int family, unsigned index)
{
    if (family != AF_INET && family != AF_INET6)
        return -ENOTSUP;
    int v4_err = socket_set_v4_interface(fd, index);
    if (family == AF_INET)
        return v4_err;
    return socket_set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
}

/* The rest of the byte is somebody else's: the class of service. */
static int set_ecn(int fd, int level, int option, unsigned ecn)
{
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(fd, level, option, &value, &size) < 0)
        return -errno;
    return socket_set_option(fd, level, option, (int)(((unsigned)value & 0xfcU) | ecn));
}

int socket_set_ecn(int fd, int family, unsigned ecn)
{
    if (family != AF_INET && family != AF_INET6)
        return -ENOTSUP;
    int v4_err = set_ecn(fd, IPPROTO_IP, IP_TOS, ecn);
    return family == AF_INET ? v4_err : set_ecn(fd, IPPROTO_IPV6, IPV6_TCLASS, ecn);
}

/* ---- interfaces and groups ------------------------------------------------------------------- */

static void set_family(struct sockaddr_storage *address, sa_family_t family, size_t size)
{
    address->ss_family = family;
    sockaddr_set_length((struct sockaddr *)address, size);
}

/* An address without a port. */
static bool parse_host(struct sockaddr_storage *address, const char *text)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        set_family(address, AF_INET, sizeof *v4);
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        set_family(address, AF_INET6, sizeof *v6);
    return address->ss_family != AF_UNSPEC;
}

static bool is_host(const struct sockaddr *one, const struct sockaddr_storage *other)
{
    if (!one || one->sa_family != other->ss_family)
        return false;
    if (one->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)one)->sin_addr,
                      &((const struct sockaddr_in *)other)->sin_addr, sizeof(struct in_addr)) == 0;
    return memcmp(&((const struct sockaddr_in6 *)(const void *)one)->sin6_addr,
                  &((const struct sockaddr_in6 *)other)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static int find_by_address(const char *text, unsigned *index)
{
    struct sockaddr_storage address;
    struct ifaddrs *all;
    int err = -ENODEV;
    if (!parse_host(&address, text))
        return -ENODEV;
    if (getifaddrs(&all) != 0)
        return -errno;
    for (struct ifaddrs *one = all; one && err; one = one->ifa_next) {
        if (!is_host(one->ifa_addr, &address))
            continue;
        *index = if_nametoindex(one->ifa_name);
        err = *index ? 0 : -ENODEV;
    }
    freeifaddrs(all);
    return err;
}

int socket_find_interface(const char *text, unsigned *index)
{
    char name[IF_NAMESIZE];
    char *end;
    *index = 0;
    if (!text)
        return 0;
    *index = if_nametoindex(text);
    if (*index)
        return 0;
    if (*text < '0' || *text > '9')
        return find_by_address(text, index);
    unsigned long number = strtoul(text, &end, 10);
    if (*end)
        return find_by_address(text, index);
    if (number == 0 || number > INT_MAX || !if_indextoname((unsigned)number, name))
        return -ENODEV;
    *index = (unsigned)number;
    return 0;
}

static bool is_group(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

int socket_parse_membership(struct membership *membership, const char *group, const char *source,
                            const char *interface_name)
{
    memset(membership, 0, sizeof *membership);
    if (!parse_host(&membership->group, group) || !is_group(&membership->group))
        return -EINVAL;
    if (source && (!parse_host(&membership->source, source) ||
                   membership->source.ss_family != membership->group.ss_family))
        return -EINVAL;
    return socket_find_interface(interface_name, &membership->interface_index);
}
