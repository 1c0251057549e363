#include "vmm/cloud_hypervisor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/run.h"
#include "vmm/ch.h"

enum { VERSION_MS = 5000, VERSION_OUTPUT_MAX = 4096 };

static const char *const kinds[] = {"vm", NULL};

static int check_options(const struct driver_options *options, struct hm_error *err)
{
    (void)options;
    (void)err;
    return 0;
}

static int open_instance(const struct driver_options *options, void **ret_self,
                         struct hm_error *err)
{
    struct ch *ch = NULL;
    int r = ch_open(options, &ch, err);
    if (r >= 0)
        *ret_self = ch;
    return r;
}

static void close_instance(void *self)
{
    ch_close(self);
}

static char *version_of(const char *program)
{
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};
    struct ch_version version;
    struct hm_ran ran = {0};
    if (hm_run(argv, VERSION_MS, VERSION_OUTPUT_MAX, &ran, NULL) < 0)
        return hm_strdup("unknown");
    bool is = ran.exit_code == 0 && ch_version_parse(ran.out, &version);
    hm_ran_clear(&ran);
    return hm_strdup(is ? version.text : "unknown");
}

/* That the program is missing is a fact, and no failure: most hosts need none. */
static int probe(void *self, json_t **ret_facts, struct hm_error *err)
{
    const struct ch *ch = self;
    char *program = NULL;
    (void)err;
    int r = ch_program_find(ch, &program, NULL);
    HM_AUTOFREE char *version = r < 0 ? hm_strdup("none") : version_of(program);
    *ret_facts = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "backend", "cloud-hypervisor",
                           "program", program ? program : "not installed", "version", version,
                           "firmware", ch->firmware ? ch->firmware : "none", "kvm",
                           access("/dev/kvm", R_OK | W_OK) == 0, "landlock", ch->has_landlock);
    free(program);
    return 0;
}

static int observe(void *self, struct things *ret, struct hm_error *err)
{
    return ch_observe(self, ret, err);
}

static int stats(void *self, struct vm_stats_list *ret, struct hm_error *err)
{
    return ch_stats(self, ret, err);
}

static bool is_alive(void *self)
{
    (void)self;
    return true;
}

static char *process_word(const struct driver_options *options, const char *uuid)
{
    HM_AUTOFREE char *sockets = ch_sockets_path(options->runtime_dir);
    HM_AUTOFREE char *socket = ch_socket_of(sockets, uuid);
    return ch_socket_word(socket);
}

static void bridge_tap(const char *key, size_t index, char out[CH_TAP_TEXT])
{
    ch_tap_name(key, NULL, index, out);
}

#define VERB(verb)                                                                                 \
    static int verb_##verb(void *self, const struct order *o, struct hm_error *err)                \
    {                                                                                              \
        return ch_vm_##verb(self, o, err);                                                         \
    }
DRIVER_VERBS(VERB)
#undef VERB

const struct driver cloud_hypervisor_driver = {
    .name = "cloud-hypervisor",
    .kinds = kinds,
    .opens_taps = true,
    .check_options = check_options,
    .open = open_instance,
    .close = close_instance,
    .probe = probe,
    .observe = observe,
    .stats = stats,
#define VERB_ROW(verb) .verb = verb_##verb,
    DRIVER_VERBS(VERB_ROW)
#undef VERB_ROW
        .kill_seen = ch_vm_kill_seen,
    .process_word = process_word,
    .bridge_tap = bridge_tap,
    .is_alive = is_alive,
    .operations = ch_operations,
};
