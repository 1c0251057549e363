#include "agent/config_guardian.h"

#include <stdlib.h>
#include <string.h>

#include "agent/config.h"
#include "base/alloc.h"
#include "proto/text.h"

/* -- the table -------------------------------------------------------------------------------- */

static const char *const start_words[] = {
#define START_WORD(id, word) word,
    GUARDIAN_STARTS(START_WORD)
#undef START_WORD
        NULL};

static const struct field address_fields[] = {
    {.name = "link",
     .type = FIELD_STRING,
     .required = true,
     .min = 1,
     .max = 15,
     .help = "The interface that has it."},
    {.name = "address",
     .type = FIELD_CIDR,
     .required = true,
     .help = "Address and prefix, as `ip address` shows them."},
    {.name = NULL},
};

#define LIMIT(rung, text)                                                                          \
    {                                                                                              \
        .name = rung, .type = FIELD_DURATION, .min = 1, .max = GUARD_RUNG_LIMIT_MAX_MS,            \
        .help = text                                                                               \
    }

static const struct field fence_fields[] = {
    {.name = "cgroups",
     .type = FIELD_LIST,
     .element = FIELD_PATH,
     .max = 256,
     .default_value = "[]",
     .help = "Cgroups of other managers' units that are part of the workload "
             "(/sys/fs/cgroup/system.slice/postgresql.service): every process in them is killed."},
    {.name = "links",
     .type = FIELD_LIST,
     .element = FIELD_STRING,
     .min = 0,
     .max = 64,
     .default_value = "[]",
     .help = "Interfaces that are set down when the kill can't be verified."},
    {.name = "addresses",
     .type = FIELD_LIST,
     .element = FIELD_OBJECT,
     .fields = address_fields,
     .max = 64,
     .default_value = "[]",
     .help = "Addresses that are taken away then."},
    {.name = "command",
     .type = FIELD_LIST,
     .element = FIELD_STRING,
     .min = 1,
     .max = GUARD_WORDS_MAX,
     .help =
         "Run when that can't be verified either (power switch, switch port): absolute path and "
         "arguments. No shell. Exit code 0: it has cut this host off."},
    {.name = "watchdog",
     .type = FIELD_PATH,
     .help = "A watchdog device (/dev/watchdog0), fed while a lease is held; the last resort is to "
             "stop, and the host resets."},
    LIMIT("kill_limit", "How long the kill may take before the next step is taken; absent: what "
                        "fence_timeout of cluster_config leaves."),
    LIMIT("cut_limit", "The same for links and addresses; absent: 500ms."),
    LIMIT("command_limit", "The same for the command; absent: 10s."),
    LIMIT("watchdog_limit",
          "After which time without food the watchdog resets the host; absent: 10s."),
    {.name = NULL},
};

const struct field guardian_fields[] = {
    {.name = "socket",
     .type = FIELD_PATH,
     .help = "Where the guardian listens; absent: guardian.sock in runtime_dir."},
    {.name = "start",
     .type = FIELD_ENUM,
     .words = start_words,
     .default_value = "\"auto\"",
     .help = "Who starts it: `unit`: somebody else (harmony-guardian.service); `agent`: the agent, "
             "where nobody listens; `auto`: the agent, unless it is a unit of systemd itself."},
    {.name = "cgroup",
     .type = FIELD_PATH,
     .help = "Folder of the cgroup filesystem in which a guardian that the agent starts makes the "
             "cgroup of each epoch; absent: it looks for one."},
    {.name = "fence",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = fence_fields,
     .help = "What the guardian ends beside what the agent started, and what it does when that "
             "fails."},
    {.name = NULL},
};

/* -- what the table can't say ----------------------------------------------------------------- */

static int check_words(const json_t *list, const char *place, struct field_place *at,
                       struct hm_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        size_t length = json_string_length(item);
        field_place_set(at, "guardian.fence.%s[%zu]", place, i);
        if (length == 0 || length > GUARD_WORD_MAX)
            return field_fail(at, err, "must have 1 to %d bytes", GUARD_WORD_MAX);
    }
    return 0;
}

int guardian_config_check(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *fence = json_object_get(json_object_get(spec, "guardian"), "fence");
    static const char *const lists[] = {"cgroups", "links", "command"};
    for (size_t i = 0; i < HM_COUNT(lists); i++) {
        int r = check_words(json_object_get(fence, lists[i]), lists[i], at, err);
        if (r < 0)
            return r;
    }
    const char *program = json_string_value(json_array_get(json_object_get(fence, "command"), 0));
    char shown[TEXT_QUOTE_MAX];
    field_place_set(at, "guardian.fence.command[0]");
    if (!program || *program == '/')
        return 0;
    text_quote(program, shown);
    return field_fail(at, err, "%s is not an absolute path of a program", shown);
}

/* -- spec -> struct --------------------------------------------------------------------------- */

static void take_addresses(struct guardian_config *c, const json_t *list)
{
    size_t i;
    json_t *item;
    c->fence.addresses = hm_alloc((json_array_size(list) + 1) * sizeof *c->fence.addresses);
    json_array_foreach(list, i, item)
    {
        c->fence.addresses[c->fence.address_count++] = (struct guardian_address){
            .link = config_text(item, "link"), .address = config_text(item, "address")};
    }
}

static void take_fence(struct guardian_config *c, const json_t *fence)
{
    static const char *const limits[] = {[GUARD_RUNG_KILL] = "kill_limit",
                                         [GUARD_RUNG_CUT] = "cut_limit",
                                         [GUARD_RUNG_COMMAND] = "command_limit",
                                         [GUARD_RUNG_WATCHDOG] = "watchdog_limit"};
    const json_t *command = json_object_get(fence, "command");
    c->fence.cgroups = config_texts(json_object_get(fence, "cgroups"));
    c->fence.links = config_texts(json_object_get(fence, "links"));
    c->fence.command = command ? config_texts(command) : NULL;
    c->fence.watchdog = config_text(fence, "watchdog");
    take_addresses(c, json_object_get(fence, "addresses"));
    for (size_t i = GUARD_RUNG_KILL; i < HM_COUNT(limits); i++)
        c->fence.limit_ms[i] = spec_int(fence, limits[i], 0);
}

static enum guardian_start start_of(const char *word)
{
    size_t i = 0;
    while (start_words[i] && strcmp(start_words[i], word) != 0)
        i++;
    return (enum guardian_start)i;
}

void guardian_config_take(struct guardian_config *ret, const json_t *guardian,
                          const char *runtime_dir)
{
    struct guardian_config c = {.socket = config_text(guardian, "socket"),
                                .start = start_of(spec_str(guardian, "start")),
                                .cgroup = config_text(guardian, "cgroup")};
    if (!c.socket)
        c.socket = hm_printf("%s/guardian.sock", runtime_dir);
    take_fence(&c, json_object_get(guardian, "fence"));
    *ret = c;
}

void guardian_config_clear(struct guardian_config *c)
{
    free(c->socket);
    free(c->cgroup);
    config_free_texts(c->fence.cgroups);
    config_free_texts(c->fence.links);
    config_free_texts(c->fence.command);
    for (size_t i = 0; i < c->fence.address_count; i++) {
        free(c->fence.addresses[i].link);
        free(c->fence.addresses[i].address);
    }
    free(c->fence.addresses);
    free(c->fence.watchdog);
    *c = (struct guardian_config){0};
}
