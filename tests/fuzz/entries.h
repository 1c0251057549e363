/* Entries of a bucket out of the fuzzer's bytes: one in each line, `MILLISECONDS KEY VALUE`; without a value it
 * is a delete marker. Revisions count from 1. The stamps are those that bus_parse_stamp() lets through. */
#ifndef HM_TESTS_FUZZ_ENTRIES_H
#define HM_TESTS_FUZZ_ENTRIES_H

#include "base/buf.h"
#include "ctl/entry.h"

/* The caller clears *ret. */
void fuzz_entries(const uint8_t *data, size_t size, struct entries *ret);

/* What is shown on a terminal: UTF-8 without a control character but the end of a line. Clears it. */
void fuzz_require_shown(struct hm_buf *shown);
/* Clears it. */
void fuzz_require_utf8(struct hm_buf *shown);
/* Takes it. */
void fuzz_require_json(json_t *value);

#endif
