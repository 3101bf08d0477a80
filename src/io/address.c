/*
 * address.c: addresses as text and back. Whatever makes an address zero-fills it first and keeps
 * only what says where it is, so that equal addresses have equal bytes. Any thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "evloop/address.h"
#include "util/sockaddr.h"

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)
/* The longest host: an IPv6 address, '%', an interface. */
#define HOST_ROOM (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)

/* ---- making ---------------------------------------------------------------------------------- */

static evloop_address make(sa_family_t family, socklen_t size)
{
    evloop_address address;
    memset(&address, 0, sizeof address);
    address.of.any.sa_family = family;
    sockaddr_set_length(&address.of.any, size);
    address.size = size;
    return address;
}

static evloop_address make_v4(struct in_addr host, uint16_t port)
{
    evloop_address address = make(AF_INET, sizeof address.of.v4);
    address.of.v4.sin_addr = host;
    address.of.v4.sin_port = htons(port);
    return address;
}

static evloop_address make_v6(const struct in6_addr *host, uint32_t scope, uint16_t port)
{
    evloop_address address = make(AF_INET6, sizeof address.of.v6);
    address.of.v6.sin6_addr = *host;
    address.of.v6.sin6_scope_id = scope;
    address.of.v6.sin6_port = htons(port);
    return address;
}

/* A path's size counts its final zero; an abstract name has none, and its first zero counts. */
static evloop_address make_path(const char *path, size_t size)
{
    evloop_address address = make(AF_UNIX, (socklen_t)(PATH_OFFSET + size));
    memcpy(address.of.path.sun_path, path, size);
    return address;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Decimal, without a sign, without a zero in front. */
static bool parse_number(const char *text, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;
    if (!*text || (text[0] == '0' && text[1]))
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > most)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

/* An interface's name, or a number, which need not be one of today's interfaces. */
static int parse_scope(const char *text, uint32_t *scope)
{
    if (!*text)
        return -EINVAL;
    *scope = strlen(text) < IF_NAMESIZE ? if_nametoindex(text) : 0;
    if (*scope)
        return 0;
    if (strspn(text, "0123456789") != strlen(text))
        return -ENODEV;
    return parse_number(text, UINT32_MAX, scope) && *scope ? 0 : -EINVAL;
}

/* What stands between the brackets. */
static int parse_v6(evloop_address *address, char *host, uint16_t port)
{
    struct in6_addr in6;
    uint32_t scope = 0;
    char *percent = strchr(host, '%');
    if (percent)
        *percent = '\0';
    if (inet_pton(AF_INET6, host, &in6) != 1)
        return -EINVAL;
    int err = percent ? parse_scope(percent + 1, &scope) : 0;
    if (!err)
        *address = make_v6(&in6, scope, port);
    return err;
}

static int parse_v4(evloop_address *address, const char *host, uint16_t port)
{
    struct in_addr in;
    if (inet_pton(AF_INET, host, &in) != 1)
        return -EINVAL;
    *address = make_v4(in, port);
    return 0;
}

static int parse_ip(evloop_address *address, const char *text)
{
    char host[HOST_ROOM];
    uint32_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || !parse_number(colon + 1, UINT16_MAX, &port))
        return -EINVAL;
    size_t length = (size_t)(colon - text);
    if (length == 0) {
        *address = make_v6(&in6addr_any, 0, (uint16_t)port);
        return 0;
    }
    bool brackets = text[0] == '[';
    if (brackets) {
        if (length < 2 || colon[-1] != ']')
            return -EINVAL;
        text++;
        length -= 2;
    }
    if (length >= sizeof host)
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    return brackets ? parse_v6(address, host, (uint16_t)port)
                    : parse_v4(address, host, (uint16_t)port);
}

static int parse_path(evloop_address *address, const char *path)
{
    size_t length = strlen(path);
    if (length >= PATH_ROOM)
        return -ENAMETOOLONG;
    *address = make_path(path, length + 1);
    return 0;
}

static int parse_abstract(evloop_address *address, const char *text)
{
    char name[PATH_ROOM] = {0};
    size_t length = strlen(text);
    if (!SOCKADDR_ABSTRACT)
        return -ENOTSUP;
    if (length == 1)
        return -EINVAL;
    if (length >= PATH_ROOM)
        return -ENAMETOOLONG;
    memcpy(name + 1, text + 1, length - 1);
    *address = make_path(name, length);
    return 0;
}

int evloop_address_parse(evloop_address *address, const char *text)
{
    if (!address || !text)
        return -EINVAL;
    switch (text[0]) {
    case '/':
    case '.':
        return parse_path(address, text);
    case '@':
        return parse_abstract(address, text);
    default:
        return parse_ip(address, text);
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static void format_v4(const struct sockaddr_in *v4, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
}

static void format_v6(const struct sockaddr_in6 *v6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    char scope[IF_NAMESIZE + 1] = "";
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    if (v6->sin6_scope_id && if_indextoname(v6->sin6_scope_id, scope + 1))
        scope[0] = '%';
    else if (v6->sin6_scope_id)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)v6->sin6_scope_id);
    snprintf(text, size, "[%s%s]:%u", host, scope, ntohs(v6->sin6_port));
}

/* Zeros in an abstract name, which only other programs make, look like its first one: '@'. */
static void format_path(const evloop_address *address, char *text)
{
    size_t length = address->size - PATH_OFFSET;
    memcpy(text, address->of.path.sun_path, length);
    text[length] = '\0';
    if (length && !text[0])
        for (size_t i = 0; i < length; i++)
            if (!text[i])
                text[i] = '@';
}

static evloop_address canonical(const evloop_address *address)
{
    return address ? evloop_address_from(&address->of.any, address->size) : make(AF_UNSPEC, 0);
}

char *evloop_address_format(const evloop_address *address, char *text, size_t size)
{
    char whole[EVLOOP_ADDRESS_TEXT] = "";
    evloop_address from = canonical(address);
    if (!text || !size)
        return text;
    switch (evloop_address_family(&from)) {
    case AF_INET:
        format_v4(&from.of.v4, whole, sizeof whole);
        break;
    case AF_INET6:
        format_v6(&from.of.v6, whole, sizeof whole);
        break;
    case AF_UNIX:
        format_path(&from, whole);
        break;
    default:
        break;
    }
    size_t length = strlen(whole);
    length = length < size ? length : size - 1;
    memcpy(text, whole, length);
    text[length] = '\0';
    return text;
}

/* ---- the system's addresses ------------------------------------------------------------------ */

static evloop_address from_path(const struct sockaddr_un *path, size_t room)
{
    size_t length = strnlen(path->sun_path, room);
    if (length == 0)
        return make_path(path->sun_path, SOCKADDR_ABSTRACT ? room : 0);
    return length < PATH_ROOM ? make_path(path->sun_path, length + 1) : make(AF_UNSPEC, 0);
}

evloop_address evloop_address_from(const struct sockaddr *address, socklen_t size)
{
    evloop_address copy = make(AF_UNSPEC, 0);
    if (!address || size > sizeof copy.of || size < PATH_OFFSET)
        return copy;
    memcpy(&copy.of, address, size); /* it need not be aligned */
    if (copy.of.any.sa_family == AF_INET && size >= sizeof copy.of.v4)
        return make_v4(copy.of.v4.sin_addr, ntohs(copy.of.v4.sin_port));
    if (copy.of.any.sa_family == AF_INET6 && size >= sizeof copy.of.v6)
        return make_v6(&copy.of.v6.sin6_addr, copy.of.v6.sin6_scope_id,
                       ntohs(copy.of.v6.sin6_port));
    if (copy.of.any.sa_family == AF_UNIX)
        return from_path(&copy.of.path, size - PATH_OFFSET);
    return make(AF_UNSPEC, 0);
}

/* ---- asking ---------------------------------------------------------------------------------- */

int evloop_address_family(const evloop_address *address)
{
    return address && address->size ? address->of.any.sa_family : AF_UNSPEC;
}

uint16_t evloop_address_port(const evloop_address *address)
{
    switch (evloop_address_family(address)) {
    case AF_INET:
        return ntohs(address->of.v4.sin_port);
    case AF_INET6:
        return ntohs(address->of.v6.sin6_port);
    default:
        return 0;
    }
}

int evloop_address_set_port(evloop_address *address, uint16_t port)
{
    switch (evloop_address_family(address)) {
    case AF_INET:
        address->of.v4.sin_port = htons(port);
        return 0;
    case AF_INET6:
        address->of.v6.sin6_port = htons(port);
        return 0;
    default:
        return -EINVAL;
    }
}

bool evloop_address_equal(const evloop_address *one, const evloop_address *other)
{
    evloop_address a = canonical(one), b = canonical(other);
    return a.size == b.size && memcmp(&a.of, &b.of, a.size) == 0;
}
