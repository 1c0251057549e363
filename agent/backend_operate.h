/* What backend_operate.c and backend_stats.c need of a backend: its connection for a call, and its workers. */
#ifndef HM_AGENT_BACKEND_OPERATE_H
#define HM_AGENT_BACKEND_OPERATE_H

#include "agent/backend.h"
#include "base/workq.h"

typedef int (*backend_work)(void *self, void *data, struct hm_error *err);

/* Worker threads: call `work` with the driver's instance, which is opened first if need be. `err` is
 * not NULL. */
int backend_with_connection(struct backend *b, backend_work work, void *data, struct hm_error *err);

struct hm_workq *backend_observe_queue(const struct backend *b);
struct hm_workq *backend_operation_queue(const struct backend *b);
uv_loop_t *backend_loop(const struct backend *b);
const char *backend_site(const struct backend *b);

#endif
