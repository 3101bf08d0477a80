/*
 * address.c: addresses as text. An address is zero beyond what it says, so that two that are the
 * same place have the same bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "evloop/address.h"

enum { PORT_DIGITS = 5, HOST_TEXT = INET6_ADDRSTRLEN + 1 + IF_NAMESIZE };

/* The whole text is a number from 0 to most, in decimal, without a sign. */
static bool parse_number(const char *text, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;
    if (!*text)
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

static bool parse_port(const char *text, uint16_t *port)
{
    uint32_t number;
    if (strlen(text) > PORT_DIGITS || !parse_number(text, UINT16_MAX, &number))
        return false;
    *port = htons((uint16_t)number);
    return true;
}

static int parse_v4(evloop_address *address, const char *host, const char *port)
{
    address->of.v4.sin_family = AF_INET;
    address->size = sizeof address->of.v4;
    if (inet_pton(AF_INET, host, &address->of.v4.sin_addr) != 1 ||
        !parse_port(port, &address->of.v4.sin_port))
        return -EINVAL;
    return 0;
}

static int parse_scope(const char *text, uint32_t *scope)
{
    if (!*text)
        return -EINVAL;
    *scope = if_nametoindex(text);
    if (*scope == 0 && !(parse_number(text, UINT32_MAX, scope) && *scope != 0))
        return -ENODEV;
    return 0;
}

static int parse_v6(evloop_address *address, char *host, const char *port)
{
    char *scope = strchr(host, '%');
    address->of.v6.sin6_family = AF_INET6;
    address->size = sizeof address->of.v6;
    if (scope)
        *scope++ = '\0';
    if (inet_pton(AF_INET6, host, &address->of.v6.sin6_addr) != 1 ||
        !parse_port(port, &address->of.v6.sin6_port))
        return -EINVAL;
    return scope ? parse_scope(scope, &address->of.v6.sin6_scope_id) : 0;
}

/* "[v6]:port" */
static int parse_bracketed(evloop_address *address, const char *text)
{
    char host[HOST_TEXT];
    const char *end = strchr(text, ']');
    size_t length = end ? (size_t)(end - text) : sizeof host;
    if (length >= sizeof host || end[1] != ':')
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    return parse_v6(address, host, end + 2);
}

/* "v4:port", ":port" */
static int parse_plain(evloop_address *address, const char *text)
{
    char host[HOST_TEXT];
    const char *end = strchr(text, ':');
    size_t length = end ? (size_t)(end - text) : sizeof host;
    if (length >= sizeof host)
        return -EINVAL;
    if (length == 0)
        return parse_v6(address, strcpy(host, "::"), end + 1);
    memcpy(host, text, length);
    host[length] = '\0';
    return parse_v4(address, host, end + 1);
}

static int parse_path(evloop_address *address, const char *text)
{
    struct sockaddr_un *path = &address->of.path;
    size_t length = strlen(text);
    bool abstract = *text == '@';
    if (abstract && length == 1)
        return -EINVAL;
    if (length + !abstract > sizeof path->sun_path)
        return -ENAMETOOLONG;
    path->sun_family = AF_UNIX;
    memcpy(path->sun_path, text, length);
    if (abstract)
        path->sun_path[0] = '\0';
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
    return 0;
}

int evloop_address_parse(evloop_address *address, const char *text)
{
    evloop_address parsed;
    int err;
    if (!address || !text)
        return -EINVAL;
    memset(&parsed, 0, sizeof parsed);
    if (*text == '[')
        err = parse_bracketed(&parsed, text + 1);
    else if (*text == '/' || *text == '.' || *text == '@')
        err = parse_path(&parsed, text);
    else
        err = parse_plain(&parsed, text);
    if (!err)
        *address = parsed;
    return err;
}

static void format_v6(const struct sockaddr_in6 *v6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    char name[IF_NAMESIZE];
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    unsigned port = ntohs(v6->sin6_port);
    if (!v6->sin6_scope_id)
        snprintf(text, size, "[%s]:%u", host, port);
    else if (if_indextoname(v6->sin6_scope_id, name))
        snprintf(text, size, "[%s%%%s]:%u", host, name, port);
    else
        snprintf(text, size, "[%s%%%u]:%u", host, (unsigned)v6->sin6_scope_id, port);
}

static void format_path(const evloop_address *address, char *text, size_t size)
{
    const char *path = address->of.path.sun_path;
    size_t length = address->size - offsetof(struct sockaddr_un, sun_path);
    if (length == 0)
        return;
    if (*path)
        snprintf(text, size, "%.*s", (int)length, path);
    else
        snprintf(text, size, "@%.*s", (int)(length - 1), path + 1);
}

char *evloop_address_format(const evloop_address *address, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN];
    if (!text || size == 0)
        return text;
    *text = '\0';
    switch (evloop_address_family(address)) {
    case AF_INET:
        inet_ntop(AF_INET, &address->of.v4.sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, (unsigned)ntohs(address->of.v4.sin_port));
        break;
    case AF_INET6:
        format_v6(&address->of.v6, text, size);
        break;
    case AF_UNIX:
        format_path(address, text, size);
        break;
    default:
        break;
    }
    return text;
}

evloop_address evloop_address_from(const struct sockaddr *address, socklen_t size)
{
    evloop_address taken;
    memset(&taken, 0, sizeof taken);
    if (!address || size < sizeof address->sa_family || size > sizeof taken.of)
        return taken;
    memcpy(&taken.of, address, size);
    taken.size = size;
    return taken;
}

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

static bool equal_v6(const struct sockaddr_in6 *one, const struct sockaddr_in6 *other)
{
    return one->sin6_port == other->sin6_port && one->sin6_scope_id == other->sin6_scope_id &&
           memcmp(&one->sin6_addr, &other->sin6_addr, sizeof one->sin6_addr) == 0;
}

static bool equal_path(const evloop_address *one, const evloop_address *other)
{
    const char *path = one->of.path.sun_path;
    size_t length = one->size - offsetof(struct sockaddr_un, sun_path);
    if (length && *path)
        return strncmp(path, other->of.path.sun_path, sizeof one->of.path.sun_path) == 0;
    return one->size == other->size && memcmp(path, other->of.path.sun_path, length) == 0;
}

bool evloop_address_equal(const evloop_address *one, const evloop_address *other)
{
    int family = evloop_address_family(one);
    if (family != evloop_address_family(other))
        return false;
    switch (family) {
    case AF_INET:
        return one->of.v4.sin_port == other->of.v4.sin_port &&
               one->of.v4.sin_addr.s_addr == other->of.v4.sin_addr.s_addr;
    case AF_INET6:
        return equal_v6(&one->of.v6, &other->of.v6);
    case AF_UNIX:
        return equal_path(one, other);
    default:
        return true;
    }
}
