#include "vmm/image_store.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char folder[] = "/tmp/images.XXXXXX";
static char *store;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    store = image_store_path(folder);
    ck_assert_int_eq(image_store_make(store, NULL), 0);
}

static void tear_down(void)
{
    DIR *dir = opendir(store);
    for (struct dirent *e; dir && (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    rmdir(store);
    free(store);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void put(const char *file, const char *text)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", store, file);
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static bool is_there(const char *file)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", store, file);
    return access(path, F_OK) == 0;
}

static void declare(const char *name, const char *sha256, const char *learnt)
{
    json_t *spec = json_pack("{s:s, s:s*, s:s}", "url", "http://mirror/x.iso", "sha256", sha256,
                             "format", "iso");
    struct order o = {.kind = "image-file",
                      .name = name,
                      .key = "site-a.image-file.x",
                      .site = "site-a",
                      .spec = spec};
    struct mark m;
    mark_of_order(&o, &m);
    ck_assert_int_eq(image_mark_write(store, name, &m, learnt, NULL), 0);
    mark_clear(&m);
    json_decref(spec);
}

static int find(const char *name, struct image_file *ret)
{
    return image_store_find(folder, name, ret, NULL);
}

START_TEST(a_document_leads_to_its_file)
{
    struct image_file f = {0};
    ck_assert_int_eq(find("a", &f), -HM_E_NOT_FOUND);
    declare("a", A, "");
    ck_assert_int_eq(find("a", &f), -HM_E_IN_PROGRESS);
    put(A ".image", "x");
    ck_assert_int_eq(find("a", &f), 0);
    ck_assert_str_eq(f.format, "iso");
    ck_assert_str_eq(f.sha256, A);
    ck_assert(strstr(f.path, "/harmony-images/" A ".image"));
    image_file_clear(&f);
}
END_TEST

START_TEST(what_the_document_says_counts_more_than_what_was_learnt)
{
    struct image_mark m = {0};
    declare("a", NULL, "");
    ck_assert_int_eq(image_mark_learn(store, "a", B, NULL), 0);
    ck_assert_int_eq(image_mark_read(store, "a", &m, NULL), 1);
    ck_assert_str_eq(m.sha256, B);
    image_mark_clear(&m);
    declare("a", A, B);
    ck_assert_int_eq(image_mark_read(store, "a", &m, NULL), 1);
    ck_assert_str_eq(m.sha256, A);
    image_mark_clear(&m);
    ck_assert_int_eq(image_mark_learn(store, "gone", B, NULL), 0);
    ck_assert(!is_there("gone.image.json"));
}
END_TEST

static bool is_b(void *unused, const char *sha256)
{
    (void)unused;
    return !strcmp(sha256, B);
}

START_TEST(only_our_own_and_unneeded_is_removed)
{
    static const char *const strangers[] = {"a.image", A "0.image", A ".iso", "notes.txt", A};
    for (size_t i = 0; i < HM_COUNT(strangers); i++)
        put(strangers[i], "x");
    put(A ".image", "x");
    put(A ".part", "x");
    put(A ".part.json", "x");
    put(B ".part", "x");
    ck_assert_int_eq(image_store_collect(store, is_b, NULL, NULL), 0);
    ck_assert(!is_there(A ".image") && !is_there(A ".part") && !is_there(A ".part.json"));
    ck_assert(is_there(B ".part")); /* somebody works on it */
    for (size_t i = 0; i < HM_COUNT(strangers); i++)
        ck_assert_msg(is_there(strangers[i]), "%s", strangers[i]);
}
END_TEST

START_TEST(a_vm_keeps_what_it_claims)
{
    json_t *list = json_pack("[s]", A), *none = json_array();
    put(A ".image", "x");
    ck_assert(!image_store_needs(store, A));
    ck_assert_int_eq(image_store_claim(store, "web", list, NULL), 0);
    ck_assert(image_store_needs(store, A) && !image_store_needs(store, B));
    ck_assert_int_eq(image_store_collect(store, NULL, NULL, NULL), 0);
    ck_assert(is_there(A ".image"));
    ck_assert_int_eq(image_store_claim(store, "web", none, NULL), 0);
    ck_assert(!is_there("web.vm.json"));
    ck_assert_int_eq(image_store_collect(store, NULL, NULL, NULL), 0);
    ck_assert(!is_there(A ".image"));
    json_decref(list);
    json_decref(none);
}
END_TEST

START_TEST(what_cannot_be_read_may_need_anything)
{
    put(A ".image", "x");
    put("web.vm.json", "{");
    ck_assert(image_store_needs(store, B));
    ck_assert_int_eq(image_store_collect(store, NULL, NULL, NULL), -HM_E_CONFLICT);
    put("web.vm.json", "[]");
    put("a.image.json", "[]");
    ck_assert_int_eq(image_store_collect(store, NULL, NULL, NULL), -HM_E_CONFLICT);
    ck_assert(is_there(A ".image"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image_store");
    TCase *c = tcase_create("image_store");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_document_leads_to_its_file);
    tcase_add_test(c, what_the_document_says_counts_more_than_what_was_learnt);
    tcase_add_test(c, only_our_own_and_unneeded_is_removed);
    tcase_add_test(c, a_vm_keeps_what_it_claims);
    tcase_add_test(c, what_cannot_be_read_may_need_anything);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
