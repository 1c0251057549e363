#include "ctl/explain.h"
#include "tests/unit/ctl/suite.h"

#include <string.h>

static struct explained found(const char *path)
{
    struct explained e;
    struct hm_error err;
    ck_assert_msg(explain_find(path, &e, &err) == 0, "%s", err.text);
    return e;
}

START_TEST(finds_kinds_and_fields_at_any_depth)
{
    ck_assert_ptr_null(found("vm").field);
    ck_assert_ptr_nonnull(found("vm").below);
    ck_assert_str_eq(found("vm.memory").field->name, "memory");
    ck_assert_ptr_null(found("vm.memory").below);
    ck_assert_str_eq(found("vm.disks.size").field->name, "size");
    ck_assert_ptr_eq(found("vm.disks[].size").field, found("vm.disks.size").field);
}
END_TEST

static const struct {
    const char *path, *sentence;
} wrong[] = {
    {"netwok", "did you mean \"network\"?"},
    {"vm.memry", "vm: has no field \"memry\" (did you mean \"memory\"?)"},
    {"vm.disks.siz", "vm.disks: has no field \"siz\" (did you mean \"size\"?)"},
    {"vm.memory.x", "vm.memory: has no fields below it, so no \"x\""},
    {"vm.", "vm: has no field \"\""},
    {"", "\"\""},
};

START_TEST(names_the_nearest)
{
    struct explained e;
    struct hm_error err;
    ck_assert_int_eq(explain_find(wrong[_i].path, &e, &err), -HM_E_INVALID);
    ck_assert_msg(strstr(err.text, wrong[_i].sentence), "%s", err.text);
}
END_TEST

START_TEST(says_value_range_default_and_cost)
{
    struct explained e = found("vm.memory");
    struct hm_buf out = {0};
    explain_render("vm.memory", &e, &out);
    ck_assert(!strncmp(out.data, "vm.memory: ", strlen("vm.memory: ")));
    ck_assert_ptr_nonnull(strstr(out.data, "a size\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "512MiB, 20GB, 20GiB\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "8MiB to 16TiB\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "4096MiB\n"));
    hm_buf_free(&out);
}
END_TEST

/* Every field of every kind can be explained both ways: no row of a table is left out. */
static void explain_all(const char *path, const struct field *table)
{
    for (const struct field *f = table; f && f->name; f++) {
        HM_AUTOFREE char *below = hm_printf("%s.%s", path, f->name);
        struct explained e = found(below);
        struct hm_buf out = {0};
        ck_assert_ptr_eq(e.field, f);
        explain_render(below, &e, &out);
        ck_assert_ptr_nonnull(strstr(out.data, f->help));
        hm_buf_free(&out);
        json_t *json = explain_json(below, &e);
        ck_assert_str_eq(json_string_value(json_object_get(json, "path")), below);
        json_decref(json);
        explain_all(below, f->fields);
    }
}

START_TEST(explains_everything_there_is)
{
    for (const struct kind *const *k = kinds_all(); *k; k++)
        explain_all((*k)->name, (*k)->fields);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *tc = tcase_create("explain");
    tcase_add_test(tc, finds_kinds_and_fields_at_any_depth);
    tcase_add_loop_test(tc, names_the_nearest, 0, (int)HM_COUNT(wrong));
    tcase_add_test(tc, says_value_range_default_and_cost);
    tcase_add_test(tc, explains_everything_there_is);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
