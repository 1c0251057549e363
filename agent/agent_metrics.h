/*
 * The agent's own metrics: the one table of their names. What it has done, what waits, its role, and the lives of
 * workloads; what VMs use has tables of its own (vmm/vm_stats.h). /metrics, the reference page and the dashboard
 * in examples/monitoring are made from it.
 *
 * Pure. Thread: any.
 */
#ifndef HM_AGENT_AGENT_METRICS_H
#define HM_AGENT_AGENT_METRICS_H

#include <stdbool.h>

/* Section of the dashboard; its title. */
#define METRIC_SECTIONS(X)                                                                         \
    X(FAILOVER, "Failover")                                                                        \
    X(WORKLOADS, "Workloads")                                                                      \
    X(AGENT, "The agent")

/*
 * id; name; COUNTER or GAUGE; what it tells: a VALUE, or by its labels a WORD; labels, as a legend is written; section;
 * help. A counter's name ends in _total; samples of one name differ in their labels alone.
 */
#define AGENT_METRICS(X)                                                                           \
    X(ROLE, "harmony_failover_role", GAUGE, WORD, "{{role}}", FAILOVER,                            \
      "The role that this site has now; 1.")                                                       \
    X(EPOCH, "harmony_failover_epoch", GAUGE, VALUE, "", FAILOVER, "The highest epoch known.")     \
    X(SERVING, "harmony_failover_serving", GAUGE, VALUE, "", FAILOVER,                             \
      "1: what is placed on the primary may run here.")                                            \
    X(FIT, "harmony_failover_fit", GAUGE, VALUE, "", FAILOVER,                                     \
      "1: this site could lead if it were asked to.")                                              \
    X(PAUSED, "harmony_failover_paused", GAUGE, VALUE, "", FAILOVER,                               \
      "1: an operator has paused the failover.")                                                   \
    X(HOLDS, "harmony_failover_holds", GAUGE, VALUE, "", FAILOVER,                                 \
      "1: the store has lost writes, and an operator has to look.")                                \
    X(WARNINGS, "harmony_failover_warnings", GAUGE, VALUE, "", FAILOVER,                           \
      "Warnings of harmonyctl failover status.")                                                   \
    X(ROUND_TRIP, "harmony_failover_round_trip_seconds", GAUGE, VALUE, "", FAILOVER,               \
      "Time until the last heartbeat was acknowledged.")                                           \
    X(FAILURES, "harmony_failover_heartbeat_failures", GAUGE, VALUE, "", FAILOVER,                 \
      "Heartbeats that failed in a row.")                                                          \
    X(WATCH_RESTARTS, "harmony_failover_watch_restarts_total", COUNTER, VALUE, "", FAILOVER,       \
      "Times that the watch of the bucket was found dead and made anew.")                          \
    X(PEER_SILENCE, "harmony_failover_peer_silence_seconds", GAUGE, VALUE, "{{peer}}", FAILOVER,   \
      "Time since another site was heard.")                                                        \
    X(PEER_READY, "harmony_failover_peer_ready", GAUGE, VALUE, "{{peer}}", FAILOVER,               \
      "1: another site could take over.")                                                          \
    X(PEER_LAG, "harmony_failover_peer_lag_bytes", GAUGE, VALUE, "{{peer}}", FAILOVER,             \
      "How far another site's copy is behind.")                                                    \
    X(VIP_UP, "harmony_vip_up", GAUGE, VALUE, "{{address}} {{link}}", FAILOVER,                    \
      "1: this site has the virtual IP.")                                                          \
    X(VIP_ANNOUNCEMENTS, "harmony_vip_announcements_total", COUNTER, VALUE,                        \
      "{{address}} {{link}}", FAILOVER, "Times that it was announced to the network.")             \
    X(VIP_CLAIMS, "harmony_vip_claims_total", COUNTER, VALUE, "{{address}} {{link}}", FAILOVER,    \
      "Claims and probes of it by other hosts that were heard.")                                   \
    X(CONNECTED, "harmony_nats_connected", GAUGE, VALUE, "", FAILOVER, "1: connected to NATS.")    \
    X(RECONNECTS, "harmony_nats_reconnects_total", COUNTER, VALUE, "", FAILOVER,                   \
      "Connections to NATS after the first one.")                                                  \
    X(RESTARTS, "harmony_workload_restarts_total", COUNTER, VALUE, "{{key}}", WORKLOADS,           \
      "Times that it was started again since it was last started on purpose.")                     \
    X(CRASH_LOOP, "harmony_workload_crash_loop", GAUGE, VALUE, "{{key}}", WORKLOADS,               \
      "1: it is started again and again.")                                                         \
    X(HEALTHY, "harmony_workload_healthy", GAUGE, VALUE, "{{key}}", WORKLOADS,                     \
      "1: healthy, 0: unhealthy; missing: unknown.")                                               \
    X(INFO, "harmony_agent_info", GAUGE, WORD, "{{site}} {{version}}", AGENT,                      \
      "Which agent this is; always 1.")                                                            \
    X(DOCUMENTS, "harmony_documents", GAUGE, VALUE, "", AGENT,                                     \
      "Documents that concern this site.")                                                         \
    X(PASSES, "harmony_passes_total", COUNTER, VALUE, "", AGENT, "Passes of the reconciler.")      \
    X(VERBS, "harmony_verbs_total", COUNTER, VALUE, "{{verb}} {{result}}", AGENT,                  \
      "Verbs carried out on things of this site, by result.")                                      \
    X(ERRORS, "harmony_errors_total", COUNTER, VALUE, "{{code}}", AGENT,                           \
      "Verbs that failed, by code of the error.")                                                  \
    X(BACKEND_UP, "harmony_backend_up", GAUGE, VALUE, "{{backend}}", AGENT,                        \
      "1: the last look at it succeeded.")                                                         \
    X(QUEUE_JOBS, "harmony_queue_jobs", GAUGE, VALUE, "{{backend}} {{queue}}", AGENT,              \
      "Jobs of a backend that wait or are carried out.")                                           \
    X(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, VALUE, "", AGENT,                         \
      "CPU time that the agent has used.")                                                         \
    X(PROCESS_MEMORY, "process_resident_memory_bytes", GAUGE, VALUE, "", AGENT,                    \
      "Memory that the agent occupies.")

enum metric_section {
#define METRIC_SECTION_ENUM(id, title) METRIC_SECTION_##id,
    METRIC_SECTIONS(METRIC_SECTION_ENUM)
#undef METRIC_SECTION_ENUM
        METRIC_SECTION_COUNT
};
const char *metric_section_title(enum metric_section section);

enum agent_metric {
#define AGENT_METRIC_ENUM(id, name, type, tells, labels, section, help) METRIC_##id,
    AGENT_METRICS(AGENT_METRIC_ENUM)
#undef AGENT_METRIC_ENUM
        METRIC_COUNT
};

struct metric_row {
    const char *name;
    bool counts;        /* a counter; else a gauge */
    bool is_word;       /* its labels say it; the value is 1 */
    const char *legend; /* "{{verb}} {{result}}"; empty: no labels */
    enum metric_section section;
    const char *help;
};
extern const struct metric_row agent_metrics[METRIC_COUNT];

#endif
