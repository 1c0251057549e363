/* A schedule as people read it: `build/sim --seed N --trace`. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"

void trace_line(const struct sim *w, int site, const char *fmt, ...)
{
    va_list args;
    printf("%9.4f  %-7s ", (double)w->now / 1e9, site < 0 ? "" : w->configs[0].sites[site].text);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static void describe(char out[160], const struct heartbeat *hb)
{
    if (hb->status == HB_RELEASED)
        snprintf(out, 160, "RELEASED epoch %" PRIu64 ".%" PRIu64 " #%" PRIu64 " next %s (%s)",
                 hb->generation, hb->epoch, hb->counter,
                 hb->next.text[0] ? hb->next.text : "anyone", hb_reason_text(hb->reason));
    else
        snprintf(out, 160, "%s epoch %" PRIu64 ".%" PRIu64 " #%" PRIu64 " promise %" PRId64 "%s%s",
                 hb->site.text, hb->generation, hb->epoch, hb->counter, hb->expires_in_ms,
                 hb->paused ? " paused" : "", hb->fit ? " fit" : "");
}

static const char *outcome_text(unsigned outcome)
{
    static const char *const texts[] = {"stored", "duplicate", "conflict", "refused", "unknown"};
    return texts[outcome];
}

void trace_entry(const struct sim *w, const struct entry *e)
{
    const struct item *m = &w->items[e->item];
    char text[160];
    switch ((enum sim_kind)e->kind) {
    case K_WRITE_ANSWER:
        trace_line(w, e->site, "  <- %s #%" PRIu64 ".%u %s, revision %" PRIu64,
                   m->key == FO_KEY_LEASE ? "lease" : "own", m->hb.counter, m->send,
                   outcome_text(e->x), e->y);
        break;
    case K_READ_ANSWER:
        describe(text, &m->hb);
        trace_line(w, e->site, "  <- read %u: revision %" PRIu64 " %s", e->x, m->revision, text);
        break;
    case K_WATCH:
        describe(text, &m->hb);
        trace_line(w, e->site, "  <- watch: revision %" PRIu64 " %s %s", m->revision,
                   m->key == FO_KEY_LEASE ? "lease" : "replica", text);
        break;
    case K_CONFIG:
        trace_line(w, e->site, "  <- configuration %u", e->x);
        break;
    case K_PROBE:
        break;
    case K_STARTED:
        trace_line(w, e->site, "  <- workload started");
        break;
    case K_START_FAILED:
        trace_line(w, e->site, "  <- workload could not be started");
        break;
    case K_STOPPED:
        trace_line(w, e->site, "  <- workload stopped, verified");
        break;
    case K_STOP_FAILED:
        trace_line(w, e->site, "  <- stop not verified");
        break;
    case K_LAUNCH:
        trace_line(w, e->site, "  .. launches epoch %" PRIu64, e->y);
        break;
    case K_GUARDIAN:
        trace_line(w, e->site, "  <- guardian is %s", e->y ? "up" : "gone");
        break;
    case K_GUARDIAN_VERIFIED:
        trace_line(w, e->site, "  <- guardian verified its kill");
        break;
    default:
        break;
    }
}

static void trace_note(const struct sim *w, unsigned site, const struct fo_effect *e)
{
    if (e->note.note == FO_NOTE_ROLE)
        trace_line(w, (int)site, "%s -> %s: %s (epoch %" PRIu64 ")", hb_role_name(e->note.from),
                   hb_role_name(e->note.role), hb_reason_text(e->note.reason), e->note.epoch);
    else
        trace_line(w, (int)site, "note: %s (%" PRId64 ")", fo_note_text(e->note.note),
                   e->note.value);
}

void trace_effect(const struct sim *w, unsigned site, const struct fo_effect *e)
{
    char text[160];
    switch (e->type) {
    case FO_DO_SEND:
        describe(text, e->send.record);
        trace_line(w, (int)site, "  -> %s .%u expects %" PRId64 ": %s",
                   e->send.key == FO_KEY_LEASE ? "lease" : "own", e->send.send,
                   e->send.expect_revision, text);
        break;
    case FO_DO_READ:
        trace_line(w, (int)site, "  -> read %u", e->read.request);
        break;
    case FO_DO_START_WORKLOAD:
        trace_line(w, (int)site, "START epoch %" PRIu64, e->workload.epoch);
        break;
    case FO_DO_STOP_WORKLOAD:
        trace_line(w, (int)site, "STOP epoch %" PRIu64 ": %s, %.1f ms left", e->workload.epoch,
                   hb_reason_text(e->workload.reason),
                   (double)(e->workload.deadline_ns - site_clock(&w->sites[site], w->now)) / 1e6);
        break;
    case FO_DO_NOTE:
        trace_note(w, site, e);
        break;
    case FO_DO_RESTART_WATCH:
        trace_line(w, (int)site, "  -> watch made anew");
        break;
    default:
        break;
    }
}

void trace_shape(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[0];
    printf("seed %" PRIu64 ": %u sites, T %" PRId64 " ms, n %u, successes %u, F %" PRId64
           ", fence %" PRId64 ", promise %" PRId64 ", failover_timeout %" PRId64
           ", round trip %.2f ms%s%s%s%s\n",
           w->seed, w->shape.sites, c->heartbeat_interval_ms, c->failure_threshold,
           c->success_threshold, cluster_config_fence_start_ms(c), c->fence_timeout_ms,
           cluster_config_promise_ms(c), c->failover_timeout_ms, (double)w->shape.rtt / 1e6,
           w->shape.tight ? ", tight" : "", w->shape.short_faults ? ", short faults" : "",
           w->shape.probes ? ", probes" : "", w->store.single ? ", one server" : "");
    for (unsigned i = 0; i < w->fault_count; i++)
        printf("  fault %u%s: %s at %.3f s for %.3f s\n", i,
               w->faults[i].dropped ? " (left out)" : "", fault_name(w->faults[i].type),
               (double)w->faults[i].begin / 1e9, (double)w->faults[i].length / 1e9);
}
