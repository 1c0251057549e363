/*
 * UTF-8 (RFC 3629): what JSON, the bus and people's terminals take for text.
 *
 * Pure. Thread: any.
 */
#ifndef HM_BASE_UTF8_H
#define HM_BASE_UTF8_H

#include <stddef.h>

/* Length in bytes of the character at `text` (1 to 4; NUL counts as one); 0 when it is malformed or
 * longer than `left`. */
size_t hm_utf8_char_length(const char *text, size_t left);

/* Replace every byte that is part of no character by '?', in place. */
void hm_utf8_mend(char *text);

/* End the text before its last character if that was cut. */
void hm_utf8_trim(char *text);

#endif
