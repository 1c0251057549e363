/*
 * A driver's verbs, for tests: what the agent would call, without the agent.
 *
 *   drive [--backend libvirt|images|cloud-hypervisor] [--uri URI] [--image-dir DIR] [--image-ca FILE] [--stall MS]
 *         [--state DIR] [--runtime DIR] [--vmm PROGRAM] [--site SITE] [--accel WORD] [--primary] [--seen UUID] VERB [KIND NAME [SPEC]]
 *
 * VERB: observe, probe, stats, create, update, start, stop, kill, verify_stopped, remove,
 * pause, resume, reboot. SPEC: the document
 * as JSON; it is verified as the agent verifies it, and its key is SITE.KIND.NAME (or primary.KIND.NAME).
 * Prints the result as one JSON object on one line ({"result": 0} or {"code": ..., "error": ...}); exits
 * with 1 on an error.
 *
 * VERB may also be an operation of the driver (proto/operations.c); SPEC is then its arguments.
 *
 * With VERB `session` it stays connected, reads [VERB, KIND, NAME, SPEC] as a JSON list from each line of
 * its input, and answers each. Two verbs more: `wait`, until the driver has told of a change since the
 * last observe, and `reopen`.
 *
 * Without a connection, `trial BOOT DIR` boots a kernel of the folder BOOT under --accel kvm or tcg
 * (vmm/accel_trial.h) and prints whether it PASSED.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "proto/operation.h"
#include "vmm/accel_trial.h"
#include "vmm/cloud_hypervisor.h"
#include "vmm/images.h"
#include "vmm/libvirt.h"
#include "vmm/vm_stats.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int changes; /* since the last observe, under the lock */

static void on_change(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    changes++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int wait_for_change(void)
{
    pthread_mutex_lock(&lock);
    while (changes == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return 0;
}

static void forget_changes(void)
{
    pthread_mutex_lock(&lock);
    changes = 0;
    pthread_mutex_unlock(&lock);
}

struct call {
    const struct driver *driver;
    struct driver_options options;
    const char *verb, *kind, *name, *text;
    const char *seen;
    bool primary;
};

static json_t *thing_to_json(const struct thing *t)
{
    return json_pack("{s:s, s:s, s:s, s:s*, s:b, s:s*, s:s*, s:s*, s:O*, s:s*, s:b, s:O*}", "kind",
                     t->kind, "name", t->name, "state", thing_state_name(t->state), "reason",
                     t->reason, "marked", t->marked, "site", t->mark_site, "key", t->mark_key,
                     "hash", t->mark_hash, "spec", t->spec, "drift", t->drift, "autostart",
                     t->autostart, "details", t->details);
}

static int observe(const struct driver *d, void *self, json_t *out, struct hm_error *err)
{
    struct things found = {0};
    forget_changes();
    int r = d->observe(self, &found, err);
    json_t *list = json_array();
    for (size_t i = 0; i < found.count; i++)
        json_array_append_new(list, thing_to_json(&found.items[i]));
    json_object_set_new(out, "things", list);
    things_clear(&found);
    return r;
}

static int stats(const struct driver *d, void *self, json_t *out, struct hm_error *err)
{
    struct vm_stats_list found = {0};
    int r = d->stats(self, &found, err);
    json_t *list = json_array();
    for (size_t i = 0; i < found.count; i++)
        json_array_append_new(list, vm_stats_to_json(&found.items[i]));
    json_object_set_new(out, "stats", list);
    vm_stats_clear(&found);
    return r;
}

static int probe(const struct driver *d, void *self, json_t *out, struct hm_error *err)
{
    json_t *facts = NULL;
    int r = d->probe(self, &facts, err);
    if (r >= 0)
        json_object_set_new(out, "facts", facts);
    return r;
}

typedef int (*verb_function)(void *self, const struct order *o, struct hm_error *err);

static verb_function find_verb(const struct driver *d, const char *name)
{
    const struct {
        const char *name;
        verb_function call;
    } verbs[] = {
        {"create", d->create}, {"update", d->update}, {"start", d->start},
        {"stop", d->stop},     {"kill", d->kill},     {"verify_stopped", d->verify_stopped},
        {"remove", d->remove}, {"pause", d->pause},   {"resume", d->resume},
        {"reboot", d->reboot},
    };
    for (size_t i = 0; i < HM_COUNT(verbs); i++)
        if (!strcmp(verbs[i].name, name))
            return verbs[i].call;
    return NULL;
}

static int order(const struct call *c, const struct driver *d, void *self, struct hm_error *err)
{
    verb_function verb = find_verb(d, c->verb);
    if (!verb || !c->name)
        return hm_fail(err, HM_E_INVALID, "usage: drive [OPTIONS] VERB [KIND NAME [SPEC]]");
    HM_AUTOFREE char *key =
        hm_printf("%s.%s.%s", c->primary ? "primary" : c->options.site, c->kind, c->name);
    struct doc doc = {0};
    int r = c->text ? doc_from_value(key, c->text, strlen(c->text), &doc, err) : 0;
    if (r < 0)
        return r;
    struct order o = {.kind = c->kind,
                      .name = c->name,
                      .key = key,
                      .site = c->options.site,
                      .spec = doc.spec,
                      .seen_uuid = c->seen,
                      .grace_ms = spec_int(doc.spec, "stop_grace", 0),
                      .primary = c->primary};
    r = verb(self, &o, err);
    doc_clear(&doc);
    return r;
}

/* One of the driver's operations; what it answers is in "value". `text` is its arguments. */
static int operate(const struct call *c, const struct driver *d, void *self, json_t *out,
                   struct hm_error *err)
{
    const struct operation *row = NULL;
    const struct driver_operation *op = d->operations;
    HM_AUTOFREE char *key = hm_printf("%s.%s.%s", c->options.site, c->kind, c->name);
    json_t *given = json_loads(c->text ? c->text : "{}", 0, NULL), *args = NULL;
    int r = operation_find(c->verb, &row, err);
    if (r >= 0)
        r = operation_verify_args(row, given, &args, err);
    while (op && op->name && strcmp(op->name, c->verb) != 0)
        op++;
    struct driver_call call = {
        .order = {.kind = c->kind, .name = c->name, .key = key, .site = c->options.site},
        .args = args,
        .until_ns = INT64_MAX};
    struct driver_result result = {.fd = -1};
    if (r >= 0)
        r = op->run(self, &call, &result, err);
    if (r >= 0)
        json_object_set_new(out, "value", result.value);
    json_decref(given);
    json_decref(args);
    return r;
}

static int reopen(const struct call *c, const struct driver *d, void **self, struct hm_error *err)
{
    d->close(*self);
    *self = NULL;
    return d->open(&c->options, self, err);
}

static int run(const struct call *c, const struct driver *d, void **self, json_t *out,
               struct hm_error *err)
{
    if (!strcmp(c->verb, "reopen") || !*self)
        return reopen(c, d, self, err);
    if (!strcmp(c->verb, "wait"))
        return wait_for_change();
    if (!strcmp(c->verb, "stats"))
        return stats(d, *self, out, err);
    if (!strcmp(c->verb, "observe"))
        return observe(d, *self, out, err);
    if (!strcmp(c->verb, "probe"))
        return probe(d, *self, out, err);
    if (c->name && operation_find(c->verb, &(const struct operation *){NULL}, NULL) >= 0 &&
        !find_verb(d, c->verb))
        return operate(c, d, *self, out, err);
    return order(c, d, *self, err);
}

static int print(json_t *out, int r, const struct hm_error *err)
{
    json_object_set_new(out, "result", json_integer(r));
    if (r < 0) {
        json_object_set_new(out, "code", json_string(hm_code_name(err->code)));
        json_object_set_new(out, "error", json_string(err->text));
    }
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(out);
    return r;
}

static int answer(const struct call *c, const struct driver *d, void **self)
{
    struct hm_error err = {0};
    json_t *out = json_object();
    int r = run(c, d, self, out, &err);
    return print(out, r, &err);
}

static void serve(const struct call *given, const struct driver *d, void **self)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *words = json_loads(line, 0, NULL);
        struct call c = *given;
        const char **places[] = {&c.verb, &c.kind, &c.name, &c.text};
        for (size_t i = 0; i < HM_COUNT(places); i++)
            *places[i] = json_string_value(json_array_get(words, i));
        answer(&c, d, self);
        json_decref(words);
    }
    free(line);
}

static const struct driver *find_driver(const char *name)
{
    static const struct driver *const drivers[] = {&libvirt_driver, &images_driver,
                                                   &cloud_hypervisor_driver};
    for (size_t i = 0; i < HM_COUNT(drivers); i++)
        if (!strcmp(drivers[i]->name, name))
            return drivers[i];
    exit(2);
}

static struct call read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"uri", required_argument, NULL, 'u'},
                                            {"image-dir", required_argument, NULL, 'i'},
                                            {"site", required_argument, NULL, 's'},
                                            {"accel", required_argument, NULL, 'a'},
                                            {"backend", required_argument, NULL, 'b'},
                                            {"image-ca", required_argument, NULL, 'c'},
                                            {"stall", required_argument, NULL, 't'},
                                            {"primary", no_argument, NULL, 'p'},
                                            {"seen", required_argument, NULL, 'k'},
                                            {"state", required_argument, NULL, 'd'},
                                            {"runtime", required_argument, NULL, 'r'},
                                            {"vmm", required_argument, NULL, 'v'},
                                            {0}};
    struct call c = {.driver = &libvirt_driver,
                     .options = {.uri = "qemu:///system",
                                 .image_dir = "/var/lib/libvirt/images",
                                 .site = "site-a",
                                 .accel = "auto",
                                 .on_change = on_change},
                     .verb = ""};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'u')
            c.options.uri = optarg;
        else if (option == 'i')
            c.options.image_dir = optarg;
        else if (option == 's')
            c.options.site = optarg;
        else if (option == 'a')
            c.options.accel = optarg;
        else if (option == 'b')
            c.driver = find_driver(optarg);
        else if (option == 'c')
            c.options.image_ca = optarg;
        else if (option == 't')
            c.options.image_stall_ms = strtol(optarg, NULL, 10);
        else if (option == 'd')
            c.options.state_dir = optarg;
        else if (option == 'r')
            c.options.runtime_dir = optarg;
        else if (option == 'v')
            c.options.vmm_program = optarg;
        else if (option == 'p')
            c.primary = true;
        else if (option == 'k')
            c.seen = optarg;
        else
            exit(2);
    }
    const char **places[] = {&c.verb, &c.kind, &c.name, &c.text};
    for (int i = 0; i < 4 && optind + i < argc; i++)
        *places[i] = argv[optind + i];
    return c;
}

static int run_trial(const struct call *c)
{
    struct accel_record record;
    struct accel_trial trial = {.boot = c->kind,
                                .accel = c->options.accel,
                                .dir = c->name,
                                .timeout_ms = 4 * ACCEL_TRIAL_MS};
    struct hm_error none = {0};
    accel_trial_run(&trial, &record);
    json_t *out =
        json_pack("{s:b, s:s}", "passed", record.result == ACCEL_TRIAL_PASSED, "text", record.text);
    return print(out, 0, &none);
}

int main(int argc, char **argv)
{
    struct call c = read_arguments(argc, argv);
    if (!strcmp(c.verb, "trial"))
        return run_trial(&c);
    const struct driver *d = c.driver;
    struct hm_error err = {0};
    void *self = NULL;
    int r = d->open(&c.options, &self, &err);
    if (r < 0)
        print(json_object(), r, &err);
    else if (!strcmp(c.verb, "session"))
        serve(&c, d, &self);
    else
        r = answer(&c, d, &self);
    d->close(self);
    return r < 0;
}
