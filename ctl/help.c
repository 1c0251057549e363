#include "ctl/help.h"

#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "ctl/run.h"
#include "ctl/show.h"

const struct help_exit help_exits[] = {
#define EXIT_ROW(id, number, text) {number, text},
    CTL_EXITS(EXIT_ROW)
#undef EXIT_ROW
};
const size_t help_exit_count = HM_COUNT(help_exits);

char *help_flag_form(const struct flag *flag)
{
    struct hm_buf form = {0};
    if (flag->letter)
        hm_buf_printf(&form, "-%c, ", flag->letter);
    hm_buf_printf(&form, "--%s", flag->name);
    if (flag->value)
        hm_buf_printf(&form, " %s", flag->value);
    return hm_buf_steal(&form);
}

static void add_flags(const char *title, const struct flag *flags, struct hm_buf *out)
{
    if (!flags)
        return;
    hm_buf_printf(out, "\n%s\n", title);
    for (; flags->name; flags++) {
        HM_AUTOFREE char *form = help_flag_form(flags);
        hm_buf_printf(out, "  %-26s %s%s\n", form, flags->help,
                      flags->repeat ? " (repeatable)" : "");
    }
}

static void add_usage(const struct command *c, struct hm_buf *out)
{
    hm_buf_printf(out, "harmonyctl %s%s%s%s", c->name, *c->arguments ? " " : "", c->arguments,
                  c->flags ? " [FLAGS]" : "");
}

static void add_exits(struct hm_buf *out)
{
    hm_buf_puts(out, "\nExit codes\n");
    for (size_t i = 0; i < help_exit_count; i++)
        hm_buf_printf(out, "  %2d  %s\n", help_exits[i].number, help_exits[i].text);
}

void help_overview(struct hm_buf *out)
{
    hm_buf_puts(out, "harmonyctl: declare what should run, see what does.\n\nCommands\n");
    COMMANDS_EACH (c)
        hm_buf_printf(out, "  %-18s %s\n", c->name, c->summary);
    add_flags("Flags of every command", global_flags, out);
    add_exits(out);
    hm_buf_puts(out, "\nharmonyctl help COMMAND explains one.\n");
}

void help_command(const struct command *c, struct hm_buf *out)
{
    hm_buf_puts(out, "Usage: ");
    add_usage(c, out);
    hm_buf_printf(out, "\n\n%s\n", c->summary);
    if (*c->details)
        hm_buf_printf(out, "\n%s\n", c->details);
    add_flags("Flags", c->flags, out);
    hm_buf_printf(out, "\n-o takes %s. harmonyctl help lists the flags of every command.\n",
                  c->formats);
}

/* A text for a cell of a Markdown table: '|' would end it. */
static void add_cell(const char *text, struct hm_buf *out)
{
    for (; *text; text++) {
        if (*text == '|')
            hm_buf_puts(out, "\\");
        hm_buf_add(out, text, 1);
    }
}

static void reference_flags(const struct flag *flags, struct hm_buf *out)
{
    hm_buf_puts(out, "\n| flag | |\n|---|---|\n");
    for (; flags->name; flags++) {
        HM_AUTOFREE char *form = help_flag_form(flags);
        hm_buf_puts(out, "| `");
        add_cell(form, out);
        hm_buf_puts(out, "` | ");
        add_cell(flags->help, out);
        hm_buf_puts(out, flags->repeat ? " (repeatable) |\n" : " |\n");
    }
}

static void reference_command(const struct command *c, struct hm_buf *out)
{
    hm_buf_printf(out, "\n## %s\n\n    ", c->name);
    add_usage(c, out);
    hm_buf_printf(out, "\n\n%c%s.\n", c->summary[0] - 'a' + 'A', c->summary + 1);
    if (*c->details)
        hm_buf_printf(out, "\n%s\n", c->details);
    hm_buf_printf(out, "\nOutput (`-o`): %s.\n", c->formats);
    if (c->flags)
        reference_flags(c->flags, out);
}

static void reference_connection(struct hm_buf *out)
{
    hm_buf_puts(
        out,
        "\n## How it finds its server\n\n"
        "As the nats CLI does; for each setting the first that is given counts:\n\n"
        "1. the flag;\n"
        "2. the environment: `NATS_URL`, `NATS_CREDS`, `NATS_USER`, `NATS_PASSWORD`, "
        "`NATS_TOKEN`,\n"
        "   `NATS_CA`, `NATS_CERT`, `NATS_KEY`;\n"
        "3. the context named by `--context` or `NATS_CONTEXT`, else the one that `nats context "
        "select`\n"
        "   chose, in `$XDG_CONFIG_HOME/nats/context/` (`~/.config` if that is not set);\n"
        "4. `nats://127.0.0.1:4222`.\n\n"
        "Contexts with `nkey` or `nsc` are refused with a sentence: use a credentials file.\n");
}

void help_reference(struct hm_buf *out)
{
    hm_buf_puts(out, "# harmonyctl\n\n"
                     "<!-- Written by `make docs`. Do not edit. -->\n\n"
                     "| command | |\n|---|---|\n");
    COMMANDS_EACH (c)
        hm_buf_printf(out, "| `%s` | %s |\n", c->name, c->summary);
    hm_buf_puts(out, "\n## Exit codes\n\n| code | |\n|---|---|\n");
    for (size_t i = 0; i < help_exit_count; i++)
        hm_buf_printf(out, "| %d | %s |\n", help_exits[i].number, help_exits[i].text);
    hm_buf_puts(out, "\n## Flags of every command\n");
    reference_flags(global_flags, out);
    reference_connection(out);
    COMMANDS_EACH (c)
        reference_command(c, out);
}

enum ctl_exit run_version(struct invocation *in)
{
    bool json = strcmp(output_format(in), "json") == 0;
    fprintf(in->out, json ? "{\"version\": \"%s\"}\n" : "harmonyctl %s\n", HM_VERSION);
    return CTL_OK;
}

static enum ctl_exit explain_command(struct invocation *in)
{
    size_t used = 0;
    struct hm_error err;
    const struct command *c = command_find(in->arguments, in->argument_count, &used);
    if (!c) {
        hm_fail(&err, HM_E_INVALID, "there is no command \"%.100s\" (harmonyctl help lists them)",
                in->arguments[0]);
        report_error(in, &err);
        return CTL_USAGE;
    }
    struct hm_buf text = {0};
    help_command(c, &text);
    print_buf(in, &text);
    return CTL_OK;
}

enum ctl_exit run_help(struct invocation *in)
{
    if (in->argument_count > 0)
        return explain_command(in);
    struct hm_buf text = {0};
    if (strcmp(output_format(in), "markdown") == 0)
        help_reference(&text);
    else if (strcmp(output_format(in), "man") == 0)
        help_manual(&text);
    else
        help_overview(&text);
    print_buf(in, &text);
    return CTL_OK;
}
