/* Memory that was saved, that a start goes on from it, and who stands still for a moment. */
#include <check.h>
#include <ftw.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/ch_loop.h"
#include "vmm/ch_memory.h"

static char dir[64], from[96], disk[96];
static struct ch ch;
static json_t *config;
static struct hm_error err;

static void write_text(const char *folder, const char *name, const char *text)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, name);
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0644, &err), 0);
}

static char *read_text(const char *folder, const char *name)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, name);
    char *text = NULL;
    ck_assert_int_eq(hm_file_read(path, 1 << 16, &text, NULL, &err), 0);
    return text;
}

static json_t *config_of(int vcpus, const char *path)
{
    return json_pack("{s:{s:i}, s:{s:i}, s:[{s:s, s:s}]}", "cpus", "boot_vcpus", vcpus, "memory",
                     "size", 128, "disks", "id", "disk-root", "path", path);
}

/* As a VMM has written it. */
static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-memory-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(from, sizeof from, "%s/from", dir);
    snprintf(disk, sizeof disk, "%s/web-root.qcow2", dir);
    ck_assert_int_eq(mkdir(from, 0700), 0);
    write_text(from, "state.json", "the state");
    write_text(from, "memory-ranges", "the memory");
    write_text(from, "config.json", "{\"disks\":[{\"path\":\"/etc/shadow\"}]}");
    write_text(dir, "web-root.qcow2", "a disk");
    config = config_of(1, disk);
    ch = (struct ch){.image_dir = dir, .records = ch_records_path(dir)};
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void tear_down(void)
{
    ck_assert_int_eq(nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(ch.records);
    json_decref(config);
}

static void keep(void)
{
    ck_assert_msg(ch_memory_take(&ch, "web", "a", from, &err) == 0, "%s", err.text);
    ck_assert(!ch_memory_exists(&ch, "web", "a"));
    ck_assert_msg(ch_memory_seal(&ch, "web", "a", config, &err) == 0, "%s", err.text);
}

static void note_resume(void)
{
    json_t *disks = json_pack("[s]", disk);
    ck_assert_int_eq(ch_resume_note(&ch, "web", "a", disks, &err), 0);
    json_decref(disks);
}

/* -- What is kept -------------------------------------------------------------------------------- */

START_TEST(it_is_kept_for_its_hardware_and_goes)
{
    json_t *of = NULL, *other = config_of(2, disk);
    ck_assert(!ch_memory_exists(&ch, "web", "a"));
    keep();
    ck_assert(ch_memory_exists(&ch, "web", "a"));
    ck_assert(!ch_memory_exists(&ch, "web", "b") && !ch_memory_exists(&ch, "db", "a"));
    ck_assert_int_eq(ch_memory_read(&ch, "web", "a", config, &of, &err), 0);
    ck_assert(json_equal(of, config));
    json_decref(of);
    ck_assert_int_eq(ch_memory_read(&ch, "web", "a", other, &of, &err), -(int)HM_E_REFUSED);
    ck_assert_int_eq(ch_memory_read(&ch, "web", "b", config, &of, &err), -(int)HM_E_NOT_FOUND);
    ck_assert_int_eq(ch_memory_remove(&ch, "web", "a", &err), 0);
    ck_assert_int_eq(ch_memory_remove(&ch, "web", "a", &err), 1);
    ck_assert(!ch_memory_exists(&ch, "web", "a"));
    json_decref(other);
}
END_TEST

START_TEST(all_of_a_vm_go_with_it)
{
    HM_AUTOFREE char *home = hm_printf("%s/harmony-memory/web", dir);
    ck_assert_int_eq(ch_memory_remove_all(&ch, "web", &err), 1);
    keep();
    ck_assert_int_eq(ch_memory_remove_all(&ch, "web", &err), 0);
    ck_assert_int_lt(access(home, F_OK), 0);
}
END_TEST

/* The next VMM would read what it points to into its guest's memory. */
START_TEST(a_link_is_not_taken_for_memory)
{
    HM_AUTOFREE char *path = hm_printf("%s/memory-ranges", from);
    HM_AUTOFREE char *secret = hm_printf("%s/secret", dir);
    write_text(dir, "secret", "a secret");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(_i ? link(secret, path) : symlink(secret, path), 0);
    ck_assert_int_eq(ch_memory_take(&ch, "web", "a", from, &err), -(int)HM_E_CONFLICT);
    ck_assert(!ch_memory_exists(&ch, "web", "a"));
}
END_TEST

START_TEST(a_folder_that_is_a_link_is_not_either)
{
    HM_AUTOFREE char *link_path = hm_printf("%s/link", dir);
    ck_assert_int_eq(symlink(from, link_path), 0);
    ck_assert_int_eq(ch_memory_take(&ch, "web", "a", link_path, &err), -(int)HM_E_CONFLICT);
}
END_TEST

START_TEST(half_of_it_is_none)
{
    HM_AUTOFREE char *path = hm_printf("%s/memory-ranges", from);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ch_memory_take(&ch, "web", "a", from, &err), -(int)HM_E_VMM);
    ck_assert(!ch_memory_exists(&ch, "web", "a"));
}
END_TEST

START_TEST(room_is_looked_for_first)
{
    ck_assert_int_eq(ch_memory_check_room(&ch, "web", 1, &err), 0);
    ck_assert_int_eq(ch_memory_check_room(&ch, "web", UINT64_MAX / 2, &err), -(int)HM_E_NO_SPACE);
}
END_TEST

/* -- Going on from it ------------------------------------------------------------------------------ */

START_TEST(a_start_goes_on_from_it_by_this_agents_configuration)
{
    char *folder = NULL;
    json_t *now = config_of(1, disk);
    ck_assert_int_eq(ch_resume_look(&ch, "web", now, &folder, &err), 0);
    keep();
    note_resume();
    ck_assert_msg(ch_resume_look(&ch, "web", now, &folder, &err) == 1, "%s", err.text);
    HM_AUTOFREE char *memory = read_text(folder, "memory-ranges");
    ck_assert_str_eq(memory, "the memory");
    HM_AUTOFREE char *told = read_text(folder, "config.json");
    json_t *parsed = json_loads(told, 0, NULL);
    ck_assert(json_equal(parsed, now));
    json_decref(parsed);
    json_decref(now);
    free(folder);
    ck_assert_int_eq(ch_resume_forget(&ch, "web", &err), 0);
    ck_assert_int_eq(ch_resume_look(&ch, "web", config, &folder, &err), 0);
}
END_TEST

static void write_to_disk(void)
{
    write_text(dir, "web-root.qcow2", "a disk that was written to");
}

static void lose_disk(void)
{
    ck_assert_int_eq(unlink(disk), 0);
}

static void lose_memory(void)
{
    ck_assert_int_eq(ch_memory_remove(&ch, "web", "a", &err), 0);
}

static void change_hardware(void)
{
    json_decref(config);
    config = config_of(2, disk);
}

static void give_another_file(void)
{
    json_decref(config);
    config = config_of(1, "/elsewhere");
}

static void break_note(void)
{
    HM_AUTOFREE char *record = ch_record_path(ch.records, "web");
    write_text(record, "resume.json", "{\"snapshot\":");
}

static const struct {
    void (*happens)(void);
    const char *said;
} hindrances[] = {
    {write_to_disk, "was written to since"},
    {lose_disk, "was written to since"},
    {lose_memory, "holds no memory"},
    {change_hardware, "other hardware"},
    {give_another_file, "another disk than it knows"},
    {break_note, "can't be read"},
};

START_TEST(what_it_may_not_go_on_from_is_said_once)
{
    char *folder = NULL;
    keep();
    note_resume();
    hindrances[_i].happens();
    ck_assert_int_eq(ch_resume_look(&ch, "web", config, &folder, &err), -(int)HM_E_REFUSED);
    ck_assert_msg(strstr(err.text, hindrances[_i].said) != NULL, "%s", err.text);
    ck_assert_ptr_null(folder);
    ck_assert_int_eq(ch_resume_look(&ch, "web", config, &folder, &err), 0);
}
END_TEST

START_TEST(a_disk_that_can_not_be_kept_is_no_ground_to_go_on)
{
    json_t *disks = json_pack("[s, s]", disk, "/nowhere/web-data.qcow2");
    char *folder = NULL;
    keep();
    ck_assert_int_eq(ch_resume_note(&ch, "web", "a", disks, &err), -(int)HM_E_NOT_FOUND);
    ck_assert_int_eq(ch_resume_look(&ch, "web", config, &folder, &err), 0);
    json_decref(disks);
}
END_TEST

/* -- Standing still -------------------------------------------------------------------------------- */

static void write_hold(const char *agent, int pid, int start)
{
    json_t *note = json_pack("{s:s, s:i, s:i}", "agent", agent, "pid", pid, "start_time", start);
    ck_assert_int_eq(ch_record_write_hold(ch.records, "web", note, &err), 0);
}

START_TEST(what_another_run_held_is_left_and_what_this_one_holds_is_not)
{
    struct ch_pid pid = {4711, 99}, later = {4711, 100};
    ck_assert(!ch_hold_is_left(&ch, "web", &pid));
    ck_assert_int_eq(ch_hold_note(&ch, "web", &pid, NULL, &err), 0);
    ck_assert(!ch_hold_is_left(&ch, "web", &pid));
    ck_assert_int_eq(ch_hold_leave(&ch, "web", &pid, &err), 0);
    ck_assert(ch_hold_is_left(&ch, "web", &pid));
    write_hold("another", 4711, 99);
    ck_assert(ch_hold_is_left(&ch, "web", &pid));
    ck_assert_msg(!ch_hold_is_left(&ch, "web", &later), "it is of an earlier VMM");
    bool was_left = false;
    ck_assert_int_eq(ch_hold_note(&ch, "web", &pid, &was_left, &err), 0);
    ck_assert(was_left && !ch_hold_is_left(&ch, "web", &pid));
    ck_assert_int_eq(ch_hold_forget(&ch, "web", &err), 0);
    ck_assert(!ch_hold_is_left(&ch, "web", &pid));
}
END_TEST

/* A VMM that does not answer, until it is closed. */
static int be_silent(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    return fd;
}

static const struct ch_pid silent = {4711, 99};
static char silent_path[100];
static atomic_bool was_answered;

static void *end_left(void *unused)
{
    bool goes_on = ch_hold_end_left(&ch, "web", silent_path, &silent);
    atomic_store(&was_answered, true);
    return goes_on ? unused : NULL;
}

START_TEST(a_vmm_that_does_not_answer_holds_up_no_other_vm)
{
    pthread_t thread;
    struct ch_pid pid = {4712, 99};
    snprintf(silent_path, sizeof silent_path, "%s/silent.sock", dir);
    int fd = be_silent(silent_path);
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    pthread_mutex_init(&ch.lock, NULL);
    write_hold("another", silent.pid, (int)silent.start);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_left, NULL), 0);
    ck_assert_int_eq(poll(&asked, 1, 10000), 1);
    ck_assert_int_eq(ch_hold_note(&ch, "db", &pid, NULL, &err), 0);
    ck_assert_msg(!atomic_load(&was_answered), "it waited for the other one");
    close(fd);
    pthread_join(thread, NULL);
    ck_assert(ch_hold_is_left(&ch, "web", &silent));
    ch_http_free(ch.http);
    ch_loop_free(ch.loop);
    pthread_mutex_destroy(&ch.lock);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_memory");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, it_is_kept_for_its_hardware_and_goes);
    tcase_add_test(t, all_of_a_vm_go_with_it);
    tcase_add_loop_test(t, a_link_is_not_taken_for_memory, 0, 2);
    tcase_add_test(t, a_folder_that_is_a_link_is_not_either);
    tcase_add_test(t, half_of_it_is_none);
    tcase_add_test(t, room_is_looked_for_first);
    tcase_add_test(t, a_start_goes_on_from_it_by_this_agents_configuration);
    tcase_add_loop_test(t, what_it_may_not_go_on_from_is_said_once, 0,
                        sizeof hindrances / sizeof *hindrances);
    tcase_add_test(t, a_disk_that_can_not_be_kept_is_no_ground_to_go_on);
    tcase_add_test(t, what_another_run_held_is_left_and_what_this_one_holds_is_not);
    tcase_add_test(t, a_vmm_that_does_not_answer_holds_up_no_other_vm);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
