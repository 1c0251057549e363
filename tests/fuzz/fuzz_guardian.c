/*
 * What an agent may send to the guardian: messages, plans, and the leases that they set one after the
 * other. What is accepted can be walked and stays within its limits; what is not gets a clean sentence;
 * an epoch that was fired is never armed again, whatever is said.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "guardian/cgroup_find.h"
#include "guardian/kill.h"
#include "guardian/lease.h"
#include "guardian/message.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const struct plan_entry *e)
{
    FUZZ_REQUIRE(e->words <= GUARD_WORDS_MAX && e->word[e->words] == NULL);
    for (unsigned i = 0; i < e->words; i++)
        FUZZ_REQUIRE(strlen(e->word[i]) <= GUARD_WORD_MAX);
    FUZZ_REQUIRE(plan_rung_of(e->type) >= GUARD_RUNG_KILL);
}

static void check_plan(const struct guard_plan *plan)
{
    struct plan_entry e;
    struct words w = {0};
    struct names names;
    size_t at = 0;
    unsigned entries = 0;
    for (; plan_next(plan, &at, &e); entries++)
        check_words(&e);
    FUZZ_REQUIRE(entries == plan->entries);
    for (unsigned rung = GUARD_RUNG_KILL; rung <= GUARD_RUNG_WATCHDOG; rung++) {
        int64_t limit = plan_limit_ns(plan, (enum guard_rung)rung, 0);
        FUZZ_REQUIRE(limit > 0 && limit <= GUARD_RUNG_LIMIT_MAX_MS * INT64_C(1000000));
    }
    kill_names(&names, plan);
    kill_matches(&names, &w, (const char *)plan,
                 plan->header.size); /* as somebody's command line */
}

static void check_sentence(const char *why)
{
    FUZZ_REQUIRE(*why && strlen(why) < PLAN_TEXT_MAX);
    for (const char *c = why; *c; c++)
        FUZZ_REQUIRE((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_message(const union message *m, size_t size)
{
    char why[PLAN_TEXT_MAX] = "";
    if (message_check(m, size, why) != GUARD_OK) {
        check_sentence(why);
    } else if (m->header.type == GUARD_PLAN) {
        check_plan(&m->plan);
    } else if (m->header.type == GUARD_SET) {
        FUZZ_REQUIRE(size == sizeof m->set && lease_in_range(&m->set.lease));
    } else {
        FUZZ_REQUIRE(m->header.type == GUARD_HELLO);
        FUZZ_REQUIRE(message_is_name(m->hello.site) && message_is_name(m->hello.group));
    }
}

static void check_book(const struct lease *l, const struct lease *before)
{
    FUZZ_REQUIRE(epoch_compare(l->fired, before->fired) >= 0);
    FUZZ_REQUIRE(epoch_compare(l->last, before->last) >= 0);
    FUZZ_REQUIRE(!l->armed || epoch_compare(l->last, l->fired) > 0);
    FUZZ_REQUIRE(l->armed || lease_deadline(l) == GUARD_NEVER);
}

/* The bytes as leases, one after the other; each one's revision moves the clock. */
static void check_leases(const uint8_t *data, size_t size)
{
    struct lease l = {0};
    int64_t now = 1;
    for (struct guard_lease want; size >= sizeof want; data += sizeof want, size -= sizeof want) {
        enum lease_change change = LEASE_KEEPS;
        struct lease before = l;
        memcpy(&want, data, sizeof want);
        now += (int64_t)(want.revision & 0xffffffff);
        if (lease_is_due(&l, now))
            lease_fire(&l, now);
        if (lease_in_range(&want) && lease_judge(&l, &want, &change) == GUARD_OK) {
            FUZZ_REQUIRE(want.phase == GUARD_NONE || l.armed || change == LEASE_ARMS);
            lease_take(&l, &want);
        }
        check_book(&l, &before);
    }
}

/* Mount points are named by others. */
static void check_mounts(const char *text)
{
    char path[GUARD_PATH_MAX + 1];
    if (cgroup_find_in(text, text, CGROUP_V2, path))
        FUZZ_REQUIRE(*path && strlen(path) <= GUARD_PATH_MAX);
    cgroup_find_in(text, text, CGROUP_V1_FREEZER, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE void *exact = malloc(size ? size : 1);
    HM_AUTOFREE char *text = hm_memdup(data, size);
    memcpy(exact, data, size);
    check_message(exact, size);
    check_leases(data, size);
    check_mounts(text);
    return 0;
}
