/*
 * liburing.c: compiles and links where liburing has all that the io_uring poller needs of it, which
 * 2.3 is the first to have. What newer ones have beside it, src/poller/uring_abi.h defines.
 */
#include <liburing.h>
#include <stddef.h>

int main(void)
{
    struct io_uring ring;
    struct io_uring_params params = {.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CLAMP |
                                              IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL};
    struct io_uring_buf_reg reg = {.bgid = 1};
    struct io_uring_cqe *cqe = NULL;
    int err = io_uring_queue_init_params(8, &ring, &params);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, 0, NULL, NULL, 0);
    io_uring_prep_recv_multishot(sqe, 0, NULL, 0, 0);
    io_uring_prep_recvmsg_multishot(sqe, 0, NULL, 0);
    io_uring_prep_send_zc(sqe, 0, NULL, 0, 0, 0);
    io_uring_prep_cancel64(sqe, 0, 0);
    err |= io_uring_register((unsigned)ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    err |= io_uring_register_ring_fd(&ring) | io_uring_register_buf_ring(&ring, &reg, 0);
    err |= io_uring_submit_and_get_events(&ring);
    err |= io_uring_submit_and_wait_timeout(&ring, &cqe, 1, NULL, NULL);
    return err;
}
