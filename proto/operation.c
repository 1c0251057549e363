#include "proto/operation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/nearest.h"
#include "proto/text.h"

static const char prefix[] = "harmony.op.";

/* -- The table -------------------------------------------------------------------------------- */

int operation_find(const char *name, const struct operation **ret, struct hm_error *err)
{
    struct hm_nearest near = hm_nearest_to(name);
    struct hm_buf all = {0};
    for (const struct operation *const *o = operations; *o; o++) {
        if (!strcmp((*o)->name, name)) {
            *ret = *o;
            hm_buf_free(&all);
            return 0;
        }
        hm_nearest_offer(&near, (*o)->name);
        hm_buf_printf(&all, "%s%s", all.len ? ", " : "", (*o)->name);
    }
    char shown[TEXT_QUOTE_MAX];
    text_quote(name, shown);
    hm_fail(err, HM_E_INVALID, "there is no operation %s%s%s%s; known: %s", shown,
            near.best ? " (did you mean \"" : "", near.best ? near.best : "",
            near.best ? "\"?)" : "", all.data);
    hm_buf_free(&all);
    return -(int)HM_E_INVALID;
}

bool operation_takes(const struct operation *op, const char *kind)
{
    for (const char *const *k = op->kinds; k && *k; k++)
        if (!strcmp(*k, kind))
            return true;
    return false;
}

/* -- Requests --------------------------------------------------------------------------------- */

static const struct field request_fields[] = {
    {.name = "kind", .type = FIELD_NAME, .help = "The kind of the thing that it is done to."},
    {.name = "name", .type = FIELD_NAME, .help = "The thing's name."},
    {.name = "deadline",
     .type = FIELD_DURATION,
     .min = 1,
     .max = OPERATION_DEADLINE_MAX_MS,
     .help = "For its result, from when the agent has the request."},
    {.name = "credit",
     .type = FIELD_INT,
     .min = 1,
     .max = OPERATION_CREDIT_MAX,
     .help = "Streams: how many bytes may be sent at first."},
    {.name = "by",
     .type = FIELD_STRING,
     .min = 1,
     .max = OPERATION_BY_MAX,
     .help = "Who asks, for the agent's log."},
    {.name = NULL},
};

static int refuse_kind(const struct operation *op, const char *kind, struct hm_error *err)
{
    struct hm_buf takes = {0};
    for (const char *const *k = op->kinds; *k; k++)
        hm_buf_printf(&takes, "%s%s", takes.len ? ", " : "", *k);
    hm_fail(err, HM_E_INVALID, "%s is not for a %.63s; it takes %s", op->name, kind, takes.data);
    hm_buf_free(&takes);
    return -(int)HM_E_INVALID;
}

static int check_thing(const struct operation *op, const char *kind, const char *name,
                       struct hm_error *err)
{
    if (!op->kinds && (kind || name))
        return hm_fail(err, HM_E_INVALID, "%s is about the whole site: without kind and name",
                       op->name);
    if (op->kinds && (!kind || !name))
        return hm_fail(err, HM_E_INVALID, "%s needs kind and name", op->name);
    return op->kinds && !operation_takes(op, kind) ? refuse_kind(op, kind, err) : 0;
}

int operation_verify_args(const struct operation *op, const json_t *args, json_t **ret,
                          struct hm_error *err)
{
    json_t *none = json_object();
    int r = !args || json_is_object(args) ? fields_verify(op->args, args ? args : none, ret, err)
                                          : hm_fail(err, HM_E_INVALID, "is not an object");
    json_decref(none);
    return r < 0 ? hm_wrap(err, "%s: args", op->name) : r;
}

static void take_request(const struct operation *op, const json_t *spec,
                         struct operation_request *q)
{
    const char *kind = spec_str(spec, "kind"), *name = spec_str(spec, "name"),
               *by = spec_str(spec, "by");
    q->op = op;
    snprintf(q->kind, sizeof q->kind, "%s", kind ? kind : "");
    snprintf(q->name, sizeof q->name, "%s", name ? name : "");
    q->deadline_ms = spec_int(spec, "deadline", op->deadline_ms);
    q->credit = spec_int(spec, "credit", OPERATION_CREDIT);
    text_clean(by ? by : "", q->by, sizeof q->by);
}

/* `root` is changed: its args have a table of their own. */
static int verify_request(const struct operation *op, json_t *root, struct operation_request *ret,
                          struct hm_error *err)
{
    struct operation_request q = {0};
    json_t *spec = NULL, *args = json_incref(json_object_get(root, "args"));
    json_object_del(root, "args");
    int r = fields_verify(request_fields, root, &spec, err);
    if (r < 0)
        hm_wrap(err, "%s", op->name);
    if (r >= 0)
        r = check_thing(op, spec_str(spec, "kind"), spec_str(spec, "name"), err);
    if (r >= 0)
        r = operation_verify_args(op, args, &q.args, err);
    if (r >= 0) {
        take_request(op, spec, &q);
        *ret = q;
    }
    json_decref(spec);
    json_decref(args);
    return r;
}

static json_t *load_object(const void *payload, size_t len, struct hm_error *err)
{
    json_error_t why;
    char shown[TEXT_QUOTE_MAX];
    if (len > OPERATION_MAX_BYTES) {
        hm_fail(err, HM_E_TOO_LARGE, "the message has %zu bytes, at most %d are taken", len,
                OPERATION_MAX_BYTES);
        return NULL;
    }
    json_t *root = json_loadb(payload, len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(root))
        return root;
    text_clean(root ? "not an object" : why.text, shown, sizeof shown);
    hm_fail(err, HM_E_INVALID, "the message is no JSON object: %s", shown);
    json_decref(root);
    return NULL;
}

int operation_parse(const struct operation *op, const void *payload, size_t len,
                    struct operation_request *ret, struct hm_error *err)
{
    json_t *root = len ? load_object(payload, len, err) : json_object();
    if (!root)
        return len > OPERATION_MAX_BYTES ? -(int)HM_E_TOO_LARGE : -(int)HM_E_INVALID;
    int r = verify_request(op, root, ret, err);
    json_decref(root);
    return r;
}

void operation_request_clear(struct operation_request *request)
{
    json_decref(request->args);
    *request = (struct operation_request){0};
}

/* -- Subjects --------------------------------------------------------------------------------- */

char *operation_subject(const char *site, const char *operation, const char *session)
{
    return hm_printf("%s%s.%s%s%s", prefix, site, operation, session ? "." : "",
                     session ? session : "");
}

/* Copy up to the next dot or the end; NULL when it does not fit. */
static const char *take_token(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, ".");
    if (len == 0 || len >= size)
        return NULL;
    memcpy(out, text, len);
    out[len] = '\0';
    return text + len;
}

bool operation_split(const char *subject, const char *site, char operation[DOC_NAME_MAX + 1],
                     char session[OPERATION_SESSION_MAX])
{
    size_t prefix_len = strlen(prefix), site_len = strlen(site);
    if (strncmp(subject, prefix, prefix_len) != 0 ||
        strncmp(subject + prefix_len, site, site_len) != 0 || subject[prefix_len + site_len] != '.')
        return false;
    const char *rest = take_token(subject + prefix_len + site_len + 1, operation, DOC_NAME_MAX + 1);
    session[0] = '\0';
    if (rest && *rest)
        rest = take_token(rest + 1, session, OPERATION_SESSION_MAX);
    return rest && !*rest;
}

/* -- Frames ----------------------------------------------------------------------------------- */

/* "=<offset> bytes" */
static int parse_bytes(const char *text, size_t len, struct operation_frame *ret,
                       struct hm_error *err)
{
    uint64_t offset = 0;
    size_t at = 1;
    for (; at < len && text[at] >= '0' && text[at] <= '9' && at <= 18; at++)
        offset = offset * 10 + (uint64_t)(text[at] - '0');
    if (at == 1 || at >= len || text[at] != ' ')
        return hm_fail(err, HM_E_INVALID, "a message of the stream has no offset");
    *ret = (struct operation_frame){
        .kind = FRAME_BYTES, .offset = offset, .data = text + at + 1, .len = len - at - 1};
    return 0;
}

int operation_frame_parse(const void *payload, size_t len, struct operation_frame *ret,
                          struct hm_error *err)
{
    const char *text = payload;
    if (len > 0 && text[0] == '=')
        return parse_bytes(text, len, ret, err);
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        return hm_fail(err, HM_E_INVALID, "a message of an operation is neither JSON nor bytes");
    }
    *ret = (struct operation_frame){.kind = FRAME_JSON, .json = root};
    return 0;
}

char *operation_frame_bytes(uint64_t offset, const void *data, size_t len, size_t *ret_len)
{
    char head[32];
    int head_len = snprintf(head, sizeof head, "=%llu ", (unsigned long long)offset);
    char *frame = hm_alloc((size_t)head_len + len + 1);
    memcpy(frame, head, (size_t)head_len);
    memcpy(frame + head_len, data, len);
    *ret_len = (size_t)head_len + len;
    return frame;
}
