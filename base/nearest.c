#include "base/nearest.h"

#include <string.h>

enum { WORD_MAX = 63, EDITS_MAX = 2 };

struct hm_nearest hm_nearest_to(const char *wanted)
{
    return (struct hm_nearest){.wanted = wanted, .distance = EDITS_MAX + 1};
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t low = a < b ? a : b;
    return low < c ? low : c;
}

/* Levenshtein's distance, one row of the matrix at a time. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX + 1];
    for (size_t k = 0; k <= b_len; k++)
        row[k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b_len; k++) {
            size_t above = row[k];
            row[k] = least(above + 1, row[k - 1] + 1, diagonal + (a[i - 1] != b[k - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

void hm_nearest_offer(struct hm_nearest *n, const char *word)
{
    size_t wanted_len = strlen(n->wanted), word_len = strlen(word);
    if (wanted_len > WORD_MAX || word_len > WORD_MAX)
        return;
    size_t distance = edit_distance(n->wanted, wanted_len, word, word_len);
    if (distance < n->distance && distance * 2 < wanted_len) {
        n->best = word;
        n->distance = distance;
    }
}
