/* For status, hooks and load balancers, and the texts of events, effects and notes. */
#include "failover/core.h"

const struct hb_site *fo_leader(const struct fo_state *state)
{
    if (state->lease.held)
        return &state->site;
    const struct fo_known *known = &state->known;
    bool held = known->has_record && known->readable && known->record.status != HB_RELEASED;
    return held ? &known->record.site : NULL;
}

uint64_t fo_epoch(const struct fo_state *state)
{
    return state->lease.held ? state->lease.epoch : state->seen_epoch;
}

bool fo_fit(const struct fo_state *state, int64_t now_ns)
{
    return state->rank != 0 && !state->barred && fo_fit_to_lead(state) &&
           now_ns >= state->back_off.until && !state->stepping_down &&
           (state->guardian.up || !fo_rule_on(state, FO_RULE_GUARDIAN_UP));
}

bool fo_peer_ready(const struct fo_state *state, const struct fo_peer *peer, int64_t now_ns)
{
    return fo_peer_is_ready(state, peer, now_ns);
}

int64_t fo_promotes_at(const struct fo_state *state, int64_t now_ns)
{
    enum hb_reason reason;
    return fo_claim_at(state, now_ns, &reason);
}

bool fo_goes_on_by_consent(const struct fo_state *state, int64_t now_ns)
{
    return state->lease.held && !state->lease.paused && fo_consent_holds(state, now_ns) &&
           state->failures >= state->config.failure_threshold;
}

bool fo_has_stepped_down(const struct fo_state *state)
{
    return state->stepping_down && state->stopped && state->role == HB_ROLE_REPLICA;
}

const char *fo_event_name(enum fo_event_type type)
{
    static const char *const names[] = {
#define NAME(id, text) [FO_EV_##id] = (text),
        FO_EVENTS(NAME)
#undef NAME
    };
    return names[type];
}

const char *fo_effect_name(enum fo_effect_type type)
{
    static const char *const names[] = {
#define NAME(id, text) [FO_DO_##id] = (text),
        FO_EFFECTS(NAME)
#undef NAME
    };
    return names[type];
}

const char *fo_note_text(enum fo_note note)
{
    static const char *const texts[] = {
#define TEXT(id, text) [FO_NOTE_##id] = (text),
        FO_NOTES(TEXT)
#undef TEXT
    };
    return texts[note];
}
