#include "agent/fence_plan.h"

#include <string.h>

/* Behind which option a word stands: that of QEMU, and that of a VMM by its socket. */
static const char *option_of(const char *word)
{
    return strncmp(word, "path=", 5) ? "-uuid" : "--api-socket";
}

enum { ALIGNMENT = 8 };

struct guard_plan *fence_plan_message(const struct fence_plan *p)
{
    return (struct guard_plan *)p->text.data;
}

static void align(struct hm_buf *text)
{
    static const char zeros[ALIGNMENT];
    hm_buf_add(text, zeros, (ALIGNMENT - text->len % ALIGNMENT) % ALIGNMENT);
}

/* `words` ends in NULL. */
static void add(struct fence_plan *p, enum guard_entry_type type, const char *const *words)
{
    struct guard_entry entry = {.type = (uint16_t)type};
    for (const char *const *w = words; *w; w++) {
        entry.words++;
        entry.bytes += (uint32_t)strlen(*w) + 1;
    }
    hm_buf_add(&p->text, &entry, sizeof entry);
    for (const char *const *w = words; *w; w++)
        hm_buf_add(&p->text, *w, strlen(*w) + 1);
    align(&p->text);
    if (p->text.data)
        fence_plan_message(p)->entries++;
}

static void add_one(struct fence_plan *p, enum guard_entry_type type, const char *word)
{
    add(p, type, (const char *const[]){word, NULL});
}

static void add_each(struct fence_plan *p, enum guard_entry_type type, char *const *words)
{
    for (char *const *w = words; w && *w; w++)
        add_one(p, type, *w);
}

void fence_plan_begin(struct fence_plan *p, const struct guardian_config *c)
{
    struct guard_plan head = {.entries = 0};
    for (size_t i = 0; i < sizeof head.limit_ms / sizeof *head.limit_ms; i++)
        head.limit_ms[i] = (uint32_t)c->fence.limit_ms[i];
    fence_plan_clear(p);
    p->text.limit = GUARD_MESSAGE_MAX;
    hm_buf_add(&p->text, &head, sizeof head);
    add_each(p, GUARD_CGROUP, c->fence.cgroups);
    add_each(p, GUARD_LINK, c->fence.links);
    for (size_t i = 0; i < c->fence.address_count; i++)
        add(p, GUARD_ADDRESS,
            (const char *const[]){c->fence.addresses[i].link, c->fence.addresses[i].address, NULL});
    if (c->fence.command)
        add(p, GUARD_COMMAND, (const char *const *)c->fence.command);
    if (c->fence.watchdog)
        add_one(p, GUARD_WATCHDOG, c->fence.watchdog);
}

void fence_plan_add_vip(struct fence_plan *p, const struct vip_address *address)
{
    char text[VIP_TEXT_MAX + 1];
    vip_address_text(address, text);
    add_one(p, GUARD_VIP, text);
}

void fence_plan_add_vm(struct fence_plan *p, const char *word)
{
    add(p, GUARD_PROCESS, (const char *const[]){option_of(word), word, NULL});
}

void fence_plan_add_link(struct fence_plan *p, const char *name)
{
    add_one(p, GUARD_LINK, name);
}

/* FNV-1a; never 0, which means none. */
static uint64_t number_of(const struct hm_buf *text)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = sizeof(struct guard_header); i < text->len; i++)
        hash = (hash ^ (unsigned char)text->data[i]) * 1099511628211ULL;
    return hash ? hash : 1;
}

int fence_plan_end(struct fence_plan *p, struct hm_error *err)
{
    if (p->text.overflowed || fence_plan_message(p)->entries > GUARD_ENTRIES_MAX) {
        fence_plan_clear(p);
        return hm_fail(
            err, HM_E_TOO_LARGE,
            "the workload has more parts than the guardian's plan can hold (%d KiB, about "
            "1100 VMs of placement primary): spread it over several sites' groups",
            GUARD_MESSAGE_MAX / 1024);
    }
    fence_plan_message(p)->number = number_of(&p->text);
    return 0;
}

void fence_plan_clear(struct fence_plan *p)
{
    hm_buf_free(&p->text);
}

uint64_t fence_plan_number(const struct fence_plan *p)
{
    return p->text.data ? fence_plan_message(p)->number : 0;
}

bool fence_plan_has_vm(const struct fence_plan *p, const char *word)
{
    const char *wanted = option_of(word);
    if (!p->text.data)
        return false;
    for (size_t at = sizeof(struct guard_plan); at < p->text.len;) {
        const struct guard_entry *e = (const struct guard_entry *)(p->text.data + at);
        const char *option = (const char *)(e + 1);
        if (e->type == GUARD_PROCESS && !strcmp(option, wanted) &&
            !strcmp(option + strlen(wanted) + 1, word))
            return true;
        at += (sizeof *e + e->bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    }
    return false;
}
