#include "guardian/message.h"

#include <stdio.h>
#include <string.h>

#include "guardian/lease.h"

_Static_assert(sizeof(struct guard_hello) == 144 && sizeof(struct guard_set) == 96, "no holes");
_Static_assert(sizeof(struct guard_lease) == 80, "no holes");

bool message_is_name(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return len > 0 && len <= GUARD_NAME_MAX && !name[len] && *name != '.';
}

static enum guard_error malformed(char why[PLAN_TEXT_MAX], const char *text)
{
    snprintf(why, PLAN_TEXT_MAX, "%s", text);
    return GUARD_MALFORMED;
}

static enum guard_error check_header(const struct guard_header *h, size_t size,
                                     char why[PLAN_TEXT_MAX])
{
    if (size < sizeof *h || h->magic != GUARD_MAGIC)
        return malformed(why, "that is not a message to a guardian");
    if (h->version != GUARD_VERSION) {
        snprintf(why, PLAN_TEXT_MAX, "the agent speaks version %u, this guardian %d: restart both",
                 h->version, GUARD_VERSION);
        return GUARD_STRANGER;
    }
    if (h->size != size)
        return malformed(why, "a message was cut off");
    if (h->seq == 0)
        return malformed(why, "a message has no number");
    return GUARD_OK;
}

static bool is_padded_name(const char name[GUARD_NAME_MAX + 1])
{
    size_t len = strnlen(name, GUARD_NAME_MAX + 1);
    if (len > GUARD_NAME_MAX || !message_is_name(name))
        return false;
    for (size_t i = len; i <= GUARD_NAME_MAX; i++)
        if (name[i])
            return false;
    return true;
}

static enum guard_error check_hello(const struct guard_hello *hello, size_t size,
                                    char why[PLAN_TEXT_MAX])
{
    if (size != sizeof *hello || !is_padded_name(hello->site) || !is_padded_name(hello->group))
        return malformed(why, "HELLO does not name a site and a group");
    return GUARD_OK;
}

static enum guard_error check_set(const struct guard_set *set, size_t size, char why[PLAN_TEXT_MAX])
{
    if (size != sizeof *set || !lease_in_range(&set->lease))
        return malformed(why, "SET is not a lease: a value is out of range");
    return GUARD_OK;
}

enum guard_error message_check(const union message *m, size_t size, char why[PLAN_TEXT_MAX])
{
    enum guard_error e = check_header(&m->header, size, why);
    if (e != GUARD_OK)
        return e;
    switch (m->header.type) {
    case GUARD_HELLO:
        return check_hello(&m->hello, size, why);
    case GUARD_PLAN:
        return plan_check(&m->plan, size, why) ? GUARD_OK : GUARD_MALFORMED;
    case GUARD_SET:
        return check_set(&m->set, size, why);
    default:
        return malformed(why, "a message is of a type that an agent does not send");
    }
}

enum guard_error message_hello(const struct guard_hello *hello, const char *site, const char *group,
                               char why[PLAN_TEXT_MAX])
{
    if (!strcmp(hello->site, site) && !strcmp(hello->group, group))
        return GUARD_OK;
    snprintf(why, PLAN_TEXT_MAX, "this is the guardian of %s/%s, not of %s/%s", site, group,
             hello->site, hello->group);
    return GUARD_STRANGER;
}
