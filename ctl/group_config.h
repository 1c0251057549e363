/*
 * A cluster_config from the command line: by flags, as `failover init` takes them, or from a file. Blocks on
 * the file; nothing else. The program's only thread.
 */
#ifndef HM_CTL_GROUP_CONFIG_H
#define HM_CTL_GROUP_CONFIG_H

#include "ctl/command.h"
#include "proto/cluster_config.h"

/* --primary, --replica and the times. HM_E_INVALID with a sentence; *ret is then not touched. */
int group_config_of_flags(const struct invocation *in, struct cluster_config *ret,
                          struct hm_error *err);
/* The JSON that is put as cluster_config. */
int group_config_of_file(const char *path, struct cluster_config *ret, struct hm_error *err);

/* A flag's value as a whole number of at most 9 digits. */
int flag_number(const struct invocation *in, const char *name, int64_t fallback, int64_t *ret,
                struct hm_error *err);

#endif
