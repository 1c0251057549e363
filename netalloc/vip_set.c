#include "netalloc/vip_set.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "netalloc/vip_link.h"
#include "netalloc/vip_socket.h"

#define ANNOUNCE_FIRST_NS (100 * HM_MS)
#define ANNOUNCE_MOST_NS  (60 * 1000 * HM_MS)
#define DEFEND_NS         (10 * 1000 * HM_MS) /* DEFEND_INTERVAL of RFC 5227 */
#define CONTESTED_NS      (60 * 1000 * HM_MS)
#define HEAR_NS           (100 * HM_MS) /* between two looks at a socket: a flood costs little */
#define NEVER             INT64_MAX

enum { HEAR_MOST = 64, RECORD_MAX = 4096, RECORDED_MAX = 64 };

struct kept {
    struct vip_want want;
    struct vip_now now;
    struct vip_link link; /* as it was when the socket was opened */
    int fd;               /* or -1 */
    int64_t announce_at, announce_wait;
    int64_t hear_at;
    int64_t claimed_at;                 /* 0: never */
    int64_t defended_at[VIP_CLAIM + 1]; /* by kind; 0: never */
    int64_t defend_at;                  /* a defence that is due; NEVER */
};

struct vip_set {
    struct vip_set_options options;
    char *record;
    struct rtnl *rtnl; /* NULL: none yet */
    struct kept *kept;
    size_t count;
    struct vip_address *all; /* those that are wanted, then those that only the record has */
    size_t all_count;
    bool is_recorded; /* all of them are */
};

const char *vip_state_name(enum vip_state state)
{
    static const char *const names[] = {
#define VIP_STATE_NAME(id, name) name,
        VIP_STATES(VIP_STATE_NAME)
#undef VIP_STATE_NAME
    };
    return names[state];
}

/* -- The record ---------------------------------------------------------------------- */

/* Returns whether it is a wanted one. */
static bool add_recorded(struct vip_set *s, const char *line)
{
    struct vip_address a;
    struct hm_error ignored; /* not written by us */
    if (s->all_count >= s->count + RECORDED_MAX || vip_address_parse(line, &a, &ignored) < 0)
        return false;
    for (size_t i = 0; i < s->all_count; i++)
        if (vip_address_is_same(&s->all[i], &a))
            return i < s->count;
    s->all[s->all_count++] = a;
    return false;
}

static int read_record(struct vip_set *s, struct hm_error *err)
{
    char *text, *rest;
    size_t len;
    int r = hm_file_read(s->record, RECORD_MAX, &text, &len, err);
    if (r == -HM_E_NOT_FOUND)
        return 0;
    if (r < 0)
        return hm_wrap(err, "the record of virtual IPs");
    size_t wanted = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        wanted += add_recorded(s, line);
    s->is_recorded = wanted == s->count;
    free(text);
    return 0;
}

/* Also of those that are on record from before: until they were seen gone. */
static int write_record(struct vip_set *s, struct hm_error *err)
{
    struct hm_buf text = {0};
    char line[VIP_TEXT_MAX + 1];
    for (size_t i = 0; i < s->all_count; i++) {
        vip_address_text(&s->all[i], line);
        hm_buf_printf(&text, "%s\n", line);
    }
    int r = hm_file_write_atomic(s->record, text.data, text.len, 0600, err);
    hm_buf_free(&text);
    if (r < 0)
        return hm_wrap(err, "the record of virtual IPs");
    s->is_recorded = true;
    return 0;
}

static void drop_record(struct vip_set *s)
{
    unlink(s->record);
    s->is_recorded = false;
    s->all_count = s->count;
}

/* -- What is there ------------------------------------------------------------------- */

static int look(struct vip_set *s, struct vip_places *ret, struct hm_error *err)
{
    int r = s->rtnl ? 0 : rtnl_open(&s->rtnl, err);
    return r < 0 ? r : vip_look(s->rtnl, s->all, s->all_count, ret, err);
}

static int fail_foreign(const struct vip_place *p, struct hm_error *err)
{
    char text[VIP_TEXT_MAX + 1], link[IF_NAMESIZE] = "an interface";
    vip_address_text(&p->address, text);
    if_indextoname((unsigned)p->index, link);
    return hm_fail(
        err, HM_E_CONFLICT,
        "%s is on %s already, and not by harmonyd: it is left alone; remove it there, or "
        "take it out of failover.vip",
        text, link);
}

/* Could it be put up, as far as can be seen? *ret_link is the interface. */
static int check(const struct kept *k, const struct vip_places *places, struct vip_link *ret_link,
                 struct hm_error *err)
{
    const struct vip_place *p = vip_place_of(places, &k->want.address, 0);
    if (p && !p->is_ours)
        return fail_foreign(p, err);
    int r = vip_link_look(k->want.link, ret_link, err);
    if (r < 0)
        return r;
    return ret_link->is_up ? 0
                           : hm_fail(err, HM_E_REFUSED, "the interface %s is down", k->want.link);
}

static bool is_in_place(const struct kept *k, const struct vip_link *link,
                        const struct vip_place *p)
{
    return p->is_ours && p->index == link->index && p->address.prefix == k->want.address.prefix;
}

/* Ours may be on another interface, or with another prefix: then it was configured so before. */
static int take_away_misplaced(struct vip_set *s, const struct kept *k, const struct vip_link *link,
                               const struct vip_places *places, bool *ret_in_place,
                               struct hm_error *err)
{
    int r = 0;
    *ret_in_place = false;
    for (size_t i = 0; i < places->count && r >= 0; i++) {
        const struct vip_place *p = &places->items[i];
        if (!vip_address_is_same(&p->address, &k->want.address))
            continue;
        if (is_in_place(k, link, p))
            *ret_in_place = true;
        else
            r = vip_take_away(s->rtnl, p, err);
    }
    return r;
}

/* -- The socket under one ------------------------------------------------------------- */

static void close_socket(struct kept *k)
{
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}

static void begin_announcing(struct kept *k, int64_t now)
{
    k->announce_at = now;
    k->announce_wait = ANNOUNCE_FIRST_NS;
}

/* One for the interface as it is now. */
static int open_socket(struct kept *k, const struct vip_link *link, int64_t now,
                       struct hm_error *err)
{
    bool is_same =
        k->link.index == link->index && !memcmp(k->link.mac, link->mac, sizeof link->mac);
    if (link->has_carrier && !k->link.has_carrier)
        begin_announcing(k, now); /* plugged in somewhere else, perhaps */
    k->link.has_carrier = link->has_carrier;
    if (!link->speaks || (is_same && k->fd >= 0))
        return 0;
    close_socket(k);
    k->link = *link;
    k->fd = vip_socket_open(link, &k->want.address, err);
    k->hear_at = now;
    begin_announcing(k, now);
    return k->fd < 0 ? k->fd : 0;
}

/* -- Holding ------------------------------------------------------------------------- */

static int fail_lease(struct hm_error *err)
{
    return hm_fail(err, HM_E_REFUSED, "this site holds no lease any more: no virtual IP is put up");
}

static int put_up(struct vip_set *s, struct kept *k, const struct vip_link *link, int64_t now,
                  struct hm_error *err)
{
    int r = s->is_recorded ? 0 : write_record(s, err);
    if (r < 0)
        return r;
    if (!s->options.may(s->options.data))
        return fail_lease(err);
    begin_announcing(k, now);
    return vip_put_up(s->rtnl, link->index, k->want.link, &k->want.address, err);
}

/* *ret_new: it was not there. */
static int hold_one(struct vip_set *s, struct kept *k, const struct vip_places *places, int64_t now,
                    bool *ret_new, struct hm_error *err)
{
    struct vip_link link;
    bool is_there = false;
    int r = check(k, places, &link, err);
    if (r >= 0)
        r = take_away_misplaced(s, k, &link, places, &is_there, err);
    if (r < 0)
        return r;
    if (!is_there) {
        *ret_new = true;
        r = put_up(s, k, &link, now, err);
    }
    if (r >= 0)
        r = open_socket(k, &link, now, err);
    k->now.is_silent = link.speaks && !link.has_carrier;
    return r;
}

/* An old kernel forgets the mark: an address that the guardian could not take away may not stay. */
static int fail_unmarked(struct vip_set *s, const struct vip_place *p, struct hm_error *err)
{
    struct vip_place made_now = *p;
    struct hm_error ignored; /* this one is worse */
    made_now.is_ours = true;
    vip_take_away(s->rtnl, &made_now, &ignored);
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "this kernel does not keep the mark of an address (IFA_PROTO, Linux 5.18): a "
                   "virtual IP can't be held on it");
}

/* Is it there now, as it should be? `is_new`: it was put up since. */
static int verify_one(struct vip_set *s, const struct kept *k, const struct vip_places *places,
                      bool is_new, struct hm_error *err)
{
    char text[VIP_TEXT_MAX + 1];
    const struct vip_place *p = vip_place_of(places, &k->want.address, 0);
    if (p && p->is_ours)
        return 0;
    if (p && is_new)
        return fail_unmarked(s, p, err);
    vip_address_text(&k->want.address, text);
    return p ? fail_foreign(p, err)
             : hm_fail(err, HM_E_IO, "%s was put up on %s and is gone again", text, k->want.link);
}

static void set_state(struct kept *k, int r, enum vip_state good, const struct hm_error *why)
{
    k->now.state = r < 0 ? VIP_IS_FAILED : good;
    k->now.why = r < 0 ? *why : (struct hm_error){0};
}

static void set_unknown(struct vip_set *s, const struct hm_error *why)
{
    for (size_t i = 0; i < s->count; i++) {
        s->kept[i].now.state = VIP_IS_UNKNOWN;
        s->kept[i].now.why = *why;
    }
}

/* The first failure is the whole's. */
static void note(int *r, struct hm_error *err, int one, const struct hm_error *why)
{
    if (one < 0 && *r >= 0) {
        *r = one;
        *err = *why;
    }
}

static int hold_each(struct vip_set *s, const struct vip_places *places, int64_t now,
                     bool *ret_news, struct hm_error *err)
{
    int r = 0;
    *ret_news = false;
    for (size_t i = 0; i < s->count; i++) {
        struct hm_error why;
        int one = hold_one(s, &s->kept[i], places, now, ret_news, &why);
        set_state(&s->kept[i], one, VIP_IS_UP, &why);
        note(&r, err, one, &why);
    }
    return r;
}

static int verify_each(struct vip_set *s, const struct vip_places *before, struct hm_error *err)
{
    struct vip_places after;
    int r = look(s, &after, err);
    if (r < 0) {
        set_unknown(s, err);
        return r;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct kept *k = &s->kept[i];
        struct hm_error why;
        bool is_new = !vip_place_of(before, &k->want.address, 0);
        int one = k->now.state == VIP_IS_UP ? verify_one(s, k, &after, is_new, &why) : 0;
        if (one < 0)
            set_state(k, one, VIP_IS_UP, &why);
        note(&r, err, one, &why);
    }
    vip_places_clear(&after);
    return r;
}

/* Those of the agent before that are no longer configured. */
static int give_up_recorded(struct vip_set *s, const struct vip_places *places,
                            struct hm_error *err)
{
    int r = 0;
    for (size_t i = s->count; i < s->all_count && r >= 0; i++)
        for (size_t j = 0; j < places->count && r >= 0; j++)
            if (places->items[j].is_ours &&
                vip_address_is_same(&places->items[j].address, &s->all[i]))
                r = vip_take_away(s->rtnl, &places->items[j], err);
    if (r >= 0 && s->all_count > s->count) {
        s->all_count = s->count;
        r = write_record(s, err);
    }
    return r;
}

int vip_set_hold(struct vip_set *s, int64_t now, struct hm_error *err)
{
    struct vip_places before;
    struct hm_error why;
    bool is_news;
    int r = look(s, &before, err);
    if (r < 0) {
        set_unknown(s, err);
        return r;
    }
    r = hold_each(s, &before, now, &is_news, err);
    note(&r, err, give_up_recorded(s, &before, &why), &why);
    if (is_news)
        note(&r, err, verify_each(s, &before, &why), &why);
    vip_places_clear(&before);
    if (s->options.may(s->options.data))
        return r;
    vip_set_give_up(s, &why); /* it ran out in between: the guardian takes them away, too */
    return fail_lease(err);
}

/* -- Giving up ------------------------------------------------------------------------ */

static int take_all_away(struct vip_set *s, const struct vip_places *places, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < places->count; i++) {
        struct hm_error why;
        if (places->items[i].is_ours)
            note(&r, err, vip_take_away(s->rtnl, &places->items[i], &why), &why);
    }
    return r;
}

static int fail_still_there(const struct vip_places *places, struct hm_error *err)
{
    char text[VIP_TEXT_MAX + 1];
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].is_ours) {
            vip_address_text(&places->items[i].address, text);
            return hm_fail(err, HM_E_IO, "%s was taken away and is there again", text);
        }
    return 0;
}

static void look_at_each(struct vip_set *s, const struct vip_places *places)
{
    for (size_t i = 0; i < s->count; i++) {
        struct kept *k = &s->kept[i];
        struct vip_link link;
        struct hm_error why;
        k->now.is_silent = false;
        bool is_here = vip_place_of(places, &k->want.address, 0) != NULL; /* ours: else it fails */
        set_state(k, check(k, places, &link, &why), is_here ? VIP_IS_UP : VIP_IS_DOWN, &why);
    }
}

static bool any_is_ours(const struct vip_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].is_ours)
            return true;
    return false;
}

/* *places as they are seen now, and once more after something was taken away. */
static int give_up_seen(struct vip_set *s, struct vip_places *places, struct hm_error *err)
{
    struct hm_error why;
    if (!any_is_ours(places))
        return 0;
    int r = take_all_away(s, places, err);
    vip_places_clear(places);
    int looked = look(s, places, &why);
    note(&r, err, looked, &why);
    if (looked >= 0)
        note(&r, err, fail_still_there(places, &why), &why);
    return r;
}

/* Nothing more is said about it. */
static void fall_silent(struct kept *k)
{
    k->announce_at = k->defend_at = NEVER;
    k->claimed_at = 0;
    k->now.is_contested = false;
    close_socket(k);
}

int vip_set_give_up(struct vip_set *s, struct hm_error *err)
{
    struct vip_places places = {0};
    int r = look(s, &places, err);
    if (r >= 0)
        r = give_up_seen(s, &places, err);
    if (r >= 0) {
        look_at_each(s, &places);
        drop_record(s);
    } else {
        set_unknown(s, err);
    }
    vip_places_clear(&places);
    for (size_t i = 0; i < s->count; i++)
        fall_silent(&s->kept[i]);
    return r;
}

void vip_set_look(struct vip_set *s)
{
    struct vip_places places;
    struct hm_error err;
    if (look(s, &places, &err) < 0) {
        set_unknown(s, &err);
        return;
    }
    look_at_each(s, &places);
    vip_places_clear(&places);
}

/* -- Announcing and defending --------------------------------------------------------- */

/* A full queue of the interface, or one without a carrier, is no news: the next one follows. */
static void announce(struct vip_set *s, struct kept *k)
{
    struct hm_error ignored;
    if (k->fd < 0 || k->now.state != VIP_IS_UP || !s->options.may(s->options.data))
        return;
    if (vip_socket_announce(k->fd, &k->link, k->want.link, &k->want.address, &ignored) >= 0)
        k->now.announced++;
}

static void announce_if_due(struct vip_set *s, struct kept *k, int64_t now)
{
    if (now < k->announce_at)
        return;
    announce(s, k);
    k->announce_at = now + k->announce_wait;
    k->announce_wait =
        k->announce_wait < ANNOUNCE_MOST_NS / 2 ? 2 * k->announce_wait : ANNOUNCE_MOST_NS;
}

/* Not before the last one of its kind is long enough ago. */
static void claimed(struct kept *k, const struct vip_claim *claim, int64_t now)
{
    int64_t last = k->defended_at[claim->kind];
    int64_t at = last && last + DEFEND_NS > now ? last + DEFEND_NS : now;
    k->now.claims++;
    k->now.last = *claim;
    k->claimed_at = now;
    if (at < k->defend_at)
        k->defend_at = at;
}

static void hear(struct kept *k, int64_t now)
{
    struct vip_claim claim;
    unsigned budget = HEAR_MOST;
    if (k->fd < 0 || now < k->hear_at)
        return;
    while (vip_socket_hear(k->fd, &k->link, &k->want.address, &budget, &claim))
        claimed(k, &claim, now);
    if (budget < HEAR_MOST)
        k->hear_at = now + HEAR_NS;
}

static void defend_if_due(struct vip_set *s, struct kept *k, int64_t now)
{
    if (now < k->defend_at)
        return;
    announce(s, k);
    k->now.defended++;
    k->defended_at[k->now.last.kind] = now;
    k->defend_at = NEVER;
}

void vip_set_attend(struct vip_set *s, int64_t now)
{
    for (size_t i = 0; i < s->count; i++) {
        struct kept *k = &s->kept[i];
        hear(k, now);
        defend_if_due(s, k, now);
        announce_if_due(s, k, now);
        k->now.is_contested = k->claimed_at && now < k->claimed_at + CONTESTED_NS;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t vip_set_due_ns(const struct vip_set *s)
{
    int64_t due = NEVER;
    for (size_t i = 0; i < s->count; i++) {
        const struct kept *k = &s->kept[i];
        due = earlier(due, earlier(k->announce_at, k->defend_at));
        if (k->fd >= 0 && k->hear_at > hm_boottime_ns())
            due = earlier(due, k->hear_at);
        if (k->now.is_contested)
            due = earlier(due, k->claimed_at + CONTESTED_NS);
    }
    return due;
}

nfds_t vip_set_poll(const struct vip_set *s, int64_t now, struct pollfd *out)
{
    nfds_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->kept[i].fd >= 0 && now >= s->kept[i].hear_at)
            out[count++] = (struct pollfd){.fd = s->kept[i].fd, .events = POLLIN};
    return count;
}

/* -- Life ----------------------------------------------------------------------------- */

int vip_set_new(const struct vip_set_options *options, struct vip_set **ret, struct hm_error *err)
{
    struct vip_set *s = hm_alloc(sizeof *s);
    s->options = *options;
    s->record = hm_strdup(options->record);
    s->count = s->all_count = options->count;
    s->kept = hm_alloc((s->count + 1) * sizeof *s->kept);
    s->all = hm_alloc((s->count + RECORDED_MAX) * sizeof *s->all);
    for (size_t i = 0; i < s->count; i++) {
        s->kept[i] = (struct kept){
            .want = options->wants[i], .fd = -1, .announce_at = NEVER, .defend_at = NEVER};
        s->all[i] = options->wants[i].address;
    }
    int r = read_record(s, err);
    if (r < 0)
        vip_set_free(s);
    else
        *ret = s;
    return r;
}

void vip_set_free(struct vip_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        close_socket(&s->kept[i]);
    rtnl_close(s->rtnl);
    free(s->record);
    free(s->kept);
    free(s->all);
    free(s);
}

struct vip_now vip_set_now(const struct vip_set *s, size_t i)
{
    return s->kept[i].now;
}

bool vip_set_has_leftovers(const struct vip_set *s)
{
    return s->all_count > s->count;
}
