/*
 * Reading JSON that others wrote, for views: what is missing or of another type gives a harmless
 * value. Pure; any thread.
 */
#ifndef HM_CTL_JSON_TEXT_H
#define HM_CTL_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"

/* Borrowed; "" when it is not there or not a text. */
const char *text_of(const json_t *object, const char *name);
int64_t number_of(const json_t *object, const char *name, int64_t fallback);
/* A span or a count that others wrote; -1: not known, or more than a year has milliseconds, so that sums of
 * some in nanoseconds hold. */
int64_t span_of(const json_t *object, const char *name);
/* An epoch, a generation or a counter of records; 0: not known, or none that a record could hold. */
uint64_t epoch_of(const json_t *object, const char *name);

/* Append a value as JSON (indented, ASCII only, one newline at the end) or YAML. */
void json_render(const json_t *value, struct hm_buf *out);
void yaml_render(const json_t *value, struct hm_buf *out);

#endif
