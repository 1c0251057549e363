/* What somebody changed in a running VMM: vm.info as it would be, changed bit by bit. */
#include "vmm/ch_drift.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/ch.h"

#define KEY     "site-a.vm.web"
#define PLUGGED "/images/harmony-plugged/web"
#define MAC     "52:54:00:00:00:0a"

static json_t *spec, *placed;
static struct ch_given given;

static void set_up(void)
{
    struct hm_error err;
    json_t *doc = json_loads(
        "{\"backend\":\"cloud-hypervisor\",\"kernel\":\"/k\",\"vcpus\":2,\"max_vcpus\":4,"
        "\"memory\":\"256MiB\",\"max_memory\":\"1GiB\",\"cloud_init\":{\"user_data\":\"#x\"},"
        "\"disks\":[{\"device\":\"root\",\"size\":\"1GiB\"},"
        "{\"device\":\"iso\",\"image\":\"/srv/a.iso\",\"format\":\"raw\",\"readonly\":true},"
        "{\"device\":\"data\",\"disk\":\"store\"}],"
        "\"networks\":[{\"bridge\":\"br0\",\"mac\":\"" MAC "\"}]}",
        0, NULL);
    ck_assert_msg(kind_verify(kind_find("vm"), doc, &spec, NULL, &err) >= 0, "%s", err.text);
    json_decref(doc);
    placed = json_loads("[{\"bridge\":\"br0\",\"tap\":\"tap7\",\"mac\":\"" MAC "\"}]", 0, NULL);
    given = (struct ch_given){
        .vm = "web", .key = KEY, .plugged = PLUGGED, .spec = spec, .placed = placed};
}

static void tear_down(void)
{
    json_decref(spec);
    json_decref(placed);
}

#define CPUS                "\"cpus\":{\"boot_vcpus\":2,\"max_vcpus\":4}"
#define ROOT                "{\"id\":\"disk-root\",\"path\":\"/images/web-root.qcow2\",\"readonly\":false}"
#define ISO                 "{\"id\":\"disk-iso\",\"path\":\"/srv/a.iso\",\"readonly\":true}"
#define STORE               "{\"id\":\"disk-data\",\"path\":\"/images/store.raw\"}"
#define SEED                "{\"id\":\"seed\",\"path\":\"/images/harmony-seeds/web.iso\",\"readonly\":true}"
#define NIC                 "{\"id\":\"net-" MAC "\",\"tap\":\"tap7\",\"mac\":\"52:54:00:00:00:0A\"}"
#define OTHERS              "\"fs\":null,\"pmem\":null,\"devices\":null,\"vdpa\":null,\"vsock\":null"
#define CONFIG(disks, nics) "{" CPUS ",\"disks\":[" disks "],\"net\":[" nics "]," OTHERS "}"

/* NULL where nothing differs; the caller's. */
static char *look(const char *config, const char *devices, uint64_t mib)
{
    struct ch_info info = {.config = json_loads(config, JSON_DECODE_ANY, NULL),
                           .devices = devices ? json_loads(devices, 0, NULL) : NULL,
                           .memory_bytes = mib << 20};
    ck_assert_ptr_nonnull(info.config);
    char *words = ch_drift(&given, &info);
    ch_info_clear(&info);
    return words;
}

static const struct {
    const char *config;
    const char *devices;
    uint64_t mib;
    const char *words;
} cases[] = {
    {CONFIG(ROOT "," ISO "," STORE "," SEED, NIC), NULL, 256, NULL},
    {CONFIG(SEED "," STORE "," ISO "," ROOT, NIC), NULL, 0, NULL}, /* memory is not said */
    {"{" CPUS ",\"disks\":[" ROOT "," ISO "," STORE "," SEED "],\"net\":[" NIC "]}", NULL, 256,
     NULL},
    /* a volume of ours where an agent with another image_dir put it, and one that came while it ran */
    {CONFIG("{\"id\":\"disk-root\",\"path\":\"/old/web-root.qcow2\"}," ISO
            ",{\"id\":\"disk-data\",\"path\":\"" PLUGGED "/disk-data\"}," SEED,
            NIC),
     NULL, 256, NULL},
    /* sizes */
    {"{\"cpus\":{\"boot_vcpus\":4},\"disks\":[" ROOT "," ISO "," STORE "," SEED "],\"net\":[" NIC
     "]}",
     NULL, 256, "vcpus is 4, was made as 2"},
    {CONFIG(ROOT "," ISO "," STORE "," SEED, NIC), NULL, 512,
     "memory is 512MiB, was made as 256MiB"},
    /* disks */
    {CONFIG(ROOT "," ISO "," SEED, NIC), NULL, 256, "disk data (disk store) is gone"},
    {CONFIG(ROOT "," STORE "," SEED, NIC), NULL, 256, "disk iso (/srv/a.iso, read-only) is gone"},
    {CONFIG(ISO "," STORE "," SEED, NIC), NULL, 256, "disk root (web-root.qcow2) is gone"},
    {CONFIG(ROOT "," ISO "," STORE, NIC), NULL, 256, "disk seed (that of cloud_init) is gone"},
    {CONFIG(ROOT "," ISO "," STORE "," SEED
                 ",{\"id\":\"_disk4\",\"path\":\"/x\",\"readonly\":true}",
            NIC),
     NULL, 256, "disk _disk4 (/x, read-only) was added"},
    {CONFIG("{\"id\":\"disk-root\",\"path\":\"/x/db-root.qcow2\"}," ISO "," STORE "," SEED, NIC),
     NULL, 256, "disk root is /x/db-root.qcow2, was made as web-root.qcow2"},
    {CONFIG(ROOT ",{\"id\":\"disk-iso\",\"path\":\"/srv/a.iso\",\"readonly\":false}," STORE
                 "," SEED,
            NIC),
     NULL, 256, "disk iso is /srv/a.iso, was made as /srv/a.iso, read-only"},
    {CONFIG(ROOT ",{\"id\":\"disk-iso\",\"path\":\"/other/a.iso\",\"readonly\":true}," STORE
                 "," SEED,
            NIC),
     NULL, 256, "disk iso is /other/a.iso, read-only, was made as /srv/a.iso, read-only"},
    /* cards */
    {CONFIG(ROOT "," ISO "," STORE "," SEED, ""), NULL, 256,
     "card " MAC " (" MAC " on tap7) is gone"},
    {CONFIG(ROOT "," ISO "," STORE "," SEED,
            NIC ",{\"id\":\"_net5\",\"tap\":null,\"mac\":\"52:54:00:00:00:0b\"}"),
     NULL, 256, "card _net5 (52:54:00:00:00:0b on a TAP of its own) was added"},
    {CONFIG(ROOT "," ISO "," STORE "," SEED,
            "{\"id\":\"net-" MAC "\",\"tap\":\"tap8\",\"mac\":\"" MAC "\"}"),
     NULL, 256, "card " MAC " is " MAC " on tap8, was made as " MAC " on tap7"},
    /* what the guest has not let go of yet is there */
    {CONFIG(ROOT "," ISO "," SEED, NIC), "{\"disk-data\":{}}", 256, NULL},
    {CONFIG(ROOT "," ISO "," STORE "," SEED, ""), "{\"net-" MAC "\":{}}", 256, NULL},
    {CONFIG(ROOT "," ISO "," STORE "," SEED, NIC), "{\"_disk4\":{}}", 256, NULL},
    /* sorts that harmony never gives */
    {"{" CPUS ",\"disks\":[" ROOT "," ISO "," STORE "," SEED "],\"net\":[" NIC "],"
     "\"vsock\":{\"id\":\"_vsock0\",\"cid\":3},\"fs\":[{\"id\":\"_fs1\"}]}",
     NULL, 256,
     "device _fs1 (no document has one) was added; device _vsock0 (no document has one) was added"},
    /* all of it at once */
    {"{" CPUS ",\"disks\":null,\"net\":null}", NULL, 256,
     "disk root (web-root.qcow2) is gone; disk iso (/srv/a.iso, read-only) is gone; disk data "
     "(disk store) is gone; "
     "and 2 more"},
    /* garbage */
    {"{" CPUS ",\"disks\":\"none\",\"net\":[]}", NULL, 256, NULL},
    {"{\"cpus\":[],\"disks\":[1,null,{\"id\":7}," ROOT "," ISO "," STORE "," SEED
     "],\"net\":[[]," NIC "],"
     "\"vsock\":[3],\"fs\":{\"id\":null}}",
     NULL, 256, NULL},
};

START_TEST(what_differs_is_said_and_nothing_else)
{
    HM_AUTOFREE char *words = look(cases[_i].config, cases[_i].devices, cases[_i].mib);
    ck_assert_pstr_eq(words, cases[_i].words);
}
END_TEST

/* A VMM that its guest has taken over says what it likes. */
START_TEST(words_of_a_vmm_are_cleaned_and_short)
{
    HM_AUTOFREE char *id = hm_alloc(5000);
    memset(id, 'x', 4999);
    HM_AUTOFREE char *config = hm_printf(
        CONFIG(ROOT "," ISO "," STORE "," SEED ",{\"id\":\"%s\",\"path\":\"/\\u001b[2J%s\"}", NIC),
        id, id);
    HM_AUTOFREE char *words = look(config, NULL, 256);
    ck_assert_ptr_nonnull(words);
    ck_assert_uint_lt(strlen(words), 400);
    ck_assert_ptr_null(strchr(words, '\033'));
}
END_TEST

START_TEST(cards_that_no_record_tells_of_are_left_out)
{
    given.placed = NULL;
    HM_AUTOFREE char *words = look(CONFIG(ROOT "," ISO "," STORE "," SEED, ""), NULL, 256);
    ck_assert_ptr_null(words);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vmm/ch_drift");
    TCase *c = tcase_create("ch_drift");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, what_differs_is_said_and_nothing_else, 0, HM_COUNT(cases));
    tcase_add_test(c, words_of_a_vmm_are_cleaned_and_short);
    tcase_add_test(c, cards_that_no_record_tells_of_are_left_out);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
