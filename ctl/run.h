/*
 * What the commands do: one function for each row of the table in commands.c.
 *
 * Each prints its result to in->out, errors to in->err, and returns the exit code. They block until
 * done; one at a time (the program's only thread).
 */
#ifndef HM_CTL_RUN_H
#define HM_CTL_RUN_H

#include "ctl/command.h"

enum ctl_exit run_apply(struct invocation *in);
enum ctl_exit run_validate(struct invocation *in);
enum ctl_exit run_plan(struct invocation *in);
enum ctl_exit run_import(struct invocation *in);
enum ctl_exit run_get(struct invocation *in);
enum ctl_exit run_delete(struct invocation *in);
enum ctl_exit run_start(struct invocation *in);
enum ctl_exit run_stop(struct invocation *in);
enum ctl_exit run_pause(struct invocation *in);
enum ctl_exit run_resume(struct invocation *in);
enum ctl_exit run_explain(struct invocation *in);
enum ctl_exit run_watch(struct invocation *in);
enum ctl_exit run_prune(struct invocation *in);
enum ctl_exit run_doctor(struct invocation *in);
enum ctl_exit run_top(struct invocation *in);
enum ctl_exit run_reboot(struct invocation *in);
enum ctl_exit run_snapshot_create(struct invocation *in);
enum ctl_exit run_snapshot_list(struct invocation *in);
enum ctl_exit run_snapshot_apply(struct invocation *in);
enum ctl_exit run_snapshot_delete(struct invocation *in);
enum ctl_exit run_console(struct invocation *in);
enum ctl_exit run_logs(struct invocation *in);
enum ctl_exit run_failover_init(struct invocation *in);
enum ctl_exit run_failover_repair(struct invocation *in);
enum ctl_exit run_failover_pause(struct invocation *in);
enum ctl_exit run_failover_resume(struct invocation *in);
enum ctl_exit run_failover_switchover(struct invocation *in);
enum ctl_exit run_failover_promote(struct invocation *in);
enum ctl_exit run_failover_site(struct invocation *in);
enum ctl_exit run_failover_status(struct invocation *in);
enum ctl_exit run_failover_history(struct invocation *in);
enum ctl_exit run_incident_list(struct invocation *in);
enum ctl_exit run_incident_show(struct invocation *in);
enum ctl_exit run_completion(struct invocation *in);
enum ctl_exit run_complete(struct invocation *in);
enum ctl_exit run_version(struct invocation *in);
enum ctl_exit run_help(struct invocation *in);

#endif
