#include "guardian/plan.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guardian/clock.h"

enum { LINK_NAME_MAX = 15, ALIGNMENT = 8 };

_Static_assert(sizeof(struct guard_header) == 16, "as it lies in memory");
_Static_assert(sizeof(struct guard_plan) == 48 && sizeof(struct guard_entry) == 8, "no holes");

static bool refuse(char why[PLAN_TEXT_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(char why[PLAN_TEXT_MAX], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, PLAN_TEXT_MAX, fmt, args);
    va_end(args);
    return false;
}

/* -- Words --------------------------------------------------------------------- */

bool plan_number_parse(const char *text, uint64_t *ret)
{
    uint64_t n = 0;
    if (*text < '1' || *text > '9')
        return false;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(*c - '0');
    }
    *ret = n;
    return true;
}

size_t plan_address_size(const struct plan_address *a)
{
    return a->family == AF_INET ? 4 : 16;
}

bool plan_address_parse(const char *text, struct plan_address *ret)
{
    char address[INET6_ADDRSTRLEN];
    struct plan_address a = {0};
    uint64_t prefix = 0;
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof address)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    a.family = strchr(address, ':') ? AF_INET6 : AF_INET;
    if (!plan_number_parse(slash + 1, &prefix) || prefix > (a.family == AF_INET ? 32 : 128) ||
        inet_pton(a.family, address, a.bytes) != 1)
        return false;
    a.prefix = (unsigned)prefix;
    *ret = a;
    return true;
}

static bool is_path(const char *word)
{
    if (*word != '/' || strstr(word, "//"))
        return false;
    for (const char *part = word; part; part = strchr(part + 1, '/')) {
        size_t len = strcspn(part + 1, "/");
        if ((len == 1 && part[1] == '.') || (len == 2 && part[1] == '.' && part[2] == '.'))
            return false;
    }
    return true;
}

static bool is_link(const char *word)
{
    return *word && strlen(word) <= LINK_NAME_MAX && !strpbrk(word, "/: \t\n") &&
           strcmp(word, ".") != 0 && strcmp(word, "..") != 0;
}

static bool is_process(const struct plan_entry *e)
{
    return *e->word[0] && *e->word[1];
}

static bool is_pid(const struct plan_entry *e)
{
    uint64_t pid, start;
    return plan_number_parse(e->word[0], &pid) && pid > 1 && pid <= INT32_MAX &&
           plan_number_parse(e->word[1], &start);
}

static bool starts_with_path(const struct plan_entry *e)
{
    return is_path(e->word[0]);
}

static bool starts_with_link(const struct plan_entry *e)
{
    return is_link(e->word[0]);
}

static bool is_address(const struct plan_entry *e)
{
    struct plan_address ignored;
    return is_link(e->word[0]) && plan_address_parse(e->word[1], &ignored);
}

static bool is_vip(const struct plan_entry *e)
{
    struct plan_address ignored;
    return plan_address_parse(e->word[0], &ignored);
}

static const struct {
    const char *is; /* what its words should be */
    unsigned min, max;
    enum guard_rung rung;
    bool (*holds)(const struct plan_entry *);
} types[] = {
    [GUARD_PROCESS] = {"an option and a value", 2, 2, GUARD_RUNG_KILL, is_process},
    [GUARD_PID] = {"a pid above 1 and its start time", 2, 2, GUARD_RUNG_KILL, is_pid},
    [GUARD_CGROUP] = {"an absolute path", 1, 1, GUARD_RUNG_KILL, starts_with_path},
    [GUARD_LINK] = {"an interface's name", 1, 1, GUARD_RUNG_CUT, starts_with_link},
    [GUARD_ADDRESS] = {"an interface's name and ADDRESS/PREFIX", 2, 2, GUARD_RUNG_CUT, is_address},
    [GUARD_COMMAND] = {"an absolute path and arguments", 1, GUARD_WORDS_MAX, GUARD_RUNG_COMMAND,
                       starts_with_path},
    [GUARD_WATCHDOG] = {"an absolute path", 1, 1, GUARD_RUNG_WATCHDOG, starts_with_path},
    [GUARD_VIP] = {"ADDRESS/PREFIX", 1, 1, GUARD_RUNG_KILL, is_vip},
};

static bool is_type(unsigned type)
{
    return type >= GUARD_PROCESS && type < sizeof types / sizeof *types;
}

/* -- Entries ------------------------------------------------------------------- */

static size_t aligned(size_t n)
{
    return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* The words of `bytes` at `text`; false when they are not what `entry` says. */
static bool split_words(const struct guard_entry *entry, const char *text, struct plan_entry *ret)
{
    size_t at = 0;
    if (entry->words > GUARD_WORDS_MAX)
        return false;
    for (unsigned i = 0; i < entry->words; i++) {
        const char *end = memchr(text + at, '\0', entry->bytes - at);
        if (!end || end - (text + at) > GUARD_WORD_MAX)
            return false;
        ret->word[i] = text + at;
        at = (size_t)(end - text) + 1;
    }
    ret->word[entry->words] = NULL;
    ret->words = entry->words;
    ret->type = (enum guard_entry_type)entry->type;
    return at == entry->bytes;
}

static bool has_control(const struct plan_entry *e)
{
    for (unsigned i = 0; i < e->words; i++)
        for (const char *c = e->word[i]; *c; c++)
            if ((unsigned char)*c < 0x20 || *c == 0x7f)
                return true;
    return false;
}

static bool check_entry(unsigned number, const struct plan_entry *e, char why[PLAN_TEXT_MAX])
{
    if (!is_type(e->type))
        return refuse(why, "entry %u of the plan is of unknown type %u", number, (unsigned)e->type);
    if (e->words < types[e->type].min || e->words > types[e->type].max)
        return refuse(why, "entry %u of the plan has %u words, not %s", number, e->words,
                      types[e->type].is);
    if (has_control(e) || !types[e->type].holds(e))
        return refuse(why, "entry %u of the plan is not %s", number, types[e->type].is);
    return true;
}

static bool next_entry(const struct guard_plan *plan, size_t size, size_t *at,
                       struct plan_entry *ret)
{
    const char *base = (const char *)plan;
    size_t from = *at ? *at : sizeof *plan;
    if (size < from || size - from < sizeof(struct guard_entry))
        return false;
    const struct guard_entry *entry = (const struct guard_entry *)(const void *)(base + from);
    if (entry->bytes > size - from - sizeof *entry ||
        !split_words(entry, base + from + sizeof *entry, ret))
        return false;
    *at = aligned(from + sizeof *entry + entry->bytes);
    return true;
}

static bool check_limits(const struct guard_plan *plan, char why[PLAN_TEXT_MAX])
{
    for (unsigned i = 0; i < sizeof plan->limit_ms / sizeof *plan->limit_ms; i++)
        if (plan->limit_ms[i] > GUARD_RUNG_LIMIT_MAX_MS)
            return refuse(why, "the limit of rung %u is %u ms, above %d", i, plan->limit_ms[i],
                          GUARD_RUNG_LIMIT_MAX_MS);
    return true;
}

bool plan_check(const struct guard_plan *plan, size_t size, char why[PLAN_TEXT_MAX])
{
    size_t at = 0;
    unsigned watchdogs = 0;
    if (size < sizeof *plan || size > GUARD_MESSAGE_MAX || plan->header.size != size)
        return refuse(why, "the plan is %zu bytes long, and says something else", size);
    if (plan->entries > GUARD_ENTRIES_MAX)
        return refuse(why, "the plan has %u entries, above %d", plan->entries, GUARD_ENTRIES_MAX);
    if (!check_limits(plan, why))
        return false;
    for (unsigned i = 1; i <= plan->entries; i++) {
        struct plan_entry e;
        if (!next_entry(plan, size, &at, &e))
            return refuse(why, "entry %u of the plan is damaged", i);
        if (!check_entry(i, &e, why))
            return false;
        watchdogs += e.type == GUARD_WATCHDOG;
    }
    if (watchdogs > 1)
        return refuse(why, "the plan has %u watchdogs, and can have one", watchdogs);
    if (size > aligned(at ? at : sizeof *plan))
        return refuse(why, "the plan has bytes after its last entry");
    return true;
}

/* -- Walking ------------------------------------------------------------------- */

bool plan_next(const struct guard_plan *plan, size_t *at, struct plan_entry *ret)
{
    return plan->entries > 0 && next_entry(plan, plan->header.size, at, ret);
}

bool plan_next_of(const struct guard_plan *plan, enum guard_entry_type type, size_t *at,
                  struct plan_entry *ret)
{
    while (plan_next(plan, at, ret))
        if (ret->type == type)
            return true;
    return false;
}

enum guard_rung plan_rung_of(enum guard_entry_type type)
{
    return types[type].rung;
}

bool plan_has(const struct guard_plan *plan, enum guard_rung rung)
{
    struct plan_entry e;
    size_t at = 0;
    if (rung == GUARD_RUNG_KILL)
        return true;
    while (plan_next(plan, &at, &e))
        if (plan_rung_of(e.type) == rung)
            return true;
    return false;
}

int64_t plan_limit_ns(const struct guard_plan *plan, enum guard_rung rung, int64_t fence_limit_ns)
{
    static const int64_t defaults[] = {
        [GUARD_RUNG_NONE] = 0,
        [GUARD_RUNG_KILL] = 500 * MS,
        [GUARD_RUNG_CUT] = 500 * MS,
        [GUARD_RUNG_COMMAND] = 10 * SEC,
        [GUARD_RUNG_WATCHDOG] = 10 * SEC,
    };
    if (plan->limit_ms[rung])
        return plan->limit_ms[rung] * MS;
    if (rung == GUARD_RUNG_KILL && fence_limit_ns > 0)
        return fence_limit_ns;
    return defaults[rung];
}

void plan_make_empty(struct guard_plan *ret)
{
    *ret = (struct guard_plan){.header = {.magic = GUARD_MAGIC,
                                          .version = GUARD_VERSION,
                                          .type = GUARD_PLAN,
                                          .size = sizeof *ret}};
}
