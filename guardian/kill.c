#include "guardian/kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guardian/cgroup_find.h"
#include "guardian/procfs.h"

/* -- Names --------------------------------------------------------------------- */

static bool is_option(const struct names *n, const char *word)
{
    for (unsigned i = 0; i < n->count; i++)
        if (!strcmp(n->option[i], word))
            return true;
    return n->too_many;
}

void kill_names(struct names *ret, const struct guard_plan *plan)
{
    struct plan_entry e;
    size_t at = 0;
    *ret = (struct names){.plan = plan};
    while (plan_next_of(plan, GUARD_PROCESS, &at, &e)) {
        if (is_option(ret, e.word[0]))
            continue;
        if (ret->count == KILL_OPTIONS_MAX)
            ret->too_many = true;
        else
            ret->option[ret->count++] = e.word[0];
    }
}

static bool is_named(const struct names *n, const char *option, const char *value)
{
    struct plan_entry e;
    size_t at = 0;
    if (!is_option(n, option))
        return false;
    while (plan_next_of(n->plan, GUARD_PROCESS, &at, &e))
        if (!strcmp(e.word[1], value) && !strcmp(e.word[0], option))
            return true;
    return false;
}

/* The word is complete. One that is longer than any of a plan matches nothing. */
static bool end_word(const struct names *names, struct words *w)
{
    w->word[w->too_long ? 0 : w->len] = '\0';
    bool named = *w->last && *w->word && is_named(names, w->last, w->word);
    memcpy(w->last, w->word, sizeof w->last);
    w->len = 0;
    w->too_long = false;
    return named;
}

bool kill_matches(const struct names *names, struct words *w, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!bytes[i]) {
            if (end_word(names, w))
                return true;
        } else if (w->len == GUARD_WORD_MAX) {
            w->too_long = true;
        } else {
            w->word[w->len++] = bytes[i];
        }
    }
    return false;
}

enum match { MATCHES_NOT, MATCHES, MATCHES_UNKNOWN };

static enum match process_matches(const struct names *names, const char *pid)
{
    char path[64], bytes[4096];
    struct words w = {0};
    bool matches = false;
    ssize_t n;
    snprintf(path, sizeof path, "/proc/%.32s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ESRCH ? MATCHES_NOT : MATCHES_UNKNOWN;
    while ((n = read(fd, bytes, sizeof bytes)) > 0 && !matches)
        matches = kill_matches(names, &w, bytes, (size_t)n);
    int saved = errno;
    close(fd);
    if (matches || kill_matches(names, &w, "", 1)) /* the last word may have no NUL */
        return MATCHES;
    return n < 0 && saved != ESRCH ? MATCHES_UNKNOWN : MATCHES_NOT;
}

/* -- Looking ------------------------------------------------------------------- */

struct look {
    struct killing *k;
    struct names names;
    int32_t spare;
    unsigned left;
};

static void remember(struct killing *k, int32_t pid, uint64_t start)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->found[i].pid == pid && k->found[i].start == start)
            return;
    if (k->count == KILL_FOUND_MAX)
        return; /* its name is still looked for */
    k->found[k->count].pid = pid;
    k->found[k->count++].start = start;
}

/* Named twice, with its start time taken before the second time: what is killed is what was named. */
static bool look_at(void *data, const char *name, unsigned char type)
{
    struct look *look = data;
    uint64_t pid;
    if (type != DT_DIR || !plan_number_parse(name, &pid) || pid <= 1 || pid > INT32_MAX)
        return true;
    if ((int32_t)pid == getpid() || (int32_t)pid == look->spare)
        return true;
    enum match match = process_matches(&look->names, name);
    look->left += match == MATCHES_UNKNOWN;
    if (match != MATCHES)
        return true;
    uint64_t start = process_start_time((pid_t)pid);
    if (start != PROCESS_DEAD && process_matches(&look->names, name) == MATCHES) {
        remember(look->k, (int32_t)pid, start);
        look->left += process_kill((pid_t)pid, start);
    }
    return true;
}

static unsigned kill_named(struct killing *k, const struct guard_plan *plan, int32_t spare)
{
    struct look look = {.k = k, .spare = spare};
    kill_names(&look.names, plan);
    if (look.names.count == 0)
        return 0;
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    if (!folder_walk(fd, look_at, &look))
        look.left++;
    close(fd);
    return look.left;
}

static unsigned kill_pids(const struct guard_plan *plan)
{
    struct plan_entry e;
    size_t at = 0;
    unsigned left = 0;
    while (plan_next_of(plan, GUARD_PID, &at, &e)) {
        uint64_t pid = 0, start = 0;
        plan_number_parse(e.word[0], &pid);
        plan_number_parse(e.word[1], &start);
        if ((pid_t)pid != getpid())
            left += process_kill((pid_t)pid, start);
    }
    return left;
}

static unsigned kill_cgroups(const struct guard_plan *plan)
{
    struct cgroup_own own;
    struct plan_entry e;
    size_t at = 0;
    unsigned left = 0;
    if (!plan_next_of(plan, GUARD_CGROUP, &at, &e))
        return 0;
    cgroup_own_find(&own);
    for (at = 0; plan_next_of(plan, GUARD_CGROUP, &at, &e);)
        left += !cgroup_is_own(&own, e.word[0]) && !cgroup_kill(e.word[0]);
    return left;
}

static unsigned kill_found(struct killing *k)
{
    unsigned left = 0;
    for (unsigned i = 0; i < k->count; i++)
        if (process_kill(k->found[i].pid, k->found[i].start))
            k->found[left++] = k->found[i];
    k->count = left;
    return left;
}

/* What is quick and surest comes first; the command lines, which may block, last. */
unsigned kill_all(struct killing *k, const struct guard_plan *plan, const struct cgroups *cgroups,
                  const char *keep, int32_t spare)
{
    unsigned left = cgroups_end(cgroups, keep);
    left += kill_pids(plan);
    left += kill_cgroups(plan);
    left += kill_found(k);
    return left + kill_named(k, plan, spare);
}
