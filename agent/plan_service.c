#include "agent/plan_service.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

struct plan_service {
    struct bus_service *service;
    struct reconciler *reconciler;
};

/* One document of the request, through the same verifier as an entry of the bucket. */
static int parse_document(const json_t *in, struct doc *ret, struct hm_error *err)
{
    const char *where = json_string_value(json_object_get(in, "where"));
    const char *kind = json_string_value(json_object_get(in, "kind"));
    const char *name = json_string_value(json_object_get(in, "name"));
    const json_t *spec = json_object_get(in, "spec");
    if (!where || !kind || !name || !spec)
        return hm_fail(err, HM_E_INVALID,
                       "a document of the request needs where, kind, name and spec");
    char parts[3][DOC_NAME_MAX + 1];
    HM_AUTOFREE char *key = hm_printf("%s.%s.%s", where, kind, name);
    if (doc_key_split(key, parts[0], parts[1], parts[2], err) < 0)
        return -(int)HM_E_INVALID;
    HM_AUTOFREE char *value = json_dumps(spec, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!value)
        return hm_fail(err, HM_E_INVALID, "%s: spec can't be read", key);
    int r = doc_from_value(key, value, strlen(value), ret, err);
    return r < 0 ? hm_wrap(err, "%s", key) : r;
}

static int parse_documents(const json_t *list, struct doc_list *ret, struct hm_error *err)
{
    size_t i;
    json_t *item;
    ret->items = hm_alloc(json_array_size(list) * sizeof *ret->items);
    json_array_foreach(list, i, item)
    {
        int r = parse_document(item, &ret->items[ret->count], err);
        if (r < 0)
            return r;
        ret->count++;
    }
    return 0;
}

static char **parse_keys(const json_t *list)
{
    char **keys = hm_alloc((json_array_size(list) + 1) * sizeof *keys);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        keys[i] = hm_strdup(json_string_value(item));
    }
    return keys;
}

static int check_deletes(const json_t *list, struct hm_error *err)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *key = json_string_value(item);
        if (!key || doc_key_split(key, where, kind, name, NULL) < 0)
            return hm_fail(err, HM_E_INVALID,
                           "the request's deletes[%zu] is not a key like site-a.vm.web", i);
    }
    return 0;
}

static int check_request(const json_t *root, struct hm_error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(root))
        return hm_fail(err, HM_E_INVALID,
                       "the request is not an object with documents and deletes");
    json_object_foreach((json_t *)root, name, value)
    {
        if (strcmp(name, "documents") != 0 && strcmp(name, "deletes") != 0)
            return hm_fail(err, HM_E_INVALID,
                           "the request has an unknown field \"%.60s\"; known: documents, deletes",
                           name);
        if (!json_is_array(value))
            return hm_fail(err, HM_E_INVALID, "the request's %s is not a list", name);
    }
    return check_deletes(json_object_get(root, "deletes"), err);
}

int plan_service_parse(const void *payload, size_t len, struct plan_request *ret,
                       struct hm_error *err)
{
    json_error_t why;
    json_t *root = len ? json_loadb(payload, len, JSON_REJECT_DUPLICATES, &why) : json_object();
    if (!root)
        return hm_fail(err, HM_E_INVALID, "the request is not JSON: %s", why.text);
    struct plan_request q = {0};
    int r = check_request(root, err);
    if (r >= 0)
        r = parse_documents(json_object_get(root, "documents"), &q.documents, err);
    if (r < 0) {
        doc_list_clear(&q.documents);
    } else {
        q.deleted_keys = parse_keys(json_object_get(root, "deletes"));
        *ret = q;
    }
    json_decref(root);
    return r;
}

static int respond(struct bus_incoming *to, const json_t *value, struct hm_error *err)
{
    HM_AUTOFREE char *text = json_dumps(value, JSON_COMPACT);
    return bus_respond(to, text, strlen(text), err);
}

static void respond_error(struct bus_incoming *to, const struct hm_error *err)
{
    json_t *reply =
        json_pack("{s:{s:s, s:s}}", "error", "code", hm_code_name(err->code), "text", err->text);
    if (respond(to, reply, NULL) < 0)
        bus_respond(to, "", 0, NULL); /* a server that takes not even that: do not let them wait */
    json_decref(reply);
}

/* Who asked gets a sentence instead of a silence until the deadline. */
static void respond_plan(struct bus_incoming *to, const json_t *plan)
{
    struct hm_error why, err;
    if (respond(to, plan, &why) >= 0)
        return;
    hm_fail(&err, why.code,
            "the plan is too large: %s; change fewer documents at a time, or raise the server's "
            "max_payload",
            why.text);
    respond_error(to, &err);
}

static void on_plan(void *data, const json_t *plan)
{
    respond_plan(data, plan);
}

static void serve(void *data, struct bus_incoming *request, const char *subject,
                  const void *payload, size_t len)
{
    struct plan_service *s = data;
    struct plan_request q = {0};
    struct hm_error err;
    (void)subject;
    if (plan_service_parse(payload, len, &q, &err) < 0) {
        respond_error(request, &err);
        return;
    }
    q.done = on_plan;
    q.data = request;
    if (reconciler_plan(s->reconciler, &q, &err) < 0)
        respond_error(request, &err);
}

struct plan_service *plan_service_new(struct bus *bus, const char *site, struct reconciler *r)
{
    struct plan_service *s = hm_alloc(sizeof *s);
    HM_AUTOFREE char *subject = hm_printf("harmony.plan.%s", site);
    s->reconciler = r;
    s->service = bus_serve(bus, subject, serve, s);
    return s;
}

void plan_service_free(struct plan_service *s)
{
    if (!s)
        return;
    bus_service_stop(s->service);
    free(s);
}
