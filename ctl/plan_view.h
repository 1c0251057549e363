/*
 * Plans as people read them (docs/reference/harmonyctl.md, plan). Pure; any thread.
 *
 * A plan is what an agent answers: {"site", "steps": [{"op", "kind", "name", "key", "why",
 * "changes":
 * [{"path", "before", "after", "cost"}], "seconds_estimate"?}], "unchanged", "orphans", "error"?}.
 * It is not trusted: what is missing or of another type is left out, all texts are made safe to
 * print.
 */
#ifndef HM_CTL_PLAN_VIEW_H
#define HM_CTL_PLAN_VIEW_H

#include <stdbool.h>

#include <jansson.h>

#include "base/buf.h"

/* Append the text of an array of plans, a block for each site. */
void plan_render(const json_t *plans, bool colour, struct hm_buf *out);

/* Whether a plan would change anything, or is blocked from it. */
bool plan_has_changes(const json_t *plan);

#endif
