#include "agent/desired.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define VM "{\"disks\":[{\"device\":\"vda\",\"image\":\"/images/a\"}]"

static struct desired *d;

static void set_up(void)
{
    d = desired_new("site-a");
}

static void tear_down(void)
{
    desired_free(d);
}

/* Entries are stamped by their revision, in seconds. NULL is a delete marker. */
static bool take_stamped(const char *key, const char *value, uint64_t revision, int64_t stamp_ns)
{
    struct bus_entry e = {
        .bucket = "harmony_desired",
        .key = key,
        .value = value,
        .len = value ? strlen(value) : 0,
        .revision = revision,
        .stamp_ns = stamp_ns,
        .deleted = !value,
    };
    return desired_take(d, &e);
}

static bool take(const char *key, const char *value, uint64_t revision)
{
    return take_stamped(key, value, revision, (int64_t)revision * 1000000000);
}

static const struct plan_doc *find(const char *key)
{
    size_t count;
    const struct plan_doc *docs = desired_docs(d, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(docs[i].key, key))
            return &docs[i];
    return NULL;
}

static int64_t vcpus(const char *key)
{
    const struct plan_doc *doc = find(key);
    return doc && doc->spec ? spec_int(doc->spec, "vcpus", 0) : 0;
}

/* -- Entries --------------------------------------------------------------------------------------
 */

START_TEST(document_comes_into_force)
{
    char hash[DOC_HASH_TEXT];
    ck_assert(take("site-a.vm.web", VM ",\"vcpus\":3}", 7));
    const struct plan_doc *doc = find("site-a.vm.web");
    ck_assert_ptr_nonnull(doc);
    ck_assert_str_eq(doc->where, "site-a");
    ck_assert_str_eq(doc->kind->name, "vm");
    ck_assert_str_eq(doc->name, "web");
    ck_assert_int_eq(vcpus("site-a.vm.web"), 3);
    spec_hash(doc->spec, hash);
    ck_assert_str_eq(doc->hash, hash);
    ck_assert(!doc->deleted && !doc->missing && !doc->held);
    const struct desired_entry *e = desired_find(d, "site-a.vm.web");
    ck_assert_uint_eq(e->revision, 7);
    ck_assert_uint_eq(e->seen_revision, 7);
    ck_assert(!e->refused);
}
END_TEST

START_TEST(documents_of_other_sites_are_none_of_ours)
{
    char key[DOC_KEY_MAX * 2];
    ck_assert(!take("site-b.vm.web", VM "}", 1));
    ck_assert(!take("site-ab.vm.web", VM "}", 2));
    ck_assert(!take("site-a", VM "}", 3));
    ck_assert(!take("", VM "}", 4));
    memset(key, 'a', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    memcpy(key, "site-a.vm.", 10);
    ck_assert(!take(key, VM "}", 5));
    size_t count;
    desired_docs(d, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(given_again_changes_nothing)
{
    ck_assert(take("site-a.vm.web", VM "}", 7));
    ck_assert(!take("site-a.vm.web", VM "}", 7));
    ck_assert(take("site-a.vm.bad", "{}", 8));
    ck_assert(!take("site-a.vm.bad", "{}", 8));
}
END_TEST

/* Revisions begin anew in a bucket that was made anew. */
START_TEST(same_revision_of_another_bucket_is_another_document)
{
    take_stamped("site-a.vm.web", VM ",\"vcpus\":3}", 1, 1000);
    ck_assert(take_stamped("site-a.vm.web", VM ",\"vcpus\":4}", 1, 2000));
    ck_assert_int_eq(vcpus("site-a.vm.web"), 4);
}
END_TEST

/* -- Bad input ------------------------------------------------------------------------------------
 */

static const char *const bad[] = {
    "",
    "no JSON",
    "[]",
    "{\"memmory\":\"1GiB\"}",
    "{\"vcpus\":\"many\"}",
    VM ",\"vcpus\":3,\"vcpus\":4}",
    VM ",\"labels\":{\"a\":{\"b\":1}}}",
    VM ",\"depends_on\":[\"../etc\"]}",
    VM "} {}",
};

START_TEST(refused_revision_leaves_the_last_good_one)
{
    take("site-a.vm.web", VM ",\"vcpus\":3}", 211);
    ck_assert(take("site-a.vm.web", bad[_i], 212));
    ck_assert_int_eq(vcpus("site-a.vm.web"), 3);
    const struct desired_entry *e = desired_find(d, "site-a.vm.web");
    ck_assert(e->refused);
    ck_assert_uint_eq(e->revision, 211);
    ck_assert_uint_eq(e->seen_revision, 212);
    ck_assert_int_eq(strncmp(e->error->text, "site-a.vm.web rev 212: ", 23), 0);
    ck_assert_ptr_nonnull(strstr(e->error->text, "; revision 211 stays in force"));
    ck_assert(take("site-a.vm.web", VM ",\"vcpus\":4}", 213));
    ck_assert_int_eq(vcpus("site-a.vm.web"), 4);
    ck_assert(!desired_find(d, "site-a.vm.web")->refused);
}
END_TEST

static void count_refused(void *data, const struct desired_entry *e)
{
    int *n = data;
    *n += e->refused && e->error->text[0];
}

static const char *const bad_keys[] = {"site-a.vm.",         "site-a.vm.Web", "site-a.none.web",
                                       "site-a.vm.web.more", "site-a.agent",  "site-a..web"};

START_TEST(refused_from_the_start_is_reported_and_not_in_force)
{
    int refused = 0;
    ck_assert(take("site-a.vm.web", bad[0], 5));
    ck_assert(take(bad_keys[_i], VM "}", 6));
    desired_each(d, count_refused, &refused);
    ck_assert_int_eq(refused, 2);
    size_t count;
    desired_docs(d, &count);
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(strstr(desired_find(d, "site-a.vm.web")->error->text, "stays in force"));
    take(bad_keys[_i], NULL, 7); /* whoever put it there takes it away */
    desired_docs(d, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(long_error_still_says_what_stays)
{
    char value[3000] = VM ",\"";
    size_t used = strlen(value);
    memset(value + used, 'x', 2500);
    strcpy(value + used + 2500, "\":1}");
    take("site-a.vm.web", VM "}", 1);
    take("site-a.vm.web", value, 2);
    ck_assert_ptr_nonnull(
        strstr(desired_find(d, "site-a.vm.web")->error->text, "; revision 1 stays in force"));
}
END_TEST

START_TEST(too_large_is_refused)
{
    static char value[PROTO_MAX_BYTES + 10];
    memset(value, ' ', sizeof value - 1);
    memcpy(value, VM "}", strlen(VM "}"));
    take("site-a.vm.web", value, 1);
    ck_assert(desired_find(d, "site-a.vm.web")->refused);
    ck_assert_int_eq(desired_find(d, "site-a.vm.web")->error->code, HM_E_TOO_LARGE);
}
END_TEST

/* -- Delete markers -------------------------------------------------------------------------------
 */

START_TEST(marker_deletes)
{
    take("site-a.vm.web", VM "}", 1);
    ck_assert(take("site-a.vm.web", NULL, 2));
    const struct plan_doc *doc = find("site-a.vm.web");
    ck_assert(doc->deleted);
    ck_assert_ptr_null(doc->spec);
    ck_assert(take("site-a.vm.web", VM "}", 3));
    ck_assert(!find("site-a.vm.web")->deleted);
}
END_TEST

/* The agent may have been away when the document came and went. */
START_TEST(marker_of_a_document_never_seen_counts)
{
    ck_assert(take("site-a.vm.web", NULL, 2));
    const struct plan_doc *doc = find("site-a.vm.web");
    ck_assert_ptr_nonnull(doc);
    ck_assert(doc->deleted);
    ck_assert_str_eq(doc->name, "web");
}
END_TEST

START_TEST(marker_older_than_the_document_deletes_nothing)
{
    take_stamped("site-a.vm.web", VM "}", 5, 5000);
    ck_assert(take_stamped("site-a.vm.web", NULL, 3, 4999));
    const struct plan_doc *doc = find("site-a.vm.web");
    ck_assert(!doc->deleted);
    ck_assert_ptr_nonnull(doc->spec);
    ck_assert(desired_find(d, "site-a.vm.web")->refused);
    ck_assert(take_stamped("site-a.vm.web", NULL, 6, 5001)); /* deleted again: meant */
    ck_assert(find("site-a.vm.web")->deleted);
}
END_TEST

START_TEST(refused_after_a_marker_brings_nothing_back)
{
    take("site-a.vm.web", VM "}", 1);
    take("site-a.vm.web", NULL, 2);
    take("site-a.vm.web", "{", 3);
    ck_assert(find("site-a.vm.web")->deleted);
    ck_assert_ptr_null(strstr(desired_find(d, "site-a.vm.web")->error->text, "stays in force"));
}
END_TEST

/* -- Listings -------------------------------------------------------------------------------------
 */

START_TEST(what_is_no_longer_listed_stays_in_force)
{
    desired_listing_begins(d);
    take("site-a.vm.web", VM "}", 1);
    take("site-a.vm.db", VM "}", 2);
    ck_assert(!desired_listing_complete(d));
    desired_listing_begins(d);
    take("site-a.vm.db", VM "}", 2);
    ck_assert(!find("site-a.vm.web")->missing); /* the listing is not complete */
    ck_assert(desired_listing_complete(d));
    ck_assert(find("site-a.vm.web")->missing);
    ck_assert_ptr_nonnull(find("site-a.vm.web")->spec);
    ck_assert(!find("site-a.vm.db")->missing);
    ck_assert(!desired_listing_complete(d)); /* says it once */
}
END_TEST

START_TEST(empty_bucket_deletes_nothing)
{
    desired_listing_begins(d);
    take("site-a.vm.web", VM "}", 1);
    take("primary.vm.db", VM "}", 2);
    desired_listing_complete(d);
    desired_listing_begins(d);
    desired_listing_complete(d);
    ck_assert(find("site-a.vm.web")->missing && find("primary.vm.db")->missing);
    ck_assert(!find("site-a.vm.web")->deleted && !find("primary.vm.db")->deleted);
}
END_TEST

START_TEST(what_comes_back_is_no_longer_missing)
{
    desired_listing_begins(d);
    take("site-a.vm.web", VM "}", 1);
    desired_listing_complete(d);
    desired_listing_begins(d);
    desired_listing_complete(d);
    ck_assert(take("site-a.vm.web", VM "}", 1));
    ck_assert(!find("site-a.vm.web")->missing);
}
END_TEST

START_TEST(marker_that_the_store_forgot_proves_nothing)
{
    desired_listing_begins(d);
    take("site-a.vm.web", NULL, 1);
    desired_listing_complete(d);
    ck_assert(find("site-a.vm.web")->deleted);
    desired_listing_begins(d);
    desired_listing_complete(d);
    ck_assert_ptr_null(find("site-a.vm.web"));
}
END_TEST

START_TEST(interrupted_listing_makes_nothing_missing)
{
    desired_listing_begins(d);
    take("site-a.vm.web", VM "}", 1);
    take("site-a.vm.db", VM "}", 2);
    desired_listing_complete(d);
    desired_listing_begins(d);
    take("site-a.vm.web", VM "}", 1);
    desired_listing_begins(d); /* the watch broke and begins again */
    take("site-a.vm.web", VM "}", 1);
    take("site-a.vm.db", VM "}", 2);
    ck_assert(!desired_listing_complete(d));
    ck_assert(!find("site-a.vm.db")->missing);
}
END_TEST

/* -- What the plan gets ---------------------------------------------------------------------------
 */

START_TEST(documents_are_in_the_order_of_the_plan)
{
    static const char *const expected[] = {"site-a.network.lan", "site-a.disk.data",
                                           "primary.vm.db", "site-a.vm.web"};
    size_t count;
    take("site-a.vm.web", VM "}", 1);
    take("site-a.disk.data", "{\"size\":\"1GiB\"}", 2);
    take("primary.vm.db", VM "}", 3);
    take("site-a.network.lan", "{}", 4);
    const struct plan_doc *docs = desired_docs(d, &count);
    ck_assert_uint_eq(count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(docs[i].key, expected[i]);
}
END_TEST

START_TEST(declared_twice_is_held_on_both)
{
    take("site-a.vm.db", VM "}", 1);
    take("primary.vm.db", VM "}", 2);
    take("site-a.vm.dba", VM "}", 3);
    ck_assert_ptr_nonnull(find("site-a.vm.db")->held);
    ck_assert_ptr_nonnull(find("primary.vm.db")->held);
    ck_assert_ptr_null(find("site-a.vm.dba")->held);
    take("site-a.vm.db", NULL, 4);
    ck_assert_ptr_null(find("site-a.vm.db")->held);
    ck_assert_ptr_null(find("primary.vm.db")->held);
}
END_TEST

/* -- The cache ------------------------------------------------------------------------------------
 */

static void restart_from_cache(void)
{
    struct hm_error err;
    HM_AUTOFREE char *text = desired_to_cache(d);
    desired_free(d);
    d = desired_new("site-a");
    int r = desired_from_cache(d, text, strlen(text), &err);
    ck_assert_msg(r == 0, "%s", err.text);
}

START_TEST(cache_brings_back_what_was_in_force)
{
    take("site-a.vm.web", VM ",\"vcpus\":3,\"labels\":{\"a\":\"\xc3\xa4\"}}", 5);
    take("site-a.vm.web", "{", 9);
    take("site-a.vm.gone", NULL, 6);
    take("primary.vm.db", VM "}", 7);
    take("site-a.vm.never-good", "{", 8);
    char hash[DOC_HASH_TEXT];
    strcpy(hash, find("site-a.vm.web")->hash);
    restart_from_cache();
    size_t count;
    desired_docs(d, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(find("site-a.vm.web")->hash, hash);
    ck_assert_uint_eq(desired_find(d, "site-a.vm.web")->revision, 5);
    ck_assert(find("site-a.vm.gone")->deleted);
    ck_assert_ptr_nonnull(find("primary.vm.db")->spec);
    /* The refused revision is still in the bucket, and refused again. */
    ck_assert(take("site-a.vm.web", "{", 9));
    ck_assert_int_eq(vcpus("site-a.vm.web"), 3);
    /* What is the same is not news. */
    ck_assert(!take("primary.vm.db", VM "}", 7));
}
END_TEST

START_TEST(cached_document_outlives_older_markers_and_empty_buckets)
{
    take_stamped("site-a.vm.web", VM "}", 5, 5000);
    restart_from_cache();
    desired_listing_begins(d);
    take_stamped("site-a.vm.web", NULL, 3, 3000);
    desired_listing_complete(d);
    ck_assert(!find("site-a.vm.web")->deleted);
    restart_from_cache();
    desired_listing_begins(d);
    ck_assert(!find("site-a.vm.web")->missing); /* not before the bucket has been listed */
    ck_assert(desired_listing_complete(d));
    ck_assert(find("site-a.vm.web")->missing);
    ck_assert_ptr_nonnull(find("site-a.vm.web")->spec);
}
END_TEST

static const char *const damaged[] = {
    "",
    "{",
    "[]",
    "\"x\"",
    "{\"version\":1,\"entries\":{}}",
    "{\"version\":1,\"site\":\"site-b\",\"entries\":{}}",
    "{\"version\":1,\"site\":7,\"entries\":{}}",
};

START_TEST(damaged_cache_is_an_error)
{
    struct hm_error err = {0};
    int r = desired_from_cache(d, damaged[_i], strlen(damaged[_i]), &err);
    ck_assert_int_lt(r, 0);
    ck_assert_ptr_nonnull(strstr(err.text, "cache"));
    size_t count;
    desired_docs(d, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* What stands in it is verified like what comes from the bucket. */
static const char *const odd_entries[] = {
    "7",
    "[1]",
    "{\"site-a.vm.web\":7}",
    "{\"site-a.vm.web\":{\"spec\":{\"memmory\":1},\"revision\":3,\"stamp\":3}}",
    "{\"site-a.vm.web\":{\"spec\":\"x\",\"revision\":\"y\"}}",
    "{\"site-b.vm.web\":{\"spec\":{},\"revision\":3}}",
    "{\"../../x\":{\"revision\":-1}}",
    "{\"site-a.vm.web\":{\"spec\":" VM "},\"revision\":-1,\"stamp\":3}}",
    "{\"site-a.vm.web\":{\"spec\":" VM "},\"revision\":3,"
    "\"stamp\":9223372036854775807}}",
};

START_TEST(odd_entries_of_the_cache_are_not_in_force)
{
    size_t count;
    HM_AUTOFREE char *text =
        hm_printf("{\"version\":1,\"site\":\"site-a\",\"entries\":%s}", odd_entries[_i]);
    ck_assert_int_eq(desired_from_cache(d, text, strlen(text), NULL), 0);
    const struct plan_doc *docs = desired_docs(d, &count);
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_null(docs[i].spec);
    ck_assert(take("site-a.vm.web", VM "}", 99));
    ck_assert_ptr_nonnull(find("site-a.vm.web")->spec);
}
END_TEST

/* An entry without a spec that does not say that it is a marker is damage, not a deletion. */
START_TEST(cache_deletes_only_by_a_marker)
{
    static const char text[] = "{\"version\":1,\"site\":\"site-a\",\"entries\":"
                               "{\"site-a.vm.web\":{\"revision\":3,\"stamp\":3}}}";
    desired_from_cache(d, text, strlen(text), NULL);
    ck_assert_ptr_null(find("site-a.vm.web"));
}
END_TEST

/* -- Overlay --------------------------------------------------------------------------------------
 */

static struct doc doc_from(const char *key, const char *value)
{
    struct doc doc;
    struct hm_error err;
    int r = doc_from_value(key, value, strlen(value), &doc, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    return doc;
}

static const struct plan_doc *find_laid(const struct desired_overlay *o, const char *key)
{
    for (size_t i = 0; i < o->count; i++)
        if (!strcmp(o->docs[i].key, key))
            return &o->docs[i];
    return NULL;
}

START_TEST(overlay_adds_changes_and_deletes)
{
    struct desired_overlay o;
    take("site-a.vm.web", VM ",\"vcpus\":1}", 1);
    take("site-a.vm.old", VM "}", 2);
    struct doc docs[] = {
        doc_from("site-a.vm.web", VM ",\"vcpus\":5}"),
        doc_from("site-a.network.lan", "{}"),
        doc_from("site-b.vm.theirs", VM "}"),
        doc_from("primary.vm.old", VM "}"),
        doc_from("site-a.network.lan", "{\"autostart\":false}"),
    };
    const char *deleted[] = {"site-a.vm.old", "site-a.vm.unknown", "site-b.vm.theirs", "nonsense"};
    desired_overlay_make(d, docs, 5, deleted, 4, &o);
    ck_assert_uint_eq(o.count, 5);
    ck_assert(find_laid(&o, "site-a.vm.unknown")->deleted); /* an orphan's, perhaps */
    ck_assert_str_eq(find_laid(&o, "site-a.vm.unknown")->name, "unknown");
    ck_assert_str_eq(o.docs[0].key, "site-a.network.lan");
    ck_assert(!spec_bool(o.docs[0].spec, "autostart")); /* of two, the last one */
    ck_assert_int_eq(spec_int(find_laid(&o, "site-a.vm.web")->spec, "vcpus", 0), 5);
    ck_assert_str_ne(find_laid(&o, "site-a.vm.web")->hash, find("site-a.vm.web")->hash);
    ck_assert(find_laid(&o, "site-a.vm.old")->deleted);
    ck_assert_ptr_null(find_laid(&o, "site-a.vm.old")->spec);
    ck_assert_ptr_null(find_laid(&o, "primary.vm.old")->held); /* its twin is to be deleted */
    desired_overlay_clear(&o);
    ck_assert_int_eq(vcpus("site-a.vm.web"), 1); /* nothing has happened */
    ck_assert_ptr_nonnull(find("site-a.vm.old")->spec);
    for (size_t i = 0; i < 5; i++)
        doc_clear(&docs[i]);
}
END_TEST

START_TEST(overlay_of_nothing_is_what_is_in_force)
{
    struct desired_overlay o;
    take("site-a.vm.db", VM "}", 1);
    take("primary.vm.db", VM "}", 2);
    desired_overlay_make(d, NULL, 0, NULL, 0, &o);
    ck_assert_uint_eq(o.count, 2);
    ck_assert_ptr_nonnull(o.docs[0].held);
    ck_assert_ptr_nonnull(o.docs[1].held);
    desired_overlay_clear(&o);
    desired_free(d);
    d = desired_new("site-a");
    desired_overlay_make(d, NULL, 0, NULL, 0, &o);
    ck_assert_uint_eq(o.count, 0);
    desired_overlay_clear(&o);
}
END_TEST

static TCase *entries(void)
{
    TCase *c = tcase_create("entries");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, document_comes_into_force);
    tcase_add_test(c, documents_of_other_sites_are_none_of_ours);
    tcase_add_test(c, given_again_changes_nothing);
    tcase_add_test(c, same_revision_of_another_bucket_is_another_document);
    tcase_add_loop_test(c, refused_revision_leaves_the_last_good_one, 0, 9);
    tcase_add_loop_test(c, refused_from_the_start_is_reported_and_not_in_force, 0, 6);
    tcase_add_test(c, long_error_still_says_what_stays);
    tcase_add_test(c, too_large_is_refused);
    tcase_add_test(c, marker_deletes);
    tcase_add_test(c, marker_of_a_document_never_seen_counts);
    tcase_add_test(c, marker_older_than_the_document_deletes_nothing);
    tcase_add_test(c, refused_after_a_marker_brings_nothing_back);
    return c;
}

static TCase *views(void)
{
    TCase *c = tcase_create("views");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_is_no_longer_listed_stays_in_force);
    tcase_add_test(c, empty_bucket_deletes_nothing);
    tcase_add_test(c, what_comes_back_is_no_longer_missing);
    tcase_add_test(c, marker_that_the_store_forgot_proves_nothing);
    tcase_add_test(c, interrupted_listing_makes_nothing_missing);
    tcase_add_test(c, documents_are_in_the_order_of_the_plan);
    tcase_add_test(c, declared_twice_is_held_on_both);
    tcase_add_test(c, cache_brings_back_what_was_in_force);
    tcase_add_test(c, cached_document_outlives_older_markers_and_empty_buckets);
    tcase_add_loop_test(c, damaged_cache_is_an_error, 0, 7);
    tcase_add_loop_test(c, odd_entries_of_the_cache_are_not_in_force, 0, HM_COUNT(odd_entries));
    tcase_add_test(c, cache_deletes_only_by_a_marker);
    tcase_add_test(c, overlay_adds_changes_and_deletes);
    tcase_add_test(c, overlay_of_nothing_is_what_is_in_force);
    return c;
}

int main(void)
{
    Suite *s = suite_create("desired");
    suite_add_tcase(s, entries());
    suite_add_tcase(s, views());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
