/*
 * dgram_source.c: how what is to be sent becomes messages.
 */
#include "io/dgram.h"

enum {
    SEGMENTS_AT_ONCE = 64, /* that the kernel cuts a message into, and all of them together may */
    SEGMENT_BYTES = 65507  /* be of so many bytes */
};

/* How many of the bytes that are left go into one message. */
size_t dgram_bytes_of_message(const struct dgram_source *source, size_t left)
{
    size_t segment_size = source->segment_size;
    if (!segment_size || left <= segment_size)
        return left;
    if (source->cut)
        return segment_size;
    size_t count = SEGMENT_BYTES / segment_size;
    size_t most = (count < SEGMENTS_AT_ONCE ? count : SEGMENTS_AT_ONCE) * segment_size;
    return left < most ? left : most;
}

/* Appends to outgoing->iov the pieces of bytes [at, at + size); false if they may not fit. */
static bool add_pieces(const struct dgram_source *source, size_t at, size_t size,
                       struct evloop_outgoing *outgoing)
{
    if (IOV_AT_ONCE - outgoing->iov_count < source->iov_count)
        return false;
    for (unsigned i = 0; size > 0 && i < source->iov_count; i++) {
        size_t length = source->iov[i].iov_len;
        size_t skip = at < length ? at : length;
        size_t piece = length - skip < size ? length - skip : size;
        at -= skip;
        if (!piece)
            continue;
        outgoing->iov[outgoing->iov_count].iov_base = (char *)source->iov[i].iov_base + skip;
        outgoing->iov[outgoing->iov_count++].iov_len = piece;
        size -= piece;
    }
    return true;
}

/* Adds the message of this size that begins at this byte; false if there is no room. */
static bool add(const struct dgram_source *source, size_t at, size_t size,
                struct evloop_outgoing *outgoing)
{
    const struct iovec *iov = source->iov;
    unsigned iov_count = source->iov_count;
    if (outgoing->message_count == MESSAGES_AT_ONCE)
        return false;
    if (size < source->size) {
        iov = outgoing->iov + outgoing->iov_count;
        if (!add_pieces(source, at, size, outgoing))
            return false;
        iov_count = (unsigned)(outgoing->iov + outgoing->iov_count - iov);
    }
    dgram_add_message(iov, iov_count, source->to, source->from, outgoing);
    if (size > source->segment_size)
        outgoing->messages[outgoing->message_count - 1].segment_size = source->segment_size;
    return true;
}

bool dgram_add_messages(const struct dgram_source *source, size_t at,
                        struct evloop_outgoing *outgoing)
{
    do {
        size_t size = dgram_bytes_of_message(source, source->size - at);
        if (!add(source, at, size, outgoing))
            return false;
        at += size;
    } while (at < source->size);
    return true;
}
