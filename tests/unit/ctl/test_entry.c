#include "ctl/entry.h"

#include "suite.h"

START_TEST(keeps_the_last_of_each_key)
{
    struct entries list = {0};
    put_entry(&list, "b", "{'n':1}", 1, 0);
    put_entry(&list, "a", "{'n':2}", 2, 0);
    put_entry(&list, "b", NULL, 4, 0);
    put_entry(&list, "a", "{'n':3}", 3, 0);
    entries_keep_last(&list);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0].key, "a");
    ck_assert_uint_eq(list.items[0].revision, 3);
    ck_assert(list.items[1].deleted);
    entries_clear(&list);
    entries_keep_last(&list);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(finds_by_key)
{
    struct entries list = {0};
    ck_assert_ptr_null(entries_find(&list, "a"));
    put_entry(&list, "c", "{}", 1, 0);
    put_entry(&list, "a", "{}", 2, 0);
    put_entry(&list, "b", NULL, 3, 0);
    entries_keep_last(&list);
    ck_assert_uint_eq(entries_find(&list, "a")->revision, 2);
    ck_assert_uint_eq(entries_find(&list, "b")->revision, 3);
    ck_assert_uint_eq(entries_find(&list, "c")->revision, 1);
    ck_assert_ptr_null(entries_find(&list, "bb"));
    entries_clear(&list);
}
END_TEST

START_TEST(gives_objects_only)
{
    struct entries list = {0};
    put_entry(&list, "a", "[1]", 1, 0);
    put_entry(&list, "b", "{'x':1,'x':2}", 2, 0);
    put_entry(&list, "c", NULL, 3, 0);
    put_entry(&list, "d", "{'x':1}", 4, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_null(entry_object(&list.items[i]));
    ck_assert_ptr_null(entry_object(NULL));
    json_t *object = entry_object(&list.items[3]);
    ck_assert(json_is_object(object));
    json_decref(object);
    entries_clear(&list);
}
END_TEST

RUN_SUITE("entry", keeps_the_last_of_each_key, finds_by_key, gives_objects_only)
