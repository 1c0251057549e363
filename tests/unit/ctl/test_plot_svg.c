#include "ctl/plot.h"

#include "suite.h"

START_TEST(a_site_that_was_not_heard_has_an_empty_lane)
{
    struct plot p = {.from_ns = 1, .to_ns = 1 + 1000000000, .lane_count = 1};
    struct hm_buf out = {0};
    strcpy(p.lanes[0].site.text, "site-a");
    plot_render(&p, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "site-a"));
    plot_clear(&p);
    hm_buf_free(&out);
}
END_TEST

RUN_SUITE("plot_svg", a_site_that_was_not_heard_has_an_empty_lane)
