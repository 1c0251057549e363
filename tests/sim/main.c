/*
 * sim: run schedules, replay one with a trace, show that each rule is needed.
 *
 *   sim [--runs N | --budget SECONDS] [--first SEED] [--jobs J] [--all] [--part N]
 *       --all: go on after a violation; --part: a line after every N runs, from where it can be taken up again
 *   sim --seed N [--trace] [--off RULE]... [--shrink]
 *       --without-operators: schedules as they were drawn before there were operators' faults (operator.c)
 *   sim --mutants [--runs N] [--jobs J] [--only RULE]
 *   sim --check-doc FILE
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

struct options {
    uint64_t runs, first, seed, part;
    fo_rules rules;
    double budget; /* seconds; 0: none */
    unsigned jobs;
    bool has_seed, trace, mutants, shrink, all, without_operators;
    const char *only, *doc;
};

/* What the workers leave for the parent. */
struct shared {
    struct stats stats;
    struct {
        uint64_t count, first_seed;
        char what[200];
    } violations[SIM_INVARIANT_COUNT];
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sim *sim_new(void)
{
    struct sim *w = calloc(1, sizeof(*w));
    if (!w) {
        perror("sim");
        exit(2);
    }
    return w;
}

static void note_violation(const struct sim *w, uint64_t seed, struct shared *out)
{
    unsigned which = w->violated;
    if (out->violations[which].count++ != 0)
        return;
    out->violations[which].first_seed = seed;
    memcpy(out->violations[which].what, w->what, sizeof(w->what));
}

static uint64_t print_violations(const struct shared *out)
{
    uint64_t sum = 0;
    for (unsigned i = 1; i < SIM_INVARIANT_COUNT; i++) {
        if (out->violations[i].count == 0)
            continue;
        uint64_t seed = out->violations[i].first_seed;
        sum += out->violations[i].count;
        printf("seed %" PRIu64 " violates %s (%s): %s (%" PRIu64 " times)\n"
               "  replay: build/sim --seed %" PRIu64 " --trace\n",
               seed, invariant_name((enum sim_invariant)i), invariant_text((enum sim_invariant)i),
               out->violations[i].what, out->violations[i].count, seed);
    }
    return sum;
}

static void work(const struct options *o, unsigned job, struct shared *out)
{
    struct sim *w = sim_new();
    w->without_operators = o->without_operators;
    double until = o->budget > 0 ? now_s() + o->budget : 0;
    for (uint64_t i = job; o->budget > 0 || i < o->runs; i += o->jobs) {
        if (!sim_run(w, o->first + i, o->rules, 0, false, &out->stats)) {
            note_violation(w, o->first + i, out);
            if (!o->all)
                break;
        }
        if (until > 0 && i / o->jobs % 64 == 0 && now_s() >= until)
            break;
    }
    free(w);
}

static void add(struct stats *sum, const struct stats *s)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)s;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += from[i];
}

/* Of this process and the workers that have ended. */
static double cpu_s(void)
{
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)(self.ru_utime.tv_sec + children.ru_utime.tv_sec) +
           (double)(self.ru_utime.tv_usec + children.ru_utime.tv_usec) / 1e6;
}

static void print_stats(const struct stats *s, double took, unsigned jobs)
{
    static const char *const lengths[] = {"<60", "60", "80", "100", "120", "140", "160", "180+"};
    printf("schedules %" PRIu64 " (%" PRIu64 " count: at least 60 s and 3 faults), events %" PRIu64
           " (%.0f each), simulated %.1f days\n",
           s->schedules, s->counted, s->events, (double)s->events / (double)s->schedules,
           (double)s->simulated_ms / 86400e3);
    double cpu = cpu_s();
    printf("  per core and second: %.0f schedules, %.2f million events (%.1f s of processor time; "
           "%.1f s passed, %u jobs)\n",
           (double)s->schedules / cpu, (double)s->events / cpu / 1e6, cpu, took, jobs);
    printf("  promotions %" PRIu64 ", claims %" PRIu64 " (denied %" PRIu64 "), fences %" PRIu64
           ", yields %" PRIu64 "; asked for consent %" PRIu64 " times, went on by it %" PRIu64
           " times\n",
           s->leaders, s->claims, s->denied, s->fences, s->yields, s->asked, s->consents);
    printf("  digest %016" PRIx64 "\n", s->digest);
    printf("  losses of acknowledged writes %" PRIu64 " (%" PRIu64
           " of them void I1 to I3), repairs by an operator %" PRIu64 "\n",
           s->losses, s->voided, s->repairs);
    printf("  switchovers begun %" PRIu64 ", promotions forced %" PRIu64 "\n", s->switchovers,
           s->forced);
    printf("  simulated seconds:");
    for (int i = 0; i < 8; i++)
        printf(" %s: %" PRIu64, lengths[i], s->by_length[i]);
    printf("\n  faults in a schedule:");
    for (int i = 0; i < 8; i++)
        printf(" %d%s: %" PRIu64, i, i == 7 ? "+" : "", s->by_faults[i]);
    printf("\n  faults by kind:");
    for (int i = 0; i < FAULT_COUNT; i++)
        printf(" %s %" PRIu64 "%s", fault_name((enum fault_type)i), s->by_fault[i],
               i + 1 < FAULT_COUNT ? "," : "\n");
}

/* A part of them, by as many workers. Adds to *sum; returns violations, or -1 if a worker failed. */
static int64_t run_part(const struct options *o, struct stats *sum)
{
    size_t size = sizeof(struct shared) * o->jobs;
    struct shared *out =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (out == MAP_FAILED) {
        perror("sim: mmap");
        return -1;
    }
    for (unsigned job = 0; job < o->jobs; job++) {
        if (o->jobs > 1 && fork() != 0)
            continue;
        work(o, job, &out[job]);
        if (o->jobs > 1)
            _exit(0);
    }
    int status;
    bool failed = false;
    while (o->jobs > 1 && wait(&status) > 0)
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    uint64_t violations = 0;
    for (unsigned job = 0; job < o->jobs; job++) {
        add(sum, &out[job].stats);
        violations += print_violations(&out[job]);
    }
    munmap(out, size);
    return failed ? -1 : (int64_t)violations;
}

static void print_progress(const struct options *o, const struct stats *sum, double began)
{
    if (o->part != 0)
        printf("sim: %" PRIu64 " schedules, %.0f s; seeds below %" PRIu64 " are done\n",
               sum->schedules, now_s() - began, o->first + o->runs);
}

static int run_many(const struct options *o)
{
    struct options part = *o;
    struct stats sum = {0};
    int64_t violations = 0, found = 0;
    double began = now_s();
    for (uint64_t done = 0; done < o->runs && found >= 0 && (violations == 0 || o->all);
         done += part.runs) {
        part.first = o->first + done;
        part.runs = o->part != 0 && o->part < o->runs - done ? o->part : o->runs - done;
        found = run_part(&part, &sum);
        violations += found;
        print_progress(&part, &sum, began);
    }
    print_stats(&sum, now_s() - began, o->jobs);
    printf("sim: %" PRIu64 " schedules, %" PRId64 " violations\n", sum.schedules, violations);
    return violations != 0 ? 1 : 0;
}

/* Leave faults out one by one as long as the same invariant is violated. */
static uint64_t shrink(struct sim *w, const struct options *o)
{
    struct stats stats = {0};
    uint64_t dropped = 0;
    sim_run(w, o->seed, o->rules, 0, false, &stats);
    enum sim_invariant which = w->violated;
    for (unsigned i = 0; which != SIM_NONE && i < w->fault_count; i++) {
        sim_run(w, o->seed, o->rules, dropped | (uint64_t)1 << i, false, &stats);
        if (w->violated == which)
            dropped |= (uint64_t)1 << i;
    }
    return dropped;
}

static int run_one(const struct options *o)
{
    struct sim *w = sim_new();
    w->without_operators = o->without_operators;
    struct stats stats = {0};
    uint64_t dropped = o->shrink ? shrink(w, o) : 0;
    bool ok = sim_run(w, o->seed, o->rules, dropped, o->trace, &stats);
    if (ok)
        printf("seed %" PRIu64 ": no violation in %.1f s\n", o->seed, (double)w->now / 1e9);
    else
        printf("seed %" PRIu64 " violates %s at %.4f s (%s): %s\n", o->seed,
               invariant_name(w->violated), (double)w->now / 1e9, invariant_text(w->violated),
               w->what);
    free(w);
    return ok ? 0 : 1;
}

/* -- the command line ------------------------------------------------------------------------------- */

static uint64_t number(const char *option, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end != '\0' || end == text || errno != 0 || text[0] == '-') {
        fprintf(stderr, "sim: --%s: \"%s\" is not a number\n", option, text);
        exit(2);
    }
    return n;
}

static fo_rules rule_bit(const char *name)
{
    static const char *const names[] = {
#define NAME(id, section, proof, invariant, fault, text) #id,
        FO_RULES(NAME)
#undef NAME
    };
    for (unsigned i = 0; i < FO_RULE_COUNT; i++)
        if (strcasecmp(name, names[i]) == 0)
            return FO_RULE(i);
    fprintf(stderr, "sim: there is no rule \"%s\" (failover/rules.h)\n", name);
    exit(2);
}

static void take_option(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "runs") == 0)
        o->runs = number(name, value);
    else if (strcmp(name, "budget") == 0)
        o->budget = (double)number(name, value);
    else if (strcmp(name, "first") == 0)
        o->first = number(name, value);
    else if (strcmp(name, "part") == 0)
        o->part = number(name, value);
    else if (strcmp(name, "jobs") == 0)
        o->jobs = (unsigned)number(name, value);
    else if (strcmp(name, "seed") == 0) {
        o->seed = number(name, value);
        o->has_seed = true;
    } else if (strcmp(name, "off") == 0)
        o->rules &= ~rule_bit(value);
    else if (strcmp(name, "only") == 0)
        o->only = value;
    else if (strcmp(name, "check-doc") == 0)
        o->doc = value;
    else if (strcmp(name, "trace") == 0)
        o->trace = true;
    else if (strcmp(name, "all") == 0)
        o->all = true;
    else if (strcmp(name, "shrink") == 0)
        o->shrink = true;
    else if (strcmp(name, "without-operators") == 0)
        o->without_operators = true;
    else
        o->mutants = true;
}

static void parse_command_line(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"runs", required_argument, 0, 1},
        {"budget", required_argument, 0, 1},
        {"first", required_argument, 0, 1},
        {"part", required_argument, 0, 1},
        {"jobs", required_argument, 0, 1},
        {"seed", required_argument, 0, 1},
        {"off", required_argument, 0, 1},
        {"only", required_argument, 0, 1},
        {"check-doc", required_argument, 0, 1},
        {"trace", no_argument, 0, 1},
        {"shrink", no_argument, 0, 1},
        {"mutants", no_argument, 0, 1},
        {"all", no_argument, 0, 1},
        {"without-operators", no_argument, 0, 1},
        {0, 0, 0, 0},
    };
    int index = 0;
    while (getopt_long(argc, argv, "", known, &index) == 1)
        take_option(o, known[index].name, optarg);
    if (optind != argc || o->jobs == 0 || o->jobs > 64) {
        fprintf(
            stderr,
            "usage: sim [--runs N | --budget S] [--first N] [--jobs J] [--part N] [--off RULE]\n"
            "       sim --seed N [--trace] [--shrink] [--off RULE] [--without-operators]\n"
            "       sim --mutants [--only RULE] [--runs N] [--jobs J]\n"
            "       sim --check-doc FILE\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.runs = 100000, .first = 1, .jobs = 1, .rules = FO_RULES_ALL};
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_command_line(argc, argv, &o);
    if (o.doc)
        return doc_check(o.doc);
    if (o.has_seed)
        return run_one(&o);
    if (o.mutants)
        return mutants_run(o.first, o.runs, o.jobs, o.only);
    return run_many(&o);
}
