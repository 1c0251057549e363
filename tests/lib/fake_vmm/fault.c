/*
 * Faults on request. A test writes lines "CALL FAULT [MS] [COUNT]" into API_SOCKET.fault, or into
 * the file "faults" beside the socket for all that have theirs in that folder; CALL is "vm.boot", or
 * "*". COUNT is how often it happens in this process (default: always). It is read before each call.
 *
 *   hang      no answer to this or any later call, and deaf to SIGTERM; the guest runs on
 *   slow MS   the answer comes MS later, and all others with it
 *   garbage   what is answered is not HTTP
 *   die       SIGKILL to itself in place of the answer: the call was not carried out
 *   close     the call is carried out and the connection closed without an answer
 */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTED_MAX = 16 };
static struct {
    char line[128];
    unsigned times;
} counted[COUNTED_MAX];

static unsigned times_used(const char *line)
{
    for (size_t i = 0; i < COUNTED_MAX; i++) {
        if (!counted[i].line[0])
            snprintf(counted[i].line, sizeof(counted[i].line), "%s", line);
        if (strcmp(counted[i].line, line) == 0)
            return counted[i].times++;
    }
    die("more than %d different faults", COUNTED_MAX);
}

static enum fault_sort sort_of(const char *word)
{
    static const char *const words[] = {"none", "hang", "slow", "garbage", "die", "close"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(words[i], word) == 0)
            return (enum fault_sort)i;
    die("there is no fault %s", word);
}

static struct fault asked_in(const char *path, const char *call)
{
    struct fault fault = {FAULT_NONE, 0};
    FILE *file = fopen(path, "re");
    char line[128];
    while (file && fault.sort == FAULT_NONE && fgets(line, sizeof(line), file)) {
        char name[64], word[32];
        long ms = 0, count = -1;
        if (sscanf(line, "%63s %31s %ld %ld", name, word, &ms, &count) < 2)
            continue;
        if (strcmp(name, "*") != 0 && strcmp(name, call) != 0)
            continue;
        if (count < 0 || times_used(line) < (unsigned)count)
            fault = (struct fault){sort_of(word), ms};
    }
    if (file)
        fclose(file);
    return fault;
}

struct fault fault_for(const struct vmm *v, const char *call)
{
    const char *socket = v->options.api_socket, *slash = strrchr(socket, '/');
    int folder = slash ? (int)(slash - socket) + 1 : 0;
    char path[PATH_LIMIT + sizeof("faults")];
    snprintf(path, sizeof(path), "%s.fault", socket);
    struct fault fault = asked_in(path, call);
    snprintf(path, sizeof(path), "%.*sfaults", folder, socket);
    return fault.sort == FAULT_NONE ? asked_in(path, call) : fault;
}
