/* Failsafe by consent: the core's questions and answers on their way to and from the other agents. */
#include "agent/lead_internal.h"
#include "agent/peers.h"

static void on_asked(void *data, const struct hb_site *from, const struct peer_message *ask)
{
    struct fo_event event = {.type = FO_EV_CONSENT_REQUEST};
    event.request.from = *from;
    event.request.nonce = ask->nonce;
    event.request.era = ask->era;
    event.request.promise_ms = ask->promise_ms;
    lead_event(data, &event);
}

static void on_answered(void *data, const struct hb_site *from, const struct peer_message *answer)
{
    struct fo_event event = {.type = FO_EV_CONSENT_ANSWER};
    event.answer.from = *from;
    event.answer.nonce = answer->nonce;
    event.answer.era = answer->era;
    event.answer.granted = answer->granted;
    event.answer.lease = answer->lease;
    lead_event(data, &event);
}

static void on_changed(void *data)
{
    lead_status_changed(data);
}

void lead_ask_consent(struct lead *l, const struct fo_effect *e)
{
    struct peer_message ask = {
        .nonce = e->consent.nonce, .era = e->consent.era, .promise_ms = e->consent.promise_ms};
    if (l->peers)
        peers_ask(l->peers, &e->consent.to, ask);
}

void lead_answer_consent(struct lead *l, const struct fo_effect *e)
{
    struct peer_message answer = {.nonce = e->consent.nonce,
                                  .era = e->consent.era,
                                  .granted = e->consent.granted,
                                  .lease = e->consent.lease};
    if (l->peers)
        peers_answer(l->peers, &e->consent.to, answer);
}

void lead_consent_configured(struct lead *l)
{
    if (l->peers && l->core.has_config)
        peers_set_group(l->peers, &l->core.config);
}

/* What failsafe needs here and does not have. */
void lead_consent_warnings(const struct lead *l, json_t *list)
{
    static const char without[] = "failsafe is on, and failover.peer is not in this agent's "
                                  "configuration: this site consents "
                                  "to nobody, and as leader it fences itself when NATS is away";
    if (!l->peers && l->core.has_config && l->core.config.failsafe)
        json_array_append_new(list, json_string(without));
    if (l->peers && *peers_why_not(l->peers))
        json_array_append_new(list, json_string(peers_why_not(l->peers)));
}

json_t *lead_consent_status(const struct lead *l, int64_t now)
{
    return json_pack("{s:b, s:b, s:o}", "on", l->core.has_config && l->core.config.failsafe,
                     "goes_on_by_consent", fo_goes_on_by_consent(&l->core, now), "links",
                     l->peers ? peers_status(l->peers) : json_array());
}

int lead_consent_new(struct lead *l, struct hm_error *err)
{
    const struct agent_config *c = l->options.config;
    struct peers_options options = {.loop = l->options.loop,
                                    .site = l->core.site,
                                    .listen = c->failover.peer.listen,
                                    .tls_ca = c->failover.peer.tls_ca,
                                    .tls_cert = c->failover.peer.tls_cert,
                                    .tls_key = c->failover.peer.tls_key,
                                    .asked = on_asked,
                                    .answered = on_answered,
                                    .changed = on_changed,
                                    .data = l};
    if (!options.listen)
        return 0;
    if (!hb_site_from(c->failover.group, &options.group))
        return hm_fail(err, HM_E_INVALID, "failover.group: \"%s\" is not a name",
                       c->failover.group);
    return peers_new(&options, &l->peers, err);
}

void lead_consent_free(struct lead *l)
{
    peers_free(l->peers);
    l->peers = NULL;
}
