/*
 * The verbs of the native driver, for tests and the bench: what the agent would call, without the agent.
 *
 *   native [--site SITE] [--state DIR] [--runtime DIR] [--tap] VERB [NAME [SPEC]]
 *
 * VERB: observe, create, update, start, stop, remove, verify_stopped (a network); attach, boot (the same
 * before a start), unplug (after a stop) and detach (a VM; --tap: by TAPs of the agent's own), which print the spec as it is
 * connected. Prints one JSON object on one line ({"result": 0} or {"code": ..., "error": ...}); exits with
 * 1 on an error. `hold NAME` opens the TAP of that name and keeps it until its input ends. `bench NAME N`
 * makes N TAPs on the bridge NAME one by one, `bench-vms NAME N` attaches N VMs with a TAP each to the network
 * NAME; both print the microseconds that each took.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "netalloc/attach.h"
#include "netalloc/native.h"
#include "netalloc/netlink.h"
#include "netalloc/tap.h"
#include "proto/doc.h"

struct call {
    struct driver_options options;
    const char *verb, *name, *text;
    bool tap;
};

static json_t *thing_to_json(const struct thing *t)
{
    return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:O*}", "name", t->name, "state",
                     thing_state_name(t->state), "key", t->mark_key, "hash", t->mark_hash, "drift",
                     t->drift, "details", t->details);
}

static int observe(void *self, json_t *out, struct hm_error *err)
{
    struct things found = {0};
    int r = native_driver.observe(self, &found, err);
    json_t *list = json_array();
    for (size_t i = 0; i < found.count; i++)
        json_array_append_new(list, thing_to_json(&found.items[i]));
    json_object_set_new(out, "things", list);
    things_clear(&found);
    return r;
}

static int attach(const struct call *c, const struct order *o, json_t *out, struct hm_error *err)
{
    struct attach_options options = {.site = c->options.site,
                                     .state_dir = c->options.state_dir,
                                     .runtime_dir = c->options.runtime_dir,
                                     .by_tap = c->tap,
                                     .starting = !strcmp(c->verb, "boot")};
    json_t *spec = NULL;
    if (!strcmp(c->verb, "detach"))
        return detach_vm(&options, o, err);
    if (!strcmp(c->verb, "unplug")) {
        unplug_vm(&options, o);
        return 0;
    }
    int r = attach_vm(&options, o, &spec, err);
    if (r >= 0)
        json_object_set_new(out, "spec", spec);
    return r;
}

typedef int (*verb_function)(void *self, const struct order *o, struct hm_error *err);

static verb_function find_verb(const char *name)
{
    const struct {
        const char *name;
        verb_function call;
    } verbs[] = {{"create", native_driver.create},
                 {"update", native_driver.update},
                 {"start", native_driver.start},
                 {"stop", native_driver.stop},
                 {"verify_stopped", native_driver.verify_stopped},
                 {"remove", native_driver.remove}};
    for (size_t i = 0; i < HM_COUNT(verbs); i++)
        if (!strcmp(verbs[i].name, name))
            return verbs[i].call;
    return NULL;
}

static int order(const struct call *c, void *self, json_t *out, struct hm_error *err)
{
    verb_function verb = find_verb(c->verb);
    const char *kind = verb ? "network" : "vm";
    if (!c->name)
        return hm_fail(err, HM_E_INVALID, "usage: native [OPTIONS] VERB [NAME [SPEC]]");
    HM_AUTOFREE char *key = hm_printf("%s.%s.%s", c->options.site, kind, c->name);
    struct doc doc = {0};
    int r = c->text ? doc_from_value(key, c->text, strlen(c->text), &doc, err) : 0;
    if (r < 0)
        return r;
    struct order o = {
        .kind = kind, .name = c->name, .key = key, .site = c->options.site, .spec = doc.spec};
    r = verb ? verb(self, &o, err) : attach(c, &o, out, err);
    doc_clear(&doc);
    return r;
}

static int run(const struct call *c, json_t *out, struct hm_error *err)
{
    void *self = NULL;
    int r = native_driver.open(&c->options, &self, err);
    if (r < 0)
        return r;
    r = !strcmp(c->verb, "observe") ? observe(self, out, err) : order(c, self, out, err);
    native_driver.close(self);
    return r;
}

static int answer(const struct call *c)
{
    struct hm_error err = {0};
    json_t *out = json_object();
    int r = run(c, out, &err);
    json_object_set_new(out, "result", json_integer(r));
    if (r < 0) {
        json_object_set_new(out, "code", json_string(hm_code_name(err.code)));
        json_object_set_new(out, "error", json_string(err.text));
    }
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
    return r < 0;
}

static int hold(const char *name)
{
    struct hm_error err;
    int fd;
    if (tap_create(name, &fd, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    close(fd);
    return 0;
}

/* -- The bench --------------------------------------------------------------------------------- */

static int attach_tap(struct netlink *nl, const char *site, const char *bridge, int number,
                      struct hm_error *err)
{
    struct link_want want = {.kind = LINK_TAP};
    snprintf(want.name, sizeof want.name, "hmbench%d", number);
    snprintf(want.owner, sizeof want.owner, "%s.vm.bench#%d", site, number);
    snprintf(want.master, sizeof want.master, "%s", bridge);
    alias_make(site, want.owner, want.alias);
    struct link_step steps[] = {
        {.verb = LINK_CREATE, .want = &want},
        {.verb = LINK_SET, .attributes = SET_ALIAS | SET_MASTER | SET_UP, .want = &want}};
    int r = netlink_step(nl, &steps[0], err);
    return r < 0 ? r : netlink_step(nl, &steps[1], err);
}

static int attach_number(const struct call *c, long number, struct hm_error *err)
{
    struct attach_options options = {.site = c->options.site,
                                     .state_dir = c->options.state_dir,
                                     .runtime_dir = c->options.runtime_dir,
                                     .by_tap = true,
                                     .starting = true};
    HM_AUTOFREE char *name = hm_printf("v%ld", number);
    HM_AUTOFREE char *key = hm_printf("%s.vm.%s", c->options.site, name);
    json_t *placed = NULL, *spec = json_pack("{s:[{s:s}]}", "networks", "network", c->name);
    struct order o = {
        .kind = "vm", .name = name, .key = key, .site = c->options.site, .spec = spec};
    int r = attach_vm(&options, &o, &placed, err);
    json_decref(placed);
    json_decref(spec);
    return r;
}

static int bench_vms(const struct call *c)
{
    struct hm_error err;
    int r = 0;
    for (long i = 0; r >= 0 && i < strtol(c->text, NULL, 10); i++) {
        int64_t began = hm_boottime_ns();
        r = attach_number(c, i, &err);
        printf("%lld\n", (long long)(hm_boottime_ns() - began) / 1000);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    return r < 0;
}

static int bench(const struct call *c)
{
    struct netlink *nl = NULL;
    struct hm_error err;
    int r = netlink_open(&nl, &err);
    for (long i = 0; r >= 0 && i < strtol(c->text, NULL, 10); i++) {
        int64_t began = hm_boottime_ns();
        r = attach_tap(nl, c->options.site, c->name, (int)i, &err);
        printf("%lld\n", (long long)(hm_boottime_ns() - began) / 1000);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    netlink_close(nl);
    return r < 0;
}

static struct call read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"site", required_argument, NULL, 's'},
                                            {"state", required_argument, NULL, 'd'},
                                            {"runtime", required_argument, NULL, 'r'},
                                            {"tap", no_argument, NULL, 't'},
                                            {0}};
    struct call c = {.options = {.site = "site-a"}, .verb = ""};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            c.options.site = optarg;
        else if (option == 'd')
            c.options.state_dir = optarg;
        else if (option == 'r')
            c.options.runtime_dir = optarg;
        else if (option == 't')
            c.tap = true;
        else
            exit(2);
    }
    const char **places[] = {&c.verb, &c.name, &c.text};
    for (int i = 0; i < 3 && optind + i < argc; i++)
        *places[i] = argv[optind + i];
    return c;
}

int main(int argc, char **argv)
{
    struct call c = read_arguments(argc, argv);
    if (!strcmp(c.verb, "hold"))
        return hold(c.name);
    if (!strcmp(c.verb, "bench") && c.text)
        return bench(&c);
    if (!strcmp(c.verb, "bench-vms") && c.text)
        return bench_vms(&c);
    return answer(&c);
}
