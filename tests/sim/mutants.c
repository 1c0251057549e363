/* Every rule switched off in turn: some schedule must violate its invariant. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "sim.h"

enum proof { PROOF_MUTANT, PROOF_PAIR, PROOF_REDUNDANT, PROOF_DIAGNOSTIC };

struct rule {
    const char *name, *fault, *text, *proof_text;
    int section;
    enum proof proof;
    fo_rules with; /* PAIR: rules that are off as well */
    enum sim_invariant invariant;
};

#define MUTANT      PROOF_MUTANT, 0
#define REDUNDANT   PROOF_REDUNDANT, 0
#define DIAGNOSTIC  PROOF_DIAGNOSTIC, 0
#define PAIR(other) PROOF_PAIR, FO_RULE(FO_RULE_##other)
#define ROW_(id, section_, proof_, with_, proof_text_, invariant_, fault_, text_)                  \
    {#id, fault_, text_, proof_text_, section_, proof_, with_, SIM_##invariant_},
#define EXPAND(macro, ...) macro(__VA_ARGS__)

static const struct rule rules[] = {
#define ROW(id, section, proof, invariant, fault, text)                                            \
    EXPAND(ROW_, id, section, proof, #proof, invariant, fault, text)
    FO_RULES(ROW)
#undef ROW
};

/* The first schedule that violates this rule's own invariant; 0: none. */
static uint64_t find(struct sim *w, unsigned rule, uint64_t first, uint64_t most, uint64_t *others)
{
    struct stats stats = {0};
    fo_rules off = FO_RULE(rule) | rules[rule].with;
    for (uint64_t i = 0; i < most; i++) {
        if (sim_run(w, first + i, FO_RULES_ALL & ~off, 0, false, &stats))
            continue;
        if (w->violated == rules[rule].invariant)
            return i + 1;
        ++*others;
    }
    return 0;
}

static bool is_needed(const struct rule *r)
{
    return r->proof == PROOF_MUTANT || r->proof == PROOF_PAIR;
}

static int run_one(struct sim *w, unsigned rule, uint64_t first, uint64_t most)
{
    uint64_t others = 0, took = find(w, rule, first, most, &others);
    const struct rule *r = &rules[rule];
    if (took == 0)
        printf("R%-2u %-20s %-4s NOT CAUGHT in %" PRIu64 " (%" PRIu64 " others violated)\n",
               rule + 1, r->name, invariant_name(r->invariant), most, others);
    else
        printf("R%-2u %-20s %-4s caught by schedule %" PRIu64 " of at most %" PRIu64 "\n", rule + 1,
               r->name, invariant_name(r->invariant), took, most);
    return took == 0;
}

/* One worker's share; its exit code is the number not caught. */
static int run_share(uint64_t first, uint64_t most, unsigned job, unsigned jobs, const char *only)
{
    struct sim *w = calloc(1, sizeof(*w));
    int missed = 0;
    unsigned turn = 0;
    for (unsigned i = 0; w && i < FO_RULE_COUNT; i++) {
        bool wanted = only ? strcasecmp(only, rules[i].name) == 0 : is_needed(&rules[i]);
        if (wanted && turn++ % jobs == job)
            missed += run_one(w, i, first, most);
    }
    free(w);
    return missed;
}

int mutants_run(uint64_t first, uint64_t most, unsigned jobs, const char *only)
{
    int missed = 0, status;
    for (unsigned job = 0; job < jobs; job++) {
        fflush(stdout);
        if (fork() == 0)
            exit(run_share(first, most, job, jobs, only));
    }
    while (wait(&status) > 0)
        missed += WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    unsigned needed = 0;
    for (unsigned i = 0; i < FO_RULE_COUNT; i++)
        needed += is_needed(&rules[i]);
    printf("mutants: %u rules, %u must be caught, %d not caught\n", (unsigned)FO_RULE_COUNT, needed,
           missed);
    return missed ? 1 : 0;
}

/* -- docs/failover/safety.md against the code --------------------------------------------------------- */

/* "| R1 | CAS_HEARTBEAT | 3 | sentence | I3 | fault | MUTANT |..." must be there for every rule. */
static void row_text(unsigned rule, char *out, size_t size)
{
    const struct rule *r = &rules[rule];
    snprintf(out, size, "| R%u | %s | %d | %s | %s | %s | %s |", rule + 1, r->name, r->section,
             r->text, invariant_name(r->invariant), r->fault, r->proof_text);
}

int doc_check(const char *path)
{
    enum { DOC_MAX = 256 * 1024 };
    struct hm_error err = {0};
    char *text, row[700];
    size_t len;
    unsigned missing = 0, rows = 0;
    if (hm_file_read(path, DOC_MAX, &text, &len, &err) < 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        return 2;
    }
    for (unsigned i = 0; i < FO_RULE_COUNT; i++) {
        row_text(i, row, sizeof(row));
        if (!strstr(text, row)) {
            printf("%s: row is missing or differs from failover/rules.h:\n  %s\n", path, row);
            missing++;
        }
    }
    for (const char *at = text; (at = strstr(at, "\n| R")) != NULL; at++)
        rows += at[4] >= '0' && at[4] <= '9';
    if (rows != FO_RULE_COUNT)
        printf("%s has %u rows, failover/rules.h %u rules\n", path, rows, (unsigned)FO_RULE_COUNT);
    bool ok = missing == 0 && rows == FO_RULE_COUNT;
    unsigned matching = (unsigned)FO_RULE_COUNT - missing;
    printf("rules: %u of %u in %s\n", matching, (unsigned)FO_RULE_COUNT, path);
    free(text);
    return ok ? 0 : 1;
}
