/* Faults by name: identifier, name, weight of being drawn, what happens. */
#ifndef HM_SIM_FAULTS_H
#define HM_SIM_FAULTS_H

#define SIM_FAULTS(X)                                                                              \
    X(POWER_CUT, "power cut", 14, "host off; workload and agent end at once; comes back")          \
    X(RESTART, "agent restart", 9, "agent ends and starts anew while its workload may run on")     \
    X(STEP_DOWN, "planned stop", 4, "agent hands over and ends; comes back")                       \
    X(FREEZE_HOST, "frozen host", 4, "host stands still and goes on (BOOTTIME runs)")              \
    X(FREEZE_AGENT, "stalled loop", 8, "agent stands still")                                       \
    X(PAUSE_GUEST, "paused guest", 3, "host stands still and its clock does not see it")           \
    X(LEAVE, "planned restart", 5, "agent gets a longer promise, restarts and resumes")            \
    X(GUARDIAN_DIES, "dead guardian", 6, "guardian ends; a new one comes up")                      \
    X(GUARDIAN_HANGS, "hanging guardian", 4, "guardian stands still")                              \
    X(BOTH_DIE, "agent and guardian die", 3, "one after the other, at different instants")         \
    X(PARTITION, "partition", 14, "site and store do not hear each other")                         \
    X(CUT_UP, "one-way cut", 5, "what the site sends is lost")                                     \
    X(CUT_DOWN, "lost answers", 6, "answers to the site are lost")                                 \
    X(LOSS, "packet loss", 5, "a share of the messages is lost")                                   \
    X(SLOW, "slow link", 5, "latency added, up to above T")                                        \
    X(FLAP, "flapping latency", 4, "latency alternates between extremes")                          \
    X(OUTAGE, "store outage", 7, "no site reaches the store")                                      \
    X(ELECTION, "stream leader change", 5, "short outage, then stamps from another clock")         \
    X(STALE_NODE, "node without quorum", 7, "the site talks to a node that answers from the past") \
    X(WATCH_DEAD, "dead watch", 6, "the site's watch is silent until made anew")                   \
    X(WATCH_SLOW, "slow watch", 4, "the site's watch is late")                                     \
    X(LATE_WRITES, "late writes", 6, "writes of the site reach the store long after being sent")   \
    X(LATE_READS, "slow reads", 3, "answers to the site's reads are late")                         \
    X(DUPLICATES, "duplicated messages", 3, "messages of the site arrive twice")                   \
    X(REFUSE, "refused writes", 4, "the store answers 10158 or 10164")                             \
    X(UNREADABLE, "unreadable records", 3, "the site can't parse the lease record")                \
    X(PROBE_FAILS, "failing probe", 4, "the site's workload is not well")                          \
    X(WORKLOAD_DIES, "dead workload", 4,                                                           \
      "the workload dies and is well again only once started anew")                                \
    X(PROBE_HANGS, "hanging probe", 2, "the site's probe does not answer")                         \
    X(PROMOTE_FAILS, "failing promotion", 3, "the site can't start the workload")                  \
    X(PROMOTE_HANGS, "hanging promotion", 3, "starting the workload does not end")                 \
    X(STOP_FAILS, "failing stop", 4, "stopping the workload can't be verified at first")           \
    X(CONFIG, "live configuration", 6,                                                             \
      "cluster_config changes; sites hear of it at different times")                               \
    X(SHRINK, "shrinking configuration", 10,                                                       \
      "shorter times reach the replicas; the leader is cut off")                                   \
    X(PAUSE, "pause", 5, "paused, and resumed later")                                              \
    /* drawn apart (rollback.c) */                                                                 \
    X(LOST_WRITES, "acknowledged writes lost", 0, "the last records of the bucket vanish")         \
    X(ROLLED_BACK, "bucket rolled back", 0, "the bucket is what it was long before")               \
    X(BUCKET_GONE, "bucket deleted", 0, "the bucket vanishes, and nobody makes it anew")           \
    X(REMADE, "bucket made anew", 0, "another bucket, empty or with a first record")               \
    /* drawn by consent.c */                                                                       \
    X(AWAY, "long outage", 0, "nobody reaches the store, or the leader alone does not, for long")  \
    X(FAILSAFE, "failsafe switched", 0,                                                            \
      "failsafe or the voters change, and the leader's writes are not answered")                   \
    X(PEER_CUT, "peer partition", 0, "a site and its peers do not hear each other, or one way")    \
    X(PEER_SLOW, "slow peer link", 0, "messages between the sites take up to above T")             \
    X(PEER_LATE, "late peer messages", 0, "they are late, overtaken, and arrive twice")            \
    X(PEER_LOSS, "lost peer messages", 0, "a share of them is lost")                               \
    /* drawn by operator.c */                                                                      \
    X(NOFAILOVER, "nofailover", 0,                                                                 \
      "a site is barred for a while; sites hear of it at different times")                         \
    X(PRIORITY, "priorities", 0, "the replicas' ranks change; likewise")                           \
    X(SWITCHOVER, "switchover", 0,                                                                 \
      "asked for, at times twice, withdrawn, or with an agent that dies")                          \
    X(SWITCHOVER_CUT, "switchover to a dying site", 0, "asked for; its target loses power")        \
    X(FORCE, "forced promotion", 0, "a site is forced to promote")

enum fault_type {
#define SIM_FAULT_ENUM(id, name, weight, text) FAULT_##id,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        FAULT_COUNT,
};

#define FAULT_FOR_GOOD (1000000 * SIM_S)

#endif
