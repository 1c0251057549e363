#include "ctl/ask.h"

#include <unistd.h>

enum ctl_exit ask_first(struct invocation *in, const char *question, const char *not_done)
{
    char answer[8] = "";
    if (flag_is_set(in, "yes"))
        return CTL_OK;
    if (!isatty(STDIN_FILENO)) {
        fprintf(in->err, "%s: nobody is there to ask, and --yes was not given\n", not_done);
        return CTL_REFUSED;
    }
    fprintf(in->err, "%s [y/N] ", question);
    fflush(in->err);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return CTL_OK;
    fprintf(in->err, "%s\n", not_done);
    return CTL_REFUSED;
}
