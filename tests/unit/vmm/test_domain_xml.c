#include "xml_fixture.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "vmm/domain_xml.h"
#include "vmm/shape.h"

static const char *const full =
    "{\"vcpus\":3,\"memory\":\"100MB\",\"kernel\":\"/k & k\",\"initramfs\":\"/i<i>\","
    "\"cmdline\":\"console=ttyS0 x=\\\"'<&>]]>\\\"\",\"disks\":["
    "{\"device\":\"root\",\"size\":\"1GiB\",\"label\":\"A&B\"},"
    "{\"device\":\"vda\",\"image\":\"/d,a'ta.raw\",\"format\":\"raw\",\"readonly\":true},"
    "{\"device\":\"sata\",\"size\":\"1GiB\",\"bus\":\"sata\"}],"
    "\"cdroms\":[{\"path\":\"/one.iso\"},{\"path\":\"/two.iso\"}],"
    "\"networks\":[{\"network\":\"lan\"},{\"bridge\":\"br0\",\"mac\":\"52:54:00:AB:00:01\","
    "\"model\":\"e1000e\"}]}";

/* Build the XML of a spec, each disk on a path made from its target. */
static xmlDocPtr build(const char *text, const char *uuid, const char *arch)
{
    json_t *spec = spec_of("vm", text);
    struct mark mark = mark_of(spec);
    struct vm_disks disks;
    vm_disks_of(spec, &disks);
    for (size_t i = 0; i < disks.count; i++) {
        disks.items[i].path = hm_printf("/pool/%s <&>", disks.items[i].target);
        disks.items[i].format = hm_strdup("qcow2");
    }
    struct vm_build b = {.name = "web",
                         .uuid = uuid,
                         .type = "qemu",
                         .arch = arch,
                         .console = "/log/web.log",
                         .spec = spec,
                         .disks = &disks};
    char *xml = domain_xml(&b, &mark);
    xmlDocPtr doc = NULL;
    struct hm_error err = {0};
    ck_assert_msg(xml_parse(xml, &doc, &err) == 0, "%s", err.text);
    free(xml);
    vm_disks_clear(&disks);
    mark_clear(&mark);
    json_decref(spec);
    return doc;
}

static struct domain_info read_back(xmlDocPtr doc)
{
    char *xml = xml_print(doc);
    struct domain_info info;
    struct hm_error err = {0};
    ck_assert_msg(domain_read(xml, &info, &err) == 0, "%s", err.text);
    free(xml);
    return info;
}

START_TEST(defaults_are_as_documented)
{
    xmlDocPtr doc = build("{\"disks\":[{\"device\":\"root\",\"size\":\"1GiB\"}]}", NULL, "x86_64");
    ck_xpath(doc, "/domain/@type", "qemu");
    ck_xpath(doc, "/domain/name", "web");
    ck_xpath(doc, "count(/domain/uuid)", "0");
    ck_xpath(doc, "/domain/vcpu", "2");
    ck_xpath(doc, "/domain/memory[@unit='KiB']", "4194304");
    ck_xpath(doc, "/domain/os/type/@machine", "q35");
    ck_xpath(doc, "count(/domain/features/acpi | /domain/features/apic)", "2");
    ck_xpath(doc, "/domain/cpu/@mode", "host-model");
    ck_xpath(doc, "/domain/os/boot[1]/@dev", "hd");
    ck_xpath(doc, "/domain/os/boot[2]/@dev", "cdrom");
    ck_xpath(doc, "/domain/devices/disk/target[@bus='virtio']/@dev", "vda");
    ck_xpath(doc, "/domain/devices/serial[@type='pty']/log/@file", "/log/web.log");
    ck_xpath(doc, "count(/domain/devices/interface)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(every_field_has_its_place)
{
    xmlDocPtr doc = build(full, "1a3df4bc-3462-4334-9eb3-ade1334263be", "x86_64");
    ck_xpath(doc, "/domain/uuid", "1a3df4bc-3462-4334-9eb3-ade1334263be");
    ck_xpath(doc, "/domain/vcpu", "3");
    ck_xpath(doc, "/domain/memory", "98304"); /* 100 MB in whole MiB */
    ck_xpath(doc, "/domain/devices/disk[1]/serial", "A&B");
    ck_xpath(doc, "count(/domain/devices/disk[2]/readonly)", "1");
    ck_xpath(doc, "/domain/devices/interface[1][@type='network']/source/@network", "lan");
    ck_xpath(doc, "/domain/devices/interface[1]/model/@type", "virtio");
    ck_xpath(doc, "/domain/devices/interface[2][@type='bridge']/source/@bridge", "br0");
    ck_xpath(doc, "/domain/devices/interface[2]/mac/@address", "52:54:00:ab:00:01");
    ck_xpath(doc, "/domain/devices/interface[2]/model/@type", "e1000e");
    xml_free(&doc);
}
END_TEST

static const char *const every_element[] = {
    "{\"disks\":[{\"device\":\"root\",\"size\":\"1GiB\",\"label\":\"root-01\"},"
    "{\"device\":\"b\",\"image\":\"/"
    "b.raw\",\"format\":\"raw\",\"readonly\":true,\"bus\":\"sata\"}],"
    "\"cdroms\":[{\"path\":\"/one.iso\"}],\"networks\":[{\"network\":\"lan\"},{\"bridge\":\"br0\","
    "\"mac\":\"52:54:00:AB:00:01\",\"model\":\"e1000e\"}],\"cpu\":\"host-passthrough\",\"display\":"
    "\"vnc\"}",
    "{\"kernel\":\"/k\",\"initramfs\":\"/i\",\"cmdline\":\"<&>\",\"cpu\":\"Skylake-Server\"}",
    "{\"kernel\":\"/k\",\"vcpus\":2,\"max_vcpus\":4,\"memory\":\"1GiB\",\"max_memory\":\"2GiB\"}",
    "{\"kernel\":\"/k\",\"vcpus\":2,\"memory\":\"1GiB\",\"cpu_pinning\":[\"0\",\"0-1,3\"],"
    "\"hugepages\":\"2MiB\",\"firmware\":\"uefi\",\"tpm\":true,\"watchdog\":\"poweroff\"}",
    "{\"disks\":[{\"device\":\"a\",\"size\":\"1GiB\"},{\"device\":\"b\",\"size\":\"1GiB\",\"boot\":"
    "30}],"
    "\"cdroms\":[{\"path\":\"/1\"},{\"path\":\"/"
    "2\",\"boot\":7}],\"networks\":[{\"network\":\"lan\"},"
    "{\"network\":\"wan\",\"mac\":\"52:54:00:AB:00:01\",\"boot\":9}],\"cloud_init\":{\"user_data\":"
    "\"x\"}}",
};

START_TEST(every_element_is_in_libvirts_schema)
{
    virConnectPtr conn = virConnectOpen("test:///default");
    xmlDocPtr doc = build(every_element[_i], NULL, "x86_64");
    xmlSetProp(xml_root(doc), (const xmlChar *)"type", (const xmlChar *)"test");
    char *xml = xml_print(doc);
    virDomainPtr dom = virDomainDefineXMLFlags(conn, xml, VIR_DOMAIN_DEFINE_VALIDATE);
    ck_assert_msg(dom != NULL, "%s", virGetLastErrorMessage());
    virDomainUndefine(dom);
    virDomainFree(dom);
    virConnectClose(conn);
    free(xml);
    xml_free(&doc);
}
END_TEST

START_TEST(a_maximum_is_room_and_no_difference)
{
    xmlDocPtr doc = build(every_element[2], NULL, "x86_64");
    ck_xpath(doc, "/domain/vcpu[@current='2']", "4");
    ck_xpath(doc, "count(/domain/vcpus/vcpu[@enabled='yes'])", "2");
    ck_xpath(doc, "count(/domain/vcpus/vcpu[@hotpluggable='no'])", "1");
    ck_xpath(doc, "/domain/memory", "2097152");
    ck_xpath(doc, "/domain/currentMemory", "1048576");
    struct domain_info info = read_back(doc);
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    ck_assert_str_eq(json_string_value(json_object_get(info.shape, "vcpus")), "2");
    ck_assert_int_eq(json_integer_value(json_object_get(info.details, "vcpus")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(info.details, "memory")), 1 << 30);
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(there_are_ports_for_what_comes_later_and_every_device_has_our_alias)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    /* two virtio disks, two cards, six for libvirt, six to spare */
    ck_xpath(doc, "count(/domain/devices/controller[@model='pcie-root-port'])", "16");
    ck_xpath(doc, "/domain/devices/disk[1]/alias/@name", "ua-harmony-disk-root");
    ck_xpath(doc, "/domain/devices/interface[2]/alias/@name", "ua-harmony-card-52-54-00-ab-00-01");
    xml_free(&doc);
    doc = build(full, NULL, "i686");
    ck_xpath(doc, "count(/domain/devices/controller)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(a_disk_keeps_its_place_when_another_goes)
{
    json_t *spec = spec_of("vm", "{\"disks\":[{\"device\":\"data\",\"size\":\"1GiB\"},"
                                 "{\"device\":\"new\",\"size\":\"1GiB\"},"
                                 "{\"device\":\"vdd\",\"size\":\"1GiB\"},"
                                 "{\"device\":\"far\",\"size\":\"1GiB\"}]}");
    json_t *made =
        json_pack("{s:s, s:s, s:s, s:s}", "disks[vda].path", "/p/root", "disks[vdb].path",
                  "/p/data", "disks[vdd].path", "/p/far", "disks[sda].path", "/p/new");
    static const char *const paths[] = {"/p/data", "/p/new", "/p/vdd", "/p/far"};
    static const char *const wanted[] = {"vdb", "vda", "vdd", "vdc"};
    struct vm_disks disks;
    vm_disks_of(spec, &disks);
    for (size_t i = 0; i < disks.count; i++)
        disks.items[i].path = hm_strdup(paths[i]);
    vm_disks_keep_places(&disks, made);
    for (size_t i = 0; i < disks.count; i++)
        ck_assert_str_eq(disks.items[i].target, wanted[i]);
    vm_disks_clear(&disks);
    json_decref(made);
    json_decref(spec);
}
END_TEST

START_TEST(hardware_has_its_place_and_no_difference)
{
    xmlDocPtr doc = build(every_element[3], NULL, "x86_64");
    ck_xpath(doc, "/domain/cputune/vcpupin[@vcpu='1']/@cpuset", "0-1,3");
    ck_xpath(doc, "/domain/memoryBacking/hugepages/page[@unit='KiB']/@size", "2048");
    ck_xpath(doc, "/domain/os/@firmware", "efi");
    ck_xpath(doc, "/domain/os/firmware/feature[@name='secure-boot']/@enabled", "no");
    ck_xpath(doc, "/domain/devices/tpm[@model='tpm-crb']/backend[@type='emulator']/@version",
             "2.0");
    ck_xpath(doc, "/domain/devices/watchdog[@model='i6300esb']/@action", "poweroff");
    ck_xpath(doc, "/domain/devices/rng[@model='virtio']/backend[@model='random']", "/dev/urandom");
    /* what newer versions of libvirt show of each q35 */
    xml_add_set(xml_at(xml_root(doc), "devices"), "watchdog", "model", "itco", "action", "reset",
                NULL);
    struct domain_info info = read_back(doc);
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    domain_info_clear(&info);
    xml_free(&doc);
    doc = build("{\"kernel\":\"/k\",\"rng\":false}", NULL, "x86_64");
    ck_xpath(doc, "count(/domain/cputune | /domain/memoryBacking | /domain/os/@firmware)", "0");
    ck_xpath(doc, "count(/domain/devices/*[self::tpm or self::watchdog or self::rng])", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(devices_that_say_their_place_come_before_the_sorts)
{
    xmlDocPtr doc = build(every_element[4], NULL, "x86_64");
    ck_xpath(doc, "count(/domain/os/boot)", "0");
    ck_xpath(doc, "//disk[target/@dev='sdb']/boot/@order", "1");
    ck_xpath(doc, "//interface[2]/boot/@order", "2");
    ck_xpath(doc, "//disk[target/@dev='vdb']/boot/@order", "3");
    ck_xpath(doc, "//disk[target/@dev='vda']/boot/@order", "4"); /* disk, cdrom, network */
    ck_xpath(doc, "//disk[target/@dev='sda']/boot/@order", "5");
    ck_xpath(doc, "//interface[1]/boot/@order", "6");
    ck_xpath(doc, "count(//disk[target/@dev='vdz']/boot)", "0"); /* the seed boots nothing */
    struct domain_info info = read_back(doc);
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    ck_assert_str_eq(spec_str(info.shape, "disks[vdb].boot"), "3");
    ck_assert_str_eq(spec_str(info.shape, "networks[52:54:00:ab:00:01].boot"), "2");
    domain_info_clear(&info);
    xml_free(&doc);
    doc = build(
        "{\"disks\":[{\"device\":\"a\",\"size\":\"1GiB\"},{\"device\":\"b\",\"size\":\"1GiB\","
        "\"boot\":1}],\"networks\":[{\"network\":\"lan\"}],\"boot_order\":[\"network\"]}",
        NULL, "x86_64");
    ck_xpath(doc, "count(//boot)", "2"); /* what boot_order leaves out is not tried */
    ck_xpath(doc, "//disk[target/@dev='vdb']/boot/@order", "1");
    ck_xpath(doc, "//interface/boot/@order", "2");
    xml_free(&doc);
}
END_TEST

static const struct {
    const char *path, *attribute, *value, *words;
} hardware_edits[] = {
    {"os", "firmware", "bios", "firmware is bios, was made as efi"},
    {"cputune/vcpupin", "cpuset", "7", "cpu_pinning[0] is 7, was made as 0"},
    {"memoryBacking/hugepages/page", "size", "1048576", "hugepages is 1048576, was made as 2048"},
    {"devices/tpm", "model", "tpm-tis", "tpm is tpm-tis, was made as tpm-crb"},
    {"devices/watchdog", "action", "none", "watchdog is none, was made as poweroff"},
    {"devices/rng/backend", NULL, "/dev/zero", "rng is /dev/zero, was made as /dev/urandom"},
    {"vcpu", "current", "1", "vcpus is 1, was made as 2"},
};

START_TEST(an_edit_of_hardware_is_told_in_words)
{
    xmlDocPtr doc = build(every_element[3], NULL, "x86_64");
    xmlNodePtr node = xml_at(xml_root(doc), hardware_edits[_i].path);
    const xmlChar *value = (const xmlChar *)hardware_edits[_i].value;
    ck_assert_ptr_nonnull(node);
    if (hardware_edits[_i].attribute)
        xmlSetProp(node, (const xmlChar *)hardware_edits[_i].attribute, value);
    else
        xmlNodeSetContent(node, value);
    struct domain_info info = read_back(doc);
    char *words = shape_difference(info.mark.made, info.shape);
    ck_assert_msg(words && strstr(words, hardware_edits[_i].words), "%s", words ? words : "(none)");
    free(words);
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(hostile_text_is_escaped)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    ck_xpath(doc, "/domain/os/kernel", "/k & k");
    ck_xpath(doc, "/domain/os/initrd", "/i<i>");
    ck_xpath(doc, "/domain/os/cmdline", "console=ttyS0 x=\"'<&>]]>\"");
    ck_xpath(doc, "/domain/devices/disk[2]/source/@file", "/pool/vda <&>");
    ck_xpath(doc, "count(/domain/os/*)", "7"); /* type, three boot, kernel, initrd, cmdline */
    xml_free(&doc);
}
END_TEST

START_TEST(a_device_name_that_is_a_place_gets_it_and_others_what_is_free)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    ck_xpath(doc, "/domain/devices/disk[1]/target/@dev",
             "vdb"); /* root: vda is asked for by name */
    ck_xpath(doc, "/domain/devices/disk[2]/target/@dev", "vda");
    ck_xpath(doc, "/domain/devices/disk[3]/target[@bus='sata']/@dev", "sda");
    ck_xpath(doc, "/domain/devices/disk[4][@device='cdrom']/target[@bus='sata']/@dev", "sdb");
    ck_xpath(doc, "/domain/devices/disk[5][@device='cdrom']/target/@dev", "sdc");
    xml_free(&doc);
}
END_TEST

START_TEST(a_seed_is_a_disk_that_is_only_read_and_none_of_the_vms_own)
{
    const char *text = "{\"disks\":[{\"device\":\"root\",\"size\":\"1GiB\"}],\"cdroms\":[{\"path\":"
                       "\"/one.iso\"}],\"cloud_init\":{\"user_data\":\"x\"}}";
    xmlDocPtr doc = build(text, NULL, "x86_64");
    ck_xpath(doc, "/domain/devices/disk[3][@device='disk']/target[@bus='virtio']/@dev", "vdz");
    ck_xpath(doc, "count(/domain/devices/disk[3]/readonly)", "1");
    ck_xpath(doc, "count(/domain/devices/controller[@model='pcie-root-port'])", "14");
    struct domain_info info = read_back(doc);
    ck_assert_uint_eq(json_array_size(info.disks), 1);
    ck_assert_uint_eq(json_array_size(info.files), 3);
    domain_info_clear(&info);
    xml_free(&doc);

    /* its place stays, whatever the ISO has been on before and whatever comes and goes */
    json_t *spec = spec_of("vm", text);
    json_t *made = json_pack("{s:s, s:s}", "disks[sdb].path", "/seed", "disks[vdb].path", "/root");
    struct vm_disks disks;
    vm_disks_of(spec, &disks);
    disks.items[0].path = hm_strdup("/root");
    disks.items[2].path = hm_strdup("/seed");
    vm_disks_keep_places(&disks, made);
    ck_assert_str_eq(disks.items[0].target, "vdb");
    ck_assert_str_eq(disks.items[2].target, "vdz");
    vm_disks_clear(&disks);
    json_decref(made);
    json_decref(spec);
}
END_TEST

START_TEST(more_than_26_disks_on_a_bus_have_targets)
{
    json_t *disks = json_array();
    for (int i = 0; i < 24; i++)
        json_array_append_new(disks, json_pack("{s:s, s:s}", "device", "x", "bus", "sata"));
    json_t *spec = json_pack("{s:o, s:[{s:s},{s:s},{s:s},{s:s}]}", "disks", disks, "cdroms", "path",
                             "/1", "path", "/2", "path", "/3", "path", "/4");
    struct vm_disks found;
    vm_disks_of(spec, &found);
    ck_assert_uint_eq(found.count, 28);
    ck_assert_str_eq(found.items[25].target, "sdz");
    ck_assert_str_eq(found.items[26].target, "sdaa");
    ck_assert_str_eq(found.items[27].target, "sdab");
    vm_disks_clear(&found);
    json_decref(spec);
}
END_TEST

START_TEST(a_named_cpu_is_exact_and_other_machines_have_no_apic)
{
    xmlDocPtr doc = build("{\"cpu\":\"Skylake-Server\",\"kernel\":\"/k\"}", NULL, "aarch64");
    ck_xpath(doc, "/domain/cpu[@mode='custom'][@match='exact']/model", "Skylake-Server");
    ck_xpath(doc, "/domain/os/type[@arch='aarch64']/@machine", "virt");
    ck_xpath(doc, "count(/domain/features/apic)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(a_mac_is_stable_and_differs_by_document_and_card)
{
    char one[VM_MAC_TEXT], again[VM_MAC_TEXT], other[VM_MAC_TEXT], second[VM_MAC_TEXT];
    vm_mac("site-a.vm.web", 0, one);
    vm_mac("site-a.vm.web", 0, again);
    vm_mac("site-a.vm.web", 1, second);
    vm_mac("site-b.vm.web", 0, other);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
    ck_assert_str_ne(one, second);
    ck_assert_int_eq(strncmp(one, "52:54:00:", 9), 0);
    ck_assert_uint_eq(strlen(one), 17);
}
END_TEST

START_TEST(a_volume_is_named_after_vm_device_and_format)
{
    json_t *disk = json_pack("{s:s, s:s}", "device", "root", "format", "raw");
    char *name = vm_volume_name("web", disk);
    ck_assert_str_eq(name, "web-root.raw");
    free(name);
    json_decref(disk);
}
END_TEST

/* -- Reading ----------------------------------------------------------------------------------- */

START_TEST(what_was_built_reads_back_without_a_difference)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    struct domain_info info = read_back(doc);
    json_t *spec = spec_of("vm", full);
    ck_assert(info.marked);
    ck_assert_str_eq(info.mark.site, "site-a");
    ck_assert_str_eq(info.mark.key, "site-a.vm.web");
    ck_assert(json_equal(info.mark.spec, spec));
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    ck_assert_int_eq(json_integer_value(json_object_get(info.details, "vcpus")), 3);
    ck_assert_str_eq(json_string_value(json_object_get(info.details, "console")), "/log/web.log");
    ck_assert_uint_eq(json_array_size(json_object_get(info.details, "networks")), 2);
    json_decref(spec);
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(memory_that_can_not_be_is_none)
{
    static const char *const kib[] = {"-1", "9007199254740992"};
    for (size_t i = 0; i < 2; i++) {
        HM_AUTOFREE char *xml = hm_printf("<domain><memory>%s</memory></domain>", kib[i]);
        struct domain_info info;
        ck_assert_int_eq(domain_read(xml, &info, NULL), 0);
        ck_assert_int_eq(json_integer_value(json_object_get(info.details, "memory")), 0);
        domain_info_clear(&info);
    }
}
END_TEST

START_TEST(what_is_not_xml_is_refused_in_one_line)
{
    struct domain_info info;
    struct hm_error err;
    ck_assert_int_eq(domain_read("<domain>\n\x1b[31m", &info, &err), -HM_E_INVALID);
    ck_assert_str_eq(err.text, "XML can't be parsed: \"<domain>\\n\\u001b[31m\"");
}
END_TEST

START_TEST(a_screen_is_on_loopback_and_told_while_it_is_there)
{
    xmlDocPtr doc = build("{\"kernel\":\"/k\",\"display\":\"vnc\"}", NULL, "x86_64");
    ck_xpath(doc, "/domain/devices/graphics[@type='vnc'][@autoport='yes']/@listen", "127.0.0.1");
    ck_xpath(doc, "/domain/devices/video/model/@type", "vga");
    xmlNodePtr graphics = xml_at(xml_root(doc), "devices/graphics");
    xml_set(graphics, "port", "-1"); /* as libvirt writes it while the guest is off */
    struct domain_info info = read_back(doc);
    ck_assert_ptr_null(json_object_get(info.details, "display"));
    domain_info_clear(&info);
    xmlSetProp(graphics, (const xmlChar *)"port", (const xmlChar *)"5901");
    info = read_back(doc);
    ck_assert_str_eq(spec_str(info.details, "display"), "127.0.0.1:5901");
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    domain_info_clear(&info);
    xml_free(&doc);
    doc = build("{\"kernel\":\"/k\"}", NULL, "x86_64");
    ck_xpath(doc, "count(//graphics) + count(//video)", "0");
    xml_free(&doc);
}
END_TEST

static const struct {
    const char *path, *attribute, *value, *words; /* an edit, and what it is called */
} edits[] = {
    {"", "type", "kvm", "type is kvm, was made as qemu"},
    {"vcpu", NULL, "8", "vcpus is 8, was made as 3"},
    {"memory", NULL, "1048576", "memory is 1048576 KiB, was made as 98304 KiB"},
    {"os/cmdline", NULL, "single", "cmdline is single, was made as"},
    {"os/boot", "dev", "network", "boot_order[0] is network, was made as hd"},
    {"cpu", "mode", "maximum", "cpu is maximum, was made as host-model"},
    {"devices/disk/source", "file", "/evil", "disks[vdb].path is /evil"},
    {"devices/disk/target", "dev", "vdz", "disks[vdb] (disk) is gone"},
    {"devices/interface/source", "network", "wan", "] is network wan, was made as network lan"},
    {"devices/interface/mac", "address", "52:54:00:00:00:99", "] (network lan) is gone"},
};

START_TEST(an_edit_is_told_in_words)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    xmlNodePtr node = xml_at(xml_root(doc), edits[_i].path);
    const xmlChar *value = (const xmlChar *)edits[_i].value;
    if (edits[_i].attribute)
        xmlSetProp(node, (const xmlChar *)edits[_i].attribute, value);
    else
        xmlNodeSetContent(node, value);
    struct domain_info info = read_back(doc);
    char *words = shape_difference(info.mark.made, info.shape);
    ck_assert_msg(words && strstr(words, edits[_i].words), "%s", words ? words : "(none)");
    free(words);
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(devices_that_were_added_are_told)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    xml_add(xml_at(xml_root(doc), "devices"), "hostdev");
    struct domain_info info = read_back(doc);
    char *words = shape_difference(info.mark.made, info.shape);
    ck_assert_str_eq(words, "hostdev devices (1) was added");
    free(words);
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(what_libvirt_adds_is_no_difference)
{
    xmlDocPtr doc = build(full, NULL, "x86_64");
    xmlNodePtr root = xml_root(doc), devices = xml_at(root, "devices");
    xmlSetProp(xml_at(root, "os/type"), (const xmlChar *)"machine", (const xmlChar *)"pc-q35-7.2");
    xml_set(xml_at(root, "cpu"), "check", "partial");
    xml_set(xml_at(root, "vcpu"), "placement", "static");
    xml_add_set(devices, "controller", "type", "usb", NULL);
    xml_add_set(xml_at(devices, "disk"), "address", "type", "pci", NULL);
    xml_add_set(xml_at(devices, "interface"), "target", "dev", "vnet0", NULL);
    struct domain_info info = read_back(doc);
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    domain_info_clear(&info);
    xml_free(&doc);
}
END_TEST

static const char *const not_domains[] = {
    "",
    "<",
    "<network/>",
    "not xml",
    "<domain>",
    "<domain/><domain/>",
    "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;",
};

START_TEST(what_is_no_domain_is_refused)
{
    struct domain_info info;
    ck_assert_int_eq(domain_read(not_domains[_i], &info, NULL), -HM_E_INVALID);
}
END_TEST

START_TEST(an_empty_domain_and_external_entities_read_as_nothing)
{
    struct domain_info info;
    ck_assert_int_eq(domain_read("<domain/>", &info, NULL), 0);
    ck_assert(!info.marked);
    domain_info_clear(&info);
    ck_assert_int_eq(domain_read("<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
                                 "<domain><name>&x;</name></domain>",
                                 &info, NULL),
                     0);
    ck_assert_str_eq(info.name, "");
    domain_info_clear(&info);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domain_xml");
    TCase *t = tcase_create("all");
    xml_setup();
    tcase_add_test(t, defaults_are_as_documented);
    tcase_add_test(t, every_field_has_its_place);
    tcase_add_loop_test(t, every_element_is_in_libvirts_schema, 0, HM_COUNT(every_element));
    tcase_add_test(t, a_maximum_is_room_and_no_difference);
    tcase_add_test(t, there_are_ports_for_what_comes_later_and_every_device_has_our_alias);
    tcase_add_test(t, a_disk_keeps_its_place_when_another_goes);
    tcase_add_test(t, hardware_has_its_place_and_no_difference);
    tcase_add_test(t, devices_that_say_their_place_come_before_the_sorts);
    tcase_add_loop_test(t, an_edit_of_hardware_is_told_in_words, 0, HM_COUNT(hardware_edits));
    tcase_add_test(t, hostile_text_is_escaped);
    tcase_add_test(t, a_device_name_that_is_a_place_gets_it_and_others_what_is_free);
    tcase_add_test(t, a_seed_is_a_disk_that_is_only_read_and_none_of_the_vms_own);
    tcase_add_test(t, more_than_26_disks_on_a_bus_have_targets);
    tcase_add_test(t, a_named_cpu_is_exact_and_other_machines_have_no_apic);
    tcase_add_test(t, a_mac_is_stable_and_differs_by_document_and_card);
    tcase_add_test(t, a_volume_is_named_after_vm_device_and_format);
    tcase_add_test(t, what_was_built_reads_back_without_a_difference);
    tcase_add_test(t, a_screen_is_on_loopback_and_told_while_it_is_there);
    tcase_add_loop_test(t, an_edit_is_told_in_words, 0, HM_COUNT(edits));
    tcase_add_test(t, memory_that_can_not_be_is_none);
    tcase_add_test(t, what_is_not_xml_is_refused_in_one_line);
    tcase_add_test(t, devices_that_were_added_are_told);
    tcase_add_test(t, what_libvirt_adds_is_no_difference);
    tcase_add_loop_test(t, what_is_no_domain_is_refused, 0, HM_COUNT(not_domains));
    tcase_add_test(t, an_empty_domain_and_external_entities_read_as_nothing);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
