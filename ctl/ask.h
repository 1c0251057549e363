/* Ask whoever sits there before something is lost. One at a time. */
#ifndef HM_CTL_ASK_H
#define HM_CTL_ASK_H

#include "ctl/command.h"

/* CTL_OK: --yes was given, or the answer was yes. Else CTL_REFUSED, after "not_done" was said. */
enum ctl_exit ask_first(struct invocation *in, const char *question, const char *not_done);

#endif
