#include "ctl/op_talk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/json_text.h"

enum {
    ANSWER_MARGIN_MS = 3000, /* the agent's own word about its deadline comes first */
    INPUT_AGAIN_MS = 100,    /* what the thing did not take yet is offered again */
};

struct op_talk {
    unsigned refs; /* its owner, and each question that is out */
    struct session *session;
    struct op_events events;
    void *data;
    struct bus_talk *talk;
    uv_timer_t timer;
    const struct operation *op;
    char *site;
    char id[OPERATION_SESSION_MAX]; /* "" until accepted */
    bool begun, freed, over;
    bool asking; /* a sign of life is out */
    int64_t result_by_ns, accept_ms, deadline_ms;
    uint64_t received, consumed, granted; /* bytes, from the beginning */
    uv_timer_t input_again;
    bool input_out; /* a piece of input is on its way */
    uint64_t input_taken;
    size_t input_len;
    char input[OP_INPUT_MAX]; /* what follows input_taken */
    unsigned open_handles;
};

/* -- The end ---------------------------------------------------------------------------------- */

static void drop_ref(struct op_talk *t)
{
    if (--t->refs)
        return;
    free(t->site);
    free(t);
}

static void end(struct op_talk *t, const json_t *result, const struct hm_error *err)
{
    if (t->over)
        return;
    t->over = true;
    uv_timer_stop(&t->timer);
    uv_timer_stop(&t->input_again);
    bus_talk_end(t->talk);
    t->talk = NULL;
    if (!t->freed)
        t->events.end(t->data, result, err);
}

static void end_with(struct op_talk *t, enum hm_code code, const char *why)
{
    struct hm_error err;
    hm_fail(&err, code, "%s", why);
    end(t, NULL, &err);
}

/* -- Asking whether the agent is there, and telling that we are ---------------------------------- */

static char *id_subject(const struct op_talk *t)
{
    return operation_subject(t->site, t->op->name, t->id);
}

/* It was under way, and now nobody knows. */
static void agent_is_gone(struct op_talk *t, const char *how)
{
    HM_AUTOFREE char *why =
        hm_printf("site %s: %s; %s", t->site, how,
                  t->op->changes ? "whether it was done is not known" : "it ends here");
    end_with(t, HM_E_CONNECTION, why);
}

static void look_at_reply(struct op_talk *t, const char *reply, size_t len)
{
    json_t *word = json_loadb(reply, len, 0, NULL);
    const json_t *error = json_object_get(word, "error");
    if (error && hm_code_from_name(text_of(error, "code")) == HM_E_NOT_FOUND)
        agent_is_gone(t, "its agent was restarted and knows nothing of this any more");
    json_decref(word);
}

static void on_sign(void *data, const void *reply, size_t len, const struct hm_error *err)
{
    struct op_talk *t = data;
    t->asking = false;
    if (t->over)
        ;
    else if (reply)
        look_at_reply(t, reply, len);
    else if (err->code == HM_E_NOT_FOUND)
        agent_is_gone(t, "its agent went away");
    else if (err->code == HM_E_TIMEOUT)
        agent_is_gone(t, "its agent does not answer any more");
    else
        agent_is_gone(t, err->text);
    drop_ref(t);
}

static void tell(struct op_talk *t, const char *word)
{
    HM_AUTOFREE char *subject = id_subject(t);
    t->refs++;
    t->asking = true;
    bus_request(session_bus(t->session), subject, word, strlen(word), OPERATION_SILENCE_MS, on_sign,
                t);
}

/* -- Input: one piece on its way at a time ------------------------------------------------------- */

static void send_input(struct op_talk *t);

static void on_input_again(uv_timer_t *timer)
{
    send_input(timer->data);
}

static void take_error(struct op_talk *t, const json_t *error)
{
    HM_AUTOFREE char *why = hm_printf("site %s: %s", t->site, text_of(error, "text"));
    end_with(t, hm_code_from_name(text_of(error, "code")), why);
}

static void take_receipt(struct op_talk *t, const json_t *receipt)
{
    int64_t taken = number_of(receipt, "taken", -1);
    uint64_t before = t->input_taken;
    if (taken < 0 || (uint64_t)taken < before || (uint64_t)taken - before > t->input_len) {
        take_error(t, json_object_get(receipt, "error"));
        return;
    }
    size_t len = (size_t)((uint64_t)taken - before);
    t->input_taken = (uint64_t)taken;
    t->input_len -= len;
    memmove(t->input, t->input + len, t->input_len);
    if (t->input_len == 0 && t->events.written)
        t->events.written(t->data);
    else if (t->input_len > 0 && len == 0)
        uv_timer_start(&t->input_again, on_input_again, INPUT_AGAIN_MS, 0);
    else
        send_input(t);
}

static void on_receipt(void *data, const void *reply, size_t len, const struct hm_error *err)
{
    struct op_talk *t = data;
    t->input_out = false;
    if (!t->over && reply) {
        json_t *receipt = json_loadb(reply, len, 0, NULL);
        look_at_reply(t, reply, len);
        if (!t->over)
            take_receipt(t, receipt);
        json_decref(receipt);
    } else if (!t->over && err->code == HM_E_NOT_FOUND) {
        agent_is_gone(t, "its agent went away");
    } else if (!t->over) {
        agent_is_gone(t, "what was typed did not arrive");
    }
    drop_ref(t);
}

static void send_input(struct op_talk *t)
{
    if (t->over || t->input_out || t->input_len == 0 || !t->begun)
        return;
    size_t len;
    HM_AUTOFREE char *subject = id_subject(t);
    HM_AUTOFREE char *frame = operation_frame_bytes(t->input_taken, t->input, t->input_len, &len);
    t->refs++;
    t->input_out = true;
    bus_request(session_bus(t->session), subject, frame, len, OPERATION_SILENCE_MS, on_receipt, t);
}

size_t op_talk_write(struct op_talk *t, const char *bytes, size_t len)
{
    size_t room = OP_INPUT_MAX - t->input_len;
    size_t taken = len < room ? len : room;
    memcpy(t->input + t->input_len, bytes, taken);
    t->input_len += taken;
    if (!uv_is_active((uv_handle_t *)&t->input_again))
        send_input(t);
    return taken;
}

/* -- Time ------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct op_talk *t = timer->data;
    if (!*t->id) {
        HM_AUTOFREE char *why =
            hm_printf("site %s: its agent has not answered within %lld ms; %s", t->site,
                      (long long)t->accept_ms,
                      t->op->changes ? "whether it does it is not known" : "try again");
        end_with(t, HM_E_TIMEOUT, why);
    } else if (!t->op->streams && hm_boottime_ns() > t->result_by_ns) {
        HM_AUTOFREE char *why = hm_printf(
            "site %s: %s was begun and has not ended within %lld ms; what becomes of it is "
            "not known",
            t->site, t->op->name, (long long)t->deadline_ms);
        end_with(t, HM_E_TIMEOUT, why);
    } else if (!t->asking) {
        tell(t, "{}");
    }
}

/* -- What comes back -------------------------------------------------------------------------- */

static void take_accepted(struct op_talk *t, const json_t *accepted)
{
    const char *id = text_of(accepted, "session");
    if (strlen(id) >= sizeof t->id || strspn(id, "0123456789abcdef") != strlen(id) || !*id) {
        end_with(t, HM_E_INTERNAL, "the agent's answer is not one of an operation");
        return;
    }
    memcpy(t->id, id, strlen(id) + 1);
    uv_timer_start(&t->timer, on_timer, OPERATION_PING_MS, OPERATION_PING_MS);
}

static void take_begun(struct op_talk *t)
{
    t->begun = true;
    if (t->events.begun)
        t->events.begun(t->data);
    send_input(t);
}

static int percent_of(const json_t *progress)
{
    int64_t percent = number_of(progress, "percent", -1);
    return percent < 0 || percent > 100 ? -1 : (int)percent;
}

static void take_word(struct op_talk *t, const json_t *word)
{
    const json_t *part;
    if ((part = json_object_get(word, "accepted")))
        take_accepted(t, part);
    else if (json_object_get(word, "begun"))
        take_begun(t);
    else if ((part = json_object_get(word, "error")))
        take_error(t, part);
    else if ((part = json_object_get(word, "result")))
        end(t, part, NULL);
    else if ((part = json_object_get(word, "progress")) && t->events.progress)
        t->events.progress(t->data, percent_of(part), text_of(part, "text"));
}

static void take_bytes(struct op_talk *t, const struct operation_frame *frame)
{
    if (!t->events.data || frame->offset != t->received) {
        end_with(t, HM_E_IO, "some of it was lost on its way");
        return;
    }
    t->received += frame->len;
    t->events.data(t->data, frame->data, frame->len);
}

static void on_answer(void *data, const void *payload, size_t len)
{
    struct op_talk *t = data;
    struct operation_frame frame = {0};
    struct hm_error err;
    if (operation_frame_parse(payload, len, &frame, &err) < 0)
        end(t, NULL, &err);
    else if (frame.kind == FRAME_BYTES)
        take_bytes(t, &frame);
    else
        take_word(t, frame.json);
    json_decref(frame.json);
}

static void on_failed(void *data, const struct hm_error *err)
{
    struct op_talk *t = data;
    HM_AUTOFREE char *nobody = hm_printf("no agent of site %s answers: it is not connected to %s",
                                         t->site, session_servers(t->session));
    if (*t->id)
        agent_is_gone(t, err->text);
    else if (err->code == HM_E_NOT_FOUND)
        end_with(t, HM_E_NOT_FOUND, nobody);
    else
        end(t, NULL, err);
}

/* -- Asking ----------------------------------------------------------------------------------- */

/* "anna@hv1" */
static char *who_we_are(void)
{
    char host[40] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    return hm_printf("%.20s@%.40s", user && *user ? user : "someone", host);
}

static char *request_text(const struct op_target *target, const json_t *args)
{
    HM_AUTOFREE char *by = who_we_are();
    json_t *request = json_pack("{s:O, s:s}", "args", args, "by", by);
    if (!request) /* a user's name that is not UTF-8 */
        request = json_pack("{s:O}", "args", args);
    if (target->kind) {
        json_object_set_new(request, "kind", json_string(target->kind));
        json_object_set_new(request, "name", json_string(target->name));
    }
    if (target->deadline_ms)
        json_object_set_new(request, "deadline", json_integer(target->deadline_ms));
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

static void ask(struct op_talk *t, const char *request)
{
    const struct bus_talk_events events = {on_answer, on_failed, t};
    HM_AUTOFREE char *subject = operation_subject(t->site, t->op->name, NULL);
    t->talk = bus_talk_begin(session_bus(t->session), subject, request, strlen(request), &events);
    uv_update_time(session_loop(t->session));
    uv_timer_start(&t->timer, on_timer, (uint64_t)t->accept_ms, 0);
}

int op_talk_begin(struct session *s, const struct op_target *target, const struct op_events *events,
                  void *data, struct op_talk **ret, struct hm_error *err)
{
    json_t *args = NULL;
    int r = operation_verify_args(target->op, target->args, &args, err);
    if (r < 0)
        return r;
    struct op_talk *t = hm_alloc(sizeof *t);
    *t = (struct op_talk){.refs = 1, .session = s, .events = *events, .data = data};
    t->op = target->op;
    t->site = hm_strdup(target->site);
    t->granted = OPERATION_CREDIT;
    t->accept_ms = session_timeout_ms(s);
    t->deadline_ms = target->deadline_ms ? target->deadline_ms : target->op->deadline_ms;
    t->result_by_ns = hm_boottime_ns() + (t->deadline_ms + ANSWER_MARGIN_MS) * HM_MS;
    uv_timer_init(session_loop(s), &t->timer);
    uv_timer_init(session_loop(s), &t->input_again);
    t->timer.data = t->input_again.data = t;
    t->open_handles = 2;
    HM_AUTOFREE char *request = request_text(target, args);
    json_decref(args);
    ask(t, request);
    *ret = t;
    return 0;
}

void op_talk_consumed(struct op_talk *t, size_t len)
{
    t->consumed += len;
    if (t->over || t->granted - t->consumed >= OPERATION_CREDIT / 2)
        return;
    t->granted = t->consumed + OPERATION_CREDIT;
    HM_AUTOFREE char *word = hm_printf("{\"credit\":%llu}", (unsigned long long)t->granted);
    tell(t, word);
}

void op_talk_close(struct op_talk *t)
{
    if (t->over)
        return;
    if (*t->id)
        tell(t, "{\"close\":true}");
    else
        end_with(t, HM_E_CANCELLED, "ended before it began");
}

static void on_closed(uv_handle_t *handle)
{
    struct op_talk *t = handle->data;
    if (--t->open_handles == 0)
        drop_ref(t);
}

void op_talk_free(struct op_talk *t)
{
    if (!t)
        return;
    t->freed = true;
    t->over = true;
    bus_talk_end(t->talk);
    t->talk = NULL;
    uv_close((uv_handle_t *)&t->timer, on_closed);
    uv_close((uv_handle_t *)&t->input_again, on_closed);
}
