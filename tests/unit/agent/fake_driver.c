#include "fake_driver.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drivers.h"
#include "agent/made.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "proto/doc.h"
#include "vmm/thing.h"
#include "vmm/vm_uuid.h"

enum { MOST_THINGS = 128, MOST_RULES = 1024, MOST_CONNECTIONS = 64, MOST_BUSY = 32 };

/* A rule about one verb, for one thing or any. */
struct rule {
    const char *verb;
    char name[64];
    bool any;
    enum hm_code fails;
    bool held;
    int passes; /* how many of the held may go on */
    int inside, calls;
};

struct connection {
    struct driver_options options;
    const struct driver *driver;
    char *site;
    bool open, dead;
    const char *busy[MOST_BUSY]; /* names of things with a call under way */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct thing things[MOST_THINGS];
    struct thing_shared
        *seen[MOST_THINGS]; /* what observations share; NULL: not since it changed */
    size_t thing_count;
    struct rule rules[MOST_RULES];
    size_t rule_count;
    struct connection connections[MOST_CONNECTIONS];
    size_t connection_count;
    struct hm_buf story;
    int overlaps;
    int64_t last_grace_ms;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void lock(void)
{
    pthread_mutex_lock(&fake.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&fake.lock);
}

/* -- Rules (with the lock) ------------------------------------------------------------------------
 */

static struct rule *rule_for(const char *verb, const char *name)
{
    for (size_t i = 0; i < fake.rule_count; i++) {
        struct rule *r = &fake.rules[i];
        if (!strcmp(r->verb, verb) && r->any == !name && (!name || !strcmp(r->name, name)))
            return r;
    }
    ck_assert_uint_lt(fake.rule_count, MOST_RULES);
    struct rule *r = &fake.rules[fake.rule_count++];
    *r = (struct rule){.verb = verb, .any = !name};
    if (name)
        strncpy(r->name, name, sizeof r->name - 1);
    return r;
}

static void note_call(const char *verb, const char *name)
{
    rule_for(verb, NULL)->calls++;
    if (!name)
        return;
    rule_for(verb, name)->calls++;
    hm_buf_printf(&fake.story, "%s%s %s", fake.story.len ? ", " : "", verb, name);
}

static void wait_while_held(struct rule *r)
{
    r->inside++;
    while (r->held && r->passes == 0)
        pthread_cond_wait(&fake.changed, &fake.lock);
    if (r->held)
        r->passes--;
    r->inside--;
}

/* Waits while the call is held; fails if it shall. */
static int obey(const char *verb, const char *name, struct hm_error *err)
{
    struct rule *any = rule_for(verb, NULL), *one = name ? rule_for(verb, name) : any;
    wait_while_held(any);
    if (one != any)
        wait_while_held(one);
    enum hm_code code = one->fails ? one->fails : any->fails;
    return code ? hm_fail(err, code, "fake: %s %s fails", verb, name ? name : "") : 0;
}

/* -- Things (with the lock) -----------------------------------------------------------------------
 */

static struct thing *find(const char *kind, const char *name)
{
    for (size_t i = 0; i < fake.thing_count; i++)
        if (!strcmp(fake.things[i].kind, kind) && !strcmp(fake.things[i].name, name))
            return &fake.things[i];
    return NULL;
}

static void forget_seen(const struct thing *t)
{
    struct thing_shared **seen = &fake.seen[t - fake.things];
    thing_shared_unref(*seen);
    *seen = NULL;
}

static void mark(struct thing *t, const char *site, const char *key, const json_t *spec)
{
    char hash[DOC_HASH_TEXT];
    json_t *taken = json_deep_copy(spec);
    spec_hash(spec, hash);
    forget_seen(t);
    free(t->mark_site);
    free(t->mark_key);
    free(t->mark_hash);
    json_decref(t->spec);
    t->marked = true;
    t->mark_site = hm_strdup(site);
    t->mark_key = hm_strdup(key);
    t->mark_hash = hm_strdup(hash);
    t->spec = taken;
}

static void set_uuid(struct thing *t, const char *uuid)
{
    forget_seen(t);
    json_decref(t->details);
    t->details = json_pack("{s:s}", "uuid", uuid);
}

/* As libvirt's driver does it. */
static void give_uuid(struct thing *t, const struct order *o)
{
    char uuid[VM_UUID_TEXT];
    if (!o->primary || strcmp(o->kind, "vm") != 0)
        return;
    vm_uuid(o->site, o->key, uuid);
    set_uuid(t, uuid);
}

static struct thing *add(const char *kind, const char *name, enum thing_state state)
{
    ck_assert_uint_lt(fake.thing_count, MOST_THINGS);
    struct thing *t = &fake.things[fake.thing_count++];
    *t = (struct thing){.kind = hm_strdup(kind), .name = hm_strdup(name), .state = state};
    return t;
}

static void remove_thing(struct thing *t)
{
    size_t at = (size_t)(t - fake.things), last = --fake.thing_count;
    forget_seen(t);
    thing_clear(t);
    fake.things[at] = fake.things[last];
    fake.seen[at] = fake.seen[last];
    fake.things[last] = (struct thing){0};
    fake.seen[last] = NULL;
}

static struct thing copy_of(const struct thing *t)
{
    return (struct thing){
        .kind = hm_strdup(t->kind),
        .name = hm_strdup(t->name),
        .state = t->state,
        .marked = t->marked,
        .mark_site = t->mark_site ? hm_strdup(t->mark_site) : NULL,
        .mark_key = t->mark_key ? hm_strdup(t->mark_key) : NULL,
        .mark_hash = t->mark_hash ? hm_strdup(t->mark_hash) : NULL,
        .spec = json_deep_copy(t->spec),
        .details = json_deep_copy(t->details),
        .run = t->run,
    };
}

/* Like a real driver: what did not change is the same shared copy in every observation. */
static struct thing view_of(size_t i)
{
    if (!fake.seen[i]) {
        struct thing copy = copy_of(&fake.things[i]);
        fake.seen[i] = thing_shared_new(&copy);
    }
    struct thing view = thing_view(fake.seen[i], fake.things[i].state, NULL);
    view.shut_down = fake.things[i].shut_down;
    return view;
}

static int check_mark(const struct thing *t, const struct order *o, bool may_adopt,
                      struct hm_error *err)
{
    if (t->marked && !strcmp(t->mark_key, o->key) && !strcmp(t->mark_site, o->site))
        return 0;
    if (may_adopt && o->spec && spec_bool(o->spec, "adopt"))
        return 0;
    return hm_fail(err, HM_E_CONFLICT, "fake: %s %s is not ours", o->kind, o->name);
}

/* -- Connections ----------------------------------------------------------------------------------
 */

static int fake_check_options(const struct driver_options *options, struct hm_error *err)
{
    (void)options;
    (void)err;
    return 0;
}

static int open_as(const struct driver *driver, const struct driver_options *options,
                   void **ret_self, struct hm_error *err)
{
    lock();
    note_call("open", NULL);
    int r = obey("open", driver->name, err);
    if (r == 0) {
        ck_assert_uint_lt(fake.connection_count, MOST_CONNECTIONS);
        struct connection *c = &fake.connections[fake.connection_count++];
        *c = (struct connection){
            .options = *options, .driver = driver, .site = hm_strdup(options->site), .open = true};
        *ret_self = c;
    }
    unlock();
    return r;
}

static int fake_open(const struct driver_options *options, void **ret_self, struct hm_error *err)
{
    return open_as(&fake_driver, options, ret_self, err);
}

static int open_vms(const struct driver_options *options, void **ret_self, struct hm_error *err)
{
    return open_as(&fake_vms, options, ret_self, err);
}

static int open_disks(const struct driver_options *options, void **ret_self, struct hm_error *err)
{
    return open_as(&fake_disks, options, ret_self, err);
}

static void fake_close(void *self)
{
    struct connection *c = self;
    lock();
    note_call("close", NULL);
    ck_assert(c->open);
    c->open = false;
    unlock();
}

static bool fake_is_alive(void *self)
{
    struct connection *c = self;
    lock();
    bool alive = c->open && !c->dead;
    unlock();
    return alive;
}

static int fake_probe(void *self, json_t **ret_facts, struct hm_error *err)
{
    const struct connection *c = self;
    lock();
    note_call("probe", NULL);
    int r = obey("probe", c->driver->name, err);
    unlock();
    if (r == 0)
        *ret_facts = json_pack("{s:s}", "name", "fake");
    return r;
}

static int fake_observe(void *self, struct things *ret, struct hm_error *err)
{
    const struct connection *c = self;
    lock();
    note_call("observe", NULL);
    rule_for("observe", c->driver->name)->calls++;
    ret->items = hm_alloc((fake.thing_count + 1) * sizeof *ret->items);
    for (size_t i = 0; i < fake.thing_count; i++)
        if (driver_holds(c->driver, fake.things[i].kind))
            ret->items[ret->count++] = view_of(i);
    int r = obey("observe", c->driver->name, err);
    unlock();
    if (r < 0)
        things_clear(ret);
    return r;
}

/* -- Verbs ----------------------------------------------------------------------------------------
 */

static void enter(struct connection *c, const char *verb, const struct order *o)
{
    lock();
    note_call(verb, o->name);
    ck_assert(driver_takes(c->driver, o->kind, o->spec)); /* it went to the right backend */
    const char **free_slot = NULL;
    for (size_t i = 0; i < MOST_BUSY; i++)
        if (!c->busy[i])
            free_slot = &c->busy[i];
        else if (!strcmp(c->busy[i], o->name))
            fake.overlaps++;
    ck_assert_ptr_nonnull(free_slot);
    *free_slot = o->name;
}

static int leave(struct connection *c, const struct order *o, int result)
{
    for (size_t i = 0; i < MOST_BUSY; i++)
        if (c->busy[i] == o->name)
            c->busy[i] = NULL;
    unlock();
    return result;
}

static int fake_create(void *self, const struct order *o, struct hm_error *err)
{
    enter(self, "create", o);
    int r = obey("create", o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && t)
        r = check_mark(t, o, true, err);
    else if (r == 0) {
        t = add(o->kind, o->name, strcmp(o->kind, "disk") ? THING_OFF : THING_RUNNING);
        mark(t, o->site, o->key, o->spec);
        give_uuid(t, o);
    }
    return leave(self, o, r);
}

static int fake_update(void *self, const struct order *o, struct hm_error *err)
{
    enter(self, "update", o);
    int r = obey("update", o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && !t)
        r = hm_fail(err, HM_E_VM_NOT_FOUND, "fake: no %s", o->name);
    if (r == 0)
        r = check_mark(t, o, true, err);
    if (r == 0)
        mark(t, o->site, o->key, o->spec);
    return leave(self, o, r);
}

static void take_note(struct thing *t, const struct order *o)
{
    if (o->run.state == RUN_NONE)
        return;
    t->run = o->run;
    forget_seen(t);
}

static int set_state(void *self, const char *verb, const struct order *o, enum thing_state state,
                     struct hm_error *err)
{
    enter(self, verb, o);
    int r = obey(verb, o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && t)
        r = check_mark(t, o, false, err);
    else if (r == 0 && state == THING_RUNNING)
        r = hm_fail(err, HM_E_VM_NOT_FOUND, "fake: no %s", o->name);
    if (r == 0 && t) {
        t->state = state;
        take_note(t, o);
    }
    return leave(self, o, r);
}

static int fake_pause(void *self, const struct order *o, struct hm_error *err)
{
    return set_state(self, "pause", o, THING_PAUSED, err);
}

static int fake_resume(void *self, const struct order *o, struct hm_error *err)
{
    return set_state(self, "resume", o, THING_RUNNING, err);
}

static int fake_note(void *self, const struct order *o, struct hm_error *err)
{
    enter(self, "note", o);
    int r = obey("note", o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && t)
        take_note(t, o);
    return leave(self, o, r);
}

static int fake_start(void *self, const struct order *o, struct hm_error *err)
{
    return set_state(self, "start", o, THING_RUNNING, err);
}

static int fake_stop(void *self, const struct order *o, struct hm_error *err)
{
    lock();
    fake.last_grace_ms = o->grace_ms;
    unlock();
    return set_state(self, "stop", o, THING_OFF, err);
}

static int fake_kill(void *self, const struct order *o, struct hm_error *err)
{
    return set_state(self, "kill", o, THING_OFF, err);
}

/* Every thing of the fake is on this host and has the UUID that the order says. */
static int fake_kill_seen(const struct driver_options *options, const struct order *o,
                          struct hm_error *err)
{
    (void)options;
    lock();
    int r = obey("kill_seen", o->name, err);
    struct thing *t = find(o->kind, o->name);
    bool runs = r == 0 && o->seen_uuid && t && t->state == THING_RUNNING;
    if (runs)
        t->state = THING_CRASHED;
    unlock();
    return r < 0 ? r : runs;
}

static int fake_verify_stopped(void *self, const struct order *o, struct hm_error *err)
{
    (void)self;
    lock();
    int r = obey("verify_stopped", o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && t && t->state != THING_OFF && t->state != THING_CRASHED)
        r = hm_fail(err, HM_E_REFUSED, "fake: %s is not off", o->name);
    unlock();
    return r;
}

static int fake_remove(void *self, const struct order *o, struct hm_error *err)
{
    enter(self, "remove", o);
    int r = obey("remove", o->name, err);
    struct thing *t = find(o->kind, o->name);
    if (r == 0 && t)
        r = check_mark(t, o, false, err);
    if (r == 0 && t && !strcmp(t->kind, "vm") && t->state == THING_RUNNING)
        r = hm_fail(err, HM_E_REFUSED, "fake: %s runs", o->name);
    if (r == 0 && t)
        remove_thing(t);
    return leave(self, o, r);
}

/* An operation: it asks the guest, which goes on as it is. */
static int fake_reboot(void *self, const struct driver_call *call, struct driver_result *ret,
                       struct hm_error *err)
{
    const struct order *o = &call->order;
    (void)ret;
    enter(self, "reboot", o);
    int r = obey("reboot", o->name, err);
    return leave(self, o, r);
}

static const struct driver_operation fake_operations[] = {{"reboot", fake_reboot}, {NULL, NULL}};

static const char *const fake_kinds[] = {"network", "image-file", "disk", "vm", NULL};
static const char *const vms_kinds[] = {"network", "vm", NULL};
static const char *const disks_kinds[] = {"disk", NULL};

/* clang-format off */
#define FAKE_DRIVER(given_name, given_kinds, given_open)                                           \
    {.name = given_name,                                                                           \
     .kinds = given_kinds,                                                                         \
     .check_options = fake_check_options,                                                          \
     .open = given_open,                                                                           \
     .close = fake_close,                                                                          \
     .probe = fake_probe,                                                                          \
     .observe = fake_observe,                                                                      \
     .create = fake_create,                                                                        \
     .update = fake_update,                                                                        \
     .start = fake_start,                                                                          \
     .stop = fake_stop,                                                                            \
     .kill = fake_kill,                                                                            \
     .kill_seen = fake_kill_seen,                                                                  \
     .verify_stopped = fake_verify_stopped,                                                        \
     .remove = fake_remove,                                                                        \
     .pause = fake_pause,                                                                          \
     .resume = fake_resume,                                                                        \
     .note = fake_note,                                                                            \
     .operations = fake_operations,                                                                \
     .is_alive = fake_is_alive}
/* clang-format on */

/* By the name that documents ask for. */
const struct driver fake_driver = FAKE_DRIVER("libvirt", fake_kinds, fake_open);
const struct driver fake_vms = FAKE_DRIVER("libvirt", vms_kinds, open_vms);
const struct driver fake_disks = FAKE_DRIVER("disks", disks_kinds, open_disks);

/* -- What tests say and ask -----------------------------------------------------------------------
 */

void fake_free(void)
{
    lock();
    while (fake.thing_count > 0)
        remove_thing(&fake.things[fake.thing_count - 1]);
    for (size_t i = 0; i < fake.connection_count; i++)
        free(fake.connections[i].site);
    fake.connection_count = 0;
    hm_buf_free(&fake.story);
    unlock();
}

void fake_reset(void)
{
    fake_free();
    lock();
    fake.rule_count = 0;
    fake.overlaps = 0;
    unlock();
}

void fake_put(const char *kind, const char *name, enum thing_state state, const char *key,
              const json_t *spec)
{
    lock();
    struct thing *t = add(kind, name, state);
    if (key) {
        struct order o = {
            .kind = kind, .key = key, .site = "site-a", .primary = made_is_primary_key(key)};
        mark(t, o.site, key, spec);
        give_uuid(t, &o);
    }
    unlock();
}

void fake_set_uuid(const char *kind, const char *name, const char *uuid)
{
    lock();
    set_uuid(find(kind, name), uuid);
    unlock();
}

void fake_set_site(const char *kind, const char *name, const char *site)
{
    lock();
    struct thing *t = find(kind, name);
    ck_assert(t && t->marked);
    forget_seen(t);
    free(t->mark_site);
    t->mark_site = hm_strdup(site);
    unlock();
}

void fake_lose_key(const char *kind, const char *name)
{
    lock();
    struct thing *t = find(kind, name);
    ck_assert(t && t->marked);
    forget_seen(t);
    free(t->mark_key);
    t->mark_key = NULL;
    unlock();
}

void fake_set_state(const char *kind, const char *name, enum thing_state state)
{
    lock();
    ck_assert_ptr_nonnull(find(kind, name));
    find(kind, name)->state = state;
    unlock();
}

static void set_end(const char *name, enum thing_state state, bool shut_down)
{
    lock();
    struct thing *t = find("vm", name);
    ck_assert_ptr_nonnull(t);
    t->state = state;
    t->shut_down = shut_down;
    unlock();
}

void fake_end(const char *name, bool cleanly)
{
    set_end(name, cleanly ? THING_OFF : THING_CRASHED, cleanly);
}

void fake_forget_end(const char *name)
{
    set_end(name, THING_OFF, false);
}

struct run_note fake_note_of(const char *name)
{
    lock();
    const struct thing *t = find("vm", name);
    struct run_note note = t ? t->run : (struct run_note){0};
    unlock();
    return note;
}

enum thing_state fake_state(const char *kind, const char *name)
{
    lock();
    const struct thing *t = find(kind, name);
    enum thing_state state = t ? t->state : THING_ABSENT;
    unlock();
    return state;
}

void fake_fail(const char *verb, const char *name, enum hm_code code)
{
    lock();
    rule_for(verb, name)->fails = code;
    unlock();
}

void fake_let_one_go(const char *verb, const char *name)
{
    lock();
    rule_for(verb, name)->passes++;
    pthread_cond_broadcast(&fake.changed);
    unlock();
}

static void set_held(const char *verb, const char *name, bool held)
{
    lock();
    rule_for(verb, name)->held = held;
    pthread_cond_broadcast(&fake.changed);
    unlock();
}

void fake_hold(const char *verb, const char *name)
{
    set_held(verb, name, true);
}

void fake_let_go(const char *verb, const char *name)
{
    set_held(verb, name, false);
}

int fake_inside(const char *verb, const char *name)
{
    lock();
    int inside = rule_for(verb, name)->inside;
    unlock();
    return inside;
}

int fake_calls(const char *verb, const char *name)
{
    lock();
    int calls = rule_for(verb, name)->calls;
    unlock();
    return calls;
}

char *fake_story(void)
{
    lock();
    char *story = hm_strdup(fake.story.data ? fake.story.data : "");
    unlock();
    return story;
}

int fake_overlaps(void)
{
    lock();
    int overlaps = fake.overlaps;
    unlock();
    return overlaps;
}

int64_t fake_last_grace_ms(void)
{
    lock();
    int64_t grace_ms = fake.last_grace_ms;
    unlock();
    return grace_ms;
}

void fake_die(void)
{
    lock();
    for (size_t i = 0; i < fake.connection_count; i++)
        fake.connections[i].dead = true;
    unlock();
}

void fake_change(void)
{
    lock();
    for (size_t i = 0; i < fake.connection_count; i++)
        if (fake.connections[i].open)
            fake.connections[i].options.on_change(fake.connections[i].options.data);
    unlock();
}

int fake_connections(void)
{
    int open = 0;
    lock();
    for (size_t i = 0; i < fake.connection_count; i++)
        open += fake.connections[i].open;
    unlock();
    return open;
}
