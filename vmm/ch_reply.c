#include "vmm/ch_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/text.h"

enum { WORDS_MAX = 400, PARTS_MAX = 12 };

/* -- Errors --------------------------------------------------------------------------------------- */

/* What its words mean; the first row that is in them counts. */
static const struct {
    const char *words;
    enum hm_code code;
} meanings[] = {
    {"VM is not created", HM_E_VM_NOT_FOUND},
    {"VM config is missing", HM_E_VM_NOT_FOUND},
    {"VM is already created", HM_E_VM_EXISTS},
    {"VM is not running", HM_E_REFUSED},
    {"VM is already running", HM_E_REFUSED},
    {"Invalid transition", HM_E_REFUSED},
    {"already locked", HM_E_BUSY},
    {"Resource busy", HM_E_BUSY},
    {"resource busy", HM_E_BUSY},
    {"No space left on device", HM_E_NO_SPACE},
    {"Failed to deserialize JSON", HM_E_INVALID},
};

/* Elements of its array after "Error from API", which says nothing: "a: b: c". */
static bool add_array(struct hm_buf *words, const char *text, size_t len)
{
    json_t *array = json_loadb(text, len, 0, NULL);
    size_t i, parts = 0;
    json_t *item;
    bool is_array = json_is_array(array);
    json_array_foreach(array, i, item)
    {
        const char *part = json_string_value(item);
        if (!part || !strcmp(part, "Error from API") || parts == PARTS_MAX)
            continue;
        hm_buf_printf(words, "%s%s", parts++ ? ": " : "", part);
    }
    json_decref(array);
    return is_array && parts > 0;
}

/* The outermost context comes first and the cause last, so a long one is cut in front. */
static const char *end_of(const char *words)
{
    size_t len = strlen(words);
    return len > WORDS_MAX ? words + len - WORDS_MAX : words;
}

static enum hm_code code_of(long status, const char *words)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strstr(words, meanings[i].words))
            return meanings[i].code;
    return status == 404 ? HM_E_UNSUPPORTED : status == 400 ? HM_E_INVALID : HM_E_VMM;
}

int ch_reply_check(const char *what, long status, const char *text, size_t len,
                   struct hm_error *err)
{
    struct hm_buf words = {.limit = 16384};
    if (status >= 200 && status < 300)
        return 0;
    if (text && !add_array(&words, text, len))
        hm_buf_add(&words, text, strnlen(text, len < WORDS_MAX ? len : WORDS_MAX));
    const char *said = words.data && *words.data ? end_of(words.data) : "it gave no reason";
    char shown[WORDS_MAX + 100];
    text_clean(said, shown, sizeof shown);
    int r = hm_fail(err, code_of(status, said), "%s: cloud-hypervisor says: %s (%ld)", what, shown,
                    status);
    hm_buf_free(&words);
    return r;
}

/* -- vm.info -------------------------------------------------------------------------------------- */

static enum ch_state state_named(const char *name)
{
    static const struct {
        const char *name;
        enum ch_state state;
    } states[] = {{"Created", CH_STATE_CREATED},
                  {"Shutdown", CH_STATE_CREATED},
                  {"Running", CH_STATE_RUNNING},
                  {"Paused", CH_STATE_PAUSED}};
    for (size_t i = 0; name && i < sizeof states / sizeof *states; i++)
        if (!strcmp(states[i].name, name))
            return states[i].state;
    return CH_STATE_UNKNOWN;
}

static int fail_to_read(const char *what, struct hm_error *err)
{
    return hm_fail(err, HM_E_VMM, "%s: what cloud-hypervisor answers can't be understood", what);
}

int ch_info_parse(const char *what, long status, const char *text, size_t len, struct ch_info *ret,
                  struct hm_error *err)
{
    struct hm_error why = {0};
    int r = ch_reply_check(what, status, text, len, &why);
    if (r == -(int)HM_E_VM_NOT_FOUND) { /* an answer, and no error to the caller */
        *ret = (struct ch_info){.state = CH_STATE_NONE};
        return 0;
    }
    if (r < 0)
        return hm_fail(err, why.code, "%s", why.text);
    json_t *info = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *state = json_string_value(json_object_get(info, "state"));
    json_t *config = json_object_get(info, "config");
    json_t *devices = json_object_get(info, "device_tree");
    json_int_t memory = json_integer_value(json_object_get(info, "memory_actual_size"));
    if (!state) {
        json_decref(info);
        return fail_to_read(what, err);
    }
    *ret = (struct ch_info){.state = state_named(state),
                            .config = json_is_object(config) ? json_incref(config) : NULL,
                            .devices = json_is_object(devices) ? json_incref(devices) : NULL,
                            .memory_bytes = memory > 0 ? (uint64_t)memory : 0};
    json_decref(info);
    return 0;
}

void ch_info_clear(struct ch_info *info)
{
    json_decref(info->config);
    json_decref(info->devices);
    *info = (struct ch_info){0};
}

/* -- vmm.ping and --version ----------------------------------------------------------------------- */

static bool is_version(const char *text, size_t len)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_+";
    return isdigit((unsigned char)*text) && strspn(text, letters) >= len && len <= CH_VERSION_MAX;
}

/* At most three digits: what is longer is no version of it. */
static int take_part(const char **at)
{
    int part = 0;
    for (int i = 0; i < 3 && isdigit((unsigned char)**at); i++)
        part = part * 10 + *(*at)++ - '0';
    return part;
}

static bool read_version(const char *text, size_t len, struct ch_version *ret)
{
    struct ch_version v = {0};
    if (!is_version(text, len))
        return false;
    memcpy(v.text, text, len);
    const char *at = v.text;
    v.major = take_part(&at);
    if (isdigit((unsigned char)*at))
        return false;
    at += *at == '.';
    v.minor = take_part(&at);
    *ret = v;
    return true;
}

int ch_ping_parse(const char *text, size_t len, struct ch_version *ret, struct hm_error *err)
{
    json_t *ping = text ? json_loadb(text, len, 0, NULL) : NULL;
    const char *version = json_string_value(json_object_get(ping, "version"));
    version = version && *version == 'v' ? version + 1 : version;
    bool is = version && read_version(version, strlen(version), ret);
    json_decref(ping);
    return is ? 0 : fail_to_read("vmm.ping", err);
}

bool ch_version_parse(const char *text, struct ch_version *ret)
{
    static const char prefix[] = "cloud-hypervisor v";
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *from = text + sizeof prefix - 1;
    return read_version(from, strcspn(from, " \t\r\n;"), ret);
}

/* Before v50.1 there is no image_type: a raw disk in which the guest has written the header of a qcow2 image is one at
 * the next boot, made on top of whatever file that header names. */
int ch_version_check(const struct ch_version *v, struct hm_error *err)
{
    if (v->major > 50 || (v->major == 50 && v->minor >= 1))
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "cloud-hypervisor %s guesses the format of a disk from what its guest wrote on "
                   "it, which lets "
                   "a guest read files of the host; install v50.1 or later, best v53",
                   v->text);
}

/* It syncs the image in a thread that its own seccomp filter does not let do that before v53. */
bool ch_version_can_unplug_qcow2(const struct ch_version *v)
{
    return v->major >= 53;
}

/* -- vm.counters ---------------------------------------------------------------------------------- */

enum { NAME_MAX_LEN = 63 };

struct scan {
    const char *at, *end;
};

static char next_char(struct scan *s)
{
    while (s->at < s->end && *s->at && strchr(" \t\r\n", *s->at))
        s->at++;
    return s->at < s->end ? *s->at : '\0';
}

static bool take_char(struct scan *s, char c)
{
    if (next_char(s) != c)
        return false;
    s->at++;
    return true;
}

/* Names of devices and counters have no escapes. */
static bool take_name(struct scan *s, char ret[NAME_MAX_LEN + 1])
{
    if (!take_char(s, '"'))
        return false;
    size_t len = 0;
    for (; s->at < s->end && *s->at != '"'; s->at++) {
        if (len == NAME_MAX_LEN || *s->at == '\\' || (unsigned char)*s->at < 0x20)
            return false;
        ret[len++] = *s->at;
    }
    ret[len] = '\0';
    return take_char(s, '"') && take_char(s, ':');
}

static bool take_number(struct scan *s, uint64_t *ret)
{
    uint64_t value = 0;
    next_char(s);
    const char *from = s->at;
    for (; s->at < s->end && isdigit((unsigned char)*s->at); s->at++) {
        uint64_t digit = (uint64_t)(*s->at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return s->at > from;
}

typedef void (*counter_visit)(void *data, const char *device, const char *name, uint64_t value);

static bool take_device(struct scan *s, const char *device, counter_visit visit, void *data)
{
    char name[NAME_MAX_LEN + 1];
    uint64_t value;
    if (!take_char(s, '{'))
        return false;
    if (take_char(s, '}'))
        return true;
    do {
        if (!take_name(s, name) || !take_number(s, &value))
            return false;
        visit(data, device, name, value);
    } while (take_char(s, ','));
    return take_char(s, '}');
}

static bool take_devices(struct scan *s, counter_visit visit, void *data)
{
    char device[NAME_MAX_LEN + 1];
    if (!take_char(s, '{'))
        return false;
    if (take_char(s, '}'))
        return true;
    do {
        if (!take_name(s, device) || !take_device(s, device, visit, data))
            return false;
    } while (take_char(s, ','));
    return take_char(s, '}');
}

int ch_counters_parse(const char *text, size_t len, counter_visit visit, void *data,
                      struct hm_error *err)
{
    struct scan s = {text, text ? text + len : NULL};
    if (text && take_devices(&s, visit, data) && next_char(&s) == '\0' && s.at == s.end)
        return 0;
    return hm_fail(err, HM_E_INVALID,
                   "vm.counters: what cloud-hypervisor answers can't be understood");
}
