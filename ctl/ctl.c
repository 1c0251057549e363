#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/help.h"
#include "ctl/show.h"

bool wants_colour(const struct invocation *in)
{
    const char *asked = flag_value(in, "color"), *term = getenv("TERM");
    if (asked && strcmp(asked, "auto") != 0)
        return strcmp(asked, "always") == 0;
    if (getenv("NO_COLOR") || (term && strcmp(term, "dumb") == 0))
        return false;
    return isatty(fileno(in->out)) == 1;
}

void print_buf(struct invocation *in, struct hm_buf *text)
{
    fwrite(text->data, 1, text->len, in->out);
    hm_buf_free(text);
}

enum ctl_exit report_error(struct invocation *in, const struct hm_error *err)
{
    struct hm_buf line = {0};
    show_clean(&line, err->text, strlen(err->text));
    fprintf(in->err, "%s\n", line.data ? line.data : hm_code_name(err->code));
    hm_buf_free(&line);
    return exit_for(err->code);
}

/* A result that could not be written (full disk, closed pipe) is a failure, whatever the command
 * says. */
static enum ctl_exit flush_output(struct invocation *in, enum ctl_exit code)
{
    if (fflush(in->out) == 0 && !ferror(in->out))
        return code;
    fprintf(in->err, "the output could not be written\n");
    return CTL_FAILED;
}

enum ctl_exit ctl_run(int argc, char *const *argv, FILE *out, FILE *err)
{
    struct invocation in = {.out = out, .err = err};
    struct hm_error error;
    if (command_parse(argc, argv, &in, &error) < 0) {
        report_error(&in, &error);
        return CTL_USAGE;
    }
    if (in.wants_help) {
        struct hm_buf text = {0};
        help_command(in.command, &text);
        print_buf(&in, &text);
        return flush_output(&in, CTL_OK);
    }
    return flush_output(&in, in.command->run(&in));
}
