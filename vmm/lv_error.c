#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "vmm/lv.h"

/* libvirt's codes that mean something to the agent; all others are HM_E_LIBVIRT. */
static const struct {
    int libvirt;
    enum hm_code code;
} codes[] = {
    {VIR_ERR_NO_DOMAIN, HM_E_VM_NOT_FOUND},
    {VIR_ERR_DOM_EXIST, HM_E_VM_EXISTS},
    {VIR_ERR_NO_NETWORK, HM_E_NETWORK_NOT_FOUND},
    {VIR_ERR_NETWORK_EXIST, HM_E_NETWORK_EXISTS},
    {VIR_ERR_NO_STORAGE_POOL, HM_E_POOL_NOT_FOUND},
    {VIR_ERR_NO_STORAGE_VOL, HM_E_NOT_FOUND},
    {VIR_ERR_STORAGE_VOL_EXIST, HM_E_DISK_EXISTS},
    {VIR_ERR_NO_CONNECT, HM_E_CONNECTION},
    {VIR_ERR_AUTH_FAILED, HM_E_CONNECTION},
    {VIR_ERR_AUTH_CANCELLED, HM_E_CONNECTION},
    {VIR_ERR_AUTH_UNAVAILABLE, HM_E_CONNECTION},
    {VIR_ERR_INVALID_CONN, HM_E_CONNECTION},
    {VIR_ERR_OPERATION_TIMEOUT, HM_E_TIMEOUT},
    {VIR_ERR_NO_SUPPORT, HM_E_UNSUPPORTED},
    {VIR_ERR_OPERATION_UNSUPPORTED, HM_E_UNSUPPORTED},
    {VIR_ERR_CONFIG_UNSUPPORTED, HM_E_UNSUPPORTED},
    {VIR_ERR_XML_ERROR, HM_E_INVALID},
    {VIR_ERR_XML_INVALID_SCHEMA, HM_E_INVALID},
    {VIR_ERR_RESOURCE_BUSY, HM_E_BUSY},
};

static enum hm_code code_of(const virError *e)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].libvirt == e->code)
            return codes[i].code;
    if (e->message &&
        strstr(e->message, strerror(ENOSPC))) /* its own, or what qemu-img said to it */
        return HM_E_NO_SPACE;
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
    return hm_fail(err, code, "%s: %s", context, text);
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

int lv_fail_unless(bool settled, const struct hm_error *why, struct hm_error *err)
{
    return settled ? 0 : hm_fail(err, why->code, "%s", why->text);
}
