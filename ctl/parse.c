#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "ctl/command.h"
#include "proto/units.h"

/* How many leading words of `words` are the words of `name`; 0 when they are not all there. */
static size_t words_matched(const char *name, const char *const *words, size_t count)
{
    size_t used = 0;
    while (*name && used < count) {
        size_t len = strcspn(name, " ");
        if (strlen(words[used]) != len || strncmp(name, words[used], len) != 0)
            return 0;
        name += len + (name[len] == ' ');
        used++;
    }
    return *name ? 0 : used;
}

const struct command *command_find(const char *const *words, size_t count, size_t *ret_used)
{
    COMMANDS_EACH (c) {
        size_t used = words_matched(c->name, words, count);
        if (used > 0) {
            *ret_used = used;
            return c;
        }
    }
    return NULL;
}

static const struct flag *find_flag(const struct flag *table, const char *name, size_t len)
{
    for (; table && table->name; table++)
        if ((strlen(table->name) == len && strncmp(table->name, name, len) == 0) ||
            (len == 1 && table->letter == name[0]))
            return table;
    return NULL;
}

/* Flags may stand before their command, so they are looked up in every table where it is not known yet:
 * the same name takes a value everywhere or nowhere. check_flags() then finds the command's own. A
 * letter can mean something else to another command. */
static const struct flag *find_any_flag(const struct invocation *in, const char *name, size_t len)
{
    size_t used;
    const struct command *own = command_find(in->arguments, in->argument_count, &used);
    const struct flag *flag = find_flag(global_flags, name, len);
    if (!flag && own)
        flag = find_flag(own->flags, name, len);
    COMMANDS_EACH (c)
        if (!flag)
            flag = find_flag(c->flags, name, len);
    return flag;
}

static const struct flag *own_flag(const struct command *c, const char *name)
{
    const struct flag *flag = find_flag(global_flags, name, strlen(name));
    return flag ? flag : find_flag(c->flags, name, strlen(name));
}

static int unknown_flag(const char *given, struct hm_error *err)
{
    struct hm_nearest near = hm_nearest_to(given + strspn(given, "-"));
    for (const struct flag *f = global_flags; f->name; f++)
        hm_nearest_offer(&near, f->name);
    COMMANDS_EACH (c)
        for (const struct flag *f = c->flags; f && f->name; f++)
            hm_nearest_offer(&near, f->name);
    if (near.best)
        return hm_fail(err, HM_E_INVALID, "unknown flag %.100s (did you mean --%s?)", given,
                       near.best);
    return hm_fail(err, HM_E_INVALID, "unknown flag %.100s (harmonyctl help lists them)", given);
}

static int add_flag(struct invocation *in, const struct flag *flag, const char *value,
                    struct hm_error *err)
{
    if (in->flag_count == INVOCATION_FLAGS_MAX)
        return hm_fail(err, HM_E_INVALID, "more than %d flags", INVOCATION_FLAGS_MAX);
    if (strcmp(flag->name, "help") == 0)
        in->wants_help = true;
    in->flags[in->flag_count++] = (struct given_flag){flag, value};
    return 0;
}

/* One argument that begins with '-'. *next is the argument after it (or NULL); true in *ret_used:
 * taken. */
static int parse_flag(struct invocation *in, const char *arg, const char *next, bool *ret_used,
                      struct hm_error *err)
{
    bool is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    const struct flag *flag = is_long && len == 1 ? NULL : find_any_flag(in, name, len);
    if (!flag)
        return unknown_flag(arg, err);
    const char *attached = name[len] == '\0' ? NULL : name + len + (name[len] == '=');
    if (!flag->value && attached)
        return hm_fail(err, HM_E_INVALID, "--%s takes no value", flag->name);
    *ret_used = flag->value && !attached;
    if (*ret_used && !next)
        return hm_fail(err, HM_E_INVALID, "--%s needs a value: --%s %s", flag->name, flag->name,
                       flag->value);
    return add_flag(in, flag, *ret_used ? next : attached, err);
}

static int add_word(struct invocation *in, const char *word, struct hm_error *err)
{
    if (in->argument_count == INVOCATION_ARGUMENTS_MAX)
        return hm_fail(err, HM_E_INVALID, "more than %d arguments", INVOCATION_ARGUMENTS_MAX);
    in->arguments[in->argument_count++] = word;
    return 0;
}

static int split_line(int argc, char *const *argv, struct invocation *in, struct hm_error *err)
{
    bool flags_ended = false;
    for (int i = 0; i < argc; i++) {
        bool used = false;
        int result = 0;
        if (!flags_ended && strcmp(argv[i], "--") == 0)
            flags_ended = true;
        else if (!flags_ended && argv[i][0] == '-' && argv[i][1] != '\0')
            result = parse_flag(in, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, err);
        else
            result = add_word(in, argv[i], err);
        if (result < 0)
            return result;
        i += used;
    }
    return 0;
}

/* "failover": a first word that needs a second one. */
static bool is_group(const char *word)
{
    size_t len = strlen(word);
    COMMANDS_EACH (c)
        if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ')
            return true;
    return false;
}

static int unknown_command(const struct invocation *in, struct hm_error *err)
{
    const char *second = in->argument_count > 1 ? in->arguments[1] : "";
    bool has_group = is_group(in->arguments[0]);
    HM_AUTOFREE char *given = has_group && *second ? hm_printf("%s %s", in->arguments[0], second)
                                                   : hm_strdup(in->arguments[0]);
    struct hm_nearest near = hm_nearest_to(given);
    COMMANDS_EACH (c)
        hm_nearest_offer(&near, c->name);
    if (near.best)
        return hm_fail(err, HM_E_INVALID, "unknown command \"%.100s\" (did you mean \"%s\"?)",
                       given, near.best);
    return hm_fail(err, HM_E_INVALID, "%s \"%.100s\" (harmonyctl help lists them)",
                   has_group && !*second ? "a second word is missing after" : "unknown command",
                   given);
}

static int choose_command(struct invocation *in, struct hm_error *err)
{
    static const char *const help[] = {"help"};
    size_t used = 0;
    if (in->argument_count == 0) {
        in->command = command_find(help, 1, &used);
        return 0;
    }
    in->command = command_find(in->arguments, in->argument_count, &used);
    if (!in->command)
        return unknown_command(in, err);
    in->argument_count -= used;
    memmove(in->arguments, in->arguments + used, in->argument_count * sizeof in->arguments[0]);
    return 0;
}

static bool is_one_of(const char *word, const char *alternatives)
{
    for (const char *at = alternatives; *at;) {
        size_t len = strcspn(at, "|");
        if (strlen(word) == len && strncmp(word, at, len) == 0)
            return true;
        at += len + (at[len] == '|');
    }
    return false;
}

static bool is_given_before(const struct invocation *in, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(in->flags[k].flag->name, in->flags[i].flag->name) == 0)
            return true;
    return false;
}

static int check_flags(const struct invocation *in, struct hm_error *err)
{
    for (size_t i = 0; i < in->flag_count; i++) {
        const char *name = in->flags[i].flag->name;
        const struct flag *own = own_flag(in->command, name);
        if (!own)
            return hm_fail(err, HM_E_INVALID, "%s does not take --%s", in->command->name, name);
        if (!own->repeat && is_given_before(in, i))
            return hm_fail(err, HM_E_INVALID, "--%s is given twice", name);
    }
    const char *format = flag_value(in, "output");
    if (format && !is_one_of(format, in->command->formats))
        return hm_fail(err, HM_E_INVALID, "-o %.50s: %s gives %s", format, in->command->name,
                       in->command->formats);
    const char *color = flag_value(in, "color");
    if (color && !is_one_of(color, "auto|always|never"))
        return hm_fail(err, HM_E_INVALID, "--color %.50s: auto, always or never", color);
    return 0;
}

static int check_arguments(const struct invocation *in, struct hm_error *err)
{
    const struct command *c = in->command;
    if (in->argument_count > (size_t)c->max_arguments)
        return hm_fail(err, HM_E_INVALID, "\"%.100s\" is one argument too many: harmonyctl %s%s%s",
                       in->arguments[c->max_arguments], c->name, *c->arguments ? " " : "",
                       c->arguments);
    if (in->argument_count < (size_t)c->min_arguments)
        return hm_fail(err, HM_E_INVALID, "an argument is missing: harmonyctl %s %s", c->name,
                       c->arguments);
    return 0;
}

int command_parse(int argc, char *const *argv, struct invocation *ret, struct hm_error *err)
{
    int result = split_line(argc, argv, ret, err);
    if (result < 0)
        return result;
    result = choose_command(ret, err);
    if (result < 0 || ret->wants_help)
        return result;
    result = check_flags(ret, err);
    return result < 0 ? result : check_arguments(ret, err);
}

const char *flag_nth(const struct invocation *in, const char *name, size_t n)
{
    for (size_t i = 0; i < in->flag_count; i++)
        if (strcmp(in->flags[i].flag->name, name) == 0 && n-- == 0)
            return in->flags[i].value;
    return NULL;
}

const char *flag_value(const struct invocation *in, const char *name)
{
    return flag_nth(in, name, 0);
}

bool flag_is_set(const struct invocation *in, const char *name)
{
    for (size_t i = 0; i < in->flag_count; i++)
        if (strcmp(in->flags[i].flag->name, name) == 0)
            return true;
    return false;
}

const char *output_format(const struct invocation *in)
{
    const char *asked = flag_value(in, "output"); /* check_flags() has seen that it is given here */
    return asked ? asked : "text";
}

/* As nanoseconds it can still be added to an instant. */
static const int64_t duration_max_ms = 36500LL * 24 * 3600 * 1000;

int flag_duration(const struct invocation *in, const char *name, int64_t fallback, int64_t *ret_ms,
                  struct hm_error *err)
{
    const char *text = flag_value(in, name);
    *ret_ms = fallback;
    if (!text)
        return 0;
    int64_t ms;
    if (!duration_parse(text, &ms) || ms < 1)
        return hm_fail(err, HM_E_INVALID, "--%s %.50s: is not a duration (500ms, 10s, 2m)", name,
                       text);
    if (ms > duration_max_ms)
        return hm_fail(err, HM_E_INVALID, "--%s %.50s: is longer than 36500d, the most allowed",
                       name, text);
    *ret_ms = ms;
    return 0;
}
