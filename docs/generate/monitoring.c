/* What monitoring needs of the tables of metrics: a reference page, and a dashboard of Grafana. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent_metrics.h"
#include "base/alloc.h"
#include "docs/generate/reference.h"
#include "vmm/vm_stats.h"

/* One family, from whichever table. */
struct family {
    const char *name;
    bool counts, is_word;
    const char *legend, *help;
};

typedef void each_family(void *data, const struct family *family);

static void each_of_section(enum metric_section section, each_family *visit, void *data)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &agent_metrics[i];
        struct family f = {row->name, row->counts, row->is_word, row->legend, row->help};
        if (row->section == section)
            visit(data, &f);
    }
}

static void each_of_vms(const struct vm_value_table *table, const char *legend, each_family *visit,
                        void *data)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct vm_value_row *row = &table->rows[i];
        HM_AUTOFREE char *name = hm_printf("harmony_vm_%s", row->name);
        struct family f = {name, row->counts, false, legend, row->help};
        visit(data, &f);
    }
}

/* Section by section, each begun with its title. */
static void each_section(void (*begin)(void *data, const char *title), each_family *visit,
                         void *data)
{
    for (int i = 0; i < METRIC_SECTION_COUNT; i++) {
        begin(data, metric_section_title((enum metric_section)i));
        each_of_section((enum metric_section)i, visit, data);
    }
    begin(data, "VMs");
    each_of_vms(&vm_values, "{{vm}}", visit, data);
    begin(data, "Disks of VMs");
    each_of_vms(&vm_disk_values, "{{vm}} {{disk}}", visit, data);
    begin(data, "Network cards of VMs");
    each_of_vms(&vm_nic_values, "{{vm}} {{nic}}", visit, data);
}

/* -- The page ------------------------------------------------------------------------------------- */

static void begin_table(void *data, const char *title)
{
    hm_buf_printf(data, "\n## %s\n\n| name | labels | type | what |\n|---|---|---|---|\n", title);
}

/* "{{verb}} {{result}}" as "`verb` `result`" */
static void add_labels(const char *legend, struct hm_buf *out)
{
    for (const char *c = legend; *c; c++) {
        if (c[0] == '{' || c[0] == '}') {
            hm_buf_puts(out, "`");
            c++; /* they are doubled */
        } else {
            hm_buf_add(out, c, 1);
        }
    }
}

static void add_row(void *data, const struct family *f)
{
    struct hm_buf *out = data;
    hm_buf_printf(out, "| `%s` | ", f->name);
    add_labels(f->legend, out);
    hm_buf_printf(out, " | %s | %s |\n", f->counts ? "counter" : "gauge", f->help);
}

void metrics_page(struct hm_buf *out)
{
    hm_buf_puts(out, "# Metrics\n"
                     "\n"
                     "<!-- Written by `make docs` from the tables in agent/agent_metrics.h and "
                     "vmm/vm_stats.h. Do not edit. -->\n"
                     "\n"
                     "What `/metrics` gives, in Prometheus' text form; how, is in "
                     "[http.md](../http.md), and alert rules and a\n"
                     "dashboard made of the same tables in "
                     "[monitoring.md](../monitoring.md).\n");
    each_section(begin_table, add_row, out);
}

/* -- The dashboard -------------------------------------------------------------------------------- */

enum { PANEL_WIDTH = 8, PANEL_HEIGHT = 7, DASHBOARD_WIDTH = 24 };

struct dashboard {
    json_t *panels;
    int x, y; /* where the next panel goes */
};

static json_t *place(int x, int y, int width, int height)
{
    return json_pack("{s:i, s:i, s:i, s:i}", "x", x, "y", y, "w", width, "h", height);
}

static void begin_row(void *data, const char *title)
{
    struct dashboard *d = data;
    if (d->x > 0)
        d->y += PANEL_HEIGHT;
    json_array_append_new(d->panels, json_pack("{s:s, s:s, s:b, s:o, s:[]}", "type", "row", "title",
                                               title, "collapsed", 0, "gridPos",
                                               place(0, d->y, DASHBOARD_WIDTH, 1), "panels"));
    d->x = 0;
    d->y++;
}

/* Grafana's name of it. A rate of bytes is a speed, one of seconds a share of the time. */
static const char *unit_of(const struct family *f)
{
    bool bytes = strstr(f->name, "_bytes"), seconds = strstr(f->name, "_seconds");
    if (f->counts)
        return bytes ? "Bps" : seconds ? "percentunit" : "cps";
    return bytes ? "bytes" : seconds ? "s" : "short";
}

static json_t *query(const struct family *f)
{
    HM_AUTOFREE char *expr = hm_printf("%s%s{instance=~\"$instance\"}%s", f->counts ? "rate(" : "",
                                       f->name, f->counts ? "[$__rate_interval])" : "");
    HM_AUTOFREE char *legend = hm_printf("{{instance}}%s%s", *f->legend ? " " : "", f->legend);
    return json_pack("{s:s, s:s, s:s}", "refId", "A", "expr", expr, "legendFormat", legend);
}

static json_t *panel(const struct dashboard *d, const struct family *f)
{
    json_t *p = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:o, s:{s:{s:s}, s:[]}, s:[o]}", "type",
                          f->is_word ? "stat" : "timeseries", "title", f->name, "description",
                          f->help, "datasource", "type", "prometheus", "uid", "$datasource",
                          "gridPos", place(d->x, d->y, PANEL_WIDTH, PANEL_HEIGHT), "fieldConfig",
                          "defaults", "unit", unit_of(f), "overrides", "targets", query(f));
    if (f->is_word)
        json_object_set_new(p, "options", json_pack("{s:s}", "textMode", "name"));
    return p;
}

static void add_panel(void *data, const struct family *f)
{
    struct dashboard *d = data;
    json_array_append_new(d->panels, panel(d, f));
    d->x += PANEL_WIDTH;
    if (d->x == DASHBOARD_WIDTH) {
        d->x = 0;
        d->y += PANEL_HEIGHT;
    }
}

static json_t *variables(void)
{
    HM_AUTOFREE char *instances =
        hm_printf("label_values(%s, instance)", agent_metrics[METRIC_INFO].name);
    return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:{s:s, s:s}, s:s, s:b, s:b, s:i}]", "name",
                     "datasource", "type", "datasource", "query", "prometheus", "name", "instance",
                     "type", "query", "datasource", "type", "prometheus", "uid", "$datasource",
                     "query", instances, "multi", 1, "includeAll", 1, "refresh", 2);
}

void dashboard_page(struct hm_buf *out)
{
    struct dashboard d = {.panels = json_array()};
    each_section(begin_row, add_panel, &d);
    json_t *all = json_pack("{s:s, s:s, s:[s], s:i, s:s, s:{s:s, s:s}, s:{s:o}, s:o}", "uid",
                            "harmony-agents", "title", "harmony", "tags", "harmony",
                            "schemaVersion", 39, "refresh", "10s", "time", "from", "now-1h", "to",
                            "now", "templating", "list", variables(), "panels", d.panels);
    HM_AUTOFREE char *text = json_dumps(all, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    hm_buf_puts(out, text);
    hm_buf_puts(out, "\n");
    json_decref(all);
}
