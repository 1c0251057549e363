/*
 * A self-contained HTML page: no script, no asset, nothing fetched; fit for a phone, for the dark, and
 * for paper. Whatever is put into it is hostile: page_text() escapes it. Pure; any thread.
 */
#ifndef HM_CTL_PAGE_H
#define HM_CTL_PAGE_H

#include "base/buf.h"

void page_begin(struct hm_buf *out, const char *title);
void page_end(struct hm_buf *out);
/* Append `text` cleaned (ctl/show.h) and escaped for HTML and SVG. */
void page_text(struct hm_buf *out, const char *text);
/* <tag class>text</tag>; `class` may be NULL. Both are ours. */
void page_element(struct hm_buf *out, const char *tag, const char *class, const char *text);

#endif
