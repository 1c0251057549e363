/* The command line of the real one, as far as a manager of VMs uses it. */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "path=FILE": the value after path=, else it is refused as the real one refuses it. */
static void path_of(const char *option, const char *value, char *ret)
{
    if (strncmp(value, "path=", 5) != 0)
        die("%s %s: only path=FILE is known here", option, value);
    if (snprintf(ret, PATH_LIMIT, "%s", value + 5) >= PATH_LIMIT)
        die("%s: the path is too long", option);
}

const char *version_name(int version)
{
    return version == 50 ? "50.1.0" : version == 48 ? "48.0.0" : "53.0.0";
}

static void print_version(int version)
{
    printf("cloud-hypervisor v%s-fake\n", version_name(version));
    exit(0);
}

static int wanted_version(void)
{
    const char *wanted = getenv("FAKE_VMM_VERSION");
    int version = wanted ? (int)strtol(wanted, NULL, 10) : 53;
    if (version != 48 && version != 50 && version != 53)
        die("only v50 and v53 were observed, and that there is a v48");
    return version;
}

static const char *value_of(char **argv, int *at, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) == 0 && argv[*at][length] == '=')
        return argv[*at] + length + 1;
    if (strcmp(argv[*at], name) != 0)
        return NULL;
    if (!argv[*at + 1])
        die("%s needs a value", name);
    return argv[++*at];
}

static void check_seccomp(const char *value)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0 && strcmp(value, "log") != 0)
        die("--seccomp %s: true, false or log", value);
}

static bool is_flag(const char *word, struct options *ret)
{
    if (strcmp(word, "--no-shutdown") == 0 && ret->version >= 53)
        return ret->no_shutdown = true;
    if (strcmp(word, "--landlock") == 0)
        return true; /* it confines nothing: docs/testing.md says what only the real one shows */
    return strspn(word + 1, "v") == strlen(word) - 1 && word[0] == '-' && word[1];
}

void read_options(int argc, char **argv, struct options *ret)
{
    const char *value;
    *ret = (struct options){.version = wanted_version()};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
            print_version(ret->version);
        else if ((value = value_of(argv, &i, "--api-socket")))
            path_of("--api-socket", value, ret->api_socket);
        else if ((value = value_of(argv, &i, "--event-monitor")))
            path_of("--event-monitor", value, ret->event_monitor);
        else if ((value = value_of(argv, &i, "--log-file")))
            snprintf(ret->log_file, PATH_LIMIT, "%s", value);
        else if ((value = value_of(argv, &i, "--seccomp")))
            check_seccomp(value);
        else if (strcmp(argv[i], "--landlock-rules") == 0)
            while (i + 1 < argc && argv[i + 1][0] != '-')
                i++;
        else if (!is_flag(argv[i], ret))
            die("unexpected argument '%s' found", argv[i]);
    }
    if (!ret->api_socket[0])
        die("--api-socket path=FILE is needed");
}
