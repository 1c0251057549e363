/* What the buckets say now, each read as each of them: `failover status`, `failover repair`, `get`, `doctor`, and
 * what `watch` says of a change. */
#include "base/clock.h"
#include "ctl/diagnosis.h"
#include "ctl/documents_view.h"
#include "ctl/group_view.h"
#include "ctl/repair.h"
#include "ctl/watch_line.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t NOW_NS = 1795356200000 * HM_MS; /* 2026-11-22 */

static void watch(const struct entries *list)
{
    json_t *before = NULL;
    for (size_t n = 0; n < list->count; n++) {
        struct hm_buf line = {0}, json = {0};
        watch_line(&list->items[n], before, n % 2, &line);
        fuzz_require_shown(&line);
        watch_line_json(&list->items[n], "harmony_status", &json);
        fuzz_require_utf8(&json);
        json_decref(before);
        before = entry_object(&list->items[n]);
    }
    json_decref(before);
}

static void look_at_group(const struct entries *last)
{
    struct group_now g;
    struct hm_buf text = {0};
    group_look(last, "default", NOW_NS, 1, &g);
    group_hear_agents(last, &g);
    group_render(&g, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(group_json(&g));
    group_clear(&g);
}

static void look_at_documents(const struct entries *last)
{
    struct document_rows rows;
    struct hm_buf text = {0};
    documents_join(last, last, &(struct wanted){0}, &rows);
    documents_render(&rows, true, NOW_NS, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(documents_json(&rows));
    document_rows_clear(&rows);
}

static void look_for_repair(const struct entries *last)
{
    struct repair r;
    struct heartbeat record;
    char text[HB_TEXT_MAX];
    repair_look(last, last, "default", NULL, true, NOW_NS, &r);
    int64_t wait_ms = repair_wait_ms(&r);
    FUZZ_REQUIRE(wait_ms >= r.promise_ms && wait_ms <= 2LL * HB_PROMISE_MAX_MS);
    repair_record(&r, &(struct hb_site){0}, NOW_NS / HM_MS, &record);
    heartbeat_render(&record, true, text);
    struct hm_buf shown = {0};
    repair_render(&r, "default", &shown);
    fuzz_require_shown(&shown);
    fuzz_require_json(repair_json(&r, "default"));
}

static void look_as_doctor(const struct entries *last)
{
    struct diagnosis d = {0};
    struct hm_buf text = {0};
    json_t *sites = json_array();
    diagnose_heartbeats(&d, last);
    diagnose_statuses(&d, last, last, sites);
    diagnosis_render(&d, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(diagnosis_json(&d));
    fuzz_require_json(sites);
    diagnosis_clear(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entries list;
    fuzz_entries(data, size, &list);
    watch(&list);
    entries_keep_last(&list);
    look_at_group(&list);
    look_at_documents(&list);
    look_for_repair(&list);
    look_as_doctor(&list);
    entries_clear(&list);
    return 0;
}
