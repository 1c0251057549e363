/* What agents answer, as `plan` and `doctor` show it: the same JSON as each of them. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/diagnosis.h"
#include "ctl/plan_view.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t NOW_NS = 1795356200000 * HM_MS; /* 2026-11-22 */

static void show_plan(const json_t *answer)
{
    struct hm_buf text = {0};
    json_t *plans = json_pack("[O]", answer);
    plan_render(plans, false, &text);
    fuzz_require_shown(&text);
    plan_has_changes(answer);
    json_decref(plans);
}

static void show_check(const json_t *answer)
{
    struct hm_buf text = {0};
    struct diagnosis d = {0};
    diagnose_check(&d, "site-a", answer, NOW_NS, NOW_NS + 5 * HM_MS);
    diagnosis_render(&d, false, &text);
    fuzz_require_shown(&text);
    fuzz_require_json(diagnosis_json(&d));
    diagnosis_clear(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *answer = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!answer)
        return 0;
    show_plan(answer);
    show_check(answer);
    json_decref(answer);
    return 0;
}
