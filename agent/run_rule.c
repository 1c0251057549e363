#include "agent/run_rule.h"

#include <string.h>

#include "proto/field.h"

static bool has_policy(const json_t *spec, const char *word)
{
    const char *policy = spec_str(spec, "restart_policy");
    return policy && !strcmp(policy, word);
}

bool run_was_started(const struct thing *t, uint64_t epoch)
{
    enum run_state state = t->run.state;
    return t->run.epoch == epoch &&
           (state == RUN_STARTED || state == RUN_ENDED || state == RUN_FAILED);
}

bool run_ended_cleanly(const struct thing *t)
{
    return t->run.state == RUN_ENDED || (t->run.state == RUN_STARTED && t->shut_down);
}

bool run_is_over(const struct thing *t, uint64_t epoch, const json_t *spec)
{
    if (!run_was_started(t, epoch))
        return false;
    return has_policy(spec, "no") || (has_policy(spec, "on-failure") && run_ended_cleanly(t));
}

bool run_needs_note(const struct thing *t, uint64_t epoch, const json_t *spec)
{
    bool is_noted = t->run.state == RUN_STARTED && t->run.epoch == epoch;
    return !is_noted && (has_policy(spec, "no") || has_policy(spec, "on-failure"));
}

bool run_may_be_revived(const json_t *spec)
{
    return spec_str(spec, "restart_policy") && !has_policy(spec, "no");
}

const char *run_end_text(const struct thing *t)
{
    if (run_ended_cleanly(t))
        return "it shut down";
    return t->state == THING_CRASHED ? "it crashed" : "it stopped";
}
