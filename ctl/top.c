/* top: what the VMs of each site use, as their agents measured it (operation `metrics`). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/op_call.h"
#include "ctl/open.h"
#include "ctl/plan_request.h"
#include "ctl/run.h"
#include "ctl/table.h"

enum { EVERY_MS = 5000 }; /* agents measure every 10 s */

struct topping {
    struct invocation *in;
    struct session *session;
    json_t *sites;   /* names */
    json_t *answers; /* [{"site", "at", "vms"} or {"site", "error"}] */
    uv_timer_t timer;
};

/* -- Asking ----------------------------------------------------------------------------------- */

struct answer {
    struct session *session;
    json_t *value; /* the result, or {"error"} */
};

static void on_end(void *data, const json_t *result, const struct hm_error *err)
{
    struct answer *a = data;
    a->value = result ? json_deep_copy(result)
                      : json_pack("{s:{s:s, s:s}}", "error", "code", hm_code_name(err->code),
                                  "text", err->text);
    session_stop(a->session);
}

static void ask_site(struct topping *t, const char *site)
{
    const struct op_events events = {.end = on_end};
    struct op_target target = {.site = site};
    struct answer a = {.session = t->session};
    struct op_talk *talk = NULL;
    struct hm_error err;
    if (operation_find("metrics", &target.op, &err) < 0 ||
        op_talk_begin(t->session, &target, &events, &a, &talk, &err) < 0)
        return;
    session_run(t->session);
    op_talk_free(talk);
    json_object_set_new(a.value, "site", json_string(site));
    json_array_append_new(t->answers, a.value);
}

static void ask_all(struct topping *t)
{
    size_t i;
    json_t *site;
    json_decref(t->answers);
    t->answers = json_array();
    json_array_foreach(t->sites, i, site) ask_site(t, json_string_value(site));
}

/* -- Showing ---------------------------------------------------------------------------------- */

static char *bytes_text(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    for (; bytes >= 1024 && i + 1 < HM_COUNT(units); i++)
        bytes /= 1024;
    return hm_printf(bytes < 10 && i > 0 ? "%.1f%s" : "%.0f%s", bytes, units[i]);
}

/* The sum of a value over a VM's disks or cards; -1: none says it. */
static double sum_of(const json_t *devices, const char *name)
{
    double sum = -1;
    size_t i;
    json_t *device;
    json_array_foreach(devices, i, device)
    {
        const json_t *value = json_object_get(device, name);
        if (json_is_number(value))
            sum = (sum < 0 ? 0 : sum) + json_number_value(value);
    }
    return sum;
}

static void add_bytes(struct table *table, double bytes)
{
    HM_AUTOFREE char *text = bytes < 0 ? NULL : bytes_text(bytes);
    table_add(table, text, MOOD_PLAIN);
}

static double value_of(const json_t *vm, const char *name)
{
    const json_t *value = json_object_get(vm, name);
    return json_is_number(value) ? json_number_value(value) : -1;
}

static void add_vm(struct table *table, const char *site, const json_t *vm)
{
    const json_t *disks = json_object_get(vm, "disks"), *nics = json_object_get(vm, "nics");
    double cores = value_of(vm, "cpu_cores"), vcpus = value_of(vm, "vcpus");
    HM_AUTOFREE char *cpu = cores < 0 ? NULL : hm_printf("%.0f%%", cores * 100);
    HM_AUTOFREE char *count = vcpus < 0 ? NULL : hm_printf("%.0f", vcpus);
    table_add(table, site, MOOD_PLAIN);
    table_add(table, text_of(vm, "vm"), MOOD_PLAIN);
    table_add(table, cpu, MOOD_PLAIN);
    table_add(table, count, MOOD_PLAIN);
    add_bytes(table, value_of(vm, "memory_bytes"));
    add_bytes(table, value_of(vm, "memory_resident_bytes"));
    add_bytes(table, sum_of(disks, "disk_read_bytes_total"));
    add_bytes(table, sum_of(disks, "disk_written_bytes_total"));
    add_bytes(table, sum_of(nics, "network_receive_bytes_total"));
    add_bytes(table, sum_of(nics, "network_transmit_bytes_total"));
}

static void render(const struct topping *t, struct hm_buf *out)
{
    static const char *const titles[] = {"SITE",     "VM",   "CPU",     "VCPUS",  "MEMORY",
                                         "RESIDENT", "READ", "WRITTEN", "NET IN", "NET OUT"};
    struct table table;
    size_t i, k;
    json_t *answer, *vm;
    table_start(&table, titles, HM_COUNT(titles));
    json_array_foreach(t->answers, i, answer)
    {
        json_array_foreach(json_object_get(answer, "vms"), k, vm)
            add_vm(&table, text_of(answer, "site"), vm);
    }
    table_finish(&table, 0, wants_colour(t->in), out);
    json_array_foreach(t->answers, i, answer)
    {
        const char *why = text_of(json_object_get(answer, "error"), "text");
        HM_AUTOFREE char *clean = show_cleaned(why);
        if (*why)
            hm_buf_printf(out, "%s\n", clean);
    }
}

static enum ctl_exit print(struct topping *t, bool live)
{
    struct hm_buf text = {0};
    size_t i;
    json_t *answer;
    if (live)
        hm_buf_puts(&text, "\033[H\033[J"); /* from the top of an empty screen */
    if (strcmp(output_format(t->in), "json") == 0)
        json_render(t->answers, &text);
    else
        render(t, &text);
    print_buf(t->in, &text);
    fflush(t->in->out);
    json_array_foreach(t->answers, i, answer)
    {
        if (json_object_get(answer, "error"))
            return CTL_FAILED;
    }
    return CTL_OK;
}

/* -- The command ------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
    session_stop(((struct topping *)timer->data)->session);
}

static enum ctl_exit show(struct topping *t)
{
    bool live = !flag_is_set(t->in, "once") && isatty(fileno(t->in->out)) &&
                strcmp(output_format(t->in), "json") != 0;
    uv_timer_init(session_loop(t->session), &t->timer);
    t->timer.data = t;
    enum ctl_exit code = CTL_OK;
    do {
        ask_all(t);
        code = print(t, live);
        uv_timer_start(&t->timer, on_timer, EVERY_MS, 0);
        if (live)
            session_run(t->session);
        uv_timer_stop(&t->timer);
    } while (live && !ferror(t->in->out));
    uv_close((uv_handle_t *)&t->timer, NULL);
    return code;
}

enum ctl_exit run_top(struct invocation *in)
{
    struct topping t = {.in = in, .sites = json_array()};
    const char *site;
    enum ctl_exit code = open_or_report(in, &t.session);
    for (size_t i = 0; (site = flag_nth(in, "site", i)); i++)
        json_array_append_new(t.sites, json_string(site));
    if (code == CTL_OK && json_array_size(t.sites) == 0)
        code = plan_sites(in, t.session, t.sites);
    if (code == CTL_OK)
        code = show(&t);
    json_decref(t.sites);
    json_decref(t.answers);
    session_close(t.session);
    return code;
}
