/* cluster_config on its way to the core: verified, remembered on disk, or refused in words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/lead_internal.h"
#include "base/log.h"

static void config_refused(struct lead *l, uint64_t revision, struct hm_error *why)
{
    hm_wrap(why, "%s rev %" PRIu64 " refused", LEAD_KEY_CONFIG, revision);
    if (l->core.has_config)
        hm_fail(&l->store.refused, why->code, "%s; revision %" PRIu64 " stays", why->text,
                l->core.config_revision);
    else
        hm_fail(&l->store.refused, why->code, "%s; there is no earlier one: nobody leads from here",
                why->text);
    hm_log(HM_LOG_ERROR, LEAD_LOG, "%s", l->store.refused.text);
    lead_status_changed(l);
}

/* Twice in a heartbeat interval: a server that is gone is left in time for the second heartbeat. At once
 * where that disturbs no lease. */
static void set_ping(struct lead *l, int64_t heartbeat_interval_ms)
{
    int64_t ping_ms = heartbeat_interval_ms / 2;
    if (ping_ms == l->store.ping_ms)
        return;
    l->store.ping_ms = ping_ms;
    bus_set_ping(l->options.bus, ping_ms);
    if (!l->core.lease.held)
        bus_try_another_server(l->options.bus);
}

static void config_accepted(struct lead *l, const struct cluster_config *config, uint64_t revision)
{
    struct fo_event event = {.type = FO_EV_CONFIG};
    event.config.config = config;
    event.config.revision = revision;
    l->store.refused = (struct hm_error){0};
    lead_event(l, &event);
    lead_consent_configured(l);
    set_ping(l, config->heartbeat_interval_ms);
    lead_status_changed(l);
}

static void remember_config(struct lead *l, const struct cluster_config *config, uint64_t revision)
{
    char text[CLUSTER_CONFIG_TEXT_MAX];
    cluster_config_render(config, text);
    snprintf(l->memory.marks.config, sizeof l->memory.marks.config, "%s", text);
    l->memory.marks.config_revision = revision;
    lead_save_marks(l);
}

/* After the bucket was made anew, the same revision may carry another content. */
static bool is_in_force(const struct lead *l, const struct cluster_config *config,
                        uint64_t revision)
{
    return l->core.has_config && revision == l->core.config_revision &&
           cluster_config_equal(config, &l->core.config);
}

void lead_config_changed(struct lead *l, const struct bus_entry *entry)
{
    struct cluster_config config;
    struct hm_error why;
    if (entry->deleted) {
        hm_fail(&why, HM_E_INVALID, "it was deleted");
        config_refused(l, entry->revision, &why);
    } else if (cluster_config_parse(entry->value, entry->len, &config, &why) < 0) {
        config_refused(l, entry->revision, &why);
    } else if (!is_in_force(l, &config, entry->revision)) {
        remember_config(l, &config, entry->revision);
        config_accepted(l, &config, entry->revision);
    }
}

void lead_use_cached_config(struct lead *l)
{
    struct cluster_config config;
    struct hm_error why;
    const struct marks *m = &l->memory.marks;
    if (!m->config_revision)
        return;
    if (cluster_config_parse(m->config, strlen(m->config), &config, &why) < 0)
        hm_log(HM_LOG_WARN, LEAD_LOG, "the remembered %s rev %" PRIu64 " is no longer good: %s",
               LEAD_KEY_CONFIG, m->config_revision, why.text);
    else
        config_accepted(l, &config, m->config_revision);
}
