/*
 * error.c: evloop_strerror() and evloop_err_name().
 */
#include "support.h"

#include <limits.h>

static const int own[] = {EVLOOP_ECLOSED, EVLOOP_EOF, EVLOOP_ETHREAD};

TEST(every_errno_has_a_sentence_and_a_name_with_either_sign)
{
    const int errors[] = {EINVAL, EBUSY,  ENOMEM, ECHILD, EPERM,   EBADF,     ENOENT,
                          EMFILE, ENFILE, ENOSPC, E2BIG,  ENOTSUP, ECANCELED, ECONNRESET};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        assert_string_equal(evloop_strerror(errors[i]), evloop_strerror(-errors[i]));
        assert_string_equal(evloop_err_name(errors[i]), evloop_err_name(-errors[i]));
        assert_string_not_equal(evloop_strerror(-errors[i]), "unknown error");
        assert_string_not_equal(evloop_err_name(-errors[i]), "EUNKNOWN");
        assert_int_equal(evloop_err_name(-errors[i])[0], 'E');
    }
}

TEST(names_are_those_of_the_constants)
{
    assert_string_equal(evloop_err_name(-EBUSY), "EBUSY");
    assert_string_equal(evloop_err_name(-EINVAL), "EINVAL");
    assert_string_equal(evloop_err_name(-ECHILD), "ECHILD");
    assert_string_equal(evloop_err_name(EVLOOP_ECLOSED), "EVLOOP_ECLOSED");
    assert_string_equal(evloop_err_name(EVLOOP_EOF), "EVLOOP_EOF");
    assert_string_equal(evloop_err_name(EVLOOP_ETHREAD), "EVLOOP_ETHREAD");
}

TEST(own_codes_lie_outside_the_range_of_errno_and_have_sentences_of_their_own)
{
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_true(own[i] < -4095);
        assert_string_not_equal(evloop_strerror(own[i]), "unknown error");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(evloop_strerror(own[i]), evloop_strerror(own[k]));
    }
}

TEST(a_code_that_nobody_knows_is_unknown)
{
    const int unknown[] = {-20000, 20000, 9999, -9999, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_string_equal(evloop_strerror(unknown[i]), "unknown error");
        assert_string_equal(evloop_err_name(unknown[i]), "EUNKNOWN");
    }
}

TEST(every_number_has_an_answer)
{
    for (int err = -12000; err <= 12000; err++) {
        assert_true(strlen(evloop_strerror(err)) > 0);
        assert_true(strlen(evloop_err_name(err)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_errno_has_a_sentence_and_a_name_with_either_sign),
        TEST_ENTRY(names_are_those_of_the_constants),
        TEST_ENTRY(own_codes_lie_outside_the_range_of_errno_and_have_sentences_of_their_own),
        TEST_ENTRY(a_code_that_nobody_knows_is_unknown),
        TEST_ENTRY(every_number_has_an_answer),
    };
    return RUN_TESTS("error", tests);
}
