/*
 * The hard stop of a VM at once, which a fence relies on: it must not wait for a stuck QEMU, nor for a
 * libvirtd that hangs. Thread: any.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/libvirt.h"
#include "vmm/lv_vm.h"

enum {
    ANSWER_WAIT_MS = 250, /* a libvirtd that works answers within a few ms */
    KILL_WAIT_MS = 5000   /* the kernel takes a big guest's memory apart before its end is seen */
};

int lv_vm_kill_process(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    char uuid[LV_UUID_MAX];
    if (!lv->is_qemu || !lv->is_local)
        return 0;
    if (virDomainGetUUIDString(dom, uuid) < 0)
        return lv_fail(lv, err, "vm %s: ask for its UUID", o->name);
    return lv_process_kill(uuid, KILL_WAIT_MS, err) < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
}

/* -- Does libvirtd answer about this VM? --------------------------------------------------------- */

/* Asked by a thread of its own, since no call of libvirt has a limit. lv->lock guards the two flags;
 * who comes last frees it. */
struct question {
    struct lv *lv;
    virConnectPtr conn;
    char *name;
    bool answered, abandoned;
};

static void question_free(struct question *q)
{
    virConnectClose(q->conn); /* our reference */
    lv_unref(q->lv);
    free(q->name);
    free(q);
}

/* What the hard stop asks before it acts, too: that the VM is there, and its mark. */
static void *ask(void *data)
{
    struct question *q = data;
    LV_DOMAIN dom = virDomainLookupByName(q->conn, q->name);
    if (dom)
        free(virDomainGetXMLDesc(dom, 0));
    pthread_mutex_lock(&q->lv->lock);
    q->answered = true;
    bool is_mine = q->abandoned;
    q->lv->unanswered -= is_mine;
    pthread_cond_broadcast(&q->lv->changed);
    pthread_mutex_unlock(&q->lv->lock);
    if (is_mine)
        question_free(q);
    return NULL;
}

static struct question *begin_to_ask(struct lv *lv, const char *name)
{
    struct question *q = hm_alloc(sizeof *q);
    *q = (struct question){.lv = lv, .conn = lv->conn, .name = hm_strdup(name)};
    lv_ref(lv);
    virConnectRef(lv->conn);
    pthread_t thread;
    if (pthread_create(&thread, NULL, ask, q) == 0) {
        pthread_detach(thread);
        return q;
    }
    question_free(q);
    return NULL;
}

static bool wait_for_answer(struct lv *lv, struct question *q)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ANSWER_WAIT_MS * HM_MS;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&lv->lock);
    while (!q->answered && pthread_cond_timedwait(&lv->changed, &lv->lock, &until) == 0)
        ;
    bool answered = q->answered;
    q->abandoned = !answered;
    lv->unanswered += !answered;
    pthread_mutex_unlock(&lv->lock);
    if (answered)
        question_free(q);
    return answered;
}

/* One open question says enough: a fence that tries again must not pile up threads. */
static bool is_answering(struct lv *lv, const char *name)
{
    pthread_mutex_lock(&lv->lock);
    bool is_silent = lv->unanswered > 0;
    pthread_mutex_unlock(&lv->lock);
    struct question *q = is_silent ? NULL : begin_to_ask(lv, name);
    return q ? wait_for_answer(lv, q) : !is_silent;
}

/* -- The verb ------------------------------------------------------------------------------------ */

static int kill_seen(const struct order *o, struct hm_error *err)
{
    int r = lv_process_kill(o->seen_uuid, KILL_WAIT_MS, err);
    return r < 0 ? hm_wrap(err, "vm %s", o->name) : r;
}

int lv_vm_kill_seen(const struct driver_options *options, const struct order *o,
                    struct hm_error *err)
{
    bool has_processes = !strncmp(options->uri, "qemu", 4) && !libvirt_uri_is_remote(options->uri);
    return o->seen_uuid && has_processes && !strcmp(o->kind, lv_vm_kind.name) ? kill_seen(o, err)
                                                                              : 0;
}

/* It stays an error: only libvirtd knows whether it is about to start the guest again. */
static int kill_unasked(const struct order *o, struct hm_error *err)
{
    int r = kill_seen(o, err);
    return r < 0 ? r
                 : hm_fail(err, HM_E_TIMEOUT, "vm %s: libvirtd has not answered for %d ms; %s",
                           o->name, ANSWER_WAIT_MS,
                           r > 0 ? "its process was killed" : "no process of it is seen here");
}

int lv_vm_kill(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct order at_once = *o;
    at_once.grace_ms = 0;
    if (o->seen_uuid && lv->is_qemu && lv->is_local && !is_answering(lv, o->name))
        return kill_unasked(o, err);
    return lv_vm_stop(lv, &at_once, err);
}
