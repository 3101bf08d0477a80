/*
 * dgram_network.c: what the network is to do with what is sent; groups.
 */
#include "io/dgram.h"

#include "poller/socket_dgram.h"

enum { TTL_AT_MOST = 255, ECN_AT_MOST = 3 };

static int check_udp(const evloop_dgram *d)
{
    int err = dgram_check(d);
    if (err)
        return err;
    return dgram_is_udp(d) ? 0 : -ENOTSUP;
}

int evloop_dgram_set_broadcast(evloop_dgram *d, bool on)
{
    int err = check_udp(d);
    return err ? err : socket_set_broadcast(d->endpoint_.fd, on);
}

int evloop_dgram_set_ttl(evloop_dgram *d, unsigned ttl)
{
    int err = ttl < 1 || ttl > TTL_AT_MOST ? -EINVAL : check_udp(d);
    return err ? err : socket_set_ttl(d->endpoint_.fd, d->family_, ttl);
}

int evloop_dgram_set_ecn(evloop_dgram *d, unsigned ecn)
{
    int err = ecn > ECN_AT_MOST ? -EINVAL : check_udp(d);
    return err ? err : socket_set_ecn(d->endpoint_.fd, d->family_, ecn);
}

static int parse(const evloop_dgram *d, struct membership *membership, const char *group,
                 const char *source, const char *interface_name)
{
    int err = group ? check_udp(d) : -EINVAL;
    return err ? err : socket_parse_membership(membership, group, source, interface_name);
}

int evloop_dgram_join(evloop_dgram *d, const char *group, const char *source,
                      const char *interface_name)
{
    struct membership membership;
    int err = parse(d, &membership, group, source, interface_name);
    return err ? err : socket_join(d->endpoint_.fd, &membership);
}

int evloop_dgram_leave(evloop_dgram *d, const char *group, const char *source,
                       const char *interface_name)
{
    struct membership membership;
    int err = parse(d, &membership, group, source, interface_name);
    return err ? err : socket_leave(d->endpoint_.fd, &membership);
}

int evloop_dgram_set_multicast_interface(evloop_dgram *d, const char *interface_name)
{
    unsigned index;
    int err = check_udp(d);
    if (!err)
        err = socket_find_interface(interface_name, &index);
    return err ? err : socket_set_multicast_interface(d->endpoint_.fd, d->family_, index);
}

int evloop_dgram_set_multicast_ttl(evloop_dgram *d, unsigned ttl)
{
    int err = ttl > TTL_AT_MOST ? -EINVAL : check_udp(d);
    return err ? err : socket_set_multicast_ttl(d->endpoint_.fd, d->family_, ttl);
}

int evloop_dgram_set_multicast_loop(evloop_dgram *d, bool on)
{
    int err = check_udp(d);
    return err ? err : socket_set_multicast_loop(d->endpoint_.fd, d->family_, on);
}
