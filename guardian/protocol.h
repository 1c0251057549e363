/*
 * What the agent and its guardian say to each other (docs/failover design section 5; ADR 0012).
 *
 * A unix SEQPACKET socket, `<runtime_dir>/guardian.sock`, mode 0600; both ends are of the same host and
 * build, so messages are these structs as they lie in memory. One message is one packet. The guardian
 * believes nothing: version, size, ranges and every word of a plan are checked, and a message that is
 * refused changes nothing.
 *
 * The agent sends HELLO, PLAN and SET; the guardian answers each with one STATE that carries its `seq`,
 * and sends STATE with seq 0 by itself when something happened (it fired, a rung ended, it is leaving).
 * A second connection is served only once the first one has ended: its agent has died.
 *
 *   HELLO  who the agent is. Site and group must be those the guardian was started for.
 *   PLAN   how to end the workload: replaces the plan as a whole. Kept in a file of its state folder too,
 *          so that a guardian that starts after another one has died can end what was left behind.
 *   SET    what the guardian holds for the agent: a mirror of the core's lease (fo_guard_view()). It is
 *          refused for an epoch that has fired (GUARD_FIRED), and in a lower epoch than the last one.
 *          Within an epoch FENCING leads only to NONE. NONE is taken in any epoch while nothing is armed.
 *
 * At `deadline_ns` of a lease that is ARMED, SERVING or FENCING the guardian fires: it carries out the
 * ladder of the plan, and that is final for the epoch. From then on, until a higher epoch is armed, it
 * goes on killing whatever comes up under the plan's names. An agent that dies changes nothing: the
 * deadline runs on, and its successor is told by STATE what was held.
 *
 * Every answer comes within GUARD_ANSWER_MAX_MS, however stuck the workload is. A first message that is
 * not HELLO within GUARD_HELLO_MAX_MS, or a HELLO that is refused, ends the connection.
 *
 * All times are ns of CLOCK_BOOTTIME. Pure: libc only. Thread: any.
 */
#ifndef HM_GUARDIAN_PROTOCOL_H
#define HM_GUARDIAN_PROTOCOL_H

#include <stdint.h>

#define GUARD_MAGIC   0x64726148u /* "Hard" */
#define GUARD_VERSION 1
#define GUARD_NEVER   INT64_MAX

enum {
    GUARD_NAME_MAX = 63,       /* site, group */
    GUARD_PATH_MAX = 255,      /* of a cgroup */
    GUARD_MESSAGE_MAX = 65536, /* a packet */
    GUARD_ENTRIES_MAX = 2048,  /* of a plan */
    GUARD_WORD_MAX = 255,      /* one word of an entry, without its NUL */
    GUARD_WORDS_MAX = 32,      /* words of an entry */
    GUARD_RUNG_LIMIT_MAX_MS = 120000,
    GUARD_ANSWER_MAX_MS = 100, /* the guardian's part of it: what a pass under way may hold up */
    GUARD_HELLO_MAX_MS = 5000,
};

enum guard_type { GUARD_HELLO = 1, GUARD_PLAN = 2, GUARD_SET = 3, GUARD_STATE = 4 };

struct guard_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum guard_type */
    uint32_t size; /* of the whole message, bytes */
    uint32_t seq;  /* counts the agent's messages, from 1; in STATE: of the one it answers, or 0 */
};

struct guard_hello {
    struct guard_header header;
    char site[GUARD_NAME_MAX + 1]; /* NUL-padded */
    char group[GUARD_NAME_MAX + 1];
};

/* What a lease is doing. ARMED: being started; SERVING: started; FENCING: a stop is under way, and the
 * deadline is that of the kill. NONE: nothing may run; disarms, and ends the epoch. */
enum guard_phase {
    GUARD_NONE = 0,
    GUARD_ARMED = 1,
    GUARD_SERVING = 2,
    GUARD_FENCING = 3,
};

/* The lease as the agent's core holds it; all but phase, epoch, deadline and limit are kept for the
 * agent's successor alone. */
struct guard_lease {
    uint64_t generation, epoch;
    uint64_t nonce;         /* of the run that took it; the successor goes on under it */
    uint64_t first_counter; /* of this epoch */
    uint64_t counter;       /* no attempt above this one is sent before it is told */
    uint64_t revision;      /* of the last own write that is known to be stored */
    int64_t begun_ns;       /* first send of the last attempt that is known to be stored */
    int64_t deadline_ns;    /* fire at this instant; GUARD_NEVER: paused */
    int64_t fence_limit_ns; /* what killing and verifying may take from there */
    uint32_t phase;         /* enum guard_phase */
    uint32_t paused;        /* 0, 1 */
};

struct guard_set {
    struct guard_header header;
    struct guard_lease lease;
};

/*
 * A plan: entries, each with words, one after the other. Rungs are carried out in this order; a rung is
 * verified when all of its entries are, and the ladder ends with the first rung that is verified (the
 * kill goes on being tried meanwhile). The epoch's own cgroup (STATE's `cgroup`) is always in the plan.
 */
enum guard_rung {
    GUARD_RUNG_NONE = 0,
    GUARD_RUNG_KILL = 1,     /* every process gone, and every virtual IP */
    GUARD_RUNG_CUT = 2,      /* links down, addresses gone */
    GUARD_RUNG_COMMAND = 3,  /* the operator's command has exited with 0 */
    GUARD_RUNG_WATCHDOG = 4, /* no longer fed: the host will reset */
};

enum guard_entry_type {
    GUARD_PROCESS = 1, /* OPTION VALUE: every process whose argv has OPTION followed by VALUE */
    GUARD_PID = 2, /* PID STARTTIME (field 22 of /proc/PID/stat): that process, never a later one */
    GUARD_CGROUP =
        3, /* PATH: every process in this cgroup and below; not one that the guardian is in */
    GUARD_LINK = 4,    /* NAME: interface, set down */
    GUARD_ADDRESS = 5, /* NAME ADDRESS/PREFIX: removed from the interface */
    GUARD_COMMAND = 6, /* PATH [ARGUMENT...]: run without a shell; several: one after the other */
    GUARD_WATCHDOG =
        7, /* PATH: at most one; opened when armed and fed; closed without the magic V on
                         * failure. Its rung's limit is the time after which the host resets. */
    GUARD_VIP =
        8, /* ADDRESS/PREFIX: the group's virtual IP. Taken from whatever interface has it with
                    * GUARD_VIP_MARK, at the first instant of a fire and whenever it comes back; without the
                    * mark it is somebody else's, and stays. The kill is verified when it is gone, too. */
};

/* How the kernel tells our virtual IPs from other addresses: their IFA_PROTO (Linux 5.18). The kernel itself uses
 * 1 to 3, and nobody else is known to use this one. */
#define GUARD_VIP_MARK 0x48

struct guard_entry {
    uint16_t type;  /* enum guard_entry_type */
    uint16_t words; /* how many follow, each with its NUL */
    uint32_t bytes; /* of all words; the next entry begins after them, at a multiple of 8 */
};

struct guard_plan {
    struct guard_header header;
    uint32_t entries;
    /* By rung (index: enum guard_rung): how long it may take. 0: the kill gets the lease's
     * fence_limit_ns, else 500 ms, a cut 500 ms, the commands 10 s, the watchdog 10 s. */
    uint32_t limit_ms[5];
    uint64_t number; /* of the plan, chosen by the agent; STATE says which one is in force */
    /* entries follow, at a multiple of 8 */
};

/* Why a message was refused. */
enum guard_error {
    GUARD_OK = 0,
    GUARD_MALFORMED = 1, /* not a message of this version, or out of range */
    GUARD_STRANGER = 2,  /* another site, group or version */
    GUARD_FIRED = 3,     /* this epoch was ended by the guardian */
    GUARD_PAST = 4,      /* a lower epoch than the last one, or one that has ended */
    GUARD_SYSTEM = 5,    /* the host refused (the cgroup can't be made, the plan can't be kept) */
    GUARD_BUSY = 6, /* the ladder is being climbed: neither a plan nor a new epoch until it ends */
    GUARD_LEAVING = 7, /* it was asked to end, and arms no new epoch */
};

struct guard_state {
    struct guard_header header;
    uint32_t error;           /* enum guard_error */
    uint32_t leaving;         /* it was asked to end: hand over, disarm */
    uint64_t instance;        /* of this guardian: random, kept over its own upgrade */
    uint64_t plan;            /* number of the plan in force; 0: none */
    struct guard_lease lease; /* as last set; may be of an epoch that has fired since */
    uint64_t fired_generation, fired_epoch; /* highest epoch that it has ended; 0: none */
    int64_t fired_ns;
    uint32_t rung;     /* of the fire: the rung it is at, or that was verified */
    uint32_t verified; /* 0, 1: that rung's effect was seen */
    uint32_t holds;    /* GUARD_HOLDS_*: what this host lets it do */
    uint32_t
        climbing; /* 0, 1: the ladder has not ended. Ended and not verified: nothing has worked, and
                        * only the kill goes on being tried */
    char cgroup[GUARD_PATH_MAX +
                1]; /* folder of the armed epoch's cgroup: what is started joins it first,
                                      * by writing 0 to its cgroup.procs; gone once the epoch has ended */
    char text[GUARD_PATH_MAX + 1]; /* one sentence about `error` or the rung; may be empty */
};

#define GUARD_HOLDS_CGROUP2 1u /* cgroup v2 with cgroup.kill */
#define GUARD_HOLDS_FREEZER 2u /* cgroup v1: freezer and signals */

#endif
