/*
 * Asking agents for their plans: NATS request `harmony.plan.<site>`, {"documents": [{"where",
 * "kind", "name", "spec"}], "deletes": [keys]} on top of what is declared. Blocks; the session's
 * thread.
 */
#ifndef HM_CTL_PLAN_REQUEST_H
#define HM_CTL_PLAN_REQUEST_H

#include <jansson.h>

#include "ctl/command.h"
#include "ctl/session.h"

/* Append the sites whose agents have reported (`<site>.agent` in harmony_status), in order of name.
 */
enum ctl_exit plan_sites(struct invocation *in, struct session *s, json_t *sites);

/* One plan for each site, a new array. A site that gives none: {"site", "error": {"code", "text"}}.
 */
json_t *plan_ask(struct session *s, const json_t *sites, const json_t *request);

#endif
