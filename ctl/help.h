/*
 * Help, the reference page docs/reference/harmonyctl.md and the man page, made from the table of commands.
 * Pure; any thread.
 */
#ifndef HM_CTL_HELP_H
#define HM_CTL_HELP_H

#include "base/buf.h"
#include "ctl/command.h"

void help_overview(struct hm_buf *out);
void help_command(const struct command *command, struct hm_buf *out);
void help_reference(struct hm_buf *out); /* the whole page, in Markdown */
void help_manual(struct hm_buf *out);    /* harmonyctl(1) */

/* For those: "-f, --file FILE|DIR", the caller frees it; and what exit codes mean. */
char *help_flag_form(const struct flag *flag);
struct help_exit {
    int number;
    const char *text;
};
extern const struct help_exit help_exits[];
extern const size_t help_exit_count;

#endif
