/*
 * address.c: evloop/address.h: text to an address and back, the system's addresses, comparing.
 */
#include "support.h"
#include "system.h"

#include <arpa/inet.h>
#include <net/if.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

static evloop_address parsed(const char *text)
{
    evloop_address address;
    memset(&address, 0xa5, sizeof address); /* nothing of this may show through */
    int err = evloop_address_parse(&address, text);
    if (err)
        fail_msg("\"%s\": %s", text, evloop_err_name(err));
    return address;
}

static void assert_round_trip(const char *text)
{
    char again[EVLOOP_ADDRESS_TEXT];
    evloop_address address = parsed(text);
    assert_ptr_equal(evloop_address_format(&address, again, sizeof again), again);
    assert_string_equal(again, text);
    evloop_address twice = parsed(again);
    assert_true(evloop_address_equal(&address, &twice));
    assert_int_equal(address.size, twice.size);
    assert_memory_equal(&address.of, &twice.of, address.size);
}

/* The name of some interface of this machine. */
static const char *interface_name(void)
{
    static char name[IF_NAMESIZE];
    struct if_nameindex *all = if_nameindex();
    assert_non_null(all);
    assert_non_null(all[0].if_name);
    snprintf(name, sizeof name, "%s", all[0].if_name);
    if_freenameindex(all);
    return name;
}

static char *repeated(char *text, const char *front, char c, size_t length)
{
    memset(text, c, length);
    memcpy(text, front, strlen(front));
    text[length] = '\0';
    return text;
}

/* ---- text ------------------------------------------------------------------------------------ */

TEST(text_comes_back_as_it_was)
{
    const char *texts[] = {
        "127.0.0.1:80",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[::]:0",
        "[::1]:80",
        "[2001:db8::7]:53",
        "[::ffff:10.0.0.1]:1",
        "/run/daemon.sock",
        "./d",
        "../up",
        "/",
        ".hidden",
        "/with:80",
        "@name",
        "@a/b:c",
        "@@",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i][0] != '@' || system_has_abstract_names())
            assert_round_trip(texts[i]);
}

TEST(a_name_in_no_directory_is_not_supported_where_there_are_none)
{
    evloop_address address = {0};
    assert_int_equal(evloop_address_parse(&address, "@name"),
                     system_has_abstract_names() ? 0 : -ENOTSUP);
    assert_int_equal(evloop_address_family(&address),
                     system_has_abstract_names() ? AF_UNIX : AF_UNSPEC);
}

TEST(numbers_stand_in_the_address_as_the_network_wants_them)
{
    evloop_address v4 = parsed("10.1.2.3:513");
    assert_int_equal(evloop_address_family(&v4), AF_INET);
    assert_int_equal(v4.size, sizeof(struct sockaddr_in));
    assert_int_equal(v4.of.v4.sin_port, htons(513));
    assert_int_equal(v4.of.v4.sin_addr.s_addr, htonl(0x0a010203));

    evloop_address v6 = parsed("[::1]:513");
    assert_int_equal(evloop_address_family(&v6), AF_INET6);
    assert_int_equal(v6.size, sizeof(struct sockaddr_in6));
    assert_int_equal(v6.of.v6.sin6_port, htons(513));
    assert_memory_equal(&v6.of.v6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
    assert_int_equal(v6.of.v6.sin6_scope_id, 0);
}

TEST(a_port_alone_is_every_address)
{
    evloop_address all = parsed(":80"), any = parsed("[::]:80");
    assert_true(evloop_address_equal(&all, &any));
    assert_int_equal(evloop_address_port(&all), 80);
}

TEST(other_spellings_of_one_v6_address_are_equal)
{
    evloop_address one = parsed("[2001:db8::1]:1"), other = parsed("[2001:0DB8:0:0:0:0:0:1]:1");
    assert_true(evloop_address_equal(&one, &other));
    assert_memory_equal(&one.of, &other.of, one.size);
}

TEST(malformed_text_is_refused_and_nothing_is_touched)
{
    const char *texts[] = {
        "",
        " ",
        "80",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "localhost:80",
        "localhost",
        "example",
        /* ports */
        ":-1",
        ":+1",
        ": 1",
        ":1 ",
        ":65536",
        ":99999999999999999999",
        ":080",
        ":00",
        ":0x50",
        ":8O",
        "127.0.0.1:80x",
        "127.0.0.1:80:",
        "127.0.0.1::80",
        ":80\n",
        /* v4 */
        "127.0.0:80",
        "127.1:80",
        "127.0.0.256:80",
        "127.0.0.01:80",
        "127.0.0.1.1:80",
        " 127.0.0.1:80",
        "127.0.0.1 :80",
        "2130706433:80",
        "0x7f.0.0.1:80",
        "*:80",
        "127.0.0.1%lo:80",
        /* v6 */
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "[]",
        "[",
        "[[::1]]:80",
        "[::1]]:80",
        "[::1] :80",
        "[::g]:80",
        "[1::2::3]:80",
        "[127.0.0.1]:80",
        "[::1]:",
        "[::1]:x",
        "[12345::]:80",
        "[0:0:0:0:0:0:0:0:1]:80",
        /* scopes */
        "[fe80::1%]:80",
        "[fe80::1%0]:80",
        "[fe80::1%4294967296]:80",
        "[%1]:80",
        "[fe80::1]%1:80",
        /* names */
        "@",
    };
    evloop_address address;
    memset(&address, 0xa5, sizeof address);
    evloop_address before = address;
    for (size_t i = 0; i < COUNT(texts); i++) {
        int err = evloop_address_parse(&address, texts[i]);
        if (err != -EINVAL)
            fail_msg("\"%s\": %s", texts[i], evloop_err_name(err));
    }
    assert_memory_equal(&address, &before, sizeof address);
}

TEST(a_host_longer_than_any_is_refused)
{
    char text[512];
    repeated(text, "1", '1', 400);
    strcat(text, ":80");
    assert_int_equal(evloop_address_parse(&(evloop_address){0}, text), -EINVAL);
    repeated(text, "[::1", '0', 400);
    strcat(text, "]:80");
    assert_int_equal(evloop_address_parse(&(evloop_address){0}, text), -EINVAL);
}

TEST(null_is_refused)
{
    evloop_address address = {0};
    assert_int_equal(evloop_address_parse(NULL, ":80"), -EINVAL);
    assert_int_equal(evloop_address_parse(&address, NULL), -EINVAL);
    assert_int_equal(evloop_address_set_port(NULL, 1), -EINVAL);
    assert_int_equal(evloop_address_family(NULL), AF_UNSPEC);
    assert_int_equal(evloop_address_port(NULL), 0);
    char text[4] = "abc";
    assert_string_equal(evloop_address_format(NULL, text, sizeof text), "");
    assert_null(evloop_address_format(&address, NULL, 4));
    evloop_address none = evloop_address_from(NULL, sizeof(struct sockaddr_in));
    assert_int_equal(evloop_address_family(&none), AF_UNSPEC);
    assert_true(evloop_address_equal(&none, NULL));
    evloop_address some = parsed(":80");
    assert_false(evloop_address_equal(&some, NULL));
    assert_false(evloop_address_equal(NULL, &some));
}

/* ---- scopes ---------------------------------------------------------------------------------- */

TEST(a_scope_is_an_interface)
{
    char text[EVLOOP_ADDRESS_TEXT];
    const char *name = interface_name();
    snprintf(text, sizeof text, "[fe80::1%%%s]:80", name);
    assert_round_trip(text);
    evloop_address address = parsed(text);
    assert_int_equal(address.of.v6.sin6_scope_id, if_nametoindex(name));
}

TEST(a_scope_is_a_number_when_no_interface_is_called_so)
{
    assert_round_trip("[fe80::1%4294967295]:80");
    evloop_address address = parsed("[fe80::1%4294967295]:80");
    assert_int_equal(address.of.v6.sin6_scope_id, UINT32_MAX);
    address = parsed("[fe80::1%1]:80");
    assert_int_equal(address.of.v6.sin6_scope_id, 1);
}

TEST(a_scope_that_is_no_interface_is_told)
{
    const char *texts[] = {"[fe80::1%no-such]:80", "[fe80::1%1x]:80", "[fe80::1% 1]:80",
                           "[fe80::1%-1]:80", "[fe80::1%longer-than-any-name]:80"};
    evloop_address address = {0};
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(evloop_address_parse(&address, texts[i]), -ENODEV);
    assert_int_equal(address.size, 0);
}

/* ---- paths and names ------------------------------------------------------------------------- */

TEST(a_path_is_as_long_as_it_says_and_ends_with_a_zero)
{
    evloop_address address = parsed("/run/x");
    assert_int_equal(evloop_address_family(&address), AF_UNIX);
    assert_int_equal(address.size, PATH_OFFSET + sizeof "/run/x");
    assert_string_equal(address.of.path.sun_path, "/run/x");
}

TEST(the_longest_path_fits_and_a_longer_one_is_told)
{
    char text[PATH_ROOM + 2];
    assert_round_trip(repeated(text, "/", 'x', PATH_ROOM - 1));
    evloop_address address = {0};
    assert_int_equal(evloop_address_parse(&address, repeated(text, "/", 'x', PATH_ROOM)),
                     -ENAMETOOLONG);
    assert_int_equal(evloop_address_parse(&address, repeated(text, ".", 'x', PATH_ROOM + 1)),
                     -ENAMETOOLONG);
    assert_int_equal(address.size, 0);
}

TEST(an_abstract_name_is_as_long_as_it_says_and_has_no_zero_at_its_end)
{
    if (!system_has_abstract_names())
        skip();
    evloop_address address = parsed("@ab");
    assert_int_equal(evloop_address_family(&address), AF_UNIX);
    assert_int_equal(address.size, PATH_OFFSET + 3);
    assert_memory_equal(address.of.path.sun_path, "\0ab", 3);
}

TEST(the_longest_abstract_name_fits_and_a_longer_one_is_told)
{
    char text[PATH_ROOM + 2];
    if (!system_has_abstract_names())
        skip();
    assert_round_trip(repeated(text, "@", 'x', PATH_ROOM - 1));
    evloop_address address = {0};
    assert_int_equal(evloop_address_parse(&address, repeated(text, "@", 'x', PATH_ROOM)),
                     -ENAMETOOLONG);
    assert_int_equal(address.size, 0);
}

TEST(zeros_in_an_abstract_name_are_shown_as_its_first_one_is)
{
    if (!system_has_abstract_names())
        skip();
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0a\0b"};
    evloop_address address =
        evloop_address_from((const struct sockaddr *)&name, (socklen_t)PATH_OFFSET + 5);
    char text[EVLOOP_ADDRESS_TEXT];
    assert_string_equal(evloop_address_format(&address, text, sizeof text), "@a@b@");
}

/* ---- writing --------------------------------------------------------------------------------- */

TEST(text_is_cut_off_where_the_memory_ends)
{
    const char *whole = "[2001:db8::1]:8080";
    evloop_address address = parsed(whole);
    for (size_t size = 1; size <= strlen(whole) + 2; size++) {
        char text[64];
        memset(text, 'x', sizeof text);
        evloop_address_format(&address, text, size);
        size_t expected = size <= strlen(whole) ? size - 1 : strlen(whole);
        assert_int_equal(strlen(text), expected);
        assert_memory_equal(text, whole, expected);
        assert_int_equal(text[size], 'x');
    }
    char untouched = 'x';
    assert_ptr_equal(evloop_address_format(&address, &untouched, 0), &untouched);
    assert_int_equal(untouched, 'x');
}

TEST(none_is_no_text)
{
    evloop_address none = {0};
    char text[EVLOOP_ADDRESS_TEXT] = "x";
    assert_string_equal(evloop_address_format(&none, text, sizeof text), "");
    assert_int_equal(evloop_address_family(&none), AF_UNSPEC);
    assert_int_equal(evloop_address_port(&none), 0);
    assert_int_equal(evloop_address_set_port(&none, 1), -EINVAL);
}

TEST(the_longest_text_fits)
{
    evloop_address address = parsed("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%1]:65535");
    address.of.v6.sin6_scope_id = UINT32_MAX;
    char text[EVLOOP_ADDRESS_TEXT];
    assert_string_equal(evloop_address_format(&address, text, sizeof text),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

/* ---- ports ----------------------------------------------------------------------------------- */

TEST(a_port_is_set_and_read)
{
    evloop_address v4 = parsed("127.0.0.1:0"), v6 = parsed("[::1]:0"), path = parsed("/x");
    assert_int_equal(evloop_address_set_port(&v4, 65535), 0);
    assert_int_equal(evloop_address_port(&v4), 65535);
    assert_int_equal(evloop_address_set_port(&v6, 258), 0);
    assert_int_equal(evloop_address_port(&v6), 258);
    evloop_address same = parsed("[::1]:258");
    assert_true(evloop_address_equal(&v6, &same));
    assert_int_equal(evloop_address_set_port(&path, 1), -EINVAL);
    assert_int_equal(evloop_address_port(&path), 0);
}

/* ---- the system's addresses ------------------------------------------------------------------ */

TEST(what_the_system_leaves_in_unused_bytes_does_not_count)
{
    struct sockaddr_in v4;
    memset(&v4, 0xa5, sizeof v4);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(80);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    evloop_address address = evloop_address_from((const struct sockaddr *)&v4, sizeof v4);
    evloop_address expected = parsed("127.0.0.1:80");
    assert_true(evloop_address_equal(&address, &expected));
    assert_memory_equal(&address.of, &expected.of, expected.size);

    struct sockaddr_un path;
    memset(&path, 0xa5, sizeof path);
    path.sun_family = AF_UNIX;
    strcpy(path.sun_path, "/run/x");
    address = evloop_address_from((const struct sockaddr *)&path, sizeof path);
    expected = parsed("/run/x");
    assert_true(evloop_address_equal(&address, &expected));
    assert_int_equal(address.size, expected.size);
}

TEST(what_users_leave_in_unused_bytes_does_not_count_either)
{
    evloop_address one = parsed("[::1]:80"), other = one;
    other.of.v6.sin6_flowinfo = 7;
    assert_true(evloop_address_equal(&one, &other));
    other.of.path.sun_path[PATH_ROOM - 1] = 'x';
    assert_true(evloop_address_equal(&one, &other));
}

TEST(an_address_that_is_too_long_or_too_short_is_none)
{
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof storage);
    const struct sockaddr *any = (const struct sockaddr *)&storage;
    const struct {
        sa_family_t family;
        socklen_t size;
    } wrong[] = {
        {AF_INET, sizeof(struct sockaddr_in) - 1},
        {AF_INET6, sizeof(struct sockaddr_in6) - 1},
        {AF_INET, sizeof storage},
        {AF_INET, 1},
        {AF_INET, 0},
        {AF_UNSPEC, sizeof(struct sockaddr_in)},
        {250, sizeof(struct sockaddr_in)},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        storage.ss_family = wrong[i].family;
        evloop_address address = evloop_address_from(any, wrong[i].size);
        assert_int_equal(address.size, 0);
        assert_int_equal(evloop_address_family(&address), AF_UNSPEC);
    }
}

TEST(a_path_without_a_zero_at_its_end_is_taken_if_it_fits)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const struct sockaddr *any = (const struct sockaddr *)&path;
    memset(path.sun_path, 'x', PATH_ROOM);
    path.sun_path[0] = '/';
    evloop_address address = evloop_address_from(any, (socklen_t)PATH_OFFSET + 3);
    evloop_address expected = parsed("/xx");
    assert_true(evloop_address_equal(&address, &expected));
    address = evloop_address_from(any, sizeof path);
    assert_int_equal(address.size, 0);
}

TEST(a_socket_without_a_name_has_a_family_and_no_text)
{
    int fds[2];
    pair_open(fds);
    struct sockaddr_un name;
    socklen_t size = sizeof name;
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&name, &size), 0);
    evloop_address address = evloop_address_from((const struct sockaddr *)&name, size);
    char text[EVLOOP_ADDRESS_TEXT] = "x";
    assert_int_equal(evloop_address_family(&address), AF_UNIX);
    assert_int_equal(address.size, PATH_OFFSET);
    assert_string_equal(evloop_address_format(&address, text, sizeof text), "");
    fds_close(fds);
}

/* ---- comparing ------------------------------------------------------------------------------- */

TEST(different_places_differ)
{
    const char *texts[] = {
        "127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::ffff:127.0.0.1]:80",
        "[::1]:80",     "[::1]:81",     "[fe80::1]:80", "[fe80::1%4294967295]:80",
        "/x",           "/y",           "/xx",          "./x",
        "@x",           "@y",           "@xx"};
    const size_t count = COUNT(texts) - (system_has_abstract_names() ? 0 : 3);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            evloop_address one = parsed(texts[i]), other = parsed(texts[k]);
            assert_int_equal(evloop_address_equal(&one, &other), i == k);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(text_comes_back_as_it_was),
        TEST_ENTRY(a_name_in_no_directory_is_not_supported_where_there_are_none),
        TEST_ENTRY(numbers_stand_in_the_address_as_the_network_wants_them),
        TEST_ENTRY(a_port_alone_is_every_address),
        TEST_ENTRY(other_spellings_of_one_v6_address_are_equal),
        TEST_ENTRY(malformed_text_is_refused_and_nothing_is_touched),
        TEST_ENTRY(a_host_longer_than_any_is_refused),
        TEST_ENTRY(null_is_refused),
        TEST_ENTRY(a_scope_is_an_interface),
        TEST_ENTRY(a_scope_is_a_number_when_no_interface_is_called_so),
        TEST_ENTRY(a_scope_that_is_no_interface_is_told),
        TEST_ENTRY(a_path_is_as_long_as_it_says_and_ends_with_a_zero),
        TEST_ENTRY(the_longest_path_fits_and_a_longer_one_is_told),
        TEST_ENTRY(an_abstract_name_is_as_long_as_it_says_and_has_no_zero_at_its_end),
        TEST_ENTRY(the_longest_abstract_name_fits_and_a_longer_one_is_told),
        TEST_ENTRY(zeros_in_an_abstract_name_are_shown_as_its_first_one_is),
        TEST_ENTRY(text_is_cut_off_where_the_memory_ends),
        TEST_ENTRY(none_is_no_text),
        TEST_ENTRY(the_longest_text_fits),
        TEST_ENTRY(a_port_is_set_and_read),
        TEST_ENTRY(what_the_system_leaves_in_unused_bytes_does_not_count),
        TEST_ENTRY(what_users_leave_in_unused_bytes_does_not_count_either),
        TEST_ENTRY(an_address_that_is_too_long_or_too_short_is_none),
        TEST_ENTRY(a_path_without_a_zero_at_its_end_is_taken_if_it_fits),
        TEST_ENTRY(a_socket_without_a_name_has_a_family_and_no_text),
        TEST_ENTRY(different_places_differ),
    };
    return RUN_TESTS("address", tests);
}
