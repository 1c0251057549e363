#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/internal.h"

static size_t take_slot(struct call_table *table, struct bus_call *call)
{
    if (!table->unused_count) {
        size_t old = table->cap;
        table->cap = old ? old * 2 : 64;
        table->slots = hm_realloc_array(table->slots, table->cap, sizeof(struct bus_call *));
        table->unused = hm_realloc_array(table->unused, table->cap, sizeof *table->unused);
        for (size_t slot = table->cap; slot-- > old;) {
            table->slots[slot] = NULL;
            table->unused[table->unused_count++] = slot;
        }
    }
    size_t slot = table->unused[--table->unused_count];
    table->slots[slot] = call;
    table->count++;
    return slot;
}

enum { SLOT_BITS = 24 };

static struct bus_call *find(const struct call_table *table, uint64_t id)
{
    size_t slot = (size_t)(id & ((1U << SLOT_BITS) - 1));
    struct bus_call *call = slot < table->cap ? table->slots[slot] : NULL;
    return call && call->id == id ? call : NULL;
}

static void enter(struct bus *bus, struct bus_call *call)
{
    call->bus = bus;
    call->slot = take_slot(&bus->calls, call);
    call->id = ++bus->calls.serial << SLOT_BITS | call->slot;
}

/* The call is out of every table before its owner hears of it, so the owner may do as it likes. */
static void finish(struct bus_call *call, const struct call_answer *answer)
{
    struct call_table *table = &call->bus->calls;
    deadline_clear(&call->bus->deadlines, &call->deadline);
    table->slots[call->slot] = NULL;
    table->unused[table->unused_count++] = call->slot;
    table->count--;
    struct hm_error *failed = call->failed;
    char *what = call->what;
    call->answered(call, answer);
    free(failed);
    free(what);
}

static void finish_failed(struct bus_call *call, enum hm_code code, const char *why)
{
    struct hm_error err;
    hm_fail(&err, code, "%s: %s", call->what, why);
    finish(call, &(struct call_answer){.err = &err});
}

static void on_deadline(struct deadline *deadline)
{
    struct bus_call *call = (struct bus_call *)deadline; /* its first member */
    if (call->failed) {
        finish(call, &(struct call_answer){.err = call->failed});
        return;
    }
    struct bus *bus = call->bus;
    bool refused = bus->complaint[0] && bus->complaint_ns >= call->sent_ns;
    HM_AUTOFREE char *why =
        hm_printf("no answer within %" PRId64 " ms%s%s", call->timeout_ms,
                  refused ? "; the server said meanwhile: " : "", refused ? bus->complaint : "");
    finish_failed(call, HM_E_TIMEOUT, why);
}

static void fail_later(struct bus_call *call, const struct hm_error *err)
{
    call->failed = hm_memdup(err, sizeof *err);
    bus_set_deadline(call->bus, &call->deadline, call->sent_ns);
}

void call_start(struct bus *bus, struct bus_call *call, char *what,
                const struct bus_message *message, int64_t timeout_ms,
                const struct hm_error *refused)
{
    call->deadline.expired = on_deadline;
    call->what = what;
    call->sent_ns = hm_boottime_ns();
    call->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    enter(bus, call);
    if (refused) {
        fail_later(call, refused);
        return;
    }
    char reply[WIRE_INBOX_MAX + 32];
    snprintf(reply, sizeof reply, "%s.%" PRIx64, bus->inbox, call->id);
    struct bus_message with_reply = *message;
    with_reply.reply = reply;
    struct hm_error unsent;
    int64_t until_ns = call->sent_ns + call->timeout_ms * HM_MS;
    if (bus_publish(bus, &with_reply, call->id, until_ns, &unsent) < 0) {
        hm_wrap(&unsent, "%s", what);
        fail_later(call, &unsent);
        return;
    }
    bus_set_deadline(bus, &call->deadline, until_ns);
}

void call_start_api(struct bus *bus, struct bus_call *call, char *what, const char *subject,
                    const char *body, int64_t timeout_ms, const struct hm_error *refused)
{
    struct bus_message message = {.subject = subject, .data = body, .len = strlen(body)};
    call_start(bus, call, what, &message, timeout_ms, refused);
}

static void finish_without_responders(struct bus_call *call)
{
    struct hm_error err;
    hm_fail(&err, HM_E_NOT_FOUND, "%s: nobody answers there", call->what);
    finish(call, &(struct call_answer){.err = &err, .no_responders = true});
}

/* An answer in time counts even if the loop comes to it late; one that came late never does. */
void call_deliver(struct bus *bus, const char *token, natsMsg *message, int64_t arrived_ns)
{
    char *end;
    uint64_t id = strtoull(token, &end, 16);
    struct bus_call *call = *end ? NULL : find(&bus->calls, id);
    if (!call || call->failed || arrived_ns > call->deadline.at_ns)
        return;
    if (natsMsg_IsNoResponders(message)) {
        finish_without_responders(call);
        return;
    }
    const char *data = natsMsg_GetData(message);
    finish(call, &(struct call_answer){.data = data ? data : "",
                                       .len = (size_t)natsMsg_GetDataLength(message)});
}

void call_not_sent(struct bus *bus, uint64_t id, enum hm_code code, const char *why)
{
    struct bus_call *call = id ? find(&bus->calls, id) : NULL;
    if (call && !call->failed)
        finish_failed(call, code, why);
}

void call_fail_all(struct bus *bus, enum hm_code code, const char *why)
{
    uint64_t last = bus->calls.serial;
    for (size_t slot = 0; slot < bus->calls.cap; slot++) {
        struct bus_call *call = bus->calls.slots[slot];
        if (call && call->id >> SLOT_BITS <= last)
            finish_failed(call, code, why);
    }
}

void call_table_free(struct call_table *table)
{
    free(table->slots);
    free(table->unused);
    *table = (struct call_table){0};
}
