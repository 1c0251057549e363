/* What changed between two versions of cluster_config, in words. Pure; any thread. */
#ifndef HM_CTL_CONFIG_CHANGE_H
#define HM_CTL_CONFIG_CHANGE_H

#include <jansson.h>

/* "failover_timeout_ms 5000 -> 8000, paused true"; `before` NULL: all of it. Safe to print; the
 * caller frees it. */
char *config_change_text(const json_t *before, const json_t *after);

#endif
