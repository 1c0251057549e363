#include "vmm/vm_uuid.h"

#include <check.h>

/* As Python's uuid.uuid5() gives them; the lengths lie around the ends of SHA-1's blocks. */
static const struct {
    const char *site, *key, *uuid;
} known[] = {
    {"site-a", "primary.vm.db", "152f41d3-584f-5bf6-9dd5-219aa627ff01"},
    {"site-b", "primary.vm.db", "5f7e8cfd-6063-5a39-924f-ee05f0b61f7b"},
    {"a", "b", "1cf7f811-7540-57e6-aadf-77d2f72f77c5"},
    {"a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "1db79632-8152-5ad6-bb77-a73e95affd34"},
    {"a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "7d9fa11f-7162-527e-89e7-fb571dbea4e5"},
    {"a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "68393846-d620-57be-97de-b9d2657858ed"},
    {"a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "a11fb103-f53b-5278-97a2-10f82d9a9e98"},
    {"site-a", "primary.vm.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     "41e23079-805a-5e49-bc20-f45d78d48dfa"}};

START_TEST(is_version_5_of_site_and_key)
{
    char uuid[VM_UUID_TEXT];
    vm_uuid(known[_i].site, known[_i].key, uuid);
    ck_assert_str_eq(uuid, known[_i].uuid);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_uuid");
    TCase *t = tcase_create("vm_uuid");
    tcase_add_loop_test(t, is_version_5_of_site_and_key, 0, 8);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
