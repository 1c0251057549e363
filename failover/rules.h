/*
 * The rules that keep the failover safe and live, numbered. One table: the core asks fo_rule_on()
 * where it applies a rule, the simulator switches one off at a time and must then find a violation,
 * and docs/failover/safety.md lists the same rows (checked by `make sim-test`).
 *
 * Columns: identifier, section of docs/failover, proof, invariant, fault that shows it, the rule.
 * Proof: MUTANT      switched off, the simulator violates the invariant;
 *        PAIR(other) covered by `other`; shown with that one off as well;
 *        REDUNDANT   another rule covers it in every case known (said in safety.md);
 *        DIAGNOSTIC  warns, records, or saves load.
 * The daemon runs with FO_RULES_ALL.
 */
#ifndef HM_FAILOVER_RULES_H
#define HM_FAILOVER_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "failover/state.h"

/* clang-format off */
#define FO_RULES(X)                                                                                                                                  \
    /* -- one key ------------------------------------------------------------------------------------------------------------------------------- */ \
    X(CAS_HEARTBEAT,      3,  MUTANT,     I3,  "isolated leader",   "a heartbeat expects the revision of the leader's own last write")                  \
    X(CAS_PROMOTION,      3,  MUTANT,     I3,  "stalled watch",     "a promotion expects the revision of the last heartbeat seen")                      \
    X(EPOCH_ABOVE_SEEN,   3,  MUTANT,     I2,  "power cut",         "a promotion's epoch exceeds every epoch ever seen")                                \
    X(RELEASE_VERIFIED,   3,  MUTANT,     I11, "slow stop",         "RELEASED is sent only after the workload was verified stopped")                    \
    X(RELEASE_ENDS_EPOCH, 3,  REDUNDANT,  I2,  "lost answer",       "after RELEASED or a fence the sender never leads in that epoch again")              \
    X(RELEASE_COUNTER,    3,  MUTANT,     I6,  "none",              "RELEASED has a counter of its own, else de-duplication swallows it")               \
    X(RELEASE_AT_ONCE,    3,  MUTANT,     I6,  "none",              "a release is taken at once, without waiting for staleness")                         \
    X(NEXT_FIRST,         3,  MUTANT,     I10, "three sites",       "for 3T after a release only the site that it names may take it")                    \
    X(NEXT_EXPIRES,       3,  MUTANT,     I4,  "power cut of next", "after 3T any eligible site may take a release, the releaser included")              \
    X(RELEASE_NAMES_READY,3,  DIAGNOSTIC, I4,  "none",              "an involuntary release names a ready site heard within 2T, or nobody")              \
    X(SUCCESSES_FIRST,    3,  MUTANT,     I13, "flapping latency",  "a site leads only after success_threshold acknowledged heartbeats in a row")        \
    X(MISSING_IS_OUTAGE,  3,  PAIR(HOLD_LOWER), I1, "bucket made anew",  "a missing key is an outage of the store, never `no primary'")                       \
    X(UNREADABLE_HOLDS,   3,  MUTANT,     I1,  "unreadable record", "a record that can't be parsed or believed is an unknown holder with the longest promise") \
    X(HONOUR_PROMISE,     3,  MUTANT,     I1,  "live config",       "a replica waits for the larger of failover_timeout and the last record's promise") \
    X(CONFIG_HEARTBEAT,   3,  DIAGNOSTIC, I1,  "live config",       "a change of configuration triggers a heartbeat")                                    \
    X(INCIDENT,           3,  DIAGNOSTIC, I10, "power cut",         "a promotion writes incident.<epoch> with what was seen of the old leader")          \
    /* -- time ---------------------------------------------------------------------------------------------------------------------------------- */ \
    X(FROM_FIRST_SEND,    4,  MUTANT,     I1,  "slow answers",      "deadlines count from before the first send of an attempt, never from its answer")  \
    X(FENCE_AT_DEADLINE,  4,  PAIR(GUARDIAN_DEADLINE),     I1,  "late loop",         "fence at s + F of the last acknowledged heartbeat, whatever the counters say")      \
    X(FENCE_AT_NTH,       4,  REDUNDANT,  I1,  "outage",            "fence at the n-th failed heartbeat in a row")                                       \
    X(OWN_ANSWER,         4,  MUTANT,     I1,  "late answers",      "an answer concludes only the attempt that it answers")                             \
    X(LATE_IS_FAILURE,    4,  PAIR(FENCE_AT_DEADLINE),     I1,  "frozen host",  "an attempt not acknowledged within T has failed; a late answer gives a revision only") \
    X(PROMISE_FENCE,      4,  MUTANT,     I1,  "slow stop",         "the promise covers fence_timeout")                                                  \
    X(PROMISE_LATENESS,   4,  MUTANT,     I1,  "late loop",         "the promise covers Lg, the worst lateness of the fence")                            \
    X(PROMISE_DRIFT,      4,  MUTANT,     I1,  "drift",             "the promise is divided by 1 - rho")                                                 \
    X(WAIT_DRIFT,         4,  MUTANT,     I1,  "drift",             "the replica's wait is multiplied by 1 + rho")                                       \
    X(RANK_STAGGER,       4,  REDUNDANT,  I1,  "three sites",       "lower ranks wait 2T longer each, so that candidates do not collide")                \
    X(SEND_SHORTENS,      4,  PAIR(FENCE_AT_NTH), I1,  "live config",       "before each send the deadline becomes the earlier of itself and s + F")            \
    X(ACK_TERMS,          4,  MUTANT,     I1,  "live config",       "an acknowledgement prolongs by the values which that heartbeat carried")            \
    X(SMALLEST_FENCE,     4,  MUTANT,     I1,  "live config",       "the smallest fence_timeout of the last acknowledged and any sent since counts")     \
    X(SILENCE_BY_ECHO,    4,  REDUNDANT,  I1,  "stalled watch",     "silence counts only while own heartbeats come back with gaps of at most 3T")        \
    X(REVISION_RESTARTS,  4,  MUTANT,     I1,  "stalled watch",     "any other revision, by watch, read or rejection, restarts the silence")             \
    X(READ_WHEN_SILENT,   4,  MUTANT,     I4,  "stalled watch",     "without a new revision for 2T, and after a gap, the key is read every T")           \
    X(STALE_READ_DROPPED, 4,  DIAGNOSTIC, I4,  "slow reads",        "the answer to a read sent before the last revision arrived is dropped")             \
    X(STAMPS_AGREE,       4,  REDUNDANT,  I1,  "none",              "the stamps must show failover_timeout of silence too")                              \
    X(STAMPS_WAIVED,      4,  MUTANT,     I4,  "stream leader change", "the stamps do not count where they disagree with the own clock by more than T") \
    X(DUPLICATE_NO_START, 4,  MUTANT,     I8,  "lost answer",       "nothing is started on a duplicate or read-back answer")                             \
    X(READ_BACK_IS_STORED,4,  MUTANT,     I5,  "lost answer",       "after 10071, this attempt's own record counts as stored, like a duplicate")         \
    X(OWN_EARLIER,        4,  MUTANT,     I5,  "late write",        "after 10071, an own earlier record of this epoch gives the revision to expect")     \
    X(LOST_FENCES,        4,  REDUNDANT,  I1,  "isolated leader",   "another holder, a higher epoch or RELEASED is a lost lease: fence at once")         \
    X(LOWER_IS_PAST,      4,  REDUNDANT,  I5,  "bucket rolled back", "anything lower is the past and retried until the deadline")                         \
    X(REFUSED_IS_UNKNOWN, 4,  MUTANT,     I1,  "no quorum",         "10164, 10158 and silence are unknown outcomes: a failure after T")                  \
    X(READ_NO_PROOF,      4,  MUTANT,     I1,  "no quorum",         "a read alone never proves the lease")                                               \
    X(WATCH_NO_PROOF,     4,  MUTANT,     I1,  "slow watch",        "the watch never concludes an attempt")                                              \
    X(DEADLINE_FIRST,     4,  REDUNDANT,  I1,  "late loop",         "every step looks at the deadline before it does anything else")                     \
    X(FENCE_AT_START,     4,  MUTANT,     I1,  "agent restart",     "a restarted agent fences before anything else")                                     \
    /* -- watch --------------------------------------------------------------------------------------------------------------------------------- */ \
    X(WATCH_END_TO_END,   8,  MUTANT,     I4,  "stalled watch",     "own heartbeats acknowledged but not back within 3T: the watch is made anew")        \
    X(WATCH_BACK_OFF,     8,  DIAGNOSTIC, I4,  "stalled watch",     "remaking the watch backs off, with jitter")                                         \
    /* -- probes and promotions ----------------------------------------------------------------------------------------------------------------- */ \
    X(FIT_LEADS,          1,  MUTANT,     I10, "failing probe",     "only a fit site promotes")                                                          \
    X(PROBE_FENCES,       6,  MUTANT,     I4,  "dead workload",     "n failed probes: release to a ready replica, else restart here")                    \
    X(PROMOTE_LIMIT,      6,  MUTANT,     I4,  "hanging promotion", "a promotion that takes longer than promote_timeout is fenced and released")         \
    X(BACK_OFF,           6,  DIAGNOSTIC, I4,  "failing promotion", "a site whose promotion or probe failed backs off, unless it is the only one")       \
    X(STOP_RETRIED,       6,  MUTANT,     I4,  "failing stop",      "a stop that could not be verified is asked for again, and never released before")   \
    /* -- pause and yield ----------------------------------------------------------------------------------------------------------------------- */ \
    X(PAUSE_ACKNOWLEDGED, 11, MUTANT,     I1,  "pause",             "a leader stops self-fencing only after a paused heartbeat is acknowledged")          \
    X(PAUSE_REARMS,       11, MUTANT,     I1,  "pause",             "it re-arms before it sends a heartbeat without pause")                               \
    X(PAUSED_RECORD,      11, MUTANT,     I1,  "pause",             "nobody but its own writer promotes over a paused record by itself, nor over one that can't be read while there is a pause, and until one without is read")                  \
    X(PAUSE_HOLDS,        11, MUTANT,     I9,  "pause",             "while cluster_config is paused nothing starts or moves by itself")                   \
    X(YIELD_AFTER,        11, MUTANT,     I13, "return",            "yield only when the preferred primary has been ready for yield_after")               \
    X(YIELD_DOUBLES,      11, DIAGNOSTIC, I13, "return",            "yield_after doubles after each return that lasted less than 10 min")                 \
    X(YIELD_HEARD,        11, MUTANT,     I13, "power cut of next", "RELEASED is sent only if the preferred primary was heard within 2T")                \
    X(RETAKE_OWN,         11, MUTANT,     I4,  "lost answer",       "a site retakes its own lease, once stopped: at once if this run held it, after 2T if its marks say so") \
    X(CLAIM_STOPPED,      11, REDUNDANT,  I1,  "failing stop",      "a site promotes only when its workload is verified stopped")                        \
    /* -- the store goes backwards or disappears ------------------------------------------------------------------------------------------------ */ \
    X(HOLD_LOWER,         10, MUTANT,     I1,  "acknowledged writes lost", "a lease record lower than one that was seen before is never taken over: hold") \
    X(HOLD_ALARM,         10, MUTANT,     I12, "bucket deleted",    "who holds for 2T says so, and names what an operator can do")                        \
    X(GENERATION_FIRST,   10, MUTANT,     I12, "bucket made anew",  "epochs are compared by generation first, which an operator raises")                 \
    X(ADOPT_LOWER,        10, MUTANT,     I5,  "acknowledged writes lost", "a leader adopts its own record with a lower revision while its deadline stands") \
    X(RECONNECT_RESTARTS, 10, MUTANT,     I1,  "acknowledged writes lost", "a new connection restarts the silence, and the key is seen again before anything is claimed") \
    X(RECORD_TELLS,       10, MUTANT,     I5,  "acknowledged writes lost", "a record of another counter is a new one, whatever its number: lost numbers are used again") \
    X(OTHER_BUCKET,       10, REDUNDANT,  I3,  "bucket made anew",  "revision numbers of another bucket are forgotten, and nothing is sent by them")      \
    /* -- guardian ---------------------------------------------------------------------------------------------------------------------------------- */ \
    X(GUARDIAN_UP,          5, MUTANT,     I10, "no guardian",       "no guardian, no lease: none is taken without one, and such a site is not fit")      \
    X(GUARDIAN_LOST,        5, MUTANT,     I1,  "dead guardian",     "the guardian's death ends the epoch, however soon a new one is up, under a pause too") \
    X(GUARDIAN_FIRED,       5, MUTANT,     I4,  "hanging guardian",  "firing is final for the epoch: the lease ends with it")                             \
    X(ARMED_FIRST,          5, MUTANT,     I4,  "none",              "the guardian is armed before anything starts: nothing can start in an epoch that it does not hold") \
    X(GUARDIAN_DEADLINE,    5, MUTANT,     I1,  "agent restart",     "the guardian holds the lease's deadline, and fires at it whatever the agent does")  \
    X(FENCE_ARMED,          5, MUTANT,     I1,  "agent restart",     "a fence under way stays armed, its kill inside fence_timeout, until the stop is verified") \
    X(RESUME,               5, MUTANT,     I7,  "agent restart",     "a successor of the agent resumes the lease without touching the workload")          \
    X(RESUME_SERVING,       5, MUTANT,     I4,  "agent restart",     "only a lease that served, has not expired, and that nobody is known to have overtaken is resumed") \
    X(RESUME_COUNTERS,      5, MUTANT,     I1,  "agent restart",     "the successor goes on under the same nonce with higher counters")                   \
    X(INHERITED_DEADLINE,   5, MUTANT,     I1,  "agent restart",     "the deadline is inherited with the lease: a start of the agent makes it no later")  \
    X(CATCH_UP,             4, MUTANT,     I7,  "agent restart",     "who comes back with a lease reads the key while its next heartbeat is on its way")  \
    X(RESUME_CONNECTED,     5, MUTANT,     I7,  "planned restart",   "a lease that was resumed makes its first attempt once there is a connection")       \
    X(LEAVE_PROMISE,        5, MUTANT,     I7,  "planned restart",   "before a planned restart a longer promise is sent")                                 \
    X(LEAVE_ACKNOWLEDGED,   5, MUTANT,     I7,  "planned restart",   "the agent restarts only after the longer promise is acknowledged") \
    /* -- failsafe by consent ------------------------------------------------------------------------------------------------------------------- */ \
    X(CONSENT_OUTLASTS,   9,  MUTANT,     I14, "long outage",       "while every voter's consent is fresh, n failed heartbeats and F do not fence")       \
    X(CONSENT_ALL,        9,  MUTANT,     I1,  "peer partition",    "every voter has to consent")                                                         \
    X(CONSENT_SENT_SINCE, 9,  MUTANT,     I1,  "failsafe switched", "the voters of every record sent since the last acknowledged one count too")          \
    X(CONSENT_FAILSAFE_ON,9,  MUTANT,     I1,  "failsafe switched", "consent counts only while all of these records have failsafe on")                    \
    X(CONSENT_SHORTEST,   9,  PAIR(CONSENT_WITHIN), I1,  "live config",       "what is asked for, and counted, is the shortest time of all these records")          \
    X(CONSENT_FROM_SEND,  9,  MUTANT,     I1,  "slow peer link",    "the deadline counts from the earliest send among the latest answered requests")       \
    X(CONSENT_ECHO,       9,  MUTANT,     I1,  "late peer messages","an answer counts for the request whose nonce it echoes, and for no other")           \
    X(CONSENT_HIGHER,     9,  REDUNDANT,  I1,  "isolated leader",   "a higher epoch in an answer fences at once")                                         \
    X(CONSENT_KEPT,       9,  MUTANT,     I1,  "isolated leader",   "a voter does not promote before its consent has run out")                            \
    X(CONSENT_DRIFT,      9,  MUTANT,     I1,  "drift",             "a voter keeps its consent 1 + rho times as long as was asked for")                   \
    X(CONSENT_FREED,      9,  MUTANT,     I6,  "none",              "a release frees the voters from their consent")                                       \
    X(CONSENT_WITHIN,     9,  REDUNDANT,  I1,  "agent restart",     "a voter consents to no more than the last record promised, which its silence after a start outlasts") \
    X(CONSENT_CLAIMED,    9,  REDUNDANT,  I1,  "late writes",       "a voter that has claimed does not consent before a later revision than its claim's is there") \
    X(CONSENT_NO_HOLD,    9,  MUTANT,     I6,  "bucket deleted",    "a voter that holds does not consent, so that an operator can put the store right")   \
    X(CONSENT_VOTERS_ONLY,9,  MUTANT,     I1,  "isolated leader",   "over a record with failsafe on only the voters that it names promote by silence")     \
    X(CONSENT_UNREADABLE, 9,  MUTANT,     I1,  "unreadable record", "while failsafe is on, and until a record without it is read, nobody promotes over a record that can't be read: it may name other voters") \
    X(HANDOVER_PROMISE,     6, MUTANT,     I1,  "slow stop",         "a handover whose clean stop may take longer than a fence first gets a longer promise acknowledged") \
    /* -- what operators ask for ---------------------------------------------------------------------------------------------------------------- */ \
    X(NOFAILOVER,           11, MUTANT,    I10, "nofailover",        "a site with nofailover takes no lease but its own, unless it is forced to") \
    X(SWITCHOVER_READY,     11, MUTANT,    I13, "switchover",        "a switchover begins only to a site that is ready")                                  \
    X(SWITCHOVER_PAUSE,     11, MUTANT,    I9,  "pause",             "no switchover under a pause")                                                        \
    X(SWITCHOVER_HEARD,     11, MUTANT,    I13, "switchover to a dying site", "the target is released to only if it was heard within 2T and is fit then too; else the role stays") \
    X(CHOICE_STAYS,         11, MUTANT,    I13, "switchover",        "a leader whom an operator chose yields to nobody")                                  \
    X(CHOICE_KEPT,          11, MUTANT,    I13, "agent restart",     "the choice outlasts the agent, by the marks, and the retaking of the own lease, by its record") \
    X(FORCE_SILENT,         11, MUTANT,    I1,  "forced promotion",  "nobody is forced over a leader that was heard within its promise")                  \
    X(FORCE_CONSENT,        11, MUTANT,    I1,  "forced promotion",  "no voter is forced before its consent has run out")                                  \
    X(FORCE_WORD,           11, MUTANT,    I1,  "forced promotion",  "over a pause, or a lease that the consent of others may keep up, nobody is forced without an operator's word that its holder is off")
/* clang-format on */

enum fo_rule {
#define FO_RULE_ENUM(id, section, proof, invariant, fault, text) FO_RULE_##id,
    FO_RULES(FO_RULE_ENUM)
#undef FO_RULE_ENUM
        FO_RULE_COUNT,
};
_Static_assert(FO_RULE_COUNT <= 128, "rules are bits of one fo_rules");

#define FO_RULES_ALL  (~(fo_rules)0)
#define FO_RULE(rule) ((fo_rules)1 << (rule))

static inline bool fo_rule_on(const struct fo_state *state, enum fo_rule rule)
{
    return (state->rules >> rule) & 1;
}

#endif
