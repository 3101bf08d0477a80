/*
 * mail.h: datagram sockets that keep what comes, for the tests of datagrams.
 */
#ifndef EVLOOP_TESTS_MAIL_H
#define EVLOOP_TESTS_MAIL_H

#include "support.h"

enum { MAILS = 512, MAIL_TEXT = 64 };

/** A datagram that came. */
struct mail {
    char text[MAIL_TEXT]; /* its beginning, with a final zero */
    size_t size;
    evloop_address peer;
    evloop_address local; /* none if it was not told */
    unsigned interface_index;
    unsigned segment_size;
    int ttl;
    int ecn;
    bool truncated;
};

/** A socket and what came to it. */
struct box {
    evloop_dgram dgram;
    struct mail mails[MAILS];
    size_t count;   /* of mails; more than MAILS are counted, and not kept */
    size_t batches; /* callbacks with datagrams */
    size_t largest; /* batch */
    size_t errors;
    int error;  /* the last one */
    bool about; /* which was about error_mail */
    struct mail error_mail;
    bool closed;
    void (*then)(struct box *box); /* called after each batch or error; may be NULL */
};

static inline void mail_keep(struct mail *mail, const evloop_datagram *datagram)
{
    size_t size = datagram->size < MAIL_TEXT - 1 ? datagram->size : MAIL_TEXT - 1;
    memset(mail, 0, sizeof *mail);
    if (size)
        memcpy(mail->text, datagram->data, size);
    mail->size = datagram->size;
    if (datagram->peer && datagram->peer->size)
        mail->peer = *datagram->peer;
    if (datagram->local)
        mail->local = *datagram->local;
    mail->interface_index = datagram->interface_index;
    mail->segment_size = datagram->segment_size;
    mail->ttl = datagram->ttl;
    mail->ecn = datagram->ecn;
    mail->truncated = datagram->truncated;
}

static inline void box_on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    struct box *box = evloop_container_of(d, struct box, dgram);
    if (n < 0) {
        box->errors++;
        box->error = (int)n;
        box->about = datagrams != NULL;
        if (datagrams)
            mail_keep(&box->error_mail, datagrams);
    } else {
        box->batches++;
        if ((size_t)n > box->largest)
            box->largest = (size_t)n;
        for (ssize_t i = 0; i < n; i++, box->count++)
            if (box->count < MAILS)
                mail_keep(&box->mails[box->count], &datagrams[i]);
    }
    if (box->then)
        box->then(box);
}

static inline void box_on_closed(evloop_dgram *d)
{
    evloop_container_of(d, struct box, dgram)->closed = true;
}

static inline struct box *box_new(void)
{
    struct box *box = (struct box *)calloc(1, sizeof *box);
    assert_non_null(box);
    return box;
}

/** Bound to an IP address, and receiving. */
static inline struct box *box_bind(evloop *loop, const char *address,
                                   const evloop_dgram_options *options)
{
    struct box *box = box_new();
    assert_int_equal(evloop_udp_bind(loop, &box->dgram, address, options), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    return box;
}

/** Connected to where the other one is, and receiving. */
static inline struct box *box_connect(evloop *loop, const struct box *other,
                                      const evloop_dgram_options *options)
{
    struct box *box = box_new();
    evloop_address address;
    assert_int_equal(evloop_dgram_local(&other->dgram, &address), 0);
    assert_int_equal(evloop_dgram_connect(loop, &box->dgram, &address, options), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    return box;
}

static inline evloop_address box_address(const struct box *box)
{
    evloop_address address;
    assert_int_equal(evloop_dgram_local(&box->dgram, &address), 0);
    return address;
}

static inline int box_send(struct box *box, const char *text, const evloop_address *to)
{
    return evloop_dgram_send(&box->dgram, text, strlen(text), to);
}

/** Runs the loop until so many datagrams have come. */
static inline void box_wait(evloop *loop, const struct box *box, size_t count)
{
    while (box->count < count)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(box->count, count);
}

/** Runs the loop until so many errors have come. */
static inline void box_wait_error(evloop *loop, const struct box *box, size_t count)
{
    while (box->errors < count)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
}

static inline void box_close(evloop *loop, struct box *box)
{
    assert_int_equal(evloop_dgram_close(&box->dgram, box_on_closed), 0);
    while (!box->closed)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
    free(box);
}

#endif
