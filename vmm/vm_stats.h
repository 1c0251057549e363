/*
 * What VMs use: one table of values for VMs, one for their disks, one for their network cards. The driver fills
 * them in from its bulk call, the metrics (agent/metrics.h) and `harmonyctl top` are made from them. Pure. Thread: any.
 */
#ifndef HM_VMM_VM_STATS_H
#define HM_VMM_VM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* id; libvirt's name of it (behind block.N. and net.N.); name in metrics; COUNTER or GAUGE; unit of libvirt's
 * number; help. Source: virConnectGetAllDomainStats() */
#define VM_VALUES(X)                                                                               \
    X(CPU, "cpu.time", "cpu_seconds_total", COUNTER, NS, "CPU time used.")                         \
    X(VCPUS, "vcpu.current", "vcpus", GAUGE, ONE, "Virtual processors.")                           \
    X(MEMORY, "balloon.current", "memory_bytes", GAUGE, KIB, "Memory that the guest has.")         \
    X(MEMORY_MAX, "balloon.maximum", "memory_max_bytes", GAUGE, KIB,                               \
      "Memory that it can be given without a restart.")                                            \
    X(MEMORY_RESIDENT, "balloon.rss", "memory_resident_bytes", GAUGE, KIB,                         \
      "Memory of the host that its process occupies.")                                             \
    X(MEMORY_USABLE, "balloon.usable", "memory_usable_bytes", GAUGE, KIB,                          \
      "Memory that is still free, as the guest says.")

#define VM_DISK_VALUES(X)                                                                          \
    X(READ_BYTES, "rd.bytes", "disk_read_bytes_total", COUNTER, ONE, "Bytes read.")                \
    X(READS, "rd.reqs", "disk_reads_total", COUNTER, ONE, "Reads.")                                \
    X(READ_TIME, "rd.times", "disk_read_seconds_total", COUNTER, NS, "Time that reads took.")      \
    X(WRITE_BYTES, "wr.bytes", "disk_written_bytes_total", COUNTER, ONE, "Bytes written.")         \
    X(WRITES, "wr.reqs", "disk_writes_total", COUNTER, ONE, "Writes.")                             \
    X(WRITE_TIME, "wr.times", "disk_write_seconds_total", COUNTER, NS, "Time that writes took.")   \
    X(SIZE, "capacity", "disk_size_bytes", GAUGE, ONE, "Size that the guest sees.")                \
    X(IMAGE, "physical", "disk_image_bytes", GAUGE, ONE, "Size of its image on the host.")

#define VM_NIC_VALUES(X)                                                                           \
    X(RX_BYTES, "rx.bytes", "network_receive_bytes_total", COUNTER, ONE, "Bytes received.")        \
    X(RX_PACKETS, "rx.pkts", "network_receive_packets_total", COUNTER, ONE, "Packets received.")   \
    X(RX_ERRORS, "rx.errs", "network_receive_errors_total", COUNTER, ONE, "Errors of receiving.")  \
    X(RX_DROPS, "rx.drop", "network_receive_drops_total", COUNTER, ONE, "Received and dropped.")   \
    X(TX_BYTES, "tx.bytes", "network_transmit_bytes_total", COUNTER, ONE, "Bytes sent.")           \
    X(TX_PACKETS, "tx.pkts", "network_transmit_packets_total", COUNTER, ONE, "Packets sent.")      \
    X(TX_ERRORS, "tx.errs", "network_transmit_errors_total", COUNTER, ONE, "Errors of sending.")   \
    X(TX_DROPS, "tx.drop", "network_transmit_drops_total", COUNTER, ONE, "To be sent and dropped.")

enum {
#define VM_VALUE_ENUM(id, field, name, type, unit, help) VM_VALUE_##id,
    VM_VALUES(VM_VALUE_ENUM)
#undef VM_VALUE_ENUM
        VM_VALUE_COUNT
};
enum {
#define VM_DISK_ENUM(id, field, name, type, unit, help) VM_DISK_##id,
    VM_DISK_VALUES(VM_DISK_ENUM)
#undef VM_DISK_ENUM
        VM_DISK_VALUE_COUNT
};
enum {
#define VM_NIC_ENUM(id, field, name, type, unit, help) VM_NIC_##id,
    VM_NIC_VALUES(VM_NIC_ENUM)
#undef VM_NIC_ENUM
        VM_NIC_VALUE_COUNT
};
enum { VM_VALUES_MOST = 8 }; /* of any of the three */

enum vm_value_unit { VM_UNIT_ONE, VM_UNIT_NS, VM_UNIT_KIB };

struct vm_value_row {
    const char *field, *name;
    bool counts; /* a counter; else a gauge */
    enum vm_value_unit unit;
    const char *help;
};
/* A table with how many rows it has. */
struct vm_value_table {
    const struct vm_value_row *rows;
    size_t count;
};
extern const struct vm_value_table vm_values, vm_disk_values, vm_nic_values;

struct vm_device_stats {
    bool is_disk;  /* else a network card */
    char name[16]; /* of a disk: vda; of a card: its place among the cards, from 0 */
    uint32_t has;  /* a bit for each value */
    uint64_t values[VM_VALUES_MOST];
};
struct vm_stats {
    char *name;
    uint32_t has;
    uint64_t values[VM_VALUES_MOST];
    struct vm_device_stats *devices;
    size_t device_count;
};
struct vm_stats_list {
    struct vm_stats *items;
    size_t count;
};
void vm_stats_clear(struct vm_stats_list *list);

/* One number as the backend names it ("net.0.rx.bytes"); what is not in the tables is passed over. */
void vm_stats_take(struct vm_stats *s, const char *field, uint64_t value);
/* The name of a disk: "block.0.name", "vda". */
void vm_stats_take_text(struct vm_stats *s, const char *field, const char *text);

/* In seconds, bytes, or as it is. */
double vm_value_scaled(const struct vm_value_row *row, uint64_t value);

/* {"vm", values by name, "disks": [{"disk", ...}], "nics": [{"nic", ...}]}: a new reference. */
json_t *vm_stats_to_json(const struct vm_stats *s);

#endif
