/* The real qemu-img on real files. */
#include "vmm/qemu_img.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/run.h"

enum { MIB = 1 << 20 };

static char dir[64];

static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-img.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void run(const char *const *argv)
{
    struct hm_ran ran = {0};
    struct hm_error err = {0};
    int r = hm_run((char *const *)argv, 20000, MIB, &ran, &err);
    ck_assert_msg(r == 0 && ran.exit_code == 0, "%s %s", err.text, r ? "" : ran.err);
    hm_ran_clear(&ran);
}

static void tear_down(void)
{
    const char *argv[] = {"rm", "-r", dir, NULL};
    run(argv);
}

static char *path_of(const char *name)
{
    return hm_printf("%s/%s", dir, name);
}

static char *make(const char *format, const char *name, const char *size)
{
    char *path = path_of(name);
    const char *argv[] = {"qemu-img", "create", "-q", "-f", format, path, size, NULL};
    run(argv);
    return path;
}

static int code_of_info(const char *path, const char *format)
{
    struct image_info info = {0};
    struct hm_error err = {0};
    int r = qemu_img_info(path, format, &info, &err);
    image_info_clear(&info);
    return r;
}

static struct image_info look(const char *path, const char *format)
{
    struct image_info info = {0};
    struct hm_error err = {0};
    ck_assert_msg(qemu_img_info(path, format, &info, &err) == 0, "%s", err.text);
    return info;
}

/* Names that qemu would take for a protocol or for options, were they not absolute. */
static const char *const names[] = {"data.qcow2", "nbd:localhost:1", "a,b=c,,d", "json:{}", "-f"};

START_TEST(a_life_of_an_image_under_any_name)
{
    struct hm_error err = {0};
    HM_AUTOFREE char *base = make("qcow2", "base,1:2.qcow2", "8M"), *path = path_of(names[_i]);
    const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F",
                          "qcow2",    "-b",     base, path, "16M",   NULL};
    run(argv);
    ck_assert_msg(!qemu_img_snapshot_create(path, "one", &err), "%s", err.text);
    ck_assert_msg(!qemu_img_grow(path, "qcow2", 32 * MIB, &err), "%s", err.text);
    struct image_info info = look(path, "qcow2");
    ck_assert_int_eq(info.size, 32 * MIB);
    ck_assert_str_eq(info.backing, base);
    ck_assert_str_eq(info.backing_format, "qcow2");
    ck_assert_ptr_nonnull(image_info_find(&info, "one"));
    image_info_clear(&info);
    ck_assert_msg(!qemu_img_snapshot_apply(path, "one", &err), "%s", err.text);
    ck_assert_msg(!qemu_img_snapshot_delete(path, "one", &err), "%s", err.text);
    info = look(path, "qcow2");
    ck_assert_int_eq(info.size, 16 * MIB);
    ck_assert_uint_eq(info.snapshot_count, 0);
    image_info_clear(&info);
}
END_TEST

START_TEST(nothing_shrinks)
{
    struct hm_error err = {0};
    HM_AUTOFREE char *raw = make("raw", "a.raw", "8M"), *qcow2 = make("qcow2", "a.qcow2", "8M");
    ck_assert_int_eq(qemu_img_grow(raw, "raw", 4 * MIB, &err), -HM_E_REFUSED);
    ck_assert_int_eq(qemu_img_grow(qcow2, "qcow2", 4 * MIB, &err), -HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "never shrinks"));
}
END_TEST

START_TEST(a_format_is_said_and_never_guessed)
{
    HM_AUTOFREE char *raw = make("raw", "a.raw", "8M"), *qcow2 = make("qcow2", "a.qcow2", "8M");
    ck_assert_int_eq(code_of_info(raw, "qcow2"), -HM_E_INVALID);
    struct image_info info = look(qcow2, "raw"); /* a guest may have written that header */
    ck_assert_ptr_null(info.backing);
    ck_assert_str_eq(info.format, "raw");
    image_info_clear(&info);
}
END_TEST

START_TEST(errors_have_their_own_codes)
{
    struct hm_error err = {0};
    HM_AUTOFREE char *none = path_of("none.qcow2"), *qcow2 = make("qcow2", "a.qcow2", "8M");
    HM_AUTOFREE char *old = path_of("old.qcow2");
    ck_assert_int_eq(code_of_info(none, "qcow2"), -HM_E_NOT_FOUND);
    ck_assert_int_eq(code_of_info("a.qcow2", "qcow2"), -HM_E_INVALID);
    ck_assert_int_eq(qemu_img_snapshot_apply(qcow2, "none", &err), -HM_E_NOT_FOUND);
    const char *argv[] = {"qemu-img", "create",      "-q", "-f", "qcow2",
                          "-o",       "compat=0.10", old,  "8M", NULL};
    run(argv);
    ck_assert_int_eq(qemu_img_snapshot_create(old, "one", &err), 0);
    ck_assert_int_eq(qemu_img_grow(old, "qcow2", 16 * MIB, &err), -HM_E_UNSUPPORTED);
}
END_TEST

/* Another program that holds the image as QEMU does (it locks bytes from 100 and 200 on). */
START_TEST(what_is_in_use_is_left_alone)
{
    struct hm_error err = {0};
    HM_AUTOFREE char *path = make("qcow2", "a.qcow2", "8M");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct flock in_use = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 200};
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &in_use), 0);
    ck_assert_int_eq(qemu_img_snapshot_create(path, "one", &err), -HM_E_REFUSED);
    ck_assert_int_eq(qemu_img_grow(path, "qcow2", 16 * MIB, &err), -HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "in use"));
    ck_assert_int_eq(code_of_info(path, "qcow2"), 0);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qemu_img");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_life_of_an_image_under_any_name, 0, HM_COUNT(names));
    tcase_add_test(t, nothing_shrinks);
    tcase_add_test(t, a_format_is_said_and_never_guessed);
    tcase_add_test(t, errors_have_their_own_codes);
    tcase_add_test(t, what_is_in_use_is_left_alone);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
