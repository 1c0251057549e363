/* Talks: one request, many answers. Their place in the inbox is "t<id>", which is no call's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/internal.h"
#include "bus/names.h"

enum { TOKEN = 't', SEND_WITHIN_MS = 5000 };

struct bus_talk {
    struct deadline deadline;       /* only of a failure that was known before it was sent */
    struct bus_talk *next, **place; /* in bus->talks */
    struct bus *bus;
    uint64_t id;
    bool over; /* it has failed: nothing is told any more */
    char *subject;
    struct hm_error *failed;
    struct bus_talk_events events;
};

static void leave_bus(struct bus_talk *talk)
{
    if (!talk->bus)
        return;
    deadline_clear(&talk->bus->deadlines, &talk->deadline);
    *talk->place = talk->next;
    if (talk->next)
        talk->next->place = talk->place;
    talk->bus = NULL;
}

/* It leaves the bus before its owner hears of it, who may end it then. */
static void fail(struct bus_talk *talk, enum hm_code code, const char *why)
{
    struct hm_error err;
    hm_fail(&err, code, "request %.128s: %s", talk->subject, why);
    leave_bus(talk);
    talk->over = true;
    talk->events.on_failed(talk->events.data, &err);
}

static void on_deadline(struct deadline *deadline)
{
    struct bus_talk *talk = (struct bus_talk *)deadline; /* its first member */
    struct hm_error err = *talk->failed;
    leave_bus(talk);
    talk->over = true;
    talk->events.on_failed(talk->events.data, &err);
}

static void fail_later(struct bus_talk *talk, const struct hm_error *err)
{
    talk->failed = hm_memdup(err, sizeof *err);
    bus_set_deadline(talk->bus, &talk->deadline, hm_boottime_ns());
}

static struct bus_talk *new_talk(struct bus *bus, const char *subject,
                                 const struct bus_talk_events *events)
{
    struct bus_talk *talk = hm_alloc(sizeof *talk);
    talk->deadline.expired = on_deadline;
    talk->bus = bus;
    talk->id = ++bus->serial;
    talk->subject = hm_strdup(subject);
    talk->events = *events;
    talk->place = &bus->talks;
    talk->next = bus->talks;
    if (talk->next)
        talk->next->place = &talk->next;
    bus->talks = talk;
    return talk;
}

struct bus_talk *bus_talk_begin(struct bus *bus, const char *subject, const void *payload,
                                size_t len, const struct bus_talk_events *events)
{
    struct bus_talk *talk = new_talk(bus, subject, events);
    struct hm_error err;
    char reply[WIRE_INBOX_MAX + 32];
    snprintf(reply, sizeof reply, "%s.%c%" PRIx64, bus->inbox, TOKEN, talk->id);
    const struct bus_message message = {
        .subject = subject, .reply = reply, .data = payload, .len = len};
    int64_t until_ns = hm_boottime_ns() + SEND_WITHIN_MS * HM_MS;
    if (bus_check_subject(subject, &err) < 0 ||
        bus_publish(bus, &message, talk->id, until_ns, &err) < 0) {
        hm_wrap(&err, "request %.128s", talk->subject);
        fail_later(talk, &err);
    }
    return talk;
}

void bus_talk_end(struct bus_talk *talk)
{
    if (!talk)
        return;
    leave_bus(talk);
    free(talk->subject);
    free(talk->failed);
    free(talk);
}

static struct bus_talk *find(const struct bus *bus, uint64_t id)
{
    struct bus_talk *talk = bus->talks;
    while (talk && talk->id != id)
        talk = talk->next;
    return talk;
}

bool talk_deliver(struct bus *bus, const char *token, natsMsg *message)
{
    if (*token != TOKEN)
        return false;
    char *end;
    uint64_t id = strtoull(token + 1, &end, 16);
    struct bus_talk *talk = *end ? NULL : find(bus, id);
    if (!talk || talk->failed)
        return true;
    const char *data = natsMsg_GetData(message);
    if (natsMsg_IsNoResponders(message))
        fail(talk, HM_E_NOT_FOUND, "nobody answers there");
    else
        talk->events.on_answer(talk->events.data, data ? data : "",
                               (size_t)natsMsg_GetDataLength(message));
    return true;
}

void talk_not_sent(struct bus *bus, uint64_t id, enum hm_code code, const char *why)
{
    struct bus_talk *talk = id ? find(bus, id) : NULL;
    if (talk && !talk->failed)
        fail(talk, code, why);
}

/* The server does not say which message it refused, only where that was to go: so every talk that
 * was begun with this subject is refused. */
void talk_complaint(struct bus *bus, const char *text)
{
    for (struct bus_talk *talk = bus->talks; talk; talk = talk->next) {
        HM_AUTOFREE char *quoted = hm_printf("\"%s\"", talk->subject);
        if (talk->failed || !strstr(text, quoted))
            continue;
        HM_AUTOFREE char *why = hm_printf("the NATS server does not allow it: %s", text);
        fail(talk, HM_E_REFUSED, why);
        return;
    }
}

static struct bus_talk *find_up_to(const struct bus *bus, uint64_t last)
{
    struct bus_talk *talk = bus->talks;
    while (talk && talk->id > last)
        talk = talk->next;
    return talk;
}

/* Who is told may end others. */
void talk_fail_all(struct bus *bus, enum hm_code code, const char *why)
{
    uint64_t last = bus->serial;
    for (struct bus_talk *talk; (talk = find_up_to(bus, last)) != NULL;)
        fail(talk, code, why);
}
