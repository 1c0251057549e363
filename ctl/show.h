/*
 * Text for people: safe, aligned, in colour where a terminal shows it.
 *
 * Whatever comes out of a bucket or a file may be hostile: everything that is printed goes through
 * show_clean(), which lets no control character, terminal sequence, text-direction mark or broken
 * UTF-8 through (each becomes one '?'). Pure; any thread.
 */
#ifndef HM_CTL_SHOW_H
#define HM_CTL_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What a piece of text says about the state of a thing. Colour marks nothing else. */
enum mood { MOOD_PLAIN, MOOD_GOOD, MOOD_CHANGE, MOOD_BAD, MOOD_FAINT };

/* Append `s` (`len` bytes) made safe to print on one line. */
void show_clean(struct hm_buf *out, const char *s, size_t len);
/* The same as a new string (the caller frees it); NULL gives "". */
char *show_cleaned(const char *s);

/* Columns that a clean text takes (one per code point). */
size_t show_width(const char *clean);
void show_pad(struct hm_buf *out, size_t from, size_t to); /* spaces from column to column */

/* Append `clean` in the colour of its mood, or plainly when colour is off. */
void show_mood(struct hm_buf *out, const char *clean, enum mood mood, bool colour);

enum { SHOW_TIME_MAX = 32 };
/* How long something takes or took, in words: "0.4 s", "47 s", "4 min 5 s", "3 d 4 h".
 * Milliseconds. */
void show_duration(int64_t ms, char out[SHOW_TIME_MAX]);
/* A round trip or interval: "31 ms", "0.3 ms", "1.00 s". Microseconds. */
void show_latency(int64_t us, char out[SHOW_TIME_MAX]);
/* A range of them in one unit: "30-34 ms"; of equal ones "31 ms". */
void show_latencies(int64_t min_us, int64_t max_us, char out[SHOW_TIME_MAX]);
/* How long a gap was: exact while it is short ("230 ms", "1.04 s"), then as show_duration(). Nanoseconds. */
void show_span(int64_t ns, char out[SHOW_TIME_MAX]);
/* Time of day of a wall-clock stamp, in UTC, to a tenth: "14:03:12.4". Nanoseconds. */
void show_clock(int64_t wall_ns, char out[SHOW_TIME_MAX]);
/* Date of a wall-clock stamp, in UTC: "2026-11-22". */
void show_date(int64_t wall_ns, char out[SHOW_TIME_MAX]);

#endif
