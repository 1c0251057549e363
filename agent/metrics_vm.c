#include "agent/metrics_vm.h"

#include "agent/prometheus.h"
#include "base/alloc.h"

#define PREFIX "harmony_vm_"

static void add_family(struct hm_buf *out, const struct vm_value_row *row)
{
    HM_AUTOFREE char *name = hm_printf(PREFIX "%s", row->name);
    prometheus_family(out, name, row->counts, row->help);
}

static void add_vms(const struct vm_stats_list *stats, size_t nth, struct hm_buf *out)
{
    const struct vm_value_row *row = &vm_values.rows[nth];
    HM_AUTOFREE char *name = hm_printf(PREFIX "%s", row->name);
    for (size_t i = 0; i < stats->count; i++) {
        const struct vm_stats *s = &stats->items[i];
        struct prometheus_label labels[PROMETHEUS_LABELS] = {{"vm", s->name}};
        if (s->has & 1u << nth)
            prometheus_sample(out, name, labels, vm_value_scaled(row, s->values[nth]));
    }
}

static void add_devices_of(const struct vm_stats *s, const char *name, size_t nth,
                           const struct vm_value_row *row, bool is_disk, struct hm_buf *out)
{
    for (size_t i = 0; i < s->device_count; i++) {
        const struct vm_device_stats *d = &s->devices[i];
        struct prometheus_label labels[PROMETHEUS_LABELS] = {{"vm", s->name},
                                                             {is_disk ? "disk" : "nic", d->name}};
        if (d->is_disk == is_disk && d->has & 1u << nth)
            prometheus_sample(out, name, labels, vm_value_scaled(row, d->values[nth]));
    }
}

static void add_devices(const struct vm_stats_list *stats, const struct vm_value_table *table,
                        bool is_disk, struct hm_buf *out)
{
    for (size_t nth = 0; nth < table->count; nth++) {
        const struct vm_value_row *row = &table->rows[nth];
        HM_AUTOFREE char *name = hm_printf(PREFIX "%s", row->name);
        add_family(out, row);
        for (size_t i = 0; i < stats->count; i++)
            add_devices_of(&stats->items[i], name, nth, row, is_disk, out);
    }
}

void metrics_vm_text(const struct vm_stats_list *stats, struct hm_buf *out)
{
    for (size_t nth = 0; nth < vm_values.count; nth++) {
        add_family(out, &vm_values.rows[nth]);
        add_vms(stats, nth, out);
    }
    add_devices(stats, &vm_disk_values, true, out);
    add_devices(stats, &vm_nic_values, false, out);
}

json_t *metrics_vm_json(const struct vm_stats_list *stats)
{
    json_t *list = json_array();
    for (size_t i = 0; i < stats->count; i++)
        json_array_append_new(list, vm_stats_to_json(&stats->items[i]));
    return list;
}
