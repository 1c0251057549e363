/* harmonyctl(1), from the tables of commands, flags and exit codes. */
#include "base/alloc.h"
#include "base/roff.h"
#include "ctl/help.h"

static void add_flags(const struct flag *flags, struct hm_buf *out)
{
    for (; flags && flags->name; flags++) {
        HM_AUTOFREE char *form = help_flag_form(flags);
        roff_item(out, form, flags->help);
    }
}

static void add_command(const struct command *c, struct hm_buf *out)
{
    hm_buf_printf(out, ".SS \"%s%s%s\"\n", c->name, *c->arguments ? " " : "", c->arguments);
    roff_text(out, c->summary);
    if (*c->details) {
        hm_buf_puts(out, ".PP\n");
        roff_text(out, c->details);
    }
    HM_AUTOFREE char *formats = hm_printf("-o takes %s.", c->formats);
    hm_buf_puts(out, ".PP\n");
    roff_text(out, formats);
    add_flags(c->flags, out);
}

static void add_exits(struct hm_buf *out)
{
    for (size_t i = 0; i < help_exit_count; i++) {
        HM_AUTOFREE char *number = hm_printf("%d", help_exits[i].number);
        roff_item(out, number, help_exits[i].text);
    }
}

void help_manual(struct hm_buf *out)
{
    roff_head(out, "harmonyctl", 1, HM_VERSION);
    roff_section(out, "NAME");
    hm_buf_puts(out, "harmonyctl \\- declare what should run, see what does\n");
    roff_section(out, "SYNOPSIS");
    hm_buf_puts(out, ".B harmonyctl\n.I COMMAND\n.RI [ ARGUMENTS ]\n.RI [ FLAGS ]\n");
    roff_section(out, "FLAGS OF EVERY COMMAND");
    add_flags(global_flags, out);
    roff_section(out, "COMMANDS");
    COMMANDS_EACH (c)
        add_command(c, out);
    roff_section(out, "EXIT STATUS");
    add_exits(out);
    roff_section(out, "SEE ALSO");
    hm_buf_puts(out, ".BR harmonyd (8),\n.BR harmonyd.yaml (5),\n.BR harmony\\-guardian (8)\n");
}
