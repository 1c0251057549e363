/*
 * Man pages: text for man(7), safe whatever it holds. Nothing here fails. Pure. Thread: any.
 * Source: groff_man(7).
 */
#ifndef HM_BASE_ROFF_H
#define HM_BASE_ROFF_H

#include "base/buf.h"

/* .TH: name in capitals, section, the program's version. */
void roff_head(struct hm_buf *out, const char *name, int section, const char *version);
void roff_section(struct hm_buf *out, const char *title);
/* Words of a paragraph, escaped; the line is ended. A line of `text` that is indented by four is kept as
 * it is, in a block of its own. */
void roff_text(struct hm_buf *out, const char *text);
/* A term and what it means. */
void roff_item(struct hm_buf *out, const char *term, const char *text);

#endif
