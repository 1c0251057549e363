/* The firewall where its library gets no socket. */
#include "netalloc/firewall.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "suite.h"

static struct rlimit leave_descriptors(int count)
{
    struct rlimit before;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {(rlim_t)(next + count), before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    return before;
}

/* It ends its process then. */
START_TEST(want_of_descriptors_is_an_error)
{
    struct hm_error err = {0};
    char *listed = NULL;
    struct rlimit before = leave_descriptors(_i);
    int r = firewall_list("harmony_none", &listed, &err);
    int applied = firewall_apply("list tables\n", NULL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(r, -HM_E_IO);
    ck_assert_int_eq(applied, -HM_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "descriptors"));
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("firewall");
    tcase_add_loop_test(c, want_of_descriptors_is_an_error, 0, 2);
    return run_case("firewall", c);
}
