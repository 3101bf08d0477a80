/*
 * axioms.c: the checker against the axioms: what it explores is exactly what RC11 allows.
 *
 *   axioms [PROGRAMS [SEED [CANDIDATES [STEPS]]]]
 *
 * Small programs without branches are made up at random. Of each one every execution is found
 * twice: by the checker, and by trying all there is, every source of every read with every order of
 * every cell's writes, where the axioms are written down as the paper has them, as relations
 * between events (Lahav, Vafeiadis, Kang, Hur, Dreyer: Repairing sequential consistency in C/C++11,
 * PLDI 2017; fences are left out, and release sequences are those of C++20). Both must find the
 * same executions, none of them twice; both or neither a deadlock, and a data race between plain
 * accesses. What the checker finds at random must be among them.
 *
 * CANDIDATES limits how much there is to try, STEPS how long a program is. Nothing is shared with
 * the checker's own idea of consistency, graph.c; its result is read in verify(). A program of its
 * own: of the checker it needs explore.c, graph.c, memory.c and run.c.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "memory.h"

enum { THREADS = 3, STEPS = 4, EVENTS = 2 * STEPS };

/* The cells: some for values, and one each for a mutex, a wake's token and plain accesses. */
enum { VALUES = 3, MUTEX = VALUES, TOKEN, PLAIN, CELLS };

/* ---- programs -------------------------------------------------------------------------------- */

enum kind { LOAD, STORE, ADD, CLAIM, SPIN, LOCK, UNLOCK, WAIT, WAKE, LOOK, SCRIBBLE, KINDS };

struct step {
    enum kind kind;
    uint8_t cell;
    uint8_t order;
    uint8_t failure; /* a claim's second order */
    uint8_t wanted;  /* by a claim */
    uint8_t value;   /* stored or added */
};

static struct {
    unsigned threads;
    unsigned length[THREADS];
    struct step steps[THREADS][STEPS];
    struct site sites[THREADS][STEPS];
} program;

static const char *const kind_names[KINDS] = {"load",   "store", "add",  "claim", "spin",    "lock",
                                              "unlock", "wait",  "wake", "look",  "scribble"};
static const char *const cell_names[CELLS] = {"x", "y", "z", "mutex", "token", "plain"};
static const char *const order_names[] = {"relaxed", "consume", "acquire",
                                          "release", "acq_rel", "seq_cst"};

static bool reads(enum kind kind)
{
    return kind == LOAD || kind == ADD || kind == CLAIM || kind == SPIN || kind == LOCK ||
           kind == WAIT;
}

static bool writes(enum kind kind)
{
    return kind == STORE || kind == ADD || kind == CLAIM || kind == LOCK || kind == UNLOCK ||
           kind == WAIT || kind == WAKE;
}

static bool uses(enum kind kind)
{
    for (unsigned thread = 0; thread < program.threads; thread++)
        for (unsigned i = 0; i < program.length[thread]; i++)
            if (program.steps[thread][i].kind == kind)
                return true;
    return false;
}

static uint64_t chance_state;

static unsigned chance(unsigned n)
{
    uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) >> 32) % n;
}

static uint8_t any_order(enum kind kind, bool strong)
{
    static const uint8_t of_load[] = {memory_order_relaxed, memory_order_acquire,
                                      memory_order_seq_cst};
    static const uint8_t of_store[] = {memory_order_relaxed, memory_order_release,
                                       memory_order_seq_cst};
    static const uint8_t of_both[] = {memory_order_relaxed, memory_order_acquire,
                                      memory_order_release, memory_order_acq_rel,
                                      memory_order_seq_cst};
    if (strong && chance(2))
        return memory_order_seq_cst;
    return kind == STORE  ? of_store[chance(3)]
           : writes(kind) ? of_both[chance(5)]
                          : of_load[chance(3)];
}

/* The order that the checker promises for what has none of its own. */
static uint8_t given_order(enum kind kind)
{
    return kind == LOCK     ? memory_order_acquire
           : kind == UNLOCK ? memory_order_release
                            : memory_order_relaxed;
}

static enum kind any_kind(const bool *includes)
{
    static const enum kind usual[] = {LOAD, LOAD, LOAD, STORE, STORE, STORE, ADD, CLAIM};
    static const enum kind special[] = {SPIN, LOCK, UNLOCK, WAIT, WAKE, LOOK, SCRIBBLE};
    enum kind kind = special[chance(sizeof special / sizeof *special)];
    if (chance(2) && includes[kind])
        return kind;
    return usual[chance(sizeof usual / sizeof *usual)];
}

static struct step any_step(enum kind kind, unsigned cell, bool strong)
{
    struct step step = {.kind = kind, .order = given_order(kind)};
    step.cell = kind == LOCK || kind == UNLOCK     ? MUTEX
                : kind == WAIT || kind == WAKE     ? TOKEN
                : kind == LOOK || kind == SCRIBBLE ? PLAIN
                                                   : (uint8_t)cell;
    if (kind <= SPIN)
        step.order = any_order(kind, strong);
    step.failure = any_order(LOAD, strong);
    step.wanted = (uint8_t)chance(3);
    step.value = (uint8_t)chance(3);
    return step;
}

/*
 * Two threads, or three, become a ring: each has one step on its own cell and then one on the
 * next's, perhaps with plain accesses around them. The order of memory shows in such rings; by
 * chance alone they are rare.
 */
static void close_ring(bool strong, const bool *includes)
{
    unsigned size = 2 + chance(program.threads - 1);
    unsigned outside = size < program.threads ? chance(program.threads) : THREADS;
    unsigned number = 0;
    bool turned = chance(2);
    for (unsigned thread = 0; thread < program.threads; thread++) {
        if (thread == outside)
            continue;
        unsigned length = program.length[thread];
        unsigned first = chance(length - 1);
        unsigned second = first + 1 + chance(length - first - 1);
        unsigned own = number++;
        unsigned next = number % size;
        enum kind kind = includes[SPIN] && chance(2) ? SPIN : (enum kind)chance(CLAIM);
        program.steps[thread][first] = any_step(kind, turned ? next : own, strong);
        kind = (enum kind)chance(CLAIM);
        program.steps[thread][second] = any_step(kind, turned ? own : next, strong);
        if (includes[LOOK] && first > 0)
            program.steps[thread][first - 1] = any_step(SCRIBBLE, PLAIN, strong);
        if (includes[LOOK] && second + 1 < length)
            program.steps[thread][second + 1] = any_step(LOOK, PLAIN, strong);
    }
}

static void draw_program(unsigned steps_at_most)
{
    bool includes[KINDS] = {false};
    unsigned cells = 1 + chance(VALUES);
    bool strong = chance(2);
    bool ring = chance(2);
    includes[SPIN] = chance(4) == 0;
    includes[LOCK] = includes[UNLOCK] = chance(6) == 0;
    includes[WAIT] = includes[WAKE] = chance(6) == 0;
    includes[LOOK] = includes[SCRIBBLE] = chance(3) == 0;
    program.threads = 2 + chance(THREADS - 1);
    unsigned left = steps_at_most;
    unsigned least = ring ? 2 : 1;
    for (unsigned thread = 0; thread < program.threads; thread++) {
        unsigned most = left - least * (program.threads - 1 - thread);
        most = most < STEPS ? most : STEPS;
        program.length[thread] = least + chance(most - least + 1);
        left -= program.length[thread];
        for (unsigned i = 0; i < program.length[thread]; i++)
            program.steps[thread][i] = any_step(any_kind(includes), chance(cells), strong);
    }
    if (ring)
        close_ring(strong, includes);
}

/* How many graphs there are to try, at most. */
static double candidates(void)
{
    unsigned written[CELLS] = {0};
    double all = 1;
    for (unsigned thread = 0; thread < program.threads; thread++)
        for (unsigned i = 0; i < program.length[thread]; i++)
            if (writes(program.steps[thread][i].kind))
                all *= ++written[program.steps[thread][i].cell];
    for (unsigned thread = 0; thread < program.threads; thread++)
        for (unsigned i = 0; i < program.length[thread]; i++)
            if (reads(program.steps[thread][i].kind))
                all *= 1 + written[program.steps[thread][i].cell];
    return all;
}

static void make_program(unsigned steps_at_most, double candidates_at_most)
{
    do
        draw_program(steps_at_most);
    while (candidates() > candidates_at_most);
    for (unsigned thread = 0; thread < program.threads; thread++)
        for (unsigned i = 0; i < program.length[thread]; i++) {
            const struct step *step = &program.steps[thread][i];
            struct site *site = &program.sites[thread][i];
            site->file = __FILE__;
            site->line = (int)(i + 1);
            site->operation = kind_names[step->kind];
            site->object = cell_names[step->cell];
            site->order = step->order;
            site->failure = step->failure;
        }
}

static void print_program(void)
{
    for (unsigned thread = 0; thread < program.threads; thread++)
        for (unsigned i = 0; i < program.length[thread]; i++) {
            const struct step *step = &program.steps[thread][i];
            printf("  %u.%u %-8s %-5s %s", thread + 1, i + 1, kind_names[step->kind],
                   cell_names[step->cell], order_names[step->order]);
            if (step->kind == CLAIM)
                printf("/%s, %u becomes", order_names[step->failure], step->wanted);
            if (step->kind == STORE || step->kind == ADD || step->kind == CLAIM)
                printf(" %u", step->value);
            printf("\n");
        }
}

/* ---- executions ------------------------------------------------------------------------------ */

/* One event: a read from an event of a thread, or a write at a place in its cell's order. */
struct fact {
    uint8_t kind; /* 'R' or 'W'; 0: there is none */
    uint8_t link; /* from(); the place */
    uint8_t value;
};

struct execution {
    struct fact facts[THREADS][EVENTS];
    uint8_t lasts[CELLS]; /* what is in the cells in the end */
};

struct list {
    struct execution *items;
    size_t count;
    size_t capacity;
};

static struct list allowed; /* by the axioms */
static struct list explored;

static uint8_t from(unsigned thread, unsigned index)
{
    return (uint8_t)(thread * EVENTS + index + 1); /* 0: the beginning */
}

static void add(struct list *list, const struct execution *execution)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 1024;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        if (!list->items)
            abort();
    }
    list->items[list->count++] = *execution;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct execution));
}

static void sort(struct list *list)
{
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, compare);
}

static bool contains(const struct list *list, const struct execution *execution)
{
    return list->count > 0 &&
           bsearch(execution, list->items, list->count, sizeof *execution, compare);
}

static void print_execution(const char *what, const struct execution *execution)
{
    printf("%s\n", what);
    for (unsigned thread = 0; thread < program.threads; thread++) {
        printf(" ");
        for (unsigned i = 0; i < EVENTS && execution->facts[thread][i].kind; i++) {
            const struct fact *fact = &execution->facts[thread][i];
            unsigned link = fact->link - 1U;
            printf(" %u.%u %s %u", thread + 1, i + 1, fact->kind == 'R' ? "reads" : "writes",
                   fact->value);
            if (fact->kind == 'W')
                printf(" at place %u;", fact->link);
            else if (fact->link)
                printf(" from %u.%u;", link / EVENTS + 1, link % EVENTS + 1);
            else
                printf(" from the beginning;");
        }
        printf("\n");
    }
}

/* ---- relations between acts ------------------------------------------------------------------ */

/* An act is an event, a plain access, or what stands in a cell in the beginning. */
enum { BEGINNING = THREADS, ACTS = 32 };

_Static_assert(CELLS + 2 * THREADS * STEPS <= ACTS, "as many acts as a word has bits");

enum test { ANY, EQUAL, DIFFERENT };

static struct act {
    const struct step *step;
    uint8_t thread; /* or BEGINNING */
    uint8_t index;  /* among the events of its thread, or behind so many of them: plain */
    uint8_t cell;
    uint8_t order;
    bool read;
    bool write;
    bool stops; /* the thread waits here for another value than it reads */
    enum test test;
    uint8_t tested; /* what the value must be equal to, or different from */
    uint8_t value;
    uint8_t source; /* a read's: which act */
    uint8_t half;   /* a read-modify-write's write: which act is its read; or itself */
    uint8_t place;  /* a write's: in its cell's order */
} acts[ACTS];

static unsigned act_count;

/* Bit b of of[a]: from a to b. */
struct relation {
    uint32_t of[ACTS];
};

static const struct relation nothing;

static void relate(struct relation *relation, unsigned a, unsigned b)
{
    relation->of[a] |= UINT32_C(1) << b;
}

static bool related(const struct relation *relation, unsigned a, unsigned b)
{
    return relation->of[a] >> b & 1;
}

static struct relation either(struct relation r, struct relation s)
{
    for (unsigned a = 0; a < act_count; a++)
        r.of[a] |= s.of[a];
    return r;
}

/* r ; s */
static struct relation then(struct relation r, struct relation s)
{
    struct relation result = nothing;
    for (unsigned a = 0; a < act_count; a++)
        for (unsigned b = 0; b < act_count; b++)
            if (related(&r, a, b))
                result.of[a] |= s.of[b];
    return result;
}

static struct relation inverse(struct relation r)
{
    struct relation result = nothing;
    for (unsigned a = 0; a < act_count; a++)
        for (unsigned b = 0; b < act_count; b++)
            if (related(&r, a, b))
                relate(&result, b, a);
    return result;
}

/* r+ */
static struct relation closure(struct relation r)
{
    for (unsigned through = 0; through < act_count; through++)
        for (unsigned a = 0; a < act_count; a++)
            if (related(&r, a, through))
                r.of[a] |= r.of[through];
    return r;
}

static bool irreflexive(struct relation r)
{
    for (unsigned a = 0; a < act_count; a++)
        if (related(&r, a, a))
            return false;
    return true;
}

static bool acyclic(struct relation r)
{
    return irreflexive(closure(r));
}

typedef bool (*condition_fn)(const struct act *a, const struct act *b);

/* The pairs of r that satisfy a condition. */
static struct relation where(struct relation r, condition_fn holds)
{
    for (unsigned a = 0; a < act_count; a++)
        for (unsigned b = 0; b < act_count; b++)
            if (related(&r, a, b) && !holds(&acts[a], &acts[b]))
                r.of[a] &= ~(UINT32_C(1) << b);
    return r;
}

/* ---- the axioms ------------------------------------------------------------------------------ */

static struct relation sb;  /* sequenced before: program order; the beginning before everything */
static struct relation rf;  /* reads from */
static struct relation rmw; /* the halves of the read-modify-writes */
static struct relation hb;  /* happens before */
static struct relation mo;  /* modification order */

static bool acquiring(const struct act *act)
{
    return act->order == memory_order_acquire || act->order == memory_order_acq_rel ||
           act->order == memory_order_seq_cst;
}

static bool releasing(const struct act *act)
{
    return act->order == memory_order_release || act->order == memory_order_acq_rel ||
           act->order == memory_order_seq_cst;
}

static bool is_plain(const struct act *act)
{
    return act->cell == PLAIN;
}

static bool is_seq_cst(const struct act *act)
{
    return act->thread != BEGINNING && !is_plain(act) && act->order == memory_order_seq_cst;
}

static bool are_release_acquire(const struct act *a, const struct act *b)
{
    return releasing(a) && acquiring(b);
}

static bool are_seq_cst(const struct act *a, const struct act *b)
{
    return is_seq_cst(a) && is_seq_cst(b);
}

static bool are_in_one_cell(const struct act *a, const struct act *b)
{
    return a->cell == b->cell;
}

/* The checker has no events for plain accesses: by them no cell is another one. */
static bool are_in_two_cells(const struct act *a, const struct act *b)
{
    return a->cell != b->cell && !is_plain(a) && !is_plain(b);
}

static void relate_program(void)
{
    sb = rf = rmw = hb = mo = nothing;
    for (unsigned a = 0; a < act_count; a++)
        for (unsigned b = 0; b < act_count; b++)
            if (a < b && acts[b].thread != BEGINNING &&
                (acts[a].thread == BEGINNING || acts[a].thread == acts[b].thread))
                relate(&sb, a, b);
    for (unsigned a = 0; a < act_count; a++)
        if (acts[a].half != a)
            relate(&rmw, acts[a].half, a);
}

/* hb = (sb | sw)+; sw = [release] ; (rf ; rmw)* ; rf ; [acquire] */
static void relate_happens_before(void)
{
    struct relation sequence = closure(then(rf, rmw));
    for (unsigned a = 0; a < act_count; a++)
        relate(&sequence, a, a);
    struct relation sw = where(then(sequence, rf), are_release_acquire);
    hb = closure(either(sb, sw));
}

/* No value out of thin air. */
static bool sources_are_possible(void)
{
    return acyclic(either(sb, rf));
}

/* hb ; eco? is irreflexive, where eco = (rf | mo | rb)+ */
static bool is_coherent(struct relation rb)
{
    struct relation eco = closure(either(rf, either(mo, rb)));
    return irreflexive(hb) && irreflexive(then(hb, eco));
}

/* rmw and (rb ; mo) have nothing in common. */
static bool is_atomic(struct relation rb)
{
    struct relation between = then(rb, mo);
    for (unsigned a = 0; a < act_count; a++)
        if (between.of[a] & rmw.of[a])
            return false;
    return true;
}

/*
 * psc = [SC] ; scb ; [SC] is acyclic, where
 * scb = sb | (sb to another cell) ; hb ; (sb from another cell) | hb in one cell | mo | rb
 */
static bool is_sequential(struct relation rb)
{
    struct relation elsewhere = where(sb, are_in_two_cells);
    struct relation scb = either(sb, then(then(elsewhere, hb), elsewhere));
    scb = either(scb, where(hb, are_in_one_cell));
    scb = either(scb, either(mo, rb));
    return acyclic(where(scb, are_seq_cst));
}

static bool is_allowed(void)
{
    struct relation rb = then(inverse(rf), mo);
    return is_coherent(rb) && is_atomic(rb) && is_sequential(rb);
}

/* ---- everything there is to try -------------------------------------------------------------- */

static struct {
    bool deadlock;
    bool race;
} possible;

/* Whether every thread that has stopped reads what is the last word. */
static bool ends_in_deadlock(bool *complete)
{
    *complete = true;
    for (unsigned a = 0; a < act_count; a++) {
        if (!acts[a].stops)
            continue;
        *complete = false;
        for (unsigned b = 0; b < act_count; b++)
            if (related(&mo, acts[a].source, b))
                return false;
    }
    return !*complete;
}

static bool has_race(void)
{
    for (unsigned a = 0; a < act_count; a++)
        for (unsigned b = 0; b < act_count; b++)
            if (is_plain(&acts[a]) && is_plain(&acts[b]) && acts[a].thread != acts[b].thread &&
                (acts[a].step->kind == SCRIBBLE || acts[b].step->kind == SCRIBBLE) &&
                !related(&hb, a, b) && !related(&hb, b, a))
                return true;
    return false;
}

static void note_execution(void)
{
    struct execution execution;
    uint8_t newest[CELLS] = {0};
    memset(&execution, 0, sizeof execution);
    for (unsigned a = 0; a < act_count; a++) {
        const struct act *act = &acts[a];
        if (act->write && newest[act->cell] <= act->place) {
            newest[act->cell] = act->place;
            execution.lasts[act->cell] = act->value;
        }
        if (act->thread == BEGINNING || is_plain(act))
            continue;
        struct fact *fact = &execution.facts[act->thread][act->index];
        const struct act *source = &acts[act->source];
        fact->kind = act->read ? 'R' : 'W';
        fact->value = act->value;
        if (act->write)
            fact->link = act->place;
        else if (source->thread != BEGINNING)
            fact->link = from(source->thread, source->index);
    }
    add(&allowed, &execution);
}

static void judge(void)
{
    bool complete;
    if (!is_allowed())
        return;
    bool deadlock = ends_in_deadlock(&complete);
    possible.deadlock = possible.deadlock || deadlock;
    if (complete || deadlock)
        possible.race = possible.race || has_race();
    if (complete)
        note_execution();
}

/* Every order of the writes: the next one, of this cell or behind. */
static void choose_places(unsigned cell, uint8_t place, uint32_t placed)
{
    bool all = true;
    if (cell == PLAIN) {
        judge();
        return;
    }
    for (unsigned a = 0; a < act_count; a++) {
        if (!acts[a].write || acts[a].cell != cell || placed >> a & 1)
            continue;
        all = false;
        if (place == 0 && acts[a].thread != BEGINNING)
            continue;
        for (unsigned b = 0; b < act_count; b++)
            if (acts[b].write && acts[b].cell == cell && placed >> b & 1)
                relate(&mo, b, a);
        acts[a].place = place;
        choose_places(cell, (uint8_t)(place + 1), placed | UINT32_C(1) << a);
        for (unsigned b = 0; b < act_count; b++)
            mo.of[b] &= ~(UINT32_C(1) << a);
    }
    if (all)
        choose_places(cell + 1, 0, placed);
}

static uint8_t value_of(const struct act *act)
{
    if (act->thread == BEGINNING)
        return 0;
    if (act->read)
        return acts[act->source].value;
    switch (act->step->kind) {
    case LOCK:
    case WAKE:
        return 1;
    case UNLOCK:
    case WAIT:
        return 0;
    case ADD:
        return (uint8_t)(acts[act->half].value + act->step->value);
    default:
        return act->step->value;
    }
}

/* In as many rounds as there are acts every value arrives; whether they are as they must be. */
static bool values_are_right(void)
{
    for (unsigned round = 0; round < act_count; round++)
        for (unsigned a = 0; a < act_count; a++)
            acts[a].value = value_of(&acts[a]);
    for (unsigned a = 0; a < act_count; a++)
        if (acts[a].test != ANY && (acts[a].test == EQUAL) != (acts[a].value == acts[a].tested))
            return false;
    return true;
}

/* Every write for every read, from this one on. */
static void choose_sources(unsigned read)
{
    if (read == act_count) {
        if (!sources_are_possible() || !values_are_right())
            return;
        relate_happens_before();
        choose_places(0, 0, 0);
        return;
    }
    if (!acts[read].read) {
        choose_sources(read + 1);
        return;
    }
    for (unsigned a = 0; a < act_count; a++) {
        if (!acts[a].write || acts[a].cell != acts[read].cell)
            continue;
        acts[read].source = (uint8_t)a;
        relate(&rf, a, read);
        choose_sources(read + 1);
        rf.of[a] &= ~(UINT32_C(1) << read);
    }
}

/* ---- every way through the program ----------------------------------------------------------- */

enum outcome { DONE, FAILED, STOPPED_HERE };

static void unfold(unsigned thread, unsigned position, unsigned index);

static struct act *append(unsigned thread, unsigned index, const struct step *step)
{
    struct act *act = &acts[act_count];
    memset(act, 0, sizeof *act);
    act->step = step;
    act->thread = (uint8_t)thread;
    act->index = (uint8_t)index;
    act->half = (uint8_t)act_count++;
    if (step) {
        act->cell = step->cell;
        act->order = step->order;
    }
    return act;
}

/* Goes on behind a step that came out like this. */
static void go_on(unsigned thread, unsigned position, unsigned index, enum outcome outcome,
                  enum test test, uint8_t tested)
{
    const struct step *step = &program.steps[thread][position];
    unsigned before = act_count;
    if (reads(step->kind)) {
        struct act *read = append(thread, index++, step);
        read->read = true;
        read->test = test;
        read->tested = tested;
        read->stops = outcome == STOPPED_HERE;
        if (outcome == FAILED)
            read->order = step->failure;
    }
    if (writes(step->kind) && outcome == DONE) {
        struct act *write = append(thread, index++, step);
        write->write = true;
        if (reads(step->kind))
            write->half = (uint8_t)(act_count - 2);
    }
    if (step->cell == PLAIN)
        append(thread, index, step);
    if (outcome == STOPPED_HERE)
        unfold(thread + 1, 0, 0);
    else
        unfold(thread, position + 1, index);
    act_count = before;
}

static void unfold(unsigned thread, unsigned position, unsigned index)
{
    if (thread == program.threads) {
        relate_program();
        choose_sources(0);
        return;
    }
    if (position == program.length[thread]) {
        unfold(thread + 1, 0, 0);
        return;
    }
    const struct step *step = &program.steps[thread][position];
    switch (step->kind) {
    case CLAIM:
        go_on(thread, position, index, DONE, EQUAL, step->wanted);
        go_on(thread, position, index, FAILED, DIFFERENT, step->wanted);
        break;
    case SPIN:
        go_on(thread, position, index, DONE, DIFFERENT, 0);
        go_on(thread, position, index, STOPPED_HERE, EQUAL, 0);
        break;
    case LOCK:
        go_on(thread, position, index, DONE, EQUAL, 0);
        go_on(thread, position, index, STOPPED_HERE, DIFFERENT, 0);
        break;
    case WAIT:
        go_on(thread, position, index, DONE, EQUAL, 1);
        go_on(thread, position, index, STOPPED_HERE, DIFFERENT, 1);
        break;
    default:
        go_on(thread, position, index, DONE, ANY, 0);
    }
}

static void try_everything(void)
{
    allowed.count = 0;
    possible.deadlock = possible.race = false;
    act_count = 0;
    for (uint8_t cell = 0; cell < PLAIN; cell++) {
        struct act *beginning = append(BEGINNING, 0, NULL);
        beginning->write = true;
        beginning->cell = cell;
    }
    unfold(0, 0, 0);
    sort(&allowed);
}

/* ---- the checker's side ---------------------------------------------------------------------- */

/* What the compiler would insert before a plain access. */
void __tsan_read4(void *address);
void __tsan_write4(void *address);

static uint32_t cells[CELLS];
static uint8_t returned[THREADS][STEPS]; /* by a thread's steps that read */
static unsigned returned_count[THREADS];
static bool noting;
static bool spun; /* at random: events that are in no execution of the axioms */

static void setup(void)
{
    memset(cells, 0, sizeof cells);
    memset(returned_count, 0, sizeof returned_count);
    spun = false;
}

/* Does one step; what it read. */
static uint64_t perform(const struct step *step, struct site *site)
{
    uint32_t *cell = &cells[step->cell];
    uint64_t found = 0;
    switch (step->kind) {
    case LOAD:
        return model_get(cell, sizeof *cell, site);
    case STORE:
        return model_set(cell, sizeof *cell, step->value, site), 0;
    case ADD:
        return model_change(cell, sizeof *cell, MODEL_ADD, step->value, site);
    case CLAIM:
        found = step->wanted;
        if (model_claim(cell, sizeof *cell, &found, step->value, site) != (found == step->wanted))
            model_fail("a claim returned the opposite");
        return found;
    case SPIN:
        while ((found = model_get(cell, sizeof *cell, site)) == 0)
            spun = true, model_yield();
        return found;
    case LOCK:
        return model_lock(cell, site), 0;
    case UNLOCK:
        return model_unlock(cell, site), 0;
    case WAIT:
        return model_wait(cell), 1;
    case WAKE:
        return model_wake(cell), 0;
    case LOOK:
        return __tsan_read4(cell), 0;
    default:
        return __tsan_write4(cell), 0;
    }
}

static void interpret(unsigned thread)
{
    for (unsigned i = 0; i < program.length[thread]; i++) {
        const struct step *step = &program.steps[thread][i];
        uint64_t found = perform(step, &program.sites[thread][i]);
        if (reads(step->kind))
            returned[thread][returned_count[thread]++] = (uint8_t)found;
    }
}

static void thread_1(void)
{
    interpret(0);
}

static void thread_2(void)
{
    interpret(1);
}

static void thread_3(void)
{
    interpret(2);
}

/* The graph, and what came out: in an execution that failed, the last read did not yet. */
static void note_graph(struct execution *execution)
{
    memset(execution, 0, sizeof *execution);
    for (unsigned thread = 0; thread < THREADS; thread++) {
        unsigned reads_seen = 0;
        for (unsigned i = 0; i < graph.count[thread] && i < EVENTS; i++) {
            const struct event *event = &graph.events[graph.at[thread][i]];
            struct fact *fact = &execution->facts[thread][i];
            fact->kind = event->kind == EVENT_READ ? 'R' : 'W';
            fact->value = (uint8_t)event->value;
            if (event->kind == EVENT_WRITE) {
                fact->link = (uint8_t)event->place;
                continue;
            }
            if (event->from != INITIAL)
                fact->link = from(event->from / EVENTS_AT_MOST, event->from % EVENTS_AT_MOST);
            if (reads_seen < returned_count[thread])
                fact->value = returned[thread][reads_seen++];
        }
    }
    for (unsigned cell = 0; cell < CELLS; cell++)
        execution->lasts[cell] = (uint8_t)cells[cell];
    execution->lasts[MUTEX] = *(const uint8_t *)&cells[MUTEX];
}

static void verify(void)
{
    struct execution execution;
    if (spun)
        return;
    note_graph(&execution);
    if (exploring_at_random() && !contains(&allowed, &execution))
        model_fail("at random there is an execution that the axioms forbid");
    if (noting)
        add(&explored, &execution);
}

static struct client client = {.name = "axioms",
                               .promise = "what is explored is what the axioms allow",
                               .setup = setup,
                               .verify = verify};

/* ---- the comparison -------------------------------------------------------------------------- */

enum { AT_RANDOM = 25, SELF_CHECKED = 16 };

static struct {
    uint64_t program;
    uint64_t executions;
    uint64_t deadlocks;
    uint64_t races;
} done;

static jmp_buf failed;
static char failure[512];

void model_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure, sizeof failure, format, arguments);
    va_end(arguments);
    longjmp(failed, 1);
}

void model_give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    exit(2);
}

static __attribute__((noreturn)) void differ(const char *what)
{
    printf("\nFAILED program %" PRIu64 ": %s\n", done.program, what);
    print_program();
    printf("The axioms allow %zu executions%s%s; the checker finds %zu.\n", allowed.count,
           possible.deadlock ? ", and a deadlock" : "", possible.race ? ", and a data race" : "",
           explored.count);
    for (size_t i = 0; i < explored.count; i++) {
        const struct execution *execution = &explored.items[i];
        if (i > 0 && compare(execution, execution - 1) == 0)
            print_execution("found twice:", execution);
        else if (!contains(&allowed, execution))
            print_execution("found, and forbidden:", execution);
    }
    for (size_t i = 0; i < allowed.count; i++)
        if (!contains(&explored, &allowed.items[i]))
            print_execution("allowed, and not found:", &allowed.items[i]);
    fflush(stdout);
    _Exit(1);
}

static void explore(void)
{
    noting = true;
    explore_all(&client, COMPLETE);
}

static void explore_some(void)
{
    explore_random(&client, done.program, AT_RANDOM);
}

static void self_check(void)
{
    explore_and_check(&client, done.program, AT_RANDOM);
}

/* Whether it comes to its end; if it fails, the axioms must say why. */
static bool succeeds(void (*what)(void))
{
    if (setjmp(failed) == 0) {
        what();
        noting = false;
        return true;
    }
    noting = false;
    if ((possible.deadlock && strstr(failure, "deadlock")) ||
        (possible.race && strstr(failure, "data race")))
        return false;
    struct execution last;
    note_graph(&last);
    print_execution("The last execution:", &last);
    sort(&explored);
    differ(failure);
}

/* Everything that the checker finds, and everything that there is. */
static void compare_all(void)
{
    explored.count = 0;
    bool success = succeeds(explore);
    sort(&explored);
    if (!success)
        return;
    if (possible.deadlock || possible.race)
        differ("a deadlock or a data race is not found");
    if (explored.count != allowed.count)
        differ("other executions");
    for (size_t i = 0; i < allowed.count; i++)
        if (compare(&explored.items[i], &allowed.items[i]) != 0)
            differ("other executions");
}

static void check_program(void)
{
    static void (*const threads[THREADS])(void) = {thread_1, thread_2, thread_3};
    for (unsigned thread = 0; thread < THREADS; thread++)
        client.threads[thread] = thread < program.threads ? threads[thread] : NULL;
    try_everything();
    compare_all();
    succeeds(explore_some);
    if (done.program % SELF_CHECKED == 0 && !uses(SPIN))
        succeeds(self_check);
    done.executions += allowed.count;
    done.deadlocks += possible.deadlock;
    done.races += possible.race;
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return i < argc ? strtoull(argv[i], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t programs = argument(argc, argv, 1, 8000);
    uint64_t seed = argument(argc, argv, 2, 1);
    double candidates_at_most = (double)argument(argc, argv, 3, 20000);
    unsigned steps_at_most = (unsigned)argument(argc, argv, 4, 8);
    if (steps_at_most < 2 * THREADS) {
        fprintf(stderr, "a program has at least %d steps\n", 2 * THREADS);
        return 2;
    }
    memory_explains = false; /* races are many */
    for (done.program = seed; done.program < seed + programs; done.program++) {
        chance_state = done.program;
        make_program(steps_at_most, candidates_at_most);
        check_program();
    }
    printf("axioms: %" PRIu64 " programs, %" PRIu64 " executions, %" PRIu64
           " programs with deadlocks, %" PRIu64 " with data races: as the axioms say\n",
           programs, done.executions, done.deadlocks, done.races);
    return 0;
}
