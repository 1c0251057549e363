#include "ctl/json_text.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "proto/heartbeat.h"

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t number_of(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    /* Beyond this a double is no whole number of an int64_t any more. */
    if (json_is_real(value) && json_real_value(value) > -9e15 && json_real_value(value) < 9e15)
        return (int64_t)json_real_value(value);
    return fallback;
}

static const int64_t SPAN_MAX = 366LL * 24 * 3600 * 1000;

int64_t span_of(const json_t *object, const char *name)
{
    int64_t span = number_of(object, name, -1);
    return span < 0 || span > SPAN_MAX ? -1 : span;
}

uint64_t epoch_of(const json_t *object, const char *name)
{
    int64_t number = number_of(object, name, 0);
    return number < 0 || number > (int64_t)HB_EPOCH_MAX ? 0 : (uint64_t)number;
}

void json_render(const json_t *value, struct hm_buf *out)
{
    /* ASCII only: no value can hide a terminal's control sequence. */
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    hm_buf_puts(out, text ? text : "null");
    hm_buf_puts(out, "\n");
    free(text);
}

/* -- YAML ---------------------------------------------------------------------------------- */

static int append_yaml(void *out, unsigned char *data, size_t len)
{
    hm_buf_add(out, data, len);
    return 1;
}

/* Texts that another type could be read from are quoted. */
static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    for (size_t i = 0; i < HM_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return *text == '\0' || strchr("0123456789+-.~=<", *text) != NULL;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
    yaml_event_t event;
    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text),
                                 1, 1,
                                 quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
    yaml_emitter_emit(emitter, &event);
}

static void emit_plain(yaml_emitter_t *emitter, const json_t *value)
{
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        emit_scalar(emitter, text, needs_quotes(text));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    emit_scalar(emitter, text ? text : "null", false);
    free(text);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value);

static void emit_object(yaml_emitter_t *emitter, const json_t *object)
{
    yaml_event_t event;
    const char *key;
    json_t *member;
    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
    yaml_emitter_emit(emitter, &event);
    json_object_foreach((json_t *)object, key, member)
    {
        emit_scalar(emitter, key, needs_quotes(key));
        emit_value(emitter, member);
    }
    yaml_mapping_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit_array(yaml_emitter_t *emitter, const json_t *array)
{
    yaml_event_t event;
    size_t i;
    json_t *element;
    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
    yaml_emitter_emit(emitter, &event);
    json_array_foreach(array, i, element) emit_value(emitter, element);
    yaml_sequence_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value)
{
    if (json_is_object(value))
        emit_object(emitter, value);
    else if (json_is_array(value))
        emit_array(emitter, value);
    else
        emit_plain(emitter, value);
}

void yaml_render(const json_t *value, struct hm_buf *out)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output(&emitter, append_yaml, out);
    yaml_emitter_set_unicode(&emitter, 0); /* what is not ASCII is escaped: see json_render() */
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    yaml_emitter_emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    yaml_emitter_emit(&emitter, &event);
    emit_value(&emitter, value);
    yaml_document_end_event_initialize(&event, 1);
    yaml_emitter_emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
}
