/*
 * The daemon: wires configuration, bus, desired state, reconciler and failover driver to one loop.
 * Thread: the loop's, which daemon_run() makes and runs.
 */
#ifndef HM_AGENT_DAEMON_H
#define HM_AGENT_DAEMON_H

#include "agent/config.h"
#include "base/error.h"

/*
 * Runs until SIGTERM or SIGINT, then ends as lead_stop() says: what is pinned to the site runs on,
 * what is placed on the primary is stopped and released. A second signal ends at once.
 *
 * SIGHUP: ends as lead_leave() says, if `config_path` would be accepted now, and sets *ret_anew: nothing
 * that runs was touched, and the caller is to execute the agent anew (agent/restart.h).
 */
int daemon_run(const struct agent_config *config, const char *config_path, bool *ret_anew,
               struct hm_error *err);
/* Then, at the very last, with signals held: what came for the old agent since it was decided is for the
 * new one to hear. */
void daemon_pass_signals_on(void);

/* `--check`: print what this host can do, a line each, to stdout. Fails if it can't serve. */
int daemon_check(const struct agent_config *config, struct hm_error *err);

#endif
