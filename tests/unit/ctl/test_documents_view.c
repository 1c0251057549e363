#include "ctl/documents_view.h"

#include "suite.h"

/* 2026-11-22T14:03:12Z */
#define NOW_NS (1795356192LL * 1000000000LL)

static char *rendered(const struct entries *desired, const struct entries *status,
                      const struct wanted *wanted, bool wide)
{
    struct document_rows rows;
    struct hm_buf out = {0};
    documents_join(desired, status, wanted, &rows);
    documents_render(&rows, wide, NOW_NS, false, &out);
    document_rows_clear(&rows);
    return hm_buf_steal(&out);
}

static void fill(struct entries *desired, struct entries *status)
{
    put_entry(desired, "site-a.vm.web", "{'memory':'128MiB'}", 12, 0);
    put_entry(desired, "primary.vm.db", "{'memory':'256MiB'}", 13, 0);
    put_entry(desired, "site-a.network.lan", "{}", 11, 0);
    put_entry(desired, "site-a.vm.gone", NULL, 9, 0);
    put_entry(status, "site-a.vm.web",
              "{'phase':'Running','applied_revision':11,'desired_revision':12,"
              "'since':'2026-11-22T14:02:25.000Z','reason':'waits for a restart'}",
              1, 0);
    put_entry(status, "site-a.vm.db",
              "{'phase':'Running','applied_revision':13,'since':'2026-11-22T13:02:12Z'}", 2, 0);
    put_entry(status, "site-b.vm.db", "{'phase':'Standby','applied_revision':13}", 3, 0);
    put_entry(status, "site-a.vm.old", "{'phase':'Running','applied_revision':2}", 4, 0);
    put_entry(status, "site-a.vm.gone", "{'phase':'Deleted','applied_revision':9}", 5, 0);
    put_entry(status, "site-a.agent", "{'version':'0.1'}", 6, 0);
}

START_TEST(joins_what_is_declared_with_what_is_reported)
{
    struct entries desired = {0}, status = {0};
    struct wanted all = {0};
    fill(&desired, &status);
    char *text = rendered(&desired, &status, &all, false);
    ck_assert_str_eq(
        text, "KIND     NAME  WHERE    SITE    PHASE    REV       SINCE   NOTE\n"
              "network  lan   site-a   -       -        -> 11     -       no agent has reported on "
              "it yet\n"
              "vm       db    primary  site-a  Running  13        61 min\n"
              "vm       db    primary  site-b  Standby  13        -\n"
              "vm       old   site-a   site-a  Running  -         -       not declared any more\n"
              "vm       web   site-a   site-a  Running  11 -> 12  47 s    waits for a restart\n");
    free(text);
    entries_clear(&desired);
    entries_clear(&status);
}
END_TEST

START_TEST(shows_only_what_is_wanted)
{
    struct entries desired = {0}, status = {0};
    struct wanted web = {.kind = "vm", .name = "web"},
                  elsewhere = {.kind = "vm", .where = "site-b"};
    struct document_rows rows;
    fill(&desired, &status);
    documents_join(&desired, &status, &web, &rows);
    ck_assert_uint_eq(rows.count, 1);
    ck_assert_str_eq(rows.items[0].name, "web");
    document_rows_clear(&rows);
    documents_join(&desired, &status, &elsewhere, &rows);
    ck_assert_uint_eq(rows.count, 0);
    document_rows_clear(&rows);
    entries_clear(&desired);
    entries_clear(&status);
}
END_TEST

START_TEST(shows_the_error_first)
{
    struct entries desired = {0}, status = {0};
    struct wanted all = {0};
    put_entry(&desired, "site-a.vm.web", "{}", 3, 0);
    put_entry(&status, "site-a.vm.web",
              "{'phase':'Failed','reason':'being made','error':{'code':'io-error',"
              "'text':'disk \\u001b[31mfull'}}",
              1, 0);
    char *text = rendered(&desired, &status, &all, false);
    ck_assert_ptr_nonnull(strstr(text, "disk ?[31mfull"));
    ck_assert_ptr_null(strstr(text, "being made"));
    free(text);
    entries_clear(&desired);
    entries_clear(&status);
}
END_TEST

START_TEST(survives_keys_and_values_of_others)
{
    struct entries desired = {0}, status = {0};
    struct wanted all = {0};
    struct document_rows rows;
    put_entry(&desired, "nonsense", "{}", 1, 0);
    put_entry(&desired, "site-a.vm.UPPER", "{}", 2, 0);
    put_entry(&desired, "site-a.vm.web", "not json", 3, 0);
    put_entry(&status, "site-a.vm.web", "[1,2]", 1, 0);
    documents_join(&desired, &status, &all, &rows);
    ck_assert_uint_eq(rows.count, 1);
    ck_assert_ptr_null(rows.items[0].given);
    ck_assert_ptr_null(rows.items[0].status);
    document_rows_clear(&rows);
    entries_clear(&desired);
    entries_clear(&status);
}
END_TEST

START_TEST(gives_exact_values_as_json)
{
    struct entries desired = {0}, status = {0};
    struct wanted web = {.kind = "vm", .name = "web"};
    struct document_rows rows;
    fill(&desired, &status);
    documents_join(&desired, &status, &web, &rows);
    json_t *json = documents_json(&rows);
    json_t *item = json_array_get(json_object_get(json, "items"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(item, "revision")), 12);
    json_t *spec = json_object_get(item, "spec");
    ck_assert_str_eq(json_string_value(json_object_get(spec, "memory")), "128MiB");
    json_t *reported = json_object_get(item, "status");
    ck_assert_int_eq(json_integer_value(json_object_get(reported, "applied_revision")), 11);
    json_decref(json);
    document_rows_clear(&rows);
    entries_clear(&desired);
    entries_clear(&status);
}
END_TEST

RUN_SUITE("documents_view", joins_what_is_declared_with_what_is_reported, shows_only_what_is_wanted,
          shows_the_error_first, survives_keys_and_values_of_others, gives_exact_values_as_json)
