#include "agent/life.h"

#include "agent/back_off.h"
#include "base/clock.h"

static void learn(struct life *l, const struct life_view *v, int64_t now_ns)
{
    if (l->is_known || v->note->state == RUN_NONE)
        return;
    l->is_known = true;
    l->restarts = v->note->restarts;
    l->streak = v->note->streak;
    l->loop_since_ms = v->note->loop_since_ms;
    int64_t began_ns = v->note->began_ms * HM_MS;
    if (v->is_well && v->note->state == RUN_STARTED && began_ns > 0 && began_ns < now_ns)
        l->well_since_ns = began_ns; /* of this boot: it could not run otherwise */
}

static void end_row(struct life *l)
{
    l->streak = 0;
    l->loop_since_ms = 0;
}

static bool was_well_for_long(const struct life *l, int64_t now_ns)
{
    return l->well_since_ns && now_ns - l->well_since_ns >= LIFE_WELL_NS;
}

bool life_look(struct life *l, const struct life_view *v, int64_t now_ns, uint32_t jitter)
{
    struct life before = *l;
    learn(l, v, now_ns);
    if (v->is_well && !l->well_since_ns)
        l->well_since_ns = now_ns;
    if (was_well_for_long(l, now_ns))
        end_row(l);
    if (v->fell && !l->due_ns)
        l->due_ns = now_ns + back_off_ms(l->streak, jitter) * HM_MS;
    if (!v->fell)
        l->due_ns = 0;
    if (!v->is_well)
        l->well_since_ns = 0;
    return before.due_ns != l->due_ns || before.streak != l->streak;
}

bool life_waits(const struct life *l, int64_t now_ns)
{
    return l->due_ns > now_ns;
}

int64_t life_next_ns(const struct life *l)
{
    if (l->due_ns)
        return l->due_ns;
    return l->streak && l->well_since_ns ? l->well_since_ns + LIFE_WELL_NS : 0;
}

bool life_is_looping(const struct life *l)
{
    return l->streak >= LIFE_LOOP_FROM;
}

static uint32_t one_more(uint32_t n)
{
    return n < UINT32_MAX ? n + 1 : n;
}

struct run_note life_note_start(const struct life *l, bool again, uint64_t epoch, int64_t now_ns,
                                int64_t wall_ms)
{
    struct run_note note = {.state = RUN_STARTED, .epoch = epoch, .began_ms = now_ns / HM_MS};
    if (!again)
        return note;
    note.restarts = one_more(l->restarts);
    note.streak = one_more(l->streak);
    note.loop_since_ms = l->loop_since_ms;
    if (note.streak >= LIFE_LOOP_FROM && !note.loop_since_ms)
        note.loop_since_ms = wall_ms;
    return note;
}

struct run_note life_note_stop(const struct life *l, bool again, uint64_t epoch)
{
    if (!again)
        return (struct run_note){.state = RUN_STOPPED, .epoch = epoch};
    return (struct run_note){.state = RUN_REVIVED,
                             .epoch = epoch,
                             .restarts = l->restarts,
                             .streak = l->streak,
                             .loop_since_ms = l->loop_since_ms};
}

struct run_note life_note_end(const struct run_note *kept, bool cleanly)
{
    struct run_note note = *kept;
    note.state = cleanly ? RUN_ENDED : RUN_FAILED;
    return note;
}

void life_noted(struct life *l, const struct run_note *note)
{
    bool revives = note->state == RUN_REVIVED;
    *l = (struct life){.is_known = true,
                       .restarts = note->restarts,
                       .streak = note->streak,
                       .loop_since_ms = note->loop_since_ms,
                       .due_ns = revives ? l->due_ns : 0};
}

void life_afresh(struct life *l)
{
    end_row(l);
    l->due_ns = 0;
}
