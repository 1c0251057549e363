/*
 * Texts that others wrote, made safe to show.
 *
 * Errors quote what was given. A quoted text is on one line, holds no control characters (no
 * terminal takes orders from a document), and is cut at a whole character. Pure. Thread: any.
 */
#ifndef HM_PROTO_TEXT_H
#define HM_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum { TEXT_QUOTE_MAX = 96 };

/* `"20 GB"`, with escapes and the quotes; longer texts end in `..."`. */
void text_quote(const char *text, char out[TEXT_QUOTE_MAX]);

/* The same without the quotes, for texts of libraries that cite the input. */
void text_clean(const char *text, char *out, size_t size);

/* A JSON value in a few words: a quoted text, a number, true, "a list", "an object", "nothing". */
void value_quote(const json_t *value, char out[TEXT_QUOTE_MAX]);

/* Valid UTF-8 without NUL? On failure *ret_line is the line (from 1) of the first wrong byte. */
bool text_is_utf8(const char *text, size_t len, int *ret_line);

bool text_has_control(const char *text); /* C0, DEL or C1, newlines and tabs included */

/* Absolute, without empty, . and .. parts, at most 1024 bytes: it can be compared with an
 * allow-list as text. */
bool path_is_plain(const char *path);

#endif
