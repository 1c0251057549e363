/*
 * Help, and the reference page docs/reference/harmonyctl.md, made from the table of commands.
 * Pure; any thread.
 */
#ifndef HM_CTL_HELP_H
#define HM_CTL_HELP_H

#include "base/buf.h"
#include "ctl/command.h"

void help_overview(struct hm_buf *out);
void help_command(const struct command *command, struct hm_buf *out);
void help_reference(struct hm_buf *out); /* the whole page, in Markdown */

#endif
