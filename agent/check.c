/* `harmonyd --check`: is the configuration good, and what can this host do? */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon.h"
#include "agent/drivers.h"
#include "agent/guard_launch.h"
#include "agent/vips.h"
#include "base/alloc.h"

static void say(const char *mark, const char *what, const char *text)
{
    printf("  %-4s %-12s %s\n", mark, what, text);
}

static void say_facts(const char *driver, const json_t *facts)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)facts, key, value)
    {
        char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("  ok   %-12s %s: %s\n", driver, key, text ? text : json_string_value(value));
        free(text);
    }
}

static int check_driver(const struct agent_config *c, const struct driver *d, struct hm_error *err)
{
    struct driver_options options = driver_options_of(c);
    void *self;
    json_t *facts = NULL;
    int r = d->check_options(&options, err);
    if (r >= 0)
        r = d->open(&options, &self, err);
    if (r < 0)
        return r;
    r = d->probe(self, &facts, err);
    if (r >= 0)
        say_facts(d->name, facts);
    json_decref(facts);
    d->close(self);
    return r;
}

static int check_folder(const char *what, const char *path, struct hm_error *err)
{
    if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
        return hm_fail(err, HM_E_IO, "%s: %s can't be written by this user", what, path);
    say("ok", what, access(path, F_OK) == 0 ? path : "(will be made at start)");
    return 0;
}

static void say_libvirt_settings(const struct agent_config *c)
{
    printf("  ok   %-12s uri %s (%s)\n", "libvirt", c->libvirt.uri, c->libvirt.uri_from);
    printf("  ok   %-12s images %s (%s)\n", "libvirt", c->libvirt.image_dir,
           c->libvirt.image_dir_from);
}

static const char *who_starts(const struct agent_config *c)
{
    return guard_is_ours_to_launch(c) ? "started by the agent where nobody listens"
                                      : "waited for: somebody else starts it";
}

/* It is not asked: it serves one agent at a time, and that may be running. */
static int check_guardian(const struct agent_config *c)
{
    HM_AUTOFREE char *program = guard_program();
    say(program ? "ok" : "no", "guardian", program ? program : "there is no harmony-guardian");
    printf("  ok   %-12s socket %s, %s\n", "guardian", c->guardian.socket, who_starts(c));
    if (c->guardian.fence.command && access(c->guardian.fence.command[0], X_OK) < 0) {
        say("no", "guardian", c->guardian.fence.command[0]);
        return 1;
    }
    return program ? 0 : 1;
}

static void say_vip(const char *address, const char *link, const struct vip_now *now)
{
    static const char *const texts[] = {[VIP_IS_UP] = "it is there, put up by harmonyd",
                                        [VIP_IS_DOWN] = "it is not there, and could be put up",
                                        [VIP_IS_UNKNOWN] = "",
                                        [VIP_IS_FAILED] = ""};
    printf("  %-4s %-12s %s on %s: %s%s\n", now->why.code ? "no" : "ok", "vip", address, link,
           texts[now->state], now->why.code ? now->why.text : "");
}

static int check_vips(const struct agent_config *c)
{
    struct hm_error err;
    int failed = vips_try(&c->failover.vips, say_vip, &err);
    if (failed < 0)
        say("no", "vip", err.text);
    return failed < 0 ? 1 : failed;
}

int daemon_check(const struct agent_config *c, struct hm_error *err)
{
    int failed = 0;
    printf("harmonyd %s: the configuration of site %s is good\n", HM_VERSION, c->site_id);
    if (check_folder("state_dir", c->state_dir, err) < 0 ||
        check_folder("runtime_dir", c->runtime_dir, err) < 0)
        return -(int)err->code;
    if (c->libvirt.enabled)
        say_libvirt_settings(c);
    for (const struct driver *const *d = drivers_of(c); *d; d++)
        if (check_driver(c, *d, err) < 0) {
            say("no", (*d)->name, err->text);
            failed++;
        }
    failed += check_guardian(c);
    failed += check_vips(c);
    for (int h = 0; h < HOOK_COUNT; h++)
        if (c->failover.hooks[h] && access(c->failover.hooks[h][0], X_OK) < 0) {
            say("no", "hook", c->failover.hooks[h][0]);
            failed++;
        }
    return failed ? hm_fail(err, HM_E_UNSUPPORTED, "%d of the things above do not work", failed)
                  : 0;
}
