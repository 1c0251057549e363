#include <stdlib.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "bus/names.h"

/* -- Asking ----------------------------------------------------------------------------------- */

struct request_call {
    struct bus_call call;
    bus_reply done;
    void *data;
};

static void request_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct request_call *mine = (struct request_call *)call;
    mine->done(mine->data, answer->data, answer->len, answer->err);
    free(mine);
}

static int check_request(const char *subject, size_t len, struct hm_error *err)
{
    if (bus_check_subject(subject, err) < 0)
        return -(int)HM_E_INVALID;
    if (len > BUS_PAYLOAD_MAX)
        return hm_fail(err, HM_E_TOO_LARGE, "request %s: %zu bytes are too many", subject, len);
    return 0;
}

void bus_request(struct bus *bus, const char *subject, const void *payload, size_t len,
                 int64_t timeout_ms, bus_reply done, void *data)
{
    struct hm_error err;
    struct request_call *mine = hm_alloc(sizeof *mine);
    mine->call.answered = request_answered;
    mine->done = done;
    mine->data = data;
    bool refused = check_request(subject, len, &err) < 0;
    const struct bus_message message = {.subject = subject, .data = payload, .len = len};
    call_start(bus, &mine->call, hm_printf("request %.128s", subject), &message, timeout_ms,
               refused ? &err : NULL);
}

/* -- Serving ---------------------------------------------------------------------------------- */

struct bus_service {
    struct bus_service *next;
    struct bus *bus;
    uint64_t id;
    bus_serve_fn serve;
    void *data;
};

struct bus_incoming {
    struct bus_incoming *next, **place; /* in bus->incoming */
    struct bus *bus;                    /* NULL once that is closed */
    char *reply;                        /* or NULL: nobody waits */
};

struct bus_service *bus_serve(struct bus *bus, const char *subject, bus_serve_fn serve, void *data)
{
    if (bus_check_subject(subject, NULL) < 0)
        abort(); /* the caller's own constant */
    struct bus_service *service = hm_alloc(sizeof *service);
    *service = (struct bus_service){
        .next = bus->services, .bus = bus, .id = ++bus->serial, .serve = serve, .data = data};
    bus->services = service;
    wire_subscribe(bus->wire, service->id, subject);
    return service;
}

void bus_service_stop(struct bus_service *service)
{
    if (!service)
        return;
    struct bus_service **place = &service->bus->services;
    while (*place != service)
        place = &(*place)->next;
    *place = service->next;
    wire_unsubscribe(service->bus->wire, service->id);
    free(service);
}

void service_free_all(struct bus *bus)
{
    while (bus->services)
        bus_service_stop(bus->services);
    for (struct bus_incoming *request = bus->incoming; request; request = request->next)
        request->bus = NULL;
    bus->incoming = NULL;
}

static struct bus_incoming *new_incoming(struct bus *bus, const char *reply)
{
    struct bus_incoming *request = hm_alloc(sizeof *request);
    request->bus = bus;
    request->reply = reply && bus_check_subject(reply, NULL) == 0 ? hm_strdup(reply) : NULL;
    request->place = &bus->incoming;
    request->next = bus->incoming;
    if (request->next)
        request->next->place = &request->next;
    bus->incoming = request;
    return request;
}

void service_deliver(struct bus *bus, const struct wire_event *event)
{
    struct bus_service *service = bus->services;
    while (service && service->id != event->subscription)
        service = service->next;
    if (!service)
        return;
    const char *data = natsMsg_GetData(event->message);
    service->serve(service->data, new_incoming(bus, natsMsg_GetReply(event->message)),
                   natsMsg_GetSubject(event->message), data ? data : "",
                   (size_t)natsMsg_GetDataLength(event->message));
}

static void unlink_incoming(struct bus_incoming *request)
{
    *request->place = request->next;
    if (request->next)
        request->next->place = request->place;
}

static bool is_too_large(const struct bus *bus, size_t len)
{
    return len > BUS_PAYLOAD_MAX || (bus->max_payload > 0 && (int64_t)len > bus->max_payload);
}

static int check_size(const struct bus *bus, size_t len, struct hm_error *err)
{
    if (!is_too_large(bus, len))
        return 0;
    return hm_fail(err, HM_E_TOO_LARGE,
                   "the answer is %zu bytes long, and the NATS server takes at most %lld in one "
                   "message (max_payload)",
                   len, (long long)bus->max_payload);
}

int bus_respond_more(const struct bus_incoming *request, const void *payload, size_t len,
                     struct hm_error *err)
{
    int r = request->bus ? check_size(request->bus, len, err) : 0;
    if (r >= 0 && request->bus && request->reply)
        bus_publish_soon(request->bus, request->reply, payload, len);
    return r;
}

int bus_respond(struct bus_incoming *request, const void *payload, size_t len, struct hm_error *err)
{
    int r = bus_respond_more(request, payload, len, err);
    if (r < 0)
        return r;
    if (request->bus)
        unlink_incoming(request);
    free(request->reply);
    free(request);
    return 0;
}
