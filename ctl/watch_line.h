/*
 * What changed, in one line: an entry of harmony_desired or harmony_status, beside what was there before
 * under its key. Pure; any thread.
 */
#ifndef HM_CTL_WATCH_LINE_H
#define HM_CTL_WATCH_LINE_H

#include "base/buf.h"
#include "ctl/entry.h"

/* Add "14:03:12.4  site-a  vm/web  declared (rev 12): memory 128MiB -> 192MiB" and its end of line. `before`
 * is NULL or the value that was there. Returns false, and adds nothing, when there is nothing to tell
 * people: the words are those of before. */
bool watch_line(const struct entry *e, const json_t *before, bool is_status, struct hm_buf *out);

/* The same for programs: one line of JSON, with secrets hidden. */
void watch_line_json(const struct entry *e, const char *bucket, struct hm_buf *out);

#endif
