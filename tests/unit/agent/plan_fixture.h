/* A world for each test of the plan's rules. Included by one test program each. */
#include "agent/plan.h"

#include <check.h>

#include "world.h"

static struct world w;

static void set_up(void)
{
    w = (struct world){0};
}

static void tear_down(void)
{
    world_clear(&w);
}

static void expect(const char *key, enum plan_op op, enum plan_verb verb)
{
    world_expect(&w, key, op, verb);
}

static void expect_why(const char *key, const char *part)
{
    world_expect_why(&w, key, part);
}
