/*
 * The group's virtual IPs, seen from the loop: up while this site leads, and at no other time.
 *
 * They are part of the workload (agent/workload.h): put up last, when everything else runs, and taken away first.
 * A thread does it (netalloc/vip_keeper.h), puts one that somebody took away up again, and answers who else
 * claims one. The guardian has them in its plan and takes them away when the agent does not.
 *
 * Thread: the loop's. Callbacks come from the loop, and may come from inside a call.
 */
#ifndef HM_AGENT_VIPS_H
#define HM_AGENT_VIPS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <jansson.h>

#include "agent/config_vip.h"
#include "agent/lease.h"
#include "agent/workload.h"
#include "base/buf.h"

struct vips;

struct vips_options {
    uv_loop_t *loop;
    const struct vip_config *config; /* borrowed */
    const char *runtime_dir,
        *group; /* where it is on record what was put up: gone after a reboot, as they are */
    struct lease_limit *lease;     /* outlives the thread: static, or of the process; may be NULL */
    void (*on_change)(void *data); /* what vips_json() shows has changed */
    void *data;
};

/* *ret is NULL where none is configured and none was left behind; all below take NULL. Reads the record. */
int vips_new(const struct vips_options *options, struct vips **ret, struct hm_error *err);
/* What is up stays. No `done` is called any more. The loop must run once more. */
void vips_free(struct vips *v);

/* For workload_new(). */
struct workload_vips vips_workload(struct vips *v);

/* For `--check`: look once, on this thread, and say of each how it is. Returns how many could not be put up. */
int vips_try(const struct vip_config *config,
             void (*say)(const char *address, const char *link, const struct vip_now *now),
             struct hm_error *err);

/* Could they be put up here? Fails with the reason, by the last look; what was not looked at yet could. */
int vips_check(struct vips *v, struct hm_error *err);

json_t *vips_json(struct vips *v);                     /* a list; a new reference */
void vips_warnings(struct vips *v, json_t *list);      /* appends sentences */
void vips_metrics(struct vips *v, struct hm_buf *out); /* Prometheus' text form */

#endif
