#include "ctl/plan_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/show.h"

enum { OP_WIDTH = 11, REMARK_COLUMN = 62, REASON_WIDTH = 72 };

/* How the operations of a plan look. */
struct operation {
    const char *op, *symbol,
        *cost; /* cost: of the changes that make it what it is; NULL: none do */
    enum mood mood;
};
static const struct operation operations[] = {
    {"create", "+", NULL, MOOD_GOOD},         {"adopt", "+", NULL, MOOD_GOOD},
    {"update", "~", "live", MOOD_CHANGE},     {"restart", "~", "restart", MOOD_CHANGE},
    {"replace", "~", "replace", MOOD_CHANGE}, {"start", "~", NULL, MOOD_CHANGE},
    {"stop", "~", NULL, MOOD_CHANGE},         {"pause", "~", NULL, MOOD_CHANGE},
    {"resume", "~", NULL, MOOD_CHANGE},       {"remove", "-", NULL, MOOD_BAD},
    {"wait", ".", NULL, MOOD_FAINT},          {"blocked", "!", NULL, MOOD_BAD},
    {"none", "=", NULL, MOOD_FAINT},
};
static const struct operation unknown_operation = {"?", "?", NULL, MOOD_BAD};

static const struct operation *operation_of(const json_t *step)
{
    const char *op = text_of(step, "op");
    for (size_t i = 0; i < HM_COUNT(operations); i++)
        if (strcmp(op, operations[i].op) == 0)
            return &operations[i];
    return &unknown_operation;
}

static bool is_op(const json_t *step, const char *op)
{
    return strcmp(text_of(step, "op"), op) == 0;
}

/* -- The text beside a step, line by line -------------------------------------------------- */

struct lines {
    char **items; /* safe to print */
    size_t count;
};

static void add_line(struct lines *lines, char *text)
{
    lines->items = hm_realloc_array(lines->items, lines->count + 1, sizeof *lines->items);
    lines->items[lines->count++] = text;
}

static void append_to_line(char **line, const char *more)
{
    char *joined = hm_printf("%s%s", *line, more);
    free(*line);
    *line = joined;
}

/* How much of a reason fits on one line: up to a "; ", where the rest would make it too long. */
static size_t first_part(const char *why, size_t len)
{
    size_t fits = len <= REASON_WIDTH ? len : 0;
    for (size_t i = 0; !fits && i + 1 < len; i++)
        if (why[i] == ';' && why[i + 1] == ' ') {
            const char *next = memmem(why + i + 2, len - i - 2, "; ", 2);
            size_t longer = next ? (size_t)(next - why) : len;
            fits = longer > REASON_WIDTH ? i : 0;
        }
    return fits ? fits : len;
}

/* The agent's reasons: each line of them is one of ours, a long one several. */
static void add_reasons(struct lines *lines, const char *why)
{
    while (*why) {
        struct hm_buf line = {0};
        size_t end = strcspn(why, "\n"), len = first_part(why, end);
        show_clean(&line, why, len);
        add_line(lines, hm_buf_steal(&line));
        why += len;
        if (len < end)
            why += 2;
        else
            why += *why == '\n';
    }
}

static const char *shown_value(const json_t *change, const char *name)
{
    const json_t *value = json_object_get(change, name);
    return json_is_string(value) ? json_string_value(value) : "(none)";
}

/* "memory 128MiB -> 512MiB" */
static char *change_line(const json_t *change)
{
    HM_AUTOFREE char *path = show_cleaned(text_of(change, "path"));
    HM_AUTOFREE char *before = show_cleaned(shown_value(change, "before"));
    HM_AUTOFREE char *after = show_cleaned(shown_value(change, "after"));
    return hm_printf("%s %s -> %s", path, before, after);
}

static bool decides(const struct operation *o, const json_t *change)
{
    return !o->cost || strcmp(o->cost, "live") == 0 ||
           strcmp(o->cost, text_of(change, "cost")) == 0;
}

/* Whether the agent's reason has told this change already. */
static bool is_told(const json_t *change, const char *why)
{
    HM_AUTOFREE char *line = change_line(change);
    return strstr(why, line) != NULL;
}

/* Short, in brackets. */
static void append_why(char **line, const char *why)
{
    if (!*why)
        return;
    HM_AUTOFREE char *clean = show_cleaned(why);
    HM_AUTOFREE char *note = hm_printf(" (%s)", clean);
    append_to_line(line, note);
}

/* First the changes that make the step what it is, then those that would have cost less alone. */
static void add_changes(struct lines *lines, const struct operation *o, const json_t *step)
{
    const json_t *changes = json_object_get(step, "changes");
    const char *why = text_of(step, "why");
    size_t i;
    json_t *change;
    json_array_foreach(changes, i, change)
    {
        if (!decides(o, change) || is_told(change, why))
            continue;
        char *line = change_line(change);
        append_why(&line, text_of(change, "why"));
        add_line(lines, line);
    }
    json_array_foreach(changes, i, change)
    {
        if (decides(o, change))
            continue;
        HM_AUTOFREE char *cost = show_cleaned(text_of(change, "cost"));
        char *line = change_line(change);
        HM_AUTOFREE char *note = hm_printf(" comes with it (alone: %s)", cost);
        append_to_line(&line, note);
        add_line(lines, line);
    }
}

static void add_estimate(struct lines *lines, const json_t *step)
{
    const json_t *seconds = json_object_get(step, "seconds_estimate");
    if (!json_is_number(seconds) || lines->count == 0)
        return;
    HM_AUTOFREE char *note = hm_printf("; about %.0f s", json_number_value(seconds));
    append_to_line(&lines->items[0], note);
}

/* A reason that tells changes itself, or why nothing is done, comes first. */
static bool reason_leads(const json_t *step)
{
    size_t i;
    json_t *change;
    json_array_foreach(json_object_get(step, "changes"), i, change)
    {
        if (is_told(change, text_of(step, "why")))
            return true;
    }
    return is_op(step, "blocked");
}

/* Otherwise a short one stands in brackets behind the first change, a long one on lines of its own. */
static void add_why(struct lines *lines, const char *why)
{
    if (!*why)
        return;
    if (lines->count == 0 || strchr(why, '\n')) {
        add_reasons(lines, why);
        return;
    }
    append_why(&lines->items[0], why);
}

static struct lines lines_of(const struct operation *o, const json_t *step)
{
    struct lines lines = {0};
    bool leads = reason_leads(step);
    if (leads)
        add_reasons(&lines, text_of(step, "why"));
    add_changes(&lines, o, step);
    if (!leads)
        add_why(&lines, text_of(step, "why"));
    add_estimate(&lines, step);
    return lines;
}

static void clear_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

/* -- Steps and sites ----------------------------------------------------------------------- */

static char *thing_of(const json_t *step)
{
    HM_AUTOFREE char *kind = show_cleaned(text_of(step, "kind"));
    HM_AUTOFREE char *name = show_cleaned(text_of(step, "name"));
    return hm_printf("%s %s", kind, name);
}

static size_t widest_thing(const json_t *steps)
{
    size_t width = 0, i;
    json_t *step;
    json_array_foreach(steps, i, step)
    {
        HM_AUTOFREE char *thing = thing_of(step);
        size_t own = is_op(step, "none") ? 0 : show_width(thing);
        width = own > width ? own : width;
    }
    return width;
}

static void add_step(const json_t *step, size_t width, bool colour, struct hm_buf *out)
{
    const struct operation *o = operation_of(step);
    HM_AUTOFREE char *thing = thing_of(step);
    HM_AUTOFREE char *op = show_cleaned(text_of(step, "op"));
    struct lines lines = lines_of(o, step);
    hm_buf_puts(out, "  ");
    show_mood(out, o->symbol, o->mood, colour);
    hm_buf_printf(out, " %s", thing);
    show_pad(out, show_width(thing), width + 2);
    show_mood(out, op, o->mood, colour);
    for (size_t i = 0; i < lines.count; i++) {
        if (i == 0)
            show_pad(out, show_width(op), OP_WIDTH);
        else
            show_pad(out, 0, 4 + width + 2 + OP_WIDTH);
        hm_buf_printf(out, "%s\n", lines.items[i]);
    }
    if (lines.count == 0)
        hm_buf_puts(out, "\n");
    clear_lines(&lines);
}

struct counts {
    size_t changes, waiting, blocked;
};

static struct counts count_steps(const json_t *plan)
{
    struct counts n = {0};
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        if (is_op(step, "blocked"))
            n.blocked++;
        else if (is_op(step, "wait"))
            n.waiting++;
        else if (!is_op(step, "none"))
            n.changes++;
    }
    return n;
}

bool plan_has_changes(const json_t *plan)
{
    struct counts n = count_steps(plan);
    return n.changes + n.waiting + n.blocked > 0;
}

static void add_count(struct hm_buf *title, bool *is_first, size_t count, const char *what)
{
    if (count == 0)
        return;
    hm_buf_printf(title, "%s%zu %s", *is_first ? "" : ", ", count, what);
    *is_first = false;
}

static char *site_title(const json_t *plan)
{
    struct counts n = count_steps(plan);
    HM_AUTOFREE char *site = show_cleaned(text_of(plan, "site"));
    struct hm_buf title = {0};
    bool is_first = true;
    hm_buf_printf(&title, "%s  ", site);
    add_count(&title, &is_first, n.changes, n.changes == 1 ? "change" : "changes");
    add_count(&title, &is_first, n.waiting, "waiting");
    add_count(&title, &is_first, n.blocked, "blocked");
    if (is_first)
        hm_buf_puts(&title, "no changes");
    return hm_buf_steal(&title);
}

static void add_orphans(const json_t *orphans, struct hm_buf *out)
{
    size_t count = json_array_size(orphans), i;
    json_t *orphan;
    if (count == 0)
        return;
    hm_buf_printf(out, ", %zu orphan%s, left as %s:", count, count == 1 ? "" : "s",
                  count == 1 ? "it is" : "they are");
    json_array_foreach(orphans, i, orphan)
    {
        HM_AUTOFREE char *thing = thing_of(orphan);
        hm_buf_printf(out, "%s %s", i ? "," : "", thing);
    }
}

static void add_rest(const json_t *plan, bool colour, struct hm_buf *out)
{
    const json_t *orphans = json_object_get(plan, "orphans");
    int64_t unchanged = number_of(plan, "unchanged", 0);
    if (unchanged == 0 && json_array_size(orphans) == 0)
        return;
    hm_buf_puts(out, "  ");
    show_mood(out, "=", MOOD_FAINT, colour);
    hm_buf_printf(out, " %lld unchanged", (long long)unchanged);
    add_orphans(orphans, out);
    hm_buf_puts(out, "\n");
}

static void add_failed_site(const json_t *plan, bool colour, struct hm_buf *out)
{
    HM_AUTOFREE char *site = show_cleaned(text_of(plan, "site"));
    HM_AUTOFREE char *why = show_cleaned(text_of(json_object_get(plan, "error"), "text"));
    hm_buf_printf(out, "%s  ", site);
    show_mood(out, "no plan", MOOD_BAD, colour);
    hm_buf_printf(out, ": %s\n", *why ? why : "its agent did not say why");
}

static void add_site(const json_t *plan, bool is_first, bool colour, struct hm_buf *out)
{
    const json_t *steps = json_object_get(plan, "steps");
    size_t width = widest_thing(steps), i;
    HM_AUTOFREE char *title = site_title(plan);
    json_t *step;
    hm_buf_puts(out, title);
    if (is_first) {
        show_pad(out, show_width(title), REMARK_COLUMN - 2);
        hm_buf_puts(out, "  nothing is changed by this command");
    }
    hm_buf_puts(out, "\n");
    json_array_foreach(steps, i, step) if (!is_op(step, "none")) add_step(step, width, colour, out);
    add_rest(plan, colour, out);
}

void plan_render(const json_t *plans, bool colour, struct hm_buf *out)
{
    size_t i;
    json_t *plan;
    json_array_foreach(plans, i, plan)
    {
        if (json_is_object(json_object_get(plan, "error")))
            add_failed_site(plan, colour, out);
        else
            add_site(plan, i == 0, colour, out);
    }
}
