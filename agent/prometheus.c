#include "agent/prometheus.h"

#include <math.h>
#include <stddef.h>

/* Backslash and line feed are written as two characters; in a label's value the quote is, too. */
static void add_escaped(struct hm_buf *out, const char *text, bool is_label)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\n')
            hm_buf_add(out, "\\n", 2);
        else if (*c == '\\' || (is_label && *c == '"'))
            hm_buf_printf(out, "\\%c", *c);
        else
            hm_buf_add(out, c, 1);
    }
}

void prometheus_family(struct hm_buf *out, const char *name, bool counts, const char *help)
{
    hm_buf_printf(out, "# HELP %s ", name);
    add_escaped(out, help, false);
    hm_buf_printf(out, "\n# TYPE %s %s\n", name, counts ? "counter" : "gauge");
}

static void add_value(struct hm_buf *out, double value)
{
    bool is_whole = fabs(value) < 9e15 && value == floor(value);
    if (is_whole)
        hm_buf_printf(out, " %lld\n", (long long)value);
    else
        hm_buf_printf(out, " %.12g\n", value);
}

void prometheus_sample(struct hm_buf *out, const char *name,
                       const struct prometheus_label labels[PROMETHEUS_LABELS], double value)
{
    hm_buf_puts(out, name);
    for (size_t i = 0; i < PROMETHEUS_LABELS && labels[i].name; i++) {
        hm_buf_printf(out, "%s%s=\"", i ? "," : "{", labels[i].name);
        add_escaped(out, labels[i].value, true);
        hm_buf_add(out, "\"", 1);
    }
    if (labels[0].name)
        hm_buf_add(out, "}", 1);
    add_value(out, value);
}
