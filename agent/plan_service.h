/*
 * Answers `harmonyctl plan`: requests on harmony.plan.<site>.
 *
 * Request: {"documents":[{"where","kind","name","spec"}],"deletes":["<where>.<kind>.<name>"]}, both
 * optional. Reply: the plan (plan_to_json), or {"error":{"code","text"}}. Changes nothing. Requests
 * are hostile until verified, like documents. Thread: the loop's.
 */
#ifndef HM_AGENT_PLAN_SERVICE_H
#define HM_AGENT_PLAN_SERVICE_H

#include "agent/reconcile.h"
#include "bus/bus.h"

struct plan_service;

struct plan_service *plan_service_new(struct bus *bus, const char *site, struct reconciler *r);
void plan_service_free(struct plan_service *s);

/* A request's payload -> what the reconciler is asked (done and data unset). On failure *ret is
 * untouched. For the service and its tests. */
int plan_service_parse(const void *payload, size_t len, struct plan_request *ret,
                       struct hm_error *err);

#endif
