#include "vmm/qmp_reply.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char blocks[] =
    "{\"return\":[{\"qdev\":\"/machine/peripheral/virtio-disk10/virtio-backend\",\"inserted\":{"
    "\"node-name\":\"libvirt-2-format\"}},{\"qdev\":\"/machine/peripheral/virtio-disk1/"
    "virtio-backend\","
    "\"inserted\":{\"node-name\":\"libvirt-1-format\"}},{\"qdev\":\"sata0-0-0\"},{\"device\":\"x\"}"
    "],"
    "\"id\":\"libvirt-413\"}";

START_TEST(the_node_of_a_device_is_found)
{
    json_t *value = NULL;
    struct hm_error err = {0};
    ck_assert_int_eq(qmp_reply_parse(blocks, strlen(blocks), &value, &err), 0);
    ck_assert_str_eq(qmp_reply_node(value, "virtio-disk1"), "libvirt-1-format");
    ck_assert_str_eq(qmp_reply_node(value, "virtio-disk10"), "libvirt-2-format");
    ck_assert_ptr_null(qmp_reply_node(value, "virtio-disk"));
    ck_assert_ptr_null(qmp_reply_node(value, "sata0-0-0"));
    ck_assert_ptr_null(qmp_reply_node(value, ""));
    json_decref(value);
}
END_TEST

static const struct {
    const char *text;
    enum hm_code code;
} refusals[] = {
    {"{\"error\":{\"class\":\"GenericError\",\"desc\":\"Snapshot with name 'a' already exists\"}}",
     HM_E_LIBVIRT},
    {"{\"error\":{\"desc\":\"Failed to create snapshot: No space left on device\"}}",
     HM_E_NO_SPACE},
    {"{\"error\":{\"desc\":\"Input/output error\"}}", HM_E_IO},
    {"{\"error\":{\"desc\":\"Block format 'raw' does not support internal snapshots\"}}",
     HM_E_UNSUPPORTED},
    {"{\"error\":{}}", HM_E_LIBVIRT},
    {"{}", HM_E_LIBVIRT},
    {"[]", HM_E_LIBVIRT},
    {"", HM_E_LIBVIRT},
    {"{\"return\"", HM_E_INVALID},
};

START_TEST(what_qemu_refuses_is_said)
{
    json_t *value = NULL;
    struct hm_error err = {0};
    ck_assert_int_eq(qmp_reply_parse(refusals[_i].text, strlen(refusals[_i].text), &value, &err),
                     -(int)refusals[_i].code);
    ck_assert_uint_gt(strlen(err.text), 10);
    ck_assert_ptr_null(value);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qmp_reply");
    TCase *t = tcase_create("all");
    tcase_add_test(t, the_node_of_a_device_is_found);
    tcase_add_loop_test(t, what_qemu_refuses_is_said, 0, sizeof refusals / sizeof *refusals);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
