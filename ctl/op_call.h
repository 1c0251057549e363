/*
 * What the commands that ask a site for an operation have in common (op_talk.h): which site, the
 * session, the answer.
 *
 * Errors are printed; the returned code is the command's. One at a time.
 */
#ifndef HM_CTL_OP_CALL_H
#define HM_CTL_OP_CALL_H

#include <jansson.h>

#include "ctl/command.h"
#include "ctl/op_talk.h"
#include "ctl/session.h"

/* The site where a thing is: --site, else what its document says; for placement primary whoever leads
 * now. The caller frees it. */
enum ctl_exit op_site_of(struct invocation *in, struct session *s, const char *kind,
                         const char *name, char **ret);

/* Ask and wait for the result (a new reference), with progress on stderr where that is a terminal. */
enum ctl_exit op_ask(struct invocation *in, struct session *s, const struct op_target *target,
                     json_t **ret_result);

/* For a command with KIND NAME: open, find the site, ask. `args` is taken over; NULL: none. */
enum ctl_exit op_command(struct invocation *in, const char *operation, json_t *args,
                         char **ret_site, json_t **ret_result);
/* The same for those that go on by themselves: what op_command() begins with. The target's texts are
 * borrowed from `in` and *ret_site, which the caller frees; on failure both are empty. */
enum ctl_exit op_prepare(struct invocation *in, const char *operation, struct session **ret_session,
                         char **ret_site, struct op_target *ret);

#endif
