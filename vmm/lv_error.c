#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "vmm/lv.h"

#define AUTH_ADVICE "let this user connect to libvirt (group libvirt, polkit, or the keys of ssh)"

/* libvirt's codes that mean something to the agent, and what to do; all others are HM_E_LIBVIRT. */
static const struct {
    int libvirt;
    enum hm_code code;
    const char *advice;
} codes[] = {
    {VIR_ERR_NO_DOMAIN, HM_E_VM_NOT_FOUND, NULL},
    {VIR_ERR_DOM_EXIST, HM_E_VM_EXISTS, NULL},
    {VIR_ERR_NO_NETWORK, HM_E_NETWORK_NOT_FOUND,
     "declare that network, or make it with virsh net-define"},
    {VIR_ERR_NETWORK_EXIST, HM_E_NETWORK_EXISTS, NULL},
    {VIR_ERR_NO_STORAGE_POOL, HM_E_POOL_NOT_FOUND, "make it with virsh pool-define-as"},
    {VIR_ERR_NO_STORAGE_VOL, HM_E_NOT_FOUND, NULL},
    {VIR_ERR_STORAGE_VOL_EXIST, HM_E_DISK_EXISTS, NULL},
    {VIR_ERR_NO_CONNECT, HM_E_CONNECTION, NULL},
    {VIR_ERR_AUTH_FAILED, HM_E_CONNECTION, AUTH_ADVICE},
    {VIR_ERR_AUTH_CANCELLED, HM_E_CONNECTION, AUTH_ADVICE},
    {VIR_ERR_AUTH_UNAVAILABLE, HM_E_CONNECTION, AUTH_ADVICE},
    {VIR_ERR_INVALID_CONN, HM_E_CONNECTION, NULL},
    {VIR_ERR_OPERATION_TIMEOUT, HM_E_TIMEOUT, NULL},
    {VIR_ERR_NO_SUPPORT, HM_E_UNSUPPORTED, NULL},
    {VIR_ERR_OPERATION_UNSUPPORTED, HM_E_UNSUPPORTED, NULL},
    {VIR_ERR_CONFIG_UNSUPPORTED, HM_E_UNSUPPORTED, NULL},
    {VIR_ERR_XML_ERROR, HM_E_INVALID, NULL},
    {VIR_ERR_XML_INVALID_SCHEMA, HM_E_INVALID, NULL},
    {VIR_ERR_RESOURCE_BUSY, HM_E_BUSY, NULL},
};

static const char *advice_of(const virError *e)
{
    for (size_t i = 0; e && i < sizeof codes / sizeof *codes; i++)
        if (codes[i].libvirt == e->code)
            return codes[i].advice;
    return NULL;
}

static enum hm_code code_of(const virError *e)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].libvirt == e->code)
            return codes[i].code;
    if (e->message &&
        strstr(e->message, strerror(ENOSPC))) /* its own, or what qemu-img said to it */
        return HM_E_NO_SPACE;
    if (e->message && strstr(e->message, strerror(EIO)))
        return HM_E_IO;
    if (e->domain == VIR_FROM_RPC || e->domain == VIR_FROM_REMOTE)
        return HM_E_CONNECTION;
    return e->code == VIR_ERR_SYSTEM_ERROR ? HM_E_IO : HM_E_LIBVIRT;
}

static bool connection_is_lost(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    bool lost = lv->lost;
    pthread_mutex_unlock(&lv->lock);
    return lost || virConnectIsAlive(lv->conn) == 0;
}

int lv_fail(struct lv *lv, struct hm_error *err, const char *fmt, ...)
{
    const virError *last = virGetLastError();
    enum hm_code code = last ? code_of(last) : HM_E_LIBVIRT;
    const char *advice = advice_of(last); /* before virConnectIsAlive() forgets the error */
    char text[HM_ERROR_TEXT_MAX], context[256];
    snprintf(text, sizeof text, "%s", last && last->message ? last->message : "unknown error");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    if (lv && code != HM_E_CONNECTION && connection_is_lost(lv))
        code = HM_E_CONNECTION;
    if (code == HM_E_CONNECTION)
        return hm_fail(err, code, "%s: libvirt connection failed: %s", context, text);
    return hm_fail(err, code, "%s: %s%s%s", context, text, advice ? "; " : "",
                   advice ? advice : "");
}

bool lv_last_is(int libvirt_code)
{
    const virError *last = virGetLastError();
    return last && last->code == libvirt_code;
}

int lv_check_alive(struct lv *lv, struct hm_error *err)
{
    if (connection_is_lost(lv))
        return hm_fail(err, HM_E_CONNECTION,
                       "libvirt connection failed: %s was closed by the server", lv->uri);
    return 0;
}

int lv_fail_absent(const struct order *o, struct hm_error *err)
{
    enum hm_code code = !strcmp(o->kind, "vm")        ? HM_E_VM_NOT_FOUND
                        : !strcmp(o->kind, "network") ? HM_E_NETWORK_NOT_FOUND
                                                      : HM_E_NOT_FOUND;
    return hm_fail(err, code,
                   "%s %s does not exist in libvirt; the status of its document says why", o->kind,
                   o->name);
}

int lv_connect_failed(const char *uri, struct hm_error *err)
{
    const virError *last = virGetLastError();
    const char *advice = advice_of(last);
    return hm_fail(err, HM_E_CONNECTION, "libvirt connection failed: %s: %s; %s", uri,
                   last && last->message ? last->message : "unknown error",
                   advice ? advice : "is libvirtd running there? (systemctl status libvirtd)");
}

int lv_fail_unless(bool settled, const struct hm_error *why, struct hm_error *err)
{
    return settled ? 0 : hm_fail(err, why->code, "%s", why->text);
}
