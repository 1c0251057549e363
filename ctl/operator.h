/*
 * What people did to a failover group: one record each under `operator`, so that the history has their
 * names beside what came of it. Evidence only: nothing acts on it.
 */
#ifndef HM_CTL_OPERATOR_H
#define HM_CTL_OPERATOR_H

#include "ctl/command.h"
#include "ctl/session.h"

/* --by, else user@host; the caller frees it. */
char *operator_name(const struct invocation *in);
/* The record: {"action","by","reason","host_time"}. The caller frees it. */
char *operator_record(const struct invocation *in, const char *action);
/* Write it. A failure is told and changes nothing: what was to be done is done already. */
void operator_note(struct invocation *in, struct session *s, const char *action);

#endif
