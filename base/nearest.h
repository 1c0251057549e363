/*
 * "Did you mean ...?": the known word that is nearest to one that is not known.
 *
 * Near is at most 2 edits (insert, delete, change one byte), and fewer than half of the word's
 * length; of equally near words the first one offered. Words longer than 63 bytes are near to
 * nothing. Pure; any thread.
 */
#ifndef HM_BASE_NEAREST_H
#define HM_BASE_NEAREST_H

#include <stddef.h>

struct hm_nearest {
    const char *wanted;
    const char *best; /* NULL: nothing near was offered */
    size_t distance;
};

struct hm_nearest hm_nearest_to(const char *wanted);
void hm_nearest_offer(struct hm_nearest *n, const char *word); /* `word` is kept, not copied */

#endif
