#include <stdlib.h>

#include "ctl/json_text.h"
#include "ctl/op_call.h"
#include "ctl/run.h"

enum ctl_exit run_reboot(struct invocation *in)
{
    char *site = NULL;
    json_t *result = NULL;
    json_t *args = json_object();
    if (flag_value(in, "grace"))
        json_object_set_new(args, "grace", json_string(flag_value(in, "grace")));
    enum ctl_exit code = op_command(in, "reboot", args, &site, &result);
    if (code == CTL_OK)
        fprintf(in->out, "%s/%s reboots on %s\n", in->arguments[0], in->arguments[1], site);
    json_decref(result);
    free(site);
    return code;
}
