/* Volumes without libvirt, made by the real qemu-img; every crash is a mark and a file as it would leave them. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/run.h"
#include "proto/field.h"
#include "vmm/ch_volume.h"
#include "vmm/qemu_img.h"

enum { MIB = 1 << 20 };
#define VOLUME "web-vda.qcow2"

static char dir[64];
static struct hm_error err;
static json_t *spec;

static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-vol.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    spec = json_pack("{s:s, s:i}", "device", "vda", "size", MIB);
}

static void tear_down(void)
{
    const char *argv[] = {"rm", "-r", dir, NULL};
    struct hm_ran ran = {0};
    ck_assert_int_eq(hm_run((char *const *)argv, 20000, MIB, &ran, NULL), 0);
    hm_ran_clear(&ran);
    json_decref(spec);
}

static char *path_of(const char *name)
{
    return hm_printf("%s/%s", dir, name);
}

static int ensure_for(const char *key, int64_t bytes, bool adopt, const char *base)
{
    json_t *vm = json_pack("{s:b}", "adopt", adopt);
    struct order o = {.kind = "volume", .name = VOLUME, .key = key, .site = "site-a", .spec = vm};
    struct ch_volume_wish w = {.dir = dir,
                               .volume = VOLUME,
                               .format = "qcow2",
                               .bytes = bytes,
                               .order = &o,
                               .spec = spec,
                               .base = base,
                               .base_format = base ? "raw" : NULL};
    char *path = NULL;
    int r = ch_volume_ensure(&w, &path, &err);
    HM_AUTOFREE char *expected = path_of(VOLUME);
    if (r >= 0)
        ck_assert_str_eq(path, expected);
    else
        ck_assert_ptr_null(path);
    free(path);
    json_decref(vm);
    return r;
}

static int ensure(int64_t bytes)
{
    return ensure_for("site-a.vm.web", bytes, false, NULL);
}

static int64_t size_now(void)
{
    HM_AUTOFREE char *path = path_of(VOLUME);
    struct image_info info = {0};
    ck_assert_msg(qemu_img_info(path, "qcow2", &info, &err) >= 0, "%s", err.text);
    int64_t size = info.size;
    image_info_clear(&info);
    return size;
}

static enum volume_state state_now(void)
{
    struct volume_mark m = {0};
    ck_assert_int_eq(volume_mark_read(dir, VOLUME, &m, &err), 1);
    enum volume_state state = m.state;
    volume_mark_clear(&m);
    return state;
}

static void leave_state(enum volume_state state)
{
    struct volume_mark m = {0};
    ck_assert_int_eq(volume_mark_read(dir, VOLUME, &m, &err), 1);
    m.state = state;
    ck_assert_int_ge(volume_mark_write(dir, VOLUME, &m, &err), 0);
    volume_mark_clear(&m);
}

static void write_file(const char *name, const char *text)
{
    HM_AUTOFREE char *path = path_of(name);
    ck_assert_int_ge(hm_file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

static bool is_there(const char *name)
{
    HM_AUTOFREE char *path = path_of(name);
    return access(path, F_OK) == 0;
}

START_TEST(it_is_made_found_again_and_grows)
{
    ck_assert_msg(ensure(MIB) == 0, "%s", err.text);
    ck_assert_int_eq(state_now(), VOLUME_MADE);
    ck_assert_int_eq(size_now(), MIB);
    ck_assert_int_eq(ensure(MIB), 0);
    ck_assert_int_eq(ensure(2 * MIB), 0);
    ck_assert_int_eq(size_now(), 2 * MIB);
}
END_TEST

START_TEST(one_that_is_open_is_not_grown)
{
    ck_assert_int_eq(ensure(MIB), 0);
    json_t *vm = json_object();
    struct order o = {
        .kind = "volume", .name = VOLUME, .key = "site-a.vm.web", .site = "site-a", .spec = vm};
    struct ch_volume_wish w = {.dir = dir,
                               .volume = VOLUME,
                               .format = "qcow2",
                               .bytes = 2 * MIB,
                               .order = &o,
                               .spec = spec,
                               .is_open = true};
    char *path = NULL;
    ck_assert_int_eq(ch_volume_ensure(&w, &path, &err), 0);
    ck_assert_int_eq(size_now(), MIB);
    free(path);
    json_decref(vm);
}
END_TEST

START_TEST(one_that_a_crash_left_half_made_is_made_anew)
{
    ck_assert_int_eq(ensure(MIB), 0);
    leave_state(VOLUME_MAKING);
    write_file(VOLUME, "half");
    ck_assert_msg(ensure(MIB) == 0, "%s", err.text);
    ck_assert_int_eq(state_now(), VOLUME_MADE);
    ck_assert_int_eq(size_now(), MIB);
}
END_TEST

START_TEST(one_whose_data_has_vanished_is_not_papered_over)
{
    HM_AUTOFREE char *path = path_of(VOLUME);
    ck_assert_int_eq(ensure(MIB), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ensure(MIB), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "vanished"));
    ck_assert(!is_there(VOLUME));
}
END_TEST

START_TEST(a_strangers_file_is_left_alone_unless_it_is_adopted)
{
    HM_AUTOFREE char *path = path_of(VOLUME);
    ck_assert_int_eq(qemu_img_create(path, "qcow2", 3 * MIB, NULL, NULL, &err), 0);
    ck_assert_int_eq(ensure(MIB), -HM_E_CONFLICT);
    ck_assert(!is_there(VOLUME VOLUME_MARK_SUFFIX));
    ck_assert_int_eq(ensure_for("site-a.vm.web", MIB, true, NULL), 0);
    ck_assert_int_eq(size_now(), 3 * MIB); /* never smaller */
    ck_assert_int_eq(ensure_for("site-a.vm.other", MIB, false, NULL), -HM_E_CONFLICT);
}
END_TEST

START_TEST(it_begins_as_a_copy_of_its_base)
{
    HM_AUTOFREE char *base = path_of("base.raw");
    HM_AUTOFREE char *text = hm_alloc(MIB);
    int fd = open(base, O_WRONLY | O_CREAT, 0600);
    memset(text, 'x', MIB);
    ck_assert_int_eq(write(fd, text, MIB), MIB);
    close(fd);
    ck_assert_msg(ensure_for("site-a.vm.web", 4 * MIB, false, base) == 0, "%s", err.text);
    ck_assert_int_eq(size_now(), 4 * MIB);
    struct image_info info = {0};
    HM_AUTOFREE char *path = path_of(VOLUME);
    ck_assert_int_eq(qemu_img_info(path, "qcow2", &info, &err), 0);
    ck_assert_int_ge(info.allocated, MIB);
    ck_assert_ptr_null(info.backing);
    image_info_clear(&info);
}
END_TEST

/* What is written down for a power cut, in its order: "-NAME" when that is removed, "sync" of its folder. */
static struct hm_buf story;

int unlink(const char *path)
{
    size_t len = strlen(dir);
    if (!strncmp(path, dir, len))
        hm_buf_printf(&story, "-%s ", path + len + 1);
    return unlinkat(AT_FDCWD, path, 0);
}

int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        hm_buf_puts(&story, "sync ");
    return (int)syscall(SYS_fsync, fd);
}

static int remove_for(const char *key)
{
    struct order o = {.kind = "volume", .name = VOLUME, .key = key, .site = "site-a"};
    return ch_volume_remove(dir, VOLUME, &o, &err);
}

START_TEST(it_is_removed_with_its_mark_by_its_own_vm_alone)
{
    ck_assert_int_eq(ensure(MIB), 0);
    ck_assert_int_eq(remove_for("site-a.vm.other"), -HM_E_CONFLICT);
    ck_assert(is_there(VOLUME));
    ck_assert_int_eq(remove_for("site-a.vm.web"), 0);
    ck_assert(!is_there(VOLUME));
    ck_assert(!is_there(VOLUME VOLUME_MARK_SUFFIX));
    ck_assert_int_gt(remove_for("site-a.vm.web"), 0);
}
END_TEST

/* A file that came back without its mark would be somebody's. */
START_TEST(it_is_gone_for_good_before_its_mark_is)
{
    ck_assert_int_eq(ensure(MIB), 0);
    hm_buf_free(&story);
    ck_assert_int_eq(remove_for("site-a.vm.web"), 0);
    ck_assert_str_eq(story.data,
                     "sync -" VOLUME " sync -" VOLUME VOLUME_MARK_SUFFIX " sync ");
    hm_buf_free(&story);
}
END_TEST

START_TEST(a_removal_that_a_crash_cut_off_is_ended_before_it_is_made_anew)
{
    ck_assert_int_eq(ensure(2 * MIB), 0);
    leave_state(VOLUME_REMOVING);
    ck_assert_int_eq(ensure(MIB), 0);
    ck_assert_int_eq(size_now(), MIB);
    ck_assert_int_eq(state_now(), VOLUME_MADE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_volume");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, it_is_made_found_again_and_grows);
    tcase_add_test(t, one_that_is_open_is_not_grown);
    tcase_add_test(t, one_that_a_crash_left_half_made_is_made_anew);
    tcase_add_test(t, one_whose_data_has_vanished_is_not_papered_over);
    tcase_add_test(t, a_strangers_file_is_left_alone_unless_it_is_adopted);
    tcase_add_test(t, it_begins_as_a_copy_of_its_base);
    tcase_add_test(t, it_is_removed_with_its_mark_by_its_own_vm_alone);
    tcase_add_test(t, it_is_gone_for_good_before_its_mark_is);
    tcase_add_test(t, a_removal_that_a_crash_cut_off_is_ended_before_it_is_made_anew);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
