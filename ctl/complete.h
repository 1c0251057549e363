/*
 * What may stand next on a command line of harmonyctl, from the tables of commands, flags and kinds: for
 * shells (`harmonyctl complete`). Pure, but for the names, which its caller looks up.
 */
#ifndef HM_CTL_COMPLETE_H
#define HM_CTL_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/command.h"

/* What is asked for. */
enum complete_what {
    COMPLETE_NOTHING, /* nobody can know */
    COMPLETE_WORDS,   /* `words` */
    COMPLETE_FILES,   /* the shell knows them */
    COMPLETE_NAMES,   /* of documents of `kind` */
    COMPLETE_SITES,
    COMPLETE_WHERE, /* sites, and "primary" */
    COMPLETE_EPOCHS /* of incidents */
};

enum { COMPLETE_WORDS_MAX = 96 };

struct completion {
    enum complete_what what;
    const char *prefix;              /* what the last word begins with; borrowed */
    const char *kind;                /* NAMES: borrowed */
    char *words[COMPLETE_WORDS_MAX]; /* that begin with the prefix */
    size_t count;
};

/* `words`: those of the line, without the program's; the last one, perhaps "", is being written. */
void complete_line(const char *const *words, size_t count, struct completion *ret);
/* Add a word if it begins with the prefix, and is not there yet. */
void complete_offer(struct completion *c, const char *word);
void complete_clear(struct completion *c);

#endif
