/*
 * uring_abi.h: what Linux has taught io_uring since the liburing that we build with was written,
 * under names of our own. That a name stands here does not mean that the kernel knows it:
 * uring_probe.h.
 */
#ifndef POLLER_URING_ABI_H
#define POLLER_URING_ABI_H

#include <liburing.h>
#include <stdint.h>
#include <string.h>

/* Of io_uring_params.features. */
#define URING_FEATURE_BUNDLES (1u << 14) /* receive and send; Linux 6.10 */

/* Of io_uring_sqe.ioprio. */
#define URING_RECEIVE_BUNDLE (1u << 4) /* several buffers of the ring in one completion */

#define URING_SEND_REPORT_USAGE (1u << 3) /* without copy: did it come to that? Linux 6.2 */

/* Of the result of a notification, if that was asked for. */
#define URING_NOTIFICATION_COPIED 0x80000000u

/* Of a buffer ring. */
#define URING_BUFFERS_INCREMENTAL 2u /* a buffer is used up piece by piece; Linux 6.12 */

/* Of io_uring_cqe.flags. */
#define URING_COMPLETION_BUFFER_MORE (1u << 4) /* the kernel goes on in the same buffer */

/* What registers a buffer ring; liburing 2.3 has no name for the flags. */
struct uring_buffer_registration {
    uint64_t address;
    uint32_t entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
};

/* Memory: page-aligned, zeroed, room for so many struct io_uring_buf; entries: a power of two. */
static inline int uring_register_buffer_ring(struct io_uring *ring, void *memory, unsigned entries,
                                             unsigned group, unsigned flags)
{
    const struct uring_buffer_registration registration = {
        .address = (uint64_t)(uintptr_t)memory,
        .entries = entries,
        .group = (uint16_t)group,
        .flags = (uint16_t)flags,
    };
    struct io_uring_buf_reg reg;
    _Static_assert(sizeof reg == sizeof registration, "the kernel's layout");
    memcpy(&reg, &registration, sizeof reg);
    return io_uring_register_buf_ring(ring, &reg, 0);
}

/* liburing 2.3 declares io_uring_enable_rings(), and has it in its static library only. */
static inline int uring_enable(struct io_uring *ring)
{
    return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

#endif
