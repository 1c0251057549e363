/*
 * Sizes and durations, as people write them and as a spec holds them.
 *
 * A number and a unit without a space: 512MiB, 20GB, 10s. Sizes: B, KiB to TiB (powers of 1024), KB
 * to TB (powers of 1000). Durations: ms, s, m, h, d. Whole numbers only, so that nothing is
 * rounded. Rendering takes the largest unit that divides exactly, so it parses back to the same
 * number. Pure. Thread: any.
 */
#ifndef HM_PROTO_UNITS_H
#define HM_PROTO_UNITS_H

#include <stdbool.h>
#include <stdint.h>

enum { UNIT_TEXT_MAX = 32, UNIT_HINT_MAX = 96 };

bool size_parse(const char *text, int64_t *ret_bytes);
bool duration_parse(const char *text, int64_t *ret_ms);

void size_text(int64_t bytes, char out[UNIT_TEXT_MAX]);
void duration_text(int64_t ms, char out[UNIT_TEXT_MAX]);

/* For a text that did not parse: what to write instead ("use 20GB or 20GiB"). False: no idea. */
bool size_hint(const char *text, char out[UNIT_HINT_MAX]);
bool duration_hint(const char *text, char out[UNIT_HINT_MAX]);

/* Regular expressions (ECMA 262) of the texts that parse, for JSON Schema. */
void size_pattern(char out[UNIT_HINT_MAX]);
void duration_pattern(char out[UNIT_HINT_MAX]);

#endif
