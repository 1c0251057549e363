#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"

/* -- the tables themselves ------------------------------------------------------------------------ */

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void check_default(const char *where, const struct field *f)
{
    const struct field one[] = {*f, {.name = NULL}};
    json_t *spec = NULL, *given = json_object();
    struct hm_error err = {0};
    ck_assert_msg(!f->required || !f->default_value, "%s.%s: required and default", where, f->name);
    if (!f->required)
        ck_assert_msg(fields_verify(one, given, &spec, &err) >= 0, "%s: %s", where, err.text);
    ck_assert_msg(f->required || !f->default_value || json_object_get(spec, f->name),
                  "%s.%s: the default is not JSON", where, f->name);
    json_decref(given);
    json_decref(spec);
}

static void check_row(const char *where, const struct field *table, const struct field *f)
{
    bool words = f->type == FIELD_ENUM || (f->type == FIELD_LIST && f->element == FIELD_ENUM);
    bool nested = f->type == FIELD_OBJECT || (f->type == FIELD_LIST && f->element == FIELD_OBJECT);
    ck_assert_msg(f->help && *f->help && strchr(".?", f->help[strlen(f->help) - 1]) != NULL,
                  "%s.%s: help is a sentence", where, f->name);
    ck_assert_msg(!strchr(f->help, '\n'), "%s.%s: help is one line", where, f->name);
    ck_assert_msg((f->words != NULL) == words || f->type == FIELD_CIDR, "%s.%s: words", where,
                  f->name);
    ck_assert_msg((f->fields != NULL) == nested, "%s.%s: fields", where, f->name);
    ck_assert_msg(f->max == 0 || f->min <= f->max, "%s.%s: range", where, f->name);
    ck_assert_msg(!f->unique_by || field_find(f->fields, f->unique_by), "%s.%s: unique_by", where,
                  f->name);
    ck_assert_msg(field_find(table, f->name) == f, "%s.%s is there twice", where, f->name);
    check_default(where, f);
}

static void check_table(const char *where, const struct field *table)
{
    for (const struct field *f = table; f->name; f++) {
        check_row(where, table, f);
        if (f->fields) {
            HM_AUTOFREE char *below = hm_printf("%s.%s", where, f->name);
            check_table(below, f->fields);
        }
    }
}

START_TEST(the_tables_are_sound)
{
    int order = 0;
    for (const struct kind *const *k = kinds_all(); *k; k++) {
        check_table((*k)->name, (*k)->fields);
        ck_assert_ptr_eq(kind_find((*k)->name), *k);
        ck_assert_int_gt((*k)->order, order);
        order = (*k)->order;
    }
    ck_assert_ptr_null(kind_find("container"));
}
END_TEST

START_TEST(common_fields_are_everywhere)
{
    static const char *const common[] = {"adopt", "protect", "change", "depends_on", "labels"};
    for (const struct kind *const *k = kinds_all(); *k; k++)
        for (size_t i = 0; i < HM_COUNT(common); i++) {
            const struct field *f = field_find((*k)->fields, common[i]);
            ck_assert_msg(f && f->cost == COST_NONE, "%s.%s", (*k)->name, common[i]);
        }
}
END_TEST

/* -- what is refused by two fields together ---------------------------------------------------------- */

static const struct {
    const char *kind, *given, *sentence, *place;
} refused[] = {
    {"vm", "{}", "there is nothing to boot from: give disks, cdroms, or kernel", ""},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}],\"initramfs\":\"/i\"}",
     "initramfs: needs kernel: it belongs to the kernel that is booted", "initramfs"},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}],\"cmdline\":\"quiet\"}",
     "cmdline: needs kernel: it belongs to the kernel that is booted", "cmdline"},
    {"vm", "{\"kernel\":\"/k\",\"cpu\":\"<x/>\"}",
     "cpu: \"<x/>\" is not the name of a CPU model (letters, digits, _ . -)", "cpu"},
    {"vm", "{\"kernel\":\"/k\",\"vcpus\":1,\"cpu_pinning\":[\"0\",\"1\"]}",
     "cpu_pinning[1]: there is no such processor: it has 1", "cpu_pinning[1]"},
    {"vm", "{\"kernel\":\"/k\",\"cpu_pinning\":[\"0-3,^1\"]}",
     "cpu_pinning[0]: \"0-3,^1\" is no set of processors (such as 4-7,12)", "cpu_pinning[0]"},
    {"vm", "{\"kernel\":\"/k\",\"cpu_pinning\":[\"4-7,12\",\"1-2-3\"]}",
     "cpu_pinning[1]: \"1-2-3\" is no set of processors (such as 4-7,12)", "cpu_pinning[1]"},
    {"vm", "{\"kernel\":\"/k\",\"hugepages\":\"3MiB\"}",
     "hugepages: must be a power of two (2MiB, 1GiB)", "hugepages"},
    {"vm", "{\"kernel\":\"/k\",\"memory\":\"1GB\",\"hugepages\":\"2MiB\"}",
     "hugepages: memory must be a multiple of it", "hugepages"},
    {"vm", "{\"kernel\":\"/k\",\"max_memory\":\"8GiB\",\"hugepages\":\"2MiB\"}",
     "hugepages: does not go with max_memory: a balloon can't return them", "hugepages"},
    {"vm", "{\"kernel\":\"/k\",\"firmware\":\"uefi\",\"memory\":\"128MiB\"}",
     "firmware: uefi needs a memory of 256MiB or more", "firmware"},
    {"vm", "{\"kernel\":\"/k\",\"vcpus\":4,\"max_vcpus\":2}",
     "max_vcpus: 2 is less than vcpus, which is 4", "max_vcpus"},
    {"vm", "{\"kernel\":\"/k\",\"max_memory\":\"1GiB\"}",
     "max_memory: 1GiB is less than memory, which is 4GiB", "max_memory"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{}}",
     "health: one of tcp, http and guest_agent: true must be given", "health"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"guest_agent\":false}}",
     "health: one of tcp, http and guest_agent: true must be given", "health"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"guest_agent\":true,\"tcp\":{\"port\":1}}}",
     "health: only one of tcp, http and guest_agent: true must be given", "health"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"guest_agent\":true,\"timeout\":\"11s\"}}",
     "health: timeout is longer than interval", "health"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"guest_agent\":true,\"address\":\"10.0.0.1\"}}",
     "health: address goes with tcp and http; the guest agent needs none", "health"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"http\":{\"path\":\"up\"}}}",
     "health.http.path: must begin with /", "health.http.path"},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"http\":{\"path\":\"/a b\"}}}",
     "health.http.path: must be plain ASCII without spaces; write others as %XX",
     "health.http.path"},
    {"vm", "{\"disks\":[{\"device\":\"vda\"}]}",
     "disks[0]: one of size (a new volume), disk (a disk document) and image (a file) must be "
     "given",
     "disks[0]"},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"disk\":\"data\"}]}",
     "disks[0]: only one of size (a new volume), disk (a disk document) and image (a file) must be "
     "given",
     "disks[0]"},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"disk\":\"data\",\"ephemeral\":true}]}",
     "disks[0]: ephemeral goes with size: only a volume of the VM's own is removed with it",
     "disks[0]"},
    {"vm", "{\"kernel\":\"/k\",\"networks\":[{\"bridge\":\"br0\",\"ip\":\"10.0.0.2\"}]}",
     "networks[0]: ip goes with network: its DHCP gives the address", "networks[0]"},
    {"vm", "{\"kernel\":\"/k\",\"networks\":[{}]}",
     "networks[0]: one of network (a network document) and bridge (of the host) must be given",
     "networks[0]"},
    {"vm", "{\"kernel\":\"/k\",\"networks\":[{\"network\":\"a\"},{\"bridge\":\"../x\"}]}",
     "networks[1].bridge: \"../x\" is not a network interface's name (letters, digits, _ . -, at "
     "most "
     "15)",
     "networks[1].bridge"},
    {"vm",
     "{\"kernel\":\"/k\",\"networks\":[{\"network\":\"a\",\"mac\":\"52:54:00:00:00:0A\"},"
     "{\"network\":\"b\",\"mac\":\"52:54:00:00:00:0a\"}]}",
     "networks[1].mac: \"52:54:00:00:00:0a\" is there twice (also in [0])", "networks[1].mac"},
    {"vm", "{\"kernel\":\"/k\",\"depends_on\":[\"network/lan\",\"lan\"]}",
     "depends_on[1]: \"lan\" is not KIND/NAME (such as network/lan)", "depends_on[1]"},
    {"vm", "{\"kernel\":\"/k\",\"depends_on\":[\"pod/lan\"]}",
     "depends_on[0]: \"pod/lan\" is not KIND/NAME (such as network/lan)", "depends_on[0]"},
    {"vm", "{\"kernel\":\"/k\",\"depends_on\":[\"net/lan\"]}",
     "depends_on[0]: \"net/lan\" is not KIND/NAME (such as network/lan)", "depends_on[0]"},
    {"network", "{\"subnet\":\"none\"}",
     "mode: nat needs the host's address on the network, and subnet is none; set mode: isolated, "
     "or "
     "give a subnet",
     "mode"},
    {"network", "{\"subnet\":null}", "subnet: has no value (write none, or leave the field out)",
     "subnet"},
    {"network", "{\"subnet\":\"nothing\"}",
     "subnet: \"nothing\" is not an address and prefix (192.168.100.1/24)", "subnet"},
    {"network",
     "{\"subnet\":\"none\",\"mode\":\"isolated\",\"dhcp\":{\"start\":\"10.0.0.2\",\"end\":"
     "\"10.0.0.3\"}}",
     "dhcp.start: needs a subnet: without an address the host serves nobody", "dhcp.start"},
    {"network", "{\"subnet\":\"none\",\"mode\":\"isolated\",\"dns\":{\"domain\":\"lan\"}}",
     "dns.domain: needs a subnet: without an address the host serves nobody", "dns.domain"},
    {"network", "{\"dns\":{\"domain\":\"-lan\"}}",
     "dns.domain: \"-lan\" is not a host name (letters, digits, - and dots between them)",
     "dns.domain"},
    {"network", "{\"dns\":{\"hosts\":[{\"ip\":\"10.0.0.2\",\"names\":[\"a\",\"b..c\"]}]}}",
     "dns.hosts[0].names[1]: \"b..c\" is not a host name (letters, digits, - and dots between "
     "them)",
     "dns.hosts[0].names[1]"},
    {"network",
     "{\"dhcp\":{\"hosts\":[{\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100.2\",\"name\":\"a\"}"
     ","
     "{\"mac\":\"52:54:00:00:00:02\",\"ip\":\"192.168.100.3\",\"name\":\"a\"}]}}",
     "dhcp.hosts[1].name: a is there twice (also in [0])", "dhcp.hosts[1].name"},
    {"network", "{\"forwards\":[{\"port\":80,\"to\":\"192.168.100.2\"}]}",
     "forwards: needs backend: native; libvirt forwards no ports", "forwards"},
    {"network",
     "{\"backend\":\"native\",\"mode\":\"isolated\",\"forwards\":[{\"port\":80,\"to\":"
     "\"10.100.0.2\"}]}",
     "forwards: nothing is forwarded to an isolated network; set mode: nat or route", "forwards"},
    {"network", "{\"backend\":\"native\",\"forwards\":[{\"port\":80,\"to\":\"10.101.0.2\"}]}",
     "forwards[0].to: 10.101.0.2 is outside of the subnet (10.100.0.1 to 10.100.255.254)",
     "forwards[0].to"},
    {"network",
     "{\"backend\":\"native\",\"forwards\":[{\"port\":80,\"to\":\"10.100.0.2\"},{\"port\":80,"
     "\"protocol\":\"udp\",\"to\":\"10.100.0.2\"},{\"port\":80,\"to\":\"10.100.0.3\"}]}",
     "forwards[2].port: 80/tcp is there twice (also in [0])", "forwards[2].port"},
    {"network", "{\"backend\":\"nativ\"}",
     "backend: \"nativ\" is not libvirt or native (did you mean native?)", "backend"},
    {"network", "{\"bridge\":\"br 0\"}",
     "bridge: \"br 0\" is not a network interface's name (letters, digits, _ . -, at most 15)",
     "bridge"},
    {"network", "{\"subnet\":\"10.0.0.0/24\"}",
     "subnet: 10.0.0.0/24 is the subnet itself or its broadcast address; give the host's own "
     "address "
     "in it (such as .1)",
     "subnet"},
    {"network", "{\"subnet6\":\"fd00:1::1\"}",
     "subnet6: fd00:1::1: guests make addresses of their own in a prefix of 64 bits alone: end it "
     "with /64",
     "subnet6"},
    {"network", "{\"subnet6\":\"fd00:1::g/64\"}", "subnet6: fd00:1::g/64: it is no IPv6 address",
     "subnet6"},
    {"network", "{\"subnet6\":\"FD00:1::1/64\"}",
     "subnet6: FD00:1::1/64: write it in its short form (lower case, without leading zeros, the "
     "longest run of zeros as ::)",
     "subnet6"},
    {"network", "{\"subnet6\":\"fe80::1/64\"}",
     "subnet6: fe80::1/64: a multicast or link-local address is no host's own", "subnet6"},
    {"network", "{\"subnet6\":\"::1/64\"}", "subnet6: ::1/64: it is in no network", "subnet6"},
    {"network", "{\"subnet6\":\"fd00:1::/64\"}",
     "subnet6: fd00:1::/64: it is the subnet itself; give the host's own address in it (such as "
     "::1 behind the prefix)",
     "subnet6"},
    {"network", "{\"subnet6\":\"fd00:1::1/64\",\"subnet\":\"none\",\"mode\":\"isolated\"}",
     "subnet6: it needs a subnet beside it, and subnet is none", "subnet6"},
    {"network", "{\"subnet\":\"10.0.0.255/24\"}",
     "subnet: 10.0.0.255/24 is the subnet itself or its broadcast address; give the host's own "
     "address in it (such as .1)",
     "subnet"},
    {"network", "{\"subnet\":\"10.0.0.1/31\"}",
     "subnet: 10.0.0.1/31: the prefix must be between 8 and 30", "subnet"},
    {"network", "{\"subnet\":\"0.0.0.0/0\"}",
     "subnet: 0.0.0.0/0: the prefix must be between 8 and 30", "subnet"},
    {"image-file", "{\"url\":\"http://h/a\",\"format\":\"iso\"}",
     "one of sha256 and sha256_url must be given: without a checksum of its publisher, nobody "
     "knows what was downloaded",
     ""},
    {"image-file",
     "{\"url\":\"http://h/a\",\"format\":\"iso\",\"sha256\":\"" SHA "\","
     "\"sha256_url\":\"https://h/s\"}",
     "sha256: only one of sha256 and sha256_url must be given: without a checksum of its "
     "publisher, "
     "nobody knows what was downloaded",
     "sha256"},
    {"image-file", "{\"url\":\"ftp://h/a\",\"format\":\"iso\",\"sha256\":\"" SHA "\"}",
     "url: it must begin with http:// or https://", "url"},
    {"image-file", "{\"url\":\"http://u:p@h/a\",\"format\":\"iso\",\"sha256\":\"" SHA "\"}",
     "url: it holds a user or a password; documents are read by many, so that is refused", "url"},
    {"image-file", "{\"url\":\"http://h/a\",\"format\":\"iso\",\"sha256_url\":\"http://h/s\"}",
     "sha256_url: it must begin with https://", "sha256_url"},
    {"image-file", "{\"url\":\"http://h/\",\"format\":\"iso\",\"sha256_url\":\"https://h/s\"}",
     "url: it names no file, so there is no entry for it at sha256_url", "url"},
    {"vm", "{\"cdroms\":[{\"path\":\"/i\",\"image\":\"i\"}]}",
     "cdroms[0]: only one of path (a file), image (an image-file document) and url must be given",
     "cdroms[0]"},
    {"vm", "{\"cdroms\":[{\"url\":\"http://h/i\"}]}",
     "cdroms[0]: url and sha256 (64 hexadecimal digits) go together", "cdroms[0]"},
    {"vm", "{\"cdroms\":[{\"url\":\"file:///i\",\"sha256\":\"" SHA "\"}]}",
     "cdroms[0]: its url must begin with http:// or https://", "cdroms[0]"},
    {"vm",
     "{\"disks\":[{\"device\":\"a\",\"size\":\"1GiB\",\"boot\":2}],\"networks\":[{\"network\":"
     "\"l\"},{"
     "\"network\":\"m\",\"boot\":2}]}",
     "networks[1].boot: 2 is the place of a device in disks already", "networks[1].boot"},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i\",\"base\":\"b\"}]}",
     "disks[0]: base goes with size, and not with backing or backing_image", "disks[0]"},
    {"vm", "{\"kernel\":\"/k\",\"cloud_init\":{\"user_data\":\"a\\u0007\"}}",
     "cloud_init.user_data: holds a control character (such as a newline or tab)",
     "cloud_init.user_data"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}",
     "firmware: cloud-hypervisor has no BIOS: give kernel, or firmware uefi", "firmware"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"tpm\":true}",
     "tpm: a TPM is not given to guests of cloud-hypervisor", "tpm"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"display\":\"vnc\"}",
     "display: cloud-hypervisor can't do vnc: it has no screen", "display"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"accel\":\"tcg\"}",
     "accel: cloud-hypervisor can't do tcg: it emulates nothing", "accel"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"watchdog\":\"pause\"}",
     "watchdog: cloud-hypervisor can't do pause: its watchdog resets the guest", "watchdog"},
    {"vm", "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"cdroms\":[{\"path\":\"/i\"}]}",
     "cdroms: cloud-hypervisor has no CD-ROM drives; give the file as a disk with image, format "
     "raw and readonly",
     "cdroms"},
    {"vm",
     "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/"
     "k\",\"memory\":\"256MiB\",\"max_memory\":\"300MiB\"}",
     "max_memory: must be memory and a multiple of 128MiB: cloud-hypervisor plugs memory in "
     "modules of that size",
     "max_memory"},
    {"vm",
     "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/"
     "k\",\"disks\":[{\"device\":\"sda\",\"size\":\"1GiB\",\"bus\":\"sata\"}]}",
     "disks[0]: cloud-hypervisor has disks on bus virtio alone", "disks[0]"},
    {"vm",
     "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/"
     "k\",\"networks\":[{\"network\":\"lan\",\"model\":\"e1000e\"}]}",
     "networks[0]: cloud-hypervisor has cards of model virtio alone", "networks[0]"},
    {"network", "{\"dhcp\":{\"start\":\"192.168.100.5\"}}",
     "dhcp: start and end are given together, or neither", "dhcp"},
    {"network", "{\"dhcp\":{\"start\":\"192.168.100.9\",\"end\":\"192.168.100.5\"}}",
     "dhcp.end: 192.168.100.5 is before start, 192.168.100.9", "dhcp.end"},
    {"network", "{\"dhcp\":{\"start\":\"192.168.101.5\",\"end\":\"192.168.101.9\"}}",
     "dhcp.start: 192.168.101.5 is outside of the subnet (192.168.100.1 to 192.168.100.254)",
     "dhcp.start"},
    {"network", "{\"dhcp\":{\"start\":\"192.168.100.1\",\"end\":\"192.168.100.9\"}}",
     "dhcp.start: 192.168.100.1 is the host's own address (subnet)", "dhcp.start"},
    {"network",
     "{\"subnet\":\"10.0.0.5/24\",\"dhcp\":{\"start\":\"10.0.0.4\",\"end\":\"10.0.0.9\"}}",
     "dhcp.end: the range 10.0.0.4 to 10.0.0.9 holds the host's own address", "dhcp.end"},
    {"network", "{\"dhcp\":{\"hosts\":[{\"mac\":\"52:54:00:00:00:01\",\"ip\":\"10.0.0.1\"}]}}",
     "dhcp.hosts[0].ip: 10.0.0.1 is outside of the subnet (192.168.100.1 to 192.168.100.254)",
     "dhcp.hosts[0].ip"},
    {"network",
     "{\"dhcp\":{\"hosts\":[{\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100.7\"},"
     "{\"mac\":\"52:54:00:00:00:02\",\"ip\":\"192.168.100.7\"}]}}",
     "dhcp.hosts[1].ip: 192.168.100.7 is there twice (also in [0])", "dhcp.hosts[1].ip"},
    {"disk", "{}",
     "size: is required: How large the guest sees it; space on the host is taken as it is written.",
     "size"},
    {"disk", "{\"size\":\"1GiB\",\"format\":\"raw\",\"backing\":\"/b\"}",
     "a disk of format raw can't be made on top of another; qcow2 can", ""},
    {"disk", "{\"size\":\"1GiB\",\"backing\":\"/b\",\"backing_image\":\"b\"}",
     "only one of backing and backing_image must be given", ""},
    {"disk", "{\"size\":\"1GiB\",\"backing_format\":\"raw\"}",
     "backing_format needs backing: it says what that is", ""},
    {"disk", "{\"size\":\"1GiB\",\"format\":\"raw\",\"snapshots\":[\"one\"]}",
     "snapshots: a disk of format raw can't hold snapshots; qcow2 can", "snapshots"},
    {"disk", "{\"size\":\"1GiB\",\"snapshots\":[\"one\",\"2\"]}",
     "snapshots[1]: the name of a snapshot begins with a letter", "snapshots[1]"},
};

START_TEST(fields_that_do_not_go_together_are_refused)
{
    json_t *given = json_loads(refused[_i].given, 0, NULL), *spec = NULL;
    struct field_place at = {"?"};
    struct hm_error err = {0};
    ck_assert_ptr_nonnull(given);
    ck_assert_int_lt(kind_verify(kind_find(refused[_i].kind), given, &spec, &at, &err), 0);
    ck_assert_str_eq(err.text, refused[_i].sentence);
    ck_assert_str_eq(at.path, refused[_i].place);
    ck_assert_ptr_null(spec);
    json_decref(given);
}
END_TEST

/* -- the documented defaults -------------------------------------------------------------------------- */

static const struct {
    const char *kind, *given, *field, *normal;
} defaults[] = {
    {"vm", "{\"kernel\":\"/k\"}", "vcpus", "2"},
    {"vm", "{\"kernel\":\"/k\"}", "memory", "4294967296"},
    {"vm", "{\"kernel\":\"/k\"}", "cpu", "\"host-model\""},
    {"vm", "{\"kernel\":\"/k\"}", "backend", "\"libvirt\""},
    {"vm", "{\"kernel\":\"/k\"}", "power", "\"on\""},
    {"vm", "{\"kernel\":\"/k\"}", "stop_grace", "30000"},
    {"vm", "{\"kernel\":\"/k\"}", "restart_policy", "\"always\""},
    {"vm", "{\"kernel\":\"/k\",\"health\":{\"http\":{}}}", "health",
     "{\"http\":{\"port\":80,\"path\":\"/\"},\"interval\":10000,\"timeout\":3000,\"retries\":3,"
     "\"start_period\":60000}"},
    {"vm", "{\"kernel\":\"/k\"}", "accel", "\"auto\""},
    {"vm", "{\"kernel\":\"/k\"}", "change", "\"replace\""},
    {"vm", "{\"kernel\":\"/k\"}", "protect", "false"},
    {"vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}", "disks",
     "[{\"device\":\"vda\",\"size\":1073741824,\"pool\":\"default\",\"format\":\"qcow2\",\"bus\":"
     "\"virtio\",\"readonly\":false,\"ephemeral\":false}]"},
    {"vm", "{\"kernel\":\"/k\",\"networks\":[{\"network\":\"lan\"}]}", "networks",
     "[{\"network\":\"lan\",\"model\":\"virtio\"}]"},
    {"network", "{}", "subnet", "\"192.168.100.1/24\""},
    {"network", "{\"backend\":\"native\"}", "subnet", "\"10.100.0.1/16\""},
    {"network", "{\"backend\":\"native\",\"subnet\":\"10.9.0.1/24\"}", "subnet", "\"10.9.0.1/24\""},
    {"network", "{}", "backend", "\"libvirt\""},
    {"network", "{}", "mode", "\"nat\""},
    {"network", "{}", "autostart", "true"},
    {"network", "{}", "dhcp", "{\"enabled\":true}"},
    {"disk", "{\"size\":\"1GiB\"}", "pool", "\"default\""},
    {"disk", "{\"size\":\"1GiB\"}", "format", "\"qcow2\""},
};

START_TEST(defaults_are_as_documented)
{
    json_t *given = json_loads(defaults[_i].given, 0, NULL), *spec = NULL;
    struct hm_error err = {0};
    int rc = kind_verify(kind_find(defaults[_i].kind), given, &spec, NULL, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    HM_AUTOFREE char *text =
        json_dumps(json_object_get(spec, defaults[_i].field), JSON_COMPACT | JSON_ENCODE_ANY);
    ck_assert_str_eq(text, defaults[_i].normal);
    json_decref(given);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kinds");
    TCase *t = tcase_create("all");
    tcase_add_test(t, the_tables_are_sound);
    tcase_add_test(t, common_fields_are_everywhere);
    tcase_add_loop_test(t, fields_that_do_not_go_together_are_refused, 0, HM_COUNT(refused));
    tcase_add_loop_test(t, defaults_are_as_documented, 0, HM_COUNT(defaults));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
