/* harmonyd: the host agent. */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>

#include "agent/daemon.h"
#include "agent/guard_launch.h"
#include "agent/restart.h"
#include "base/log.h"
#include "proto/tree.h"

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3, LAST_WORDS_MS = 1000 };

static const char usage[] =
    "usage: harmonyd --config FILE [--check | --guardian]\n"
    "\n"
    "  -c, --config FILE   configuration (YAML); see docs/reference/configuration.md\n"
    "      --check         verify the file, say what this host can do, and exit\n"
    "      --guardian      become harmony-guardian, as the file says (for a unit of its own)\n"
    "      --version       print the version and exit\n"
    "  -h, --help          print this and exit\n"
    "\n"
    "SIGTERM: end; what this site leads is stopped and handed over.\n"
    "SIGHUP: execute the program anew, with the configuration as it is now, when no operation is\n"
    "under way (snapshots, reboots) any more; what this site leads runs on.\n"
    "\n"
    "exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 3 the configuration is refused\n";

struct arguments {
    const char *config;
    bool check, guardian;
};

/* Returns -1 to go on, else the exit code. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'C'},
        {"guardian", no_argument, NULL, 'G'},     {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (o == 'c') {
            ret->config = optarg;
        } else if (o == 'C') {
            ret->check = true;
        } else if (o == 'G') {
            ret->guardian = true;
        } else if (o == 'V') {
            puts("harmonyd " HM_VERSION);
            return 0;
        } else {
            fputs(usage, o == 'h' ? stdout : stderr);
            return o == 'h' ? 0 : EXIT_USAGE;
        }
    }
    if (ret->config && optind == argc)
        return -1;
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static int become_guardian(const struct agent_config *config)
{
    struct hm_error err;
    guard_become(config, &err);
    fprintf(stderr, "harmonyd: %s\n", err.text);
    return EXIT_RUNTIME;
}

static int run(const struct agent_config *config, const char *path, bool check)
{
    struct hm_error err;
    bool anew = false;
    hm_log_setup(config->log.level, config->log.format);
    if (!check && hm_log_start(&err) < 0)
        hm_log(HM_LOG_WARN, "agent", "%s; a log that stalls will stall the agent", err.text);
    int r = check ? daemon_check(config, &err) : daemon_run(config, path, &anew, &err);
    if (r < 0 && check)
        fprintf(stderr, "harmonyd: %s\n", err.text);
    else if (r < 0)
        hm_log(HM_LOG_ERROR, "agent", "%s", err.text);
    hm_log_stop(LAST_WORDS_MS);
    if (anew) {
        restart_hold_signals();
        daemon_pass_signals_on();
        restart_now(&err);
        fprintf(stderr, "harmonyd: %s\n", err.text);
        return EXIT_RUNTIME;
    }
    return r < 0 ? EXIT_RUNTIME : 0;
}

int main(int argc, char **argv)
{
    struct arguments args = {0};
    struct agent_config config = {0};
    struct hm_error err;
    mallopt(M_ARENA_MAX, 1); /* twenty threads that mostly wait need no heap each */
    tree_setup();
    restart_remember(argv);
    int code = parse_arguments(argc, argv, &args);
    if (code >= 0)
        return code;
    if (config_load(args.config, &config, &err) < 0) {
        fprintf(stderr, "harmonyd: %s\n", err.text);
        return EXIT_CONFIG;
    }
    code = args.guardian ? become_guardian(&config) : run(&config, args.config, args.check);
    config_clear(&config);
    return code;
}
