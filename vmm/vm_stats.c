#include "vmm/vm_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MOST_DEVICES = 64 };

#define COUNTER true
#define GAUGE   false
#define ROW(id, field_, name_, type, unit_, help_)                                                 \
    {.field = field_, .name = name_, .counts = type, .unit = VM_UNIT_##unit_, .help = help_},
static const struct vm_value_row vm_rows[] = {VM_VALUES(ROW)};
static const struct vm_value_row disk_rows[] = {VM_DISK_VALUES(ROW)};
static const struct vm_value_row nic_rows[] = {VM_NIC_VALUES(ROW)};
#undef ROW

const struct vm_value_table vm_values = {vm_rows, HM_COUNT(vm_rows)};
const struct vm_value_table vm_disk_values = {disk_rows, HM_COUNT(disk_rows)};
const struct vm_value_table vm_nic_values = {nic_rows, HM_COUNT(nic_rows)};

_Static_assert(HM_COUNT(vm_rows) <= VM_VALUES_MOST && HM_COUNT(disk_rows) <= VM_VALUES_MOST &&
                   HM_COUNT(nic_rows) <= VM_VALUES_MOST,
               "VM_VALUES_MOST is too small");

void vm_stats_clear(struct vm_stats_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].devices);
    }
    free(list->items);
    *list = (struct vm_stats_list){0};
}

/* -- Taking what a backend says ------------------------------------------------------------------- */

/* Devices come in the backend's order, disks and cards each counted from 0. */
static struct vm_device_stats *device(struct vm_stats *s, bool is_disk, unsigned long nth)
{
    unsigned long seen = 0;
    for (size_t i = 0; i < s->device_count; i++)
        if (s->devices[i].is_disk == is_disk && seen++ == nth)
            return &s->devices[i];
    if (nth != seen || s->device_count >= MOST_DEVICES)
        return NULL;
    s->devices = hm_realloc_array(s->devices, s->device_count + 1, sizeof *s->devices);
    struct vm_device_stats *d = &s->devices[s->device_count++];
    *d = (struct vm_device_stats){.is_disk = is_disk};
    snprintf(d->name, sizeof d->name, "%lu", nth);
    return d;
}

/* "block.3.rd.bytes": the device, and *field is what is behind it. NULL: not of a device. */
static struct vm_device_stats *device_of(struct vm_stats *s, const char **field)
{
    bool is_disk = !strncmp(*field, "block.", 6);
    if (!is_disk && strncmp(*field, "net.", 4) != 0)
        return NULL;
    char *end;
    const char *digits = *field + (is_disk ? 6 : 4);
    if (*digits < '0' || *digits > '9')
        return NULL;
    unsigned long nth = strtoul(digits, &end, 10);
    if (*end != '.')
        return NULL;
    *field = end + 1;
    return device(s, is_disk, nth);
}

static void put(const struct vm_value_table *table, uint64_t *values, uint32_t *has,
                const char *field, uint64_t value)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].field, field) != 0)
            continue;
        values[i] = value;
        *has |= 1u << i;
        return;
    }
}

void vm_stats_take(struct vm_stats *s, const char *field, uint64_t value)
{
    struct vm_device_stats *d = device_of(s, &field);
    if (d)
        put(d->is_disk ? &vm_disk_values : &vm_nic_values, d->values, &d->has, field, value);
    else
        put(&vm_values, s->values, &s->has, field, value);
}

void vm_stats_take_text(struct vm_stats *s, const char *field, const char *text)
{
    struct vm_device_stats *d = device_of(s, &field);
    if (d && d->is_disk && !strcmp(field, "name"))
        snprintf(d->name, sizeof d->name, "%s", text);
}

/* -- Giving it ------------------------------------------------------------------------------------ */

double vm_value_scaled(const struct vm_value_row *row, uint64_t value)
{
    switch (row->unit) {
    case VM_UNIT_NS:
        return (double)value / 1e9;
    case VM_UNIT_KIB:
        return (double)value * 1024;
    default:
        return (double)value;
    }
}

static void add_values(json_t *to, const struct vm_value_table *table, const uint64_t *values,
                       uint32_t has)
{
    for (size_t i = 0; i < table->count; i++)
        if (has & 1u << i)
            json_object_set_new(to, table->rows[i].name,
                                json_real(vm_value_scaled(&table->rows[i], values[i])));
}

json_t *vm_stats_to_json(const struct vm_stats *s)
{
    json_t *disks = json_array(), *nics = json_array();
    json_t *o = json_pack("{s:s}", "vm", s->name);
    add_values(o, &vm_values, s->values, s->has);
    for (size_t i = 0; i < s->device_count; i++) {
        const struct vm_device_stats *d = &s->devices[i];
        json_t *one = json_pack("{s:s}", d->is_disk ? "disk" : "nic", d->name);
        add_values(one, d->is_disk ? &vm_disk_values : &vm_nic_values, d->values, d->has);
        json_array_append_new(d->is_disk ? disks : nics, one);
    }
    json_object_set_new(o, "disks", disks);
    json_object_set_new(o, "nics", nics);
    return o;
}
