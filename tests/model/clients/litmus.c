/*
 * litmus.c: the checker checked: small programs of which it is known what C11 lets come out.
 *
 * Each one lists everything that may; that nothing else does is checked, and that all of it does.
 */
#include <util/atomic.h>

static ATOMIC(unsigned) x, y, z;
static unsigned r[6];
static unsigned plain;
static mutex lock;
static int once;

static void clear(void)
{
    atomic_set(&x, 0, relaxed);
    atomic_set(&y, 0, relaxed);
    atomic_set(&z, 0, relaxed);
    for (int i = 0; i < 6; i++)
        r[i] = 0;
    plain = 0;
    once = 0;
}

static void observe_2(void)
{
    model_observe("%u%u", r[0], r[1]);
}

static void observe_3(void)
{
    model_observe("%u%u%u", r[0], r[1], r[2]);
}

static void observe_4(void)
{
    model_observe("%u%u%u%u", r[0], r[1], r[2], r[3]);
}

/* ---- store buffering ------------------------------------------------------------------------- */

#define STORE_BUFFERING(name, write, read)                                                         \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        atomic_set(&x, 1, write);                                                                  \
        r[0] = atomic_get(&y, read);                                                               \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        atomic_set(&y, 1, write);                                                                  \
        r[1] = atomic_get(&x, read);                                                               \
    }

STORE_BUFFERING(sb_seq_cst, seq_cst, seq_cst)
STORE_BUFFERING(sb_release, release, acquire)

/* A read-modify-write that changes nothing stands in for the fence. */
static void sb_update_1(void)
{
    atomic_set(&x, 1, relaxed);
    atomic_add(&z, 0, seq_cst);
    r[0] = atomic_get(&y, relaxed);
}

static void sb_update_2(void)
{
    atomic_set(&y, 1, relaxed);
    atomic_add(&z, 0, seq_cst);
    r[1] = atomic_get(&x, relaxed);
}

/* An exchange that is acq_rel, and a load that is acquire: right on some processors, not in C11. */
static void sb_exchange_1(void)
{
    atomic_add(&x, 1, acq_rel);
    r[0] = atomic_get(&y, acquire);
}

static void sb_exchange_2(void)
{
    atomic_add(&y, 1, acq_rel);
    r[1] = atomic_get(&x, acquire);
}

static const char *all_of_two[] = {"00", "01", "10", "11", NULL};
static const char *not_both_zero[] = {"01", "10", "11", NULL};

/* ---- message passing ------------------------------------------------------------------------- */

#define MESSAGE_PASSING(name, write, read)                                                         \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        atomic_set(&x, 1, relaxed);                                                                \
        atomic_set(&y, 1, write);                                                                  \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        r[0] = atomic_get(&y, read);                                                               \
        r[1] = atomic_get(&x, relaxed);                                                            \
    }

MESSAGE_PASSING(mp_release, release, acquire)
MESSAGE_PASSING(mp_relaxed_write, relaxed, acquire)
MESSAGE_PASSING(mp_relaxed_read, release, relaxed)

static const char *message_first[] = {"00", "01", "11", NULL};

/* A release sequence goes on through another thread's update, and not through its store. */
static void sequence_1(void)
{
    atomic_set(&x, 1, relaxed);
    atomic_set(&y, 1, release);
}

static void sequence_update(void)
{
    atomic_add(&y, 1, relaxed);
}

static void sequence_store(void)
{
    unsigned found = atomic_get(&y, relaxed);
    if (found == 1)
        atomic_set(&y, 2, relaxed);
}

static void sequence_3(void)
{
    r[0] = atomic_get(&y, acquire);
    r[1] = atomic_get(&x, relaxed);
}

static const char *update_continues[] = {"00", "01", "10", "11", "21", NULL};
static const char *store_breaks[] = {"00", "01", "11", "20", "21", NULL};

/* A failed claim has its second order. */
static void claim_2(void)
{
    unsigned expected = 5;
    atomic_claim(&y, &expected, 6, acquire, relaxed);
    r[0] = expected;
    r[1] = atomic_get(&x, relaxed);
}

static void claim_acquires_2(void)
{
    unsigned expected = 5;
    atomic_claim(&y, &expected, 6, relaxed, acquire);
    r[0] = expected;
    r[1] = atomic_get(&x, relaxed);
}

/* ---- independent reads of independent writes ------------------------------------------------- */

static void write_x(void)
{
    atomic_set(&x, 1, seq_cst);
}

static void write_y(void)
{
    atomic_set(&y, 1, seq_cst);
}

static void write_x_release(void)
{
    atomic_set(&x, 1, release);
}

static void write_y_release(void)
{
    atomic_set(&y, 1, release);
}

#define READ_BOTH(name, first, second, from, order)                                                \
    static void name(void)                                                                         \
    {                                                                                              \
        r[from] = atomic_get(&first, order);                                                       \
        r[from + 1] = atomic_get(&second, order);                                                  \
    }

READ_BOTH(read_xy_seq_cst, x, y, 0, seq_cst)
READ_BOTH(read_yx_seq_cst, y, x, 2, seq_cst)
READ_BOTH(read_xy_acquire, x, y, 0, acquire)
READ_BOTH(read_yx_acquire, y, x, 2, acquire)

static const char *one_order[] = {"0000", "0001", "0010", "0011", "0100", "0101", "0110", "0111",
                                  "1000", "1001", "1011", "1100", "1101", "1110", "1111", NULL};
static const char *any_order[] = {"0000", "0001", "0010", "0011", "0100", "0101",
                                  "0110", "0111", "1000", "1001", "1010", "1011",
                                  "1100", "1101", "1110", "1111", NULL};

/* ---- coherence ------------------------------------------------------------------------------- */

static void write_twice(void)
{
    atomic_set(&x, 1, relaxed);
    atomic_set(&x, 2, relaxed);
}

static void read_twice(void)
{
    r[0] = atomic_get(&x, relaxed);
    r[1] = atomic_get(&x, relaxed);
}

static const char *never_backward[] = {"00", "01", "02", "11", "12", "22", NULL};

static void write_then_read_1(void)
{
    atomic_set(&x, 1, relaxed);
    r[0] = atomic_get(&x, relaxed);
}

static void write_then_read_2(void)
{
    atomic_set(&x, 2, relaxed);
    r[1] = atomic_get(&x, relaxed);
}

static void observe_last(void)
{
    model_observe("%u%u%u", r[0], r[1], atomic_get(&x, relaxed));
}

static const char *own_or_newer[] = {"111", "121", "122", "222", NULL};

/* Two threads read two writes: in the same order. */
static void read_x_twice_0(void)
{
    r[0] = atomic_get(&x, relaxed);
    r[1] = atomic_get(&x, relaxed);
}

static void read_x_twice_2(void)
{
    r[2] = atomic_get(&x, relaxed);
    r[3] = atomic_get(&x, relaxed);
}

static void write_1(void)
{
    atomic_set(&x, 1, relaxed);
}

static void write_2(void)
{
    atomic_set(&x, 2, relaxed);
}

static void orders_agree(void)
{
    require(!(r[0] == 1 && r[1] == 2 && r[2] == 2 && r[3] == 1));
    require(!(r[0] == 2 && r[1] == 1 && r[2] == 1 && r[3] == 2));
}

/* 2+2W: the orders of two locations' writes need not agree if they are relaxed. */
#define TWO_AND_TWO(name, order)                                                                   \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        atomic_set(&x, 1, order);                                                                  \
        atomic_set(&y, 2, order);                                                                  \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        atomic_set(&y, 1, order);                                                                  \
        atomic_set(&x, 2, order);                                                                  \
    }

TWO_AND_TWO(two_and_two_relaxed, relaxed)
TWO_AND_TWO(two_and_two_seq_cst, seq_cst)

static void observe_xy(void)
{
    model_observe("%u%u", atomic_get(&x, relaxed), atomic_get(&y, relaxed));
}

static const char *any_last[] = {"11", "12", "21", "22", NULL};
static const char *last_of_one_order[] = {"12", "21", "22", NULL};

/* Load buffering needs a value from the future: not explored, and not seen on any processor. */
static void lb_1(void)
{
    r[0] = atomic_get(&x, relaxed);
    atomic_set(&y, 1, relaxed);
}

static void lb_2(void)
{
    r[1] = atomic_get(&y, relaxed);
    atomic_set(&x, 1, relaxed);
}

static const char *no_future[] = {"00", "01", "10", NULL};

/* Write to read causality: what a thread read and passed on is known to the next. */
static void wrc_2(void)
{
    r[0] = atomic_get(&x, acquire);
    atomic_set(&y, 1, release);
}

static void wrc_3(void)
{
    r[1] = atomic_get(&y, acquire);
    r[2] = atomic_get(&x, relaxed);
}

static const char *causal[] = {"000", "001", "010", "011", "100", "101", "111", NULL};

/* seq_cst and weaker accesses to one location: RC11's example Z6.U, which C11's text forbids. */
static void z6_1(void)
{
    atomic_set(&x, 1, seq_cst);
    atomic_set(&y, 1, release);
}

static void z6_2(void)
{
    r[0] = atomic_add(&y, 1, seq_cst);
    r[1] = atomic_get(&y, relaxed);
}

static void z6_3(void)
{
    atomic_set(&y, 3, seq_cst);
    r[2] = atomic_get(&x, seq_cst);
}

static void z6_verify(void)
{
    if (r[0] == 1 && r[1] == 3 && r[2] == 0)
        model_observe("weak");
    else
        model_observe("other");
}

static const char *z6_all[] = {"weak", "other", NULL};

/* ---- read-modify-writes ---------------------------------------------------------------------- */

static void add_0(void)
{
    r[0] = atomic_add(&x, 1, relaxed);
}

static void add_1(void)
{
    r[1] = atomic_add(&x, 1, relaxed);
}

static void add_2(void)
{
    r[2] = atomic_add(&x, 1, relaxed);
}

static const char *each_number_once[] = {"012", "021", "102", "120", "201", "210", NULL};

static void claim_0(void)
{
    unsigned free = 0;
    r[0] = atomic_claim(&x, &free, 1, relaxed, relaxed);
}

static void claim_1(void)
{
    unsigned free = 0;
    r[1] = atomic_claim(&x, &free, 1, relaxed, relaxed);
}

static const char *one_winner[] = {"01", "10", NULL};

static void add_in_a_loop(void)
{
    unsigned found = atomic_get(&x, relaxed);
    while (!atomic_try(&x, &found, found + 1, relaxed, relaxed))
        ;
}

static void three(void)
{
    require(atomic_get(&x, relaxed) == 3);
}

/* ---- plain fields, mutexes, once-controls ---------------------------------------------------- */

static void locked_add(void)
{
    mutex_lock(&lock);
    plain++;
    mutex_unlock(&lock);
}

static void plain_is_3(void)
{
    require(plain == 3);
}

static void publish(void)
{
    plain = 7;
    atomic_set(&x, 1, release);
}

static void consume(void)
{
    if (atomic_get(&x, acquire))
        require(plain == 7);
}

static void initialise(void *arg)
{
    (void)arg;
    plain++;
}

static void use_once_0(void)
{
    once_call(&once, initialise, NULL);
    r[0] = plain;
}

static void use_once_1(void)
{
    once_call(&once, initialise, NULL);
    r[1] = plain;
}

static void use_once_2(void)
{
    once_call(&once, initialise, NULL);
    r[2] = plain;
}

static const char *initialised_once[] = {"111", NULL};

/* ---- waiting --------------------------------------------------------------------------------- */

static uint32_t token;

static void wake(void)
{
    plain = 1;
    atomic_or(&x, 1, release);
    model_wake(&token);
}

static void wait_for_it(void)
{
    while (!atomic_or(&x, 0, acquire))
        model_wait(&token);
    require(plain == 1);
}

static void clear_token(void)
{
    clear();
    token = 0;
}

static void spin_for_it(void)
{
    while (!atomic_get(&x, acquire))
        thread_yield();
    require(plain == 7);
}

/* ---- what is wrong, and must be found -------------------------------------------------------- */

static void publish_too_weakly(void)
{
    plain = 7;
    atomic_set(&x, 1, relaxed);
}

static void write_plain(void)
{
    plain = 1;
}

static void read_plain(void)
{
    r[0] = plain;
}

static void write_atomic_over_plain(void)
{
    atomic_set((ATOMIC(unsigned) *)&plain, 1, relaxed);
}

/* A loop that changes nothing by what it writes. */
static void turn_for_nothing(void)
{
    while (!atomic_get(&y, acquire)) {
        atomic_or(&z, 1, relaxed);
        model_turn();
    }
}

static void *block;

static void allocate(void)
{
    clear();
    block = model_allocator.resize(NULL, NULL, 8);
}

static void use_block(void)
{
    *(volatile char *)block = 1;
    atomic_set(&x, 1, release);
}

static void free_block(void)
{
    model_allocator.resize(NULL, block, 0);
}

static void free_and_use(void)
{
    free_block();
    use_block();
}

static void use_or_skip(void)
{
    if (!atomic_get(&x, acquire))
        use_block();
}

static void free_and_tell(void)
{
    free_block();
    atomic_set(&x, 1, release);
}

static mutex other_lock;

static void lock_both(void)
{
    mutex_lock(&lock);
    mutex_lock(&other_lock);
    mutex_unlock(&other_lock);
    mutex_unlock(&lock);
}

static void lock_both_turned(void)
{
    mutex_lock(&other_lock);
    mutex_lock(&lock);
    mutex_unlock(&lock);
    mutex_unlock(&other_lock);
}

static void look_then_wait(void)
{
    if (!atomic_get(&x, seq_cst)) {
        atomic_set(&y, 1, release);
        model_wait(&token);
    }
}

static void wake_if_waiting(void)
{
    atomic_set(&x, 1, seq_cst);
    if (atomic_get(&y, acquire))
        model_wake(&token);
}

static void spin_for_nothing(void)
{
    while (!atomic_get(&y, acquire))
        thread_yield();
}

static void load_and_store(void)
{
    atomic_set(&x, atomic_get(&x, seq_cst) + 1, seq_cst);
}

static void two(void)
{
    require(atomic_get(&x, relaxed) == 2);
}

#define LITMUS(name, promise, verify, expected, ...)                                               \
    {                                                                                              \
        name, promise, clear, {__VA_ARGS__}, verify, expected, COMPLETE, COMPLETE, 0, NULL         \
    }
#define WRONG(name, promise, setup, verify, what, ...)                                             \
    {                                                                                              \
        name, promise, setup, {__VA_ARGS__}, verify, NULL, COMPLETE, COMPLETE, 0, what             \
    }

const struct client litmus_clients[] = {
    WRONG("wrong-relaxed-publish", "a plain field behind a relaxed store is a race", clear, NULL,
          "data race", publish_too_weakly, consume),
    WRONG("wrong-plain-write-write", "two plain writes are a race", clear, NULL, "data race",
          write_plain, write_plain),
    WRONG("wrong-plain-read-write", "a plain read and a write are a race", clear, NULL, "data race",
          read_plain, write_plain),
    WRONG("wrong-plain-read-atomic-write", "also if the write is atomic", clear, NULL, "data race",
          read_plain, write_atomic_over_plain),
    WRONG("wrong-turns", "turns that wait for what nobody does are a deadlock", clear, NULL,
          "deadlock", turn_for_nothing, write_1),
    WRONG("wrong-use-after-free", "memory is not used after it was freed", allocate, NULL,
          "use after free", free_and_use),
    WRONG("wrong-use-against-free", "nor by another thread meanwhile", allocate, NULL, "data race",
          use_or_skip, free_and_tell),
    WRONG("wrong-lock-order", "two locks in two orders are a deadlock", clear, NULL, "deadlock",
          lock_both, lock_both_turned),
    WRONG("wrong-lost-wakeup", "announced after the look: nobody wakes", clear_token, NULL,
          "deadlock", look_then_wait, wake_if_waiting),
    WRONG("wrong-spin", "a loop that waits for what nobody does is a deadlock", clear, NULL,
          "deadlock", spin_for_nothing, write_1),
    WRONG("wrong-load-and-store", "an addition in two steps is lost", clear, two, "require",
          load_and_store, load_and_store),
    LITMUS("store-buffering-seq-cst", "one of two sees the other", observe_2, not_both_zero,
           sb_seq_cst_1, sb_seq_cst_2),
    LITMUS("store-buffering-release", "release and acquire do not prevent it", observe_2,
           all_of_two, sb_release_1, sb_release_2),
    LITMUS("store-buffering-dummy-update", "a seq_cst read-modify-write between does", observe_2,
           not_both_zero, sb_update_1, sb_update_2),
    LITMUS("store-buffering-exchange", "acq_rel exchanges with acquire loads do not", observe_2,
           all_of_two, sb_exchange_1, sb_exchange_2),
    LITMUS("message-passing", "what was written before a release is seen behind the acquire",
           observe_2, message_first, mp_release_1, mp_release_2),
    LITMUS("message-passing-relaxed-write", "not without release", observe_2, all_of_two,
           mp_relaxed_write_1, mp_relaxed_write_2),
    LITMUS("message-passing-relaxed-read", "not without acquire", observe_2, all_of_two,
           mp_relaxed_read_1, mp_relaxed_read_2),
    LITMUS("release-sequence-update", "an update carries a release on", observe_2, update_continues,
           sequence_1, sequence_update, sequence_3),
    LITMUS("release-sequence-store", "another thread's store does not", observe_2, store_breaks,
           sequence_1, sequence_store, sequence_3),
    LITMUS("failed-claim-relaxed", "a failed claim does not have the order of success", observe_2,
           all_of_two, mp_release_1, claim_2),
    LITMUS("failed-claim-acquire", "but its own", observe_2, message_first, mp_release_1,
           claim_acquires_2),
    LITMUS("independent-reads-seq-cst", "seq_cst: everybody sees one order", observe_4, one_order,
           write_x, write_y, read_xy_seq_cst, read_yx_seq_cst),
    LITMUS("independent-reads-acquire", "acquire: each its own", observe_4, any_order,
           write_x_release, write_y_release, read_xy_acquire, read_yx_acquire),
    LITMUS("coherence-read-read", "a location is never read backward", observe_2, never_backward,
           write_twice, read_twice),
    LITMUS("coherence-write-read", "one's own write, or a newer one", observe_last, own_or_newer,
           write_then_read_1, write_then_read_2),
    EXPLORED("coherence-one-order", "all threads agree on the order of one location's writes",
             clear, orders_agree, write_1, write_2, read_x_twice_0, read_x_twice_2),
    LITMUS("two-and-two-writes-relaxed", "two locations' orders need not agree", observe_xy,
           any_last, two_and_two_relaxed_1, two_and_two_relaxed_2),
    LITMUS("two-and-two-writes-seq-cst", "unless they are seq_cst", observe_xy, last_of_one_order,
           two_and_two_seq_cst_1, two_and_two_seq_cst_2),
    LITMUS("load-buffering", "excluded by this model, though not by C11", observe_2, no_future,
           lb_1, lb_2),
    LITMUS("write-read-causality", "what was read and passed on is known", observe_3, causal,
           write_1, wrc_2, wrc_3),
    LITMUS("seq-cst-mixed-with-release", "RC11 and C++20 allow what C11 did not", z6_verify, z6_all,
           z6_1, z6_2, z6_3),
    LITMUS("updates-are-atomic", "three additions, three numbers", observe_3, each_number_once,
           add_0, add_1, add_2),
    LITMUS("claims-have-one-winner", "a value can be replaced once", observe_2, one_winner, claim_0,
           claim_1),
    EXPLORED("claims-in-a-loop", "no addition is lost", clear, three, add_in_a_loop, add_in_a_loop,
             add_in_a_loop),
    EXPLORED("mutex-excludes", "what a mutex guards is ordered", clear, plain_is_3, locked_add,
             locked_add, locked_add),
    EXPLORED("plain-published", "release and acquire order plain fields", clear, NULL, publish,
             consume),
    LITMUS("once-runs-once", "and nobody returns before it has", observe_3, initialised_once,
           use_once_0, use_once_1, use_once_2),
    EXPLORED("wake-ends-wait", "a wait ends if it is woken", clear_token, NULL, wake, wait_for_it),
    EXPLORED("spin-ends", "a loop that yields ends when its condition comes true", clear, NULL,
             publish, spin_for_it),
    {0},
};
