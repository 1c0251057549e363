#include "ctl/group.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/failover_request.h"

static bool is_default(const char *group)
{
    return strcmp(group, "default") == 0;
}

char *group_key(const char *group, const char *key)
{
    return is_default(group) ? hm_strdup(key) : hm_printf("%s.%s", group, key);
}

char *group_filter(const char *group)
{
    return group_key(group, ">");
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_own_key(const char *key)
{
    return strcmp(key, KEY_LEASE) == 0 || strcmp(key, KEY_CONFIG) == 0 ||
           strcmp(key, KEY_STATE) == 0 || strcmp(key, KEY_OPERATOR) == 0 ||
           strcmp(key, FAILOVER_REQUEST_KEY) == 0 || begins_with(key, KEY_REPLICA) ||
           begins_with(key, KEY_INCIDENT) || begins_with(key, KEY_ACCOUNT);
}

const char *key_in_group(const char *group, const char *stored)
{
    size_t len = strlen(group);
    if (!is_default(group)) {
        if (strncmp(stored, group, len) != 0 || stored[len] != '.')
            return NULL;
        stored += len + 1;
    }
    return is_own_key(stored) ? stored : NULL;
}
