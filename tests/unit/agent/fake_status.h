/* A fake of agent/status.h: keeps the last word about each document, writes nothing. A program that
 * uses it includes fakes/status.c. */
#ifndef HM_TESTS_FAKE_STATUS_H
#define HM_TESTS_FAKE_STATUS_H

#include "agent/status.h"

struct status *fake_status_new(void);
void fake_status_free(struct status *s);
/* The last word about "vm.web", or NULL; borrowed. */
const json_t *fake_status_of(const struct status *s, const char *name);
const char *fake_phase_of(const struct status *s, const char *name); /* "" when nothing was said */
int fake_status_words(const struct status *s);    /* how often anything was said */
int fake_status_failures(const struct status *s); /* how often "Failed" was */

#endif
