#include "ctl/complete.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"

/* -- Words -------------------------------------------------------------------------------------------- */

void complete_offer(struct completion *c, const char *word)
{
    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0 || c->count == COMPLETE_WORDS_MAX)
        return;
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->words[i], word))
            return;
    c->words[c->count++] = hm_strdup(word);
}

void complete_clear(struct completion *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->words[i]);
    *c = (struct completion){0};
}

/* "text|json|html" */
static void offer_alternatives(struct completion *c, const char *alternatives)
{
    c->what = COMPLETE_WORDS;
    for (const char *at = alternatives; *at;) {
        size_t len = strcspn(at, "|");
        HM_AUTOFREE char *word = hm_strndup(at, len);
        complete_offer(c, word);
        at += len + (at[len] == '|');
    }
}

/* -- Flags ------------------------------------------------------------------------------------------- */

static void offer_flags(struct completion *c, const struct flag *table)
{
    c->what = COMPLETE_WORDS;
    for (; table && table->name; table++) {
        HM_AUTOFREE char *word = hm_printf("--%s", table->name);
        complete_offer(c, word);
    }
}

static const struct flag *flag_in(const struct flag *table, const char *word)
{
    for (; table && table->name; table++) {
        bool is_long = !strncmp(word, "--", 2) && !strcmp(word + 2, table->name);
        bool is_short = table->letter && word[0] == '-' && word[1] == table->letter && !word[2];
        if (is_long || is_short)
            return table;
    }
    return NULL;
}

static const struct flag *flag_of(const struct command *command, const char *word)
{
    const struct flag *flag = flag_in(global_flags, word);
    return flag || !command ? flag : flag_in(command->flags, word);
}

/* By what the help says that it is. */
static enum complete_what kind_of_value(const char *said)
{
    static const struct {
        const char *said;
        enum complete_what what;
    } known[] = {{"FILE|DIR", COMPLETE_FILES},
                 {"FILE", COMPLETE_FILES},
                 {"SITE", COMPLETE_SITES},
                 {"WHERE", COMPLETE_WHERE}};
    for (size_t i = 0; i < HM_COUNT(known); i++)
        if (!strcmp(said, known[i].said))
            return known[i].what;
    return COMPLETE_NOTHING;
}

static void complete_value(struct completion *c, const struct command *command,
                           const struct flag *flag)
{
    if (!strcmp(flag->value, "FORMAT"))
        offer_alternatives(c, command ? command->formats : "text|json|yaml");
    else if (!strcmp(flag->value, "WHEN"))
        offer_alternatives(c, "auto|always|never");
    else
        c->what = kind_of_value(flag->value);
}

/* -- Commands and arguments -------------------------------------------------------------------------- */

/* The next word of every command whose first ones are those that are there. */
static void offer_commands(struct completion *c, const char *const *words, size_t count)
{
    c->what = COMPLETE_WORDS;
    COMMANDS_EACH (command) {
        const char *at = command->name;
        size_t matched = 0;
        while (matched < count) {
            size_t len = strcspn(at, " ");
            if (strlen(words[matched]) != len || strncmp(words[matched], at, len) != 0)
                break;
            at += len + (at[len] == ' ');
            matched++;
        }
        if (matched < count || !*at)
            continue;
        HM_AUTOFREE char *word = hm_strndup(at, strcspn(at, " "));
        complete_offer(c, word);
    }
}

static void offer_kinds(struct completion *c)
{
    c->what = COMPLETE_WORDS;
    for (const struct kind *const *k = kinds_all(); *k; k++)
        complete_offer(c, (*k)->name);
}

/* The n-th word of "[KIND [NAME]]" without its brackets; of "[WORD...]" every one. The caller frees it. */
static char *argument_name(const char *arguments, size_t n)
{
    const char *at = arguments;
    for (;;) {
        at += strspn(at, "[ ");
        size_t len = strcspn(at, "[]. ");
        bool is_last = at[len] == '.';
        if (!len)
            return hm_strdup("");
        if (n-- == 0 || is_last)
            return hm_strndup(at, len);
        at += len + strspn(at + len, "] ");
    }
}

static void complete_argument(struct completion *c, const struct command *command,
                              const char *const *given, size_t count)
{
    HM_AUTOFREE char *name = argument_name(command->arguments, count);
    if (!strcmp(name, "KIND")) {
        offer_kinds(c);
    } else if (!strcmp(name, "NAME") && count > 0) {
        c->what = COMPLETE_NAMES;
        c->kind = given[count - 1];
    } else if (!strcmp(name, "SITE")) {
        c->what = COMPLETE_SITES;
    } else if (!strcmp(name, "EPOCH")) {
        c->what = COMPLETE_EPOCHS;
    } else if (!strcmp(name, "COMMAND")) {
        offer_commands(c, given, count);
    }
}

/* -- The line ------------------------------------------------------------------------------------------ */

struct line {
    const char *words[INVOCATION_ARGUMENTS_MAX]; /* that are no flags, nor values of them */
    size_t count;
    const struct flag *open; /* the last word is its value; NULL: it is not one */
};

static void read_line(const char *const *words, size_t count, struct line *line)
{
    *line = (struct line){0};
    for (size_t i = 0; i + 1 < count; i++) {
        size_t used;
        const struct command *command = command_find(line->words, line->count, &used);
        if (words[i][0] != '-') {
            if (line->count < INVOCATION_ARGUMENTS_MAX)
                line->words[line->count++] = words[i];
            continue;
        }
        const struct flag *flag = flag_of(command, words[i]);
        bool takes_next = flag && flag->value;
        if (takes_next && i + 2 == count)
            line->open = flag;
        i += takes_next;
    }
}

void complete_line(const char *const *words, size_t count, struct completion *ret)
{
    struct line line;
    size_t used = 0;
    *ret = (struct completion){.prefix = count ? words[count - 1] : ""};
    read_line(words, count, &line);
    const struct command *command = command_find(line.words, line.count, &used);
    if (line.open) {
        complete_value(ret, command, line.open);
    } else if (ret->prefix[0] == '-') {
        offer_flags(ret, global_flags);
        offer_flags(ret, command ? command->flags : NULL);
    } else if (command) {
        complete_argument(ret, command, line.words + used, line.count - used);
    } else {
        offer_commands(ret, line.words, line.count);
    }
}
