#include "mail.h"
TEST(smoke)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *other = box_connect(loop, box, NULL);
    assert_int_equal(box_send(other, "one", NULL), 0);
    assert_int_equal(box_send(other, "two", NULL), 0);
    box_wait(loop, box, 2);
    assert_string_equal(box->mails[0].text, "one");
    assert_string_equal(box->mails[1].text, "two");
    assert_int_equal(box->batches, 1);
    evloop_address a = box_address(other);
    assert_true(evloop_address_equal(&a, &box->mails[0].peer));
    box_close(loop, box);
    box_close(loop, other);
    loop_end(loop);
}
int main(void)
{
    const struct CMUnitTest tests[] = {TEST_ENTRY(smoke)};
    return RUN_TESTS("dgram send", tests);
}
