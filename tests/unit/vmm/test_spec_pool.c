#include "vmm/spec_pool.h"

#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "proto/doc.h"

static json_t *numbered(int number)
{
    return json_pack("{s:i, s:[s, s]}", "number", number, "names", "a", "b");
}

/* As who holds a spec does it: under its own hash. */
static json_t *shared(json_t *spec)
{
    char hash[DOC_HASH_TEXT];
    spec_hash(spec, hash);
    return spec_share(hash, spec);
}

START_TEST(equal_specs_are_one)
{
    json_t *a = shared(numbered(1)), *b = shared(numbered(1)), *c = shared(numbered(2));
    ck_assert_ptr_eq(a, b);
    ck_assert_ptr_ne(a, c);
    ck_assert_int_eq(json_integer_value(json_object_get(c, "number")), 2);
    json_decref(a);
    ck_assert_int_eq(json_integer_value(json_object_get(b, "number")), 1); /* b is a reference */
    json_decref(b);
    json_decref(c);
}
END_TEST

START_TEST(the_same_one_stays_itself)
{
    json_t *a = shared(numbered(3));
    json_t *again = shared(json_incref(a));
    ck_assert_ptr_eq(a, again);
    json_decref(again);
    json_decref(a);
}
END_TEST

static const json_t *names_of(const json_t *spec)
{
    return json_object_get(spec, "names");
}

START_TEST(equal_values_of_different_specs_are_one)
{
    json_t *a = shared(numbered(8)), *b = shared(numbered(9));
    ck_assert_ptr_eq(names_of(a), names_of(b));
    json_decref(a);
    HM_AUTOFREE char *text = json_dumps(b, JSON_COMPACT);
    ck_assert_str_eq(text, "{\"number\":9,\"names\":[\"a\",\"b\"]}");
    json_decref(b);
}
END_TEST

/* Another thread may be reading it. */
START_TEST(what_somebody_else_holds_is_not_touched)
{
    json_t *first = shared(numbered(10)), *theirs = numbered(11);
    const json_t *names = names_of(theirs);
    json_t *got = shared(json_incref(theirs));
    ck_assert_ptr_eq(got, theirs);
    ck_assert_ptr_eq(names_of(theirs), names);
    json_decref(got);
    json_decref(theirs);
    json_decref(first);
}
END_TEST

/* The hash of a mark is what someone wrote there. */
START_TEST(false_hashes_share_nothing)
{
    json_t *honest = spec_share("00000000000000aa", numbered(4));
    json_t *other = spec_share("00000000000000aa", numbered(5));
    json_t *odd = spec_share("<no hash>", numbered(6)), *none = spec_share(NULL, numbered(7));
    ck_assert_int_eq(json_integer_value(json_object_get(honest, "number")), 4);
    ck_assert_int_eq(json_integer_value(json_object_get(other, "number")), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(odd, "number")), 6);
    ck_assert_int_eq(json_integer_value(json_object_get(none, "number")), 7);
    ck_assert_ptr_null(spec_share("00000000000000aa", NULL));
    json_decref(honest);
    json_decref(other);
    json_decref(odd);
    json_decref(none);
}
END_TEST

enum { MANY = 5000 };

/* The table grows while specs are in use; they are still found afterwards. */
START_TEST(many_specs_are_found_again)
{
    static json_t *first[MANY];
    for (int i = 0; i < MANY; i++)
        first[i] = shared(numbered(1000 + i));
    for (int i = 0; i < MANY; i++) {
        json_t *second = shared(numbered(1000 + i));
        ck_assert_ptr_eq(second, first[i]);
        json_decref(second);
    }
    for (int i = 0; i < MANY; i++)
        json_decref(first[i]);
}
END_TEST

/* One document that changes for ever: old specs do not pile up. */
START_TEST(unused_specs_are_dropped)
{
    json_t *kept = shared(numbered(-1));
    json_decref(shared(numbered(-2)));
    for (int i = 0; i < MANY; i++)
        json_decref(shared(numbered(100000 + i)));
    json_t *anew = numbered(-2), *got = shared(anew);
    ck_assert_ptr_eq(got, anew); /* if the old one were still there, it would be that */
    json_t *still = shared(numbered(-1));
    ck_assert_ptr_eq(still, kept);
    json_decref(still);
    json_decref(got);
    json_decref(kept);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spec_pool");
    TCase *c = tcase_create("spec_pool");
    suite_add_tcase(s, c);
    tcase_add_test(c, equal_specs_are_one);
    tcase_add_test(c, the_same_one_stays_itself);
    tcase_add_test(c, equal_values_of_different_specs_are_one);
    tcase_add_test(c, what_somebody_else_holds_is_not_touched);
    tcase_add_test(c, false_hashes_share_nothing);
    tcase_add_test(c, many_specs_are_found_again);
    tcase_add_test(c, unused_specs_are_dropped);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
