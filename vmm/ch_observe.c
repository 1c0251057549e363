/* What is there: the records, the processes, and what each VMM says, asked all at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch_drift.h"
#include "vmm/ch_memory.h"
#include "vmm/ch_snapshot.h"
#include "vmm/ch_watch.h"
#include "vmm/log_file.h"
#include "vmm/run_note.h"
#include "vmm/spec_pool.h"
#include "vmm/thing.h"
#include "vmm/vm_uuid.h"

enum { LOOK_MS = 3000, LAST_SAID = 64 << 10 };

/* What the last look gave out, by name: a thing that has not changed is given out as the same copy. */
struct ch_cache {
    struct thing_shared **items;
    size_t count;
    struct ch_watch *watch;
};

struct seen {
    char *name;
    struct ch_vm vm;
    char *between; /* why it may be off for this moment; NULL: it may not */
    struct run_note note;
    struct ch_call call;
    struct ch_info info;
    struct hm_error unknown; /* why nothing can be said of it */
};

/* -- Reading ------------------------------------------------------------------------------------------ */

static void read_one(struct ch *ch, const struct ch_processes *processes, const char *name,
                     struct seen *s)
{
    *s = (struct seen){.name = hm_strdup(name), .between = ch_vm_between(ch, name)};
    struct hm_error why;
    if (ch_vm_look_among(ch, name, processes, &s->vm, &why) < 0)
        s->unknown = why;
    else
        s->note = ch_record_read_note(ch->records, name);
}

static void ask_all(struct ch *ch, struct seen *list, size_t count)
{
    struct ch_call *calls = hm_alloc((count + 1) * sizeof *calls);
    size_t *whose = hm_alloc((count + 1) * sizeof *whose), asked = 0;
    struct hm_error why;
    for (size_t i = 0; i < count; i++)
        if (list[i].vm.is_alive && !list[i].unknown.code) {
            whose[asked] = i;
            calls[asked++] = (struct ch_call){.socket = list[i].vm.socket,
                                              .method = "GET",
                                              .name = "vm.info",
                                              .timeout_ms = LOOK_MS};
        }
    int r = asked > 0 ? ch_need_loop(ch, &why) : 0;
    if (r >= 0 && asked > 0)
        ch_http_calls(ch->http, calls, asked);
    for (size_t i = 0; i < asked; i++) {
        if (r < 0)
            list[whose[i]].unknown = why;
        else
            list[whose[i]].call = calls[i];
    }
    free(calls);
    free(whose);
}

static void take_answer(struct seen *s)
{
    struct ch_call *c = &s->call;
    HM_AUTOFREE char *what = hm_printf("vm %s: ask for its state", s->name);
    if (!c->name)
        return;
    if (c->result < 0)
        s->unknown = c->err;
    else
        ch_info_parse(what, c->status, c->text, c->len, &s->info, &s->unknown);
    free(c->text);
}

/* -- Its state ---------------------------------------------------------------------------------------- */

/* One of these words, at its end; `words` ends in NULL. */
static bool says(const char *path, size_t size, const char *const *words)
{
    size_t len;
    HM_AUTOFREE char *text = log_end(path, size, &len);
    while (*words && !memmem(text, len, *words, strlen(*words)))
        words++;
    return *words != NULL;
}

/* What a VMM says of its guest's end is the same when it can't run its guest any further (KVM_EXIT_INTERNAL_ERROR, memory of the
 * host that is broken): only its log tells. */
static bool has_failed(const struct ch *ch, const struct seen *s)
{
    static const char *const words[] = {"VCPU generated error", "vCPU thread panicked", NULL};
    HM_AUTOFREE char *path = ch_log_path(ch->records, s->name);
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    bool was_cut = st.st_size < s->vm.run.said;
    int64_t of_this_run = was_cut ? st.st_size : st.st_size - s->vm.run.said;
    size_t size = of_this_run < LAST_SAID ? (size_t)of_this_run : LAST_SAID;
    return says(path, size, words);
}

/* The VMM says so before it ends, if it ended because its guest shut down. */
static bool has_shut_down(const struct ch *ch, const struct seen *s)
{
    static const char *const words[] = {"\"event\": \"shutdown\"", NULL};
    HM_AUTOFREE char *path = ch_events_path(ch->records, s->name);
    return says(path, LAST_SAID, words) && !has_failed(ch, s);
}

/* A process that was started and not stopped by us, and is gone. */
static void say_ended(const struct ch *ch, const struct seen *s, struct thing *t)
{
    bool is_of_now = !strcmp(s->vm.run.boot, ch->boot);
    t->shut_down = is_of_now && has_shut_down(ch, s);
    t->state = is_of_now && !t->shut_down ? THING_CRASHED : THING_OFF;
    t->reason = hm_strdup(!is_of_now     ? "the host was restarted"
                          : t->shut_down ? "shut down"
                                         : "its process has ended");
}

/* That it is between two VMMs may have been said when it was still seen in the first. */
static char *find_between(struct ch *ch, const struct seen *s)
{
    if (s->info.state == CH_STATE_RUNNING)
        return NULL;
    return s->between ? hm_strdup(s->between) : s->vm.is_alive ? NULL : ch_vm_between(ch, s->name);
}

static void say_state(struct ch *ch, const struct seen *s, struct thing *t)
{
    char *between = find_between(ch, s);
    if (between) {
        t->state = THING_MAKING;
        t->reason = between;
    } else if (s->unknown.code) {
        t->state = THING_UNKNOWN;
        t->reason = hm_strdup(s->unknown.text);
    } else if (!s->vm.is_alive && s->vm.has_process) {
        say_ended(ch, s, t);
    } else if (!s->vm.is_alive) {
        t->state = THING_OFF;
    } else if (s->info.state == CH_STATE_RUNNING || s->info.state == CH_STATE_PAUSED) {
        t->state = s->info.state == CH_STATE_RUNNING ? THING_RUNNING : THING_PAUSED;
    } else if (s->info.state == CH_STATE_UNKNOWN) {
        t->state = THING_UNKNOWN;
        t->reason = hm_strdup("cloud-hypervisor says a state that this agent does not know");
    } else {
        t->state = THING_CRASHED;
        t->reason = hm_strdup("its VMM holds no guest that runs");
    }
}

/* -- As a thing --------------------------------------------------------------------------------------- */

static json_t *cards_of(const struct seen *s, const char *key)
{
    size_t i;
    json_t *nic, *list = json_array();
    const json_t *spec = s->vm.has_process ? s->vm.run.mark.spec : s->vm.mark.spec;
    json_array_foreach(json_object_get(spec, "networks"), i, nic)
    {
        char made[VM_MAC_TEXT];
        const char *given = spec_str(nic, "mac");
        vm_mac(key, i, made);
        json_t *tap = s->vm.is_alive ? json_array_get(s->vm.run.taps, i) : NULL;
        json_array_append_new(list,
                              json_pack("{s:s, s:s*, s:s*, s:O*}", "mac", given ? given : made,
                                        "network", spec_str(nic, "network"), "bridge",
                                        spec_str(nic, "bridge"), "tap", tap));
    }
    return list;
}

/* That of its socket: one that was adopted while it ran has that of its earlier key. */
static void uuid_of(const struct ch *ch, const struct seen *s, const char *key,
                    char out[VM_UUID_TEXT])
{
    const char *name = s->vm.is_alive ? strrchr(s->vm.socket, '/') : NULL;
    if (name && strlen(name + 1) >= VM_UUID_TEXT - 1)
        snprintf(out, VM_UUID_TEXT, "%s", name + 1);
    else
        vm_uuid(ch->site, key, out);
}

static json_t *details_of(const struct ch *ch, const struct seen *s, const struct mark *m)
{
    char uuid[VM_UUID_TEXT];
    HM_AUTOFREE char *console = ch_console_path(ch, s->name);
    uuid_of(ch, s, m->key, uuid);
    json_t *details = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o}", "uuid", uuid, "type", "kvm",
                                "vcpus", (json_int_t)spec_int(m->spec, "vcpus", 0), "memory",
                                (json_int_t)spec_int(m->spec, "memory", 0), "console", console,
                                "networks", cards_of(s, m->key));
    if (s->vm.is_alive) {
        json_object_set_new(details, "id", json_integer(s->vm.pid.pid));
        json_object_set_new(details, "pid", json_integer(s->vm.pid.pid));
    }
    if (s->info.memory_bytes > 0)
        json_object_set_new(details, "memory", json_integer((json_int_t)s->info.memory_bytes));
    return details;
}

/* What runs against the record of its run, which is of this very process. */
static char *drift_of(const struct ch *ch, const struct seen *s)
{
    const struct ch_process *run = &s->vm.run;
    bool runs = s->info.state == CH_STATE_RUNNING || s->info.state == CH_STATE_PAUSED;
    if (!runs || !s->vm.has_process || run->pid.pid != s->vm.pid.pid || !run->mark.spec)
        return NULL;
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, s->name);
    struct ch_given given = {.vm = s->name,
                             .key = run->mark.key,
                             .plugged = plugged,
                             .spec = run->mark.spec,
                             .placed = run->placed};
    char *drift = ch_drift(&given, &s->info);
    return drift ? drift : ch_bridges_left(run->mark.key, run->placed);
}

/* While it runs the mark of its process tells what it was started from; the definition's is for the next start. It tells whose
 * it is where the definition can't be read, too. */
static void take_mark(const struct ch *ch, const struct seen *s, struct thing *t)
{
    bool is_of_run = s->vm.is_alive && s->vm.has_process && s->vm.run.mark.spec;
    const struct mark *m = is_of_run || !s->vm.is_defined ? &s->vm.run.mark : &s->vm.mark;
    if (!m->spec)
        return;
    t->marked = true;
    t->mark_site = hm_strdup(m->site);
    t->mark_key = hm_strdup(m->key);
    t->mark_hash = hm_strdup(m->hash);
    t->spec = spec_share(m->hash, json_incref(m->spec));
    t->details = details_of(ch, s, m);
    t->drift = drift_of(ch, s);
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same(const struct thing *a, const struct thing *b)
{
    return !strcmp(a->name, b->name) && a->marked == b->marked &&
           is_same_text(a->reason, b->reason) && is_same_text(a->drift, b->drift) &&
           is_same_text(a->mark_site, b->mark_site) && is_same_text(a->mark_key, b->mark_key) &&
           is_same_text(a->mark_hash, b->mark_hash) && run_note_is_same(&a->run, &b->run) &&
           (a->details == b->details || json_equal(a->details, b->details));
}

/* Takes over what is in *t. */
static struct thing_shared *share(const struct ch_cache *before, struct thing *t)
{
    for (size_t i = 0; i < before->count; i++)
        if (is_same(thing_shared_get(before->items[i]), t)) {
            struct thing kept = thing_view(before->items[i], t->state, NULL);
            thing_clear(t);
            return kept.shared;
        }
    return thing_shared_new(t);
}

static void add_thing(struct ch *ch, const struct seen *s, const struct ch_cache *before,
                      struct ch_cache *now, struct things *ret)
{
    struct thing t = {.kind = hm_strdup("vm"), .name = hm_strdup(s->name), .run = s->note};
    take_mark(ch, s, &t);
    say_state(ch, s, &t);
    enum thing_state state = t.state;
    bool shut_down = t.shut_down;
    struct thing_shared *shared = share(before, &t);
    struct thing view = thing_view(shared, state, NULL);
    view.shut_down = shut_down;
    things_add(ret, &view);
    now->items[now->count++] = shared;
}

/* -- The whole ---------------------------------------------------------------------------------------- */

static void clear_items(struct ch_cache *c)
{
    for (size_t i = 0; i < c->count; i++)
        thing_shared_unref(c->items[i]);
    free(c->items);
    c->items = NULL;
    c->count = 0;
}

void ch_cache_free(struct ch *ch)
{
    if (!ch->cache)
        return;
    ch_watch_free(ch->cache->watch);
    clear_items(ch->cache);
    free(ch->cache);
    ch->cache = NULL;
}

/* It says so itself, or it has neither a record nor a socket, so that nobody ever knew of it nor can ask it. */
static bool has_no_guest(const struct seen *s)
{
    if (s->unknown.code)
        return !s->vm.has_process && s->vm.socket && access(s->vm.socket, F_OK) < 0;
    return s->info.state == CH_STATE_NONE || s->info.state == CH_STATE_CREATED;
}

/*
 * What an agent that was killed has left: a VMM that has no guest yet, a folder without a definition. Only when it is
 * looked at for the first time: no verb of this agent is under way yet that could be making it.
 */
static void sweep(struct ch *ch, struct seen *s)
{
    ch_record_sweep_unfinished(ch->records, s->name);
    if (s->vm.is_alive && has_no_guest(s) && ch_vm_end(ch, s->name, &s->vm, NULL) >= 0) {
        s->vm.is_alive = s->vm.has_process = false;
        s->unknown = (struct hm_error){0};
    }
    if (s->unknown.code)
        return;
    if (!s->vm.is_defined && !s->vm.is_alive)
        ch_record_sweep(ch->records, s->name);
}

/* The same of one that stands still for it; its VMM may be busy when it is first looked at. Who pauses one that went on does
 * so by hand. */
static void go_on(struct ch *ch, struct seen *s)
{
    if (s->info.state == CH_STATE_RUNNING)
        ch_hold_forget_left(ch, s->name, &s->vm.pid);
    else if (s->info.state == CH_STATE_PAUSED &&
             ch_hold_end_left(ch, s->name, s->vm.socket, &s->vm.pid))
        s->info.state = CH_STATE_RUNNING;
}

/* Who is told of the death of a VMM is told of it once, and looks. */
static void watch_all(struct ch *ch, const struct seen *list, size_t count)
{
    struct ch_cache *c = ch->cache;
    if (!ch->on_change)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].vm.is_alive || ch_need_loop(ch, NULL) < 0)
            continue;
        if (!c->watch)
            c->watch = ch_watch_new(ch->loop, ch->on_change, ch->data);
        ch_watch_add(c->watch, &list[i].vm.pid);
    }
}

static void clear_seen(struct seen *s)
{
    free(s->name);
    free(s->between);
    ch_vm_clear(&s->vm);
    ch_info_clear(&s->info);
}

int ch_observe(struct ch *ch, struct things *ret, struct hm_error *err)
{
    json_t *names = NULL;
    struct ch_processes processes = {0};
    int r = ch_records_list(ch->records, &names, err);
    if (r >= 0 && json_array_size(names) > 0)
        r = ch_processes_read(ch->sockets, &processes, err);
    if (r < 0) {
        json_decref(names);
        return r;
    }
    bool is_first = !ch->cache;
    if (is_first)
        ch->cache = hm_alloc(sizeof *ch->cache);
    size_t count = json_array_size(names);
    struct seen *list = hm_alloc((count + 1) * sizeof *list);
    struct ch_cache now = {.items = hm_alloc((count + 1) * sizeof *now.items),
                           .watch = ch->cache->watch};
    struct things found = {0};
    if (count > 0 && is_first)
        ch_cgroup_sweep();
    for (size_t i = 0; i < count; i++)
        read_one(ch, &processes, json_string_value(json_array_get(names, i)), &list[i]);
    ask_all(ch, list, count);
    watch_all(ch, list, count);
    now.watch = ch->cache->watch;
    for (size_t i = 0; i < count; i++) {
        take_answer(&list[i]);
        if (is_first)
            sweep(ch, &list[i]);
        go_on(ch, &list[i]);
        if (list[i].vm.is_defined || list[i].unknown.code)
            add_thing(ch, &list[i], ch->cache, &now, &found);
        clear_seen(&list[i]);
    }
    clear_items(ch->cache);
    *ch->cache = now;
    free(list);
    ch_processes_clear(&processes);
    json_decref(names);
    *ret = found;
    return 0;
}
