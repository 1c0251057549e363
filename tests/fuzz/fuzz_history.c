/* What harmony_failover holds of the past, as text, JSON and pages: `failover history`, `incident show`. */
#include <stdlib.h>

#include "base/alloc.h"
#include "ctl/incident_html.h"
#include "ctl/incident_view.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char GROUP[] = "default";

static void tell_timeline(const struct entries *history)
{
    struct timeline t;
    struct hm_buf text = {0}, page = {0};
    timeline_make(history, GROUP, &t);
    timeline_render(&t, GROUP, 0, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(timeline_json(&t, GROUP, 0));
    history_html(&t, history, GROUP, 0, &page);
    fuzz_require_utf8(&page);
    timeline_clear(&t);
}

static void tell(const struct incident *i, const struct entries *history)
{
    struct cause cause;
    struct hm_buf text = {0}, page = {0};
    cause_infer(i, &cause);
    incident_render(i, &cause, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(incident_json(i, &cause));
    incident_html(i, &cause, history, GROUP, &page);
    fuzz_require_utf8(&page);
    cause_clear(&cause);
}

static void tell_incidents(const struct entries *history)
{
    HM_AUTOFREE uint64_t *epochs = NULL;
    size_t count = incident_epochs(history, GROUP, &epochs);
    for (size_t n = 0; n < count; n++) {
        struct incident i;
        struct hm_error err;
        int rc = incident_read(history, GROUP, epochs[n], &i, &err);
        if (rc < 0)
            fuzz_require_sentence(rc, &err);
        else
            tell(&i, history);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entries history;
    fuzz_entries(data, size, &history);
    tell_timeline(&history);
    tell_incidents(&history);
    entries_clear(&history);
    return 0;
}
