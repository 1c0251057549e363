#include "agent/plan_service.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int parse(const char *text, struct plan_request *ret, struct hm_error *err)
{
    return plan_service_parse(text, strlen(text), ret, err);
}

static void clear(struct plan_request *q)
{
    for (char **key = q->deleted_keys; key && *key; key++)
        free(*key);
    free(q->deleted_keys);
    doc_list_clear(&q->documents);
}

#define LAN                                                                                        \
    "{\"where\":\"site-a\",\"kind\":\"network\",\"name\":\"lan\","                                 \
    "\"spec\":{\"subnet\":\"192.168.79.1/24\"}}"

START_TEST(documents_and_deletes_are_taken)
{
    struct plan_request q;
    struct hm_error err = {0};
    ck_assert_msg(parse("{\"documents\":[" LAN
                        "],\"deletes\":[\"site-a.vm.web\",\"primary.vm.db\"]}",
                        &q, &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(q.documents.count, 1);
    ck_assert_str_eq(q.documents.items[0].name, "lan");
    ck_assert_str_eq(q.deleted_keys[0], "site-a.vm.web");
    ck_assert_str_eq(q.deleted_keys[1], "primary.vm.db");
    ck_assert_ptr_null(q.deleted_keys[2]);
    clear(&q);
}
END_TEST

static const char *const empty[] = {"", "{}", "{\"documents\":[]}", "{\"deletes\":[]}"};

START_TEST(nothing_is_asked_about_what_is_declared)
{
    struct plan_request q;
    struct hm_error err = {0};
    ck_assert_msg(parse(empty[_i], &q, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(q.documents.count, 0);
    clear(&q);
}
END_TEST

static const struct {
    const char *text, *part;
} refused[] = {
    {"{\"documents\":", "not JSON"},
    {"[]", "not an object"},
    {"7", "not JSON"},
    {"{\"documnets\":[]}", "unknown field \"documnets\""},
    {"{\"documents\":[],\"documents\":[]}", "not JSON"},
    {"{\"documents\":7}", "documents is not a list"},
    {"{\"documents\":[7]}", "needs where, kind, name and spec"},
    {"{\"documents\":[{\"where\":7,\"kind\":\"vm\",\"name\":\"web\",\"spec\":{}}]}", "needs where"},
    {"{\"documents\":[" LAN
     ",{\"where\":\"site-a\",\"kind\":\"vm\",\"name\":\"\\n\",\"spec\":{}}]}",
     "is not a document's key"},
    {"{\"documents\":[{\"where\":\"site-a\",\"kind\":\"vm\",\"name\":\"web\",\"spec\":{\"x\":1}}]}",
     "site-a.vm.web"},
    {"{\"deletes\":\"site-a.vm.web\"}", "deletes is not a list"},
    {"{\"deletes\":[\"site-a.vm.web\",7]}", "deletes[1]"},
};

START_TEST(everything_else_gets_one_sentence)
{
    struct plan_request q = {.data = &q};
    struct hm_error err = {0};
    ck_assert_int_lt(parse(refused[_i].text, &q, &err), 0);
    ck_assert_msg(strstr(err.text, refused[_i].part), "%s", err.text);
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert_ptr_eq(q.data, &q); /* untouched */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_service");
    TCase *c = tcase_create("plan_service");
    tcase_add_test(c, documents_and_deletes_are_taken);
    tcase_add_loop_test(c, nothing_is_asked_about_what_is_declared, 0, (int)HM_COUNT(empty));
    tcase_add_loop_test(c, everything_else_gets_one_sentence, 0, (int)HM_COUNT(refused));
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
