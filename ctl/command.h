/*
 * The commands of harmonyctl: tables (commands*.c), from which the parser of the command line,
 * the help and docs/reference/harmonyctl.md are made.
 */
#ifndef HM_CTL_COMMAND_H
#define HM_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "ctl/exit.h"

struct flag {
    const char *name;  /* long form without dashes; NULL ends a table */
    char letter;       /* short form, or 0 */
    const char *value; /* what its value is, as help says it ("FILE"); NULL: a switch */
    bool repeat;       /* may be given several times */
    const char *help;  /* one line */
};

struct invocation;

struct command {
    const char *name;      /* one or two words; NULL ends the table */
    const char *arguments; /* "KIND NAME" as shown in the usage; "" for none */
    int min_arguments, max_arguments;
    const char *formats; /* what -o takes, separated by '|'; the first is the default */
    const struct flag *flags;
    const char *summary; /* one line */
    const char *details; /* further paragraphs, or "" */
    enum ctl_exit (*run)(struct invocation *in);
};

/* One table for each area. */
extern const struct command operate_commands[], failover_commands[];
/* All of them, one after another: the first for NULL; NULL after the last. */
const struct command *command_next(const struct command *after);
#define COMMANDS_EACH(c) for (const struct command *c = command_next(NULL); c; c = command_next(c))
extern const struct flag global_flags[];

/* A flag as it was given; `value` is NULL for a switch. */
struct given_flag {
    const struct flag *flag;
    const char *value;
};

enum { INVOCATION_ARGUMENTS_MAX = 16, INVOCATION_FLAGS_MAX = 128 };

/* A command line that was understood. Strings are borrowed from argv. */
struct invocation {
    const struct command *command;
    const char *arguments[INVOCATION_ARGUMENTS_MAX];
    size_t argument_count;
    struct given_flag flags[INVOCATION_FLAGS_MAX];
    size_t flag_count;
    bool wants_help;
    FILE *out, *err;
};

/* The command whose words begin `words`, and how many words that were; NULL: none. */
const struct command *command_find(const char *const *words, size_t count, size_t *ret_used);

/*
 * Understand `argv` (without the program's name). Global flags may stand anywhere; `--` ends the
 * flags. Fails with HM_E_INVALID and a sentence. `ret->out` and `ret->err` are left as they are.
 */
int command_parse(int argc, char *const *argv, struct invocation *ret, struct hm_error *err);

bool flag_is_set(const struct invocation *in, const char *name);
const char *flag_value(const struct invocation *in,
                       const char *name); /* the last one; NULL: not given */
/* The n-th value (from 0) of a flag that may be repeated; NULL: no more. */
const char *flag_nth(const struct invocation *in, const char *name, size_t n);
/* The format asked for by -o, or the command's default. */
const char *output_format(const struct invocation *in);
/* A flag's value as a duration ("500ms", "10s") in milliseconds; `fallback` when it is not given.
 */
int flag_duration(const struct invocation *in, const char *name, int64_t fallback, int64_t *ret_ms,
                  struct hm_error *err);

bool wants_colour(
    const struct invocation *in); /* --color, NO_COLOR, TERM, and whether out is a terminal */

/* Print a buffer to the command's stdout and free it. */
void print_buf(struct invocation *in, struct hm_buf *text);
/* Print an error's sentence, made safe, and return the exit code for it. */
enum ctl_exit report_error(struct invocation *in, const struct hm_error *err);

/* Parse, run and report: all of the program but its process. */
enum ctl_exit ctl_run(int argc, char *const *argv, FILE *out, FILE *err);

#endif
