/*
 * The guardian as a whole: what it holds, and the parts that work on it. There is one in a program; all
 * of it is allocated at the start. Thread: the loop's, but for what is with a worker.
 */
#ifndef HM_GUARDIAN_GUARDIAN_H
#define HM_GUARDIAN_GUARDIAN_H

#include "guardian/cgroup.h"
#include "guardian/command.h"
#include "guardian/keep.h"
#include "guardian/kill.h"
#include "guardian/ladder.h"
#include "guardian/lease.h"
#include "guardian/message.h"
#include "guardian/watchdog.h"
#include "guardian/worker.h"

struct options {
    const char *socket, *site, *group, *state;
    const char *cgroup; /* folder for its cgroups; NULL: found */
    int resume_fd;      /* after an upgrade: what upgrade.c has left; -1 */
    char **argv;        /* as the program got them */
};

/* What lasts over an upgrade. Plain data. */
struct held {
    uint64_t instance;
    struct lease lease;
    struct ladder ladder;
    char cgroup[CGROUP_NAME_MAX];        /* name of the armed epoch's cgroup; "": none */
    char old_cgroup[GUARD_PATH_MAX + 1]; /* of a guardian that died: ended with the plan; "" */
    bool ending;                         /* an ended epoch's cgroup may still be there */
    bool starving;                       /* the watchdog is not fed any more */
    bool leaving;
    int64_t leaving_ns;
    bool greeted; /* the connection has said HELLO */
    union message plan;
};

/* What a worker is given. */
struct kill_job {
    struct killing killing;
    union message plan;
    struct cgroups cgroups; /* a copy: fd and path */
    char keep[CGROUP_NAME_MAX], old_cgroup[GUARD_PATH_MAX + 1];
    int32_t spare;
    int64_t fire_ns;       /* of which fire; 0: only cgroups of ended epochs */
    int64_t begun_fire_ns; /* the worker's: what `killing` is about */
};

struct cut_job {
    union message plan;
    int64_t fire_ns;
    bool cuts;          /* all of the plan's; else the virtual IPs alone */
    unsigned vips_left; /* the worker's: virtual IPs that are still there */
};

/* The one connection. */
struct talk {
    int listen_fd, fd; /* fd -1: nobody is there */
    int64_t hello_by_ns;
    union message in; /* read, and not yet answered: `in_size` > 0 */
    size_t in_size;
    int64_t in_ns;          /* since when */
    struct guard_state out; /* an answer that the socket did not take: out_waits */
    bool out_waits;
    bool news;       /* something happened that nobody asked for */
    bool close_soon; /* after what waits to be sent */
};

struct guardian {
    const struct options *options;
    struct held held;
    struct keep keep;
    struct cgroups cgroups;
    struct watchdog watchdog;
    struct command command;
    struct worker killer, cutter;
    struct kill_job kill_job;
    struct cut_job cut_job;
    struct talk talk;
    int64_t look_ns;       /* when to look again what is left; GUARD_NEVER */
    int64_t ended_ns;      /* since when there is something to end */
    int64_t cut_ns;        /* when to cut again; GUARD_NEVER */
    int64_t withdraw_ns;   /* when to look for virtual IPs again; GUARD_NEVER */
    unsigned kill_left;    /* of this fire, by the last look; 1: not looked yet */
    unsigned vips_left;    /* likewise */
    int64_t command_by_ns; /* when the command has had its time; GUARD_NEVER */
    enum guard_rung acted; /* rung that was begun in this fire */
    int timer_fd, signal_fd;
    bool upgrade_wanted;
    bool over;
    char text[PLAN_TEXT_MAX]; /* about the ladder, for STATE */
    char program[GUARD_PATH_MAX + 1];
};

#endif
