/*
 * A fake driver: implements vmm/driver.h in memory, and does what a test tells it to.
 *
 * Verbs obey marks like a real driver. Any verb can be made to fail, or held inside until the test
 * lets it go: a start that is held takes effect when it is let go, an observation that is held has
 * seen what there was before. Names of verbs are the table's ("observe", "create", ...); NULL as a
 * name means any thing. One fake for each process. Thread: any.
 */
#ifndef HM_TESTS_FAKE_DRIVER_H
#define HM_TESTS_FAKE_DRIVER_H

#include "vmm/driver.h"

extern const struct driver fake_driver;
/* Two that share its things: one has networks and VMs, the other one ("disks") disks. What is said of
 * open, probe and observe may name one of them by its name. */
extern const struct driver fake_vms, fake_disks;

void fake_reset(void); /* nothing there, everything works */
void fake_free(void);  /* forget what was there; workers may still be inside */

/* A thing that is there: made from `key` ("site-a.vm.web") with that spec, or foreign (NULL). */
void fake_put(const char *kind, const char *name, enum thing_state state, const char *key,
              const json_t *spec);
void fake_set_site(const char *kind, const char *name, const char *site); /* in its mark */
void fake_lose_key(const char *kind, const char *name); /* of its mark: somebody has edited it */
void fake_set_uuid(const char *kind, const char *name, const char *uuid);
void fake_set_state(const char *kind, const char *name, enum thing_state state);
/* It ends by itself: a clean shutdown, or a crash; and what is known of that is forgotten. */
void fake_end(const char *name, bool cleanly);
void fake_forget_end(const char *name);
struct run_note fake_note_of(const char *name);
enum thing_state fake_state(const char *kind, const char *name); /* ABSENT when it is not there */

void fake_fail(const char *verb, const char *name, enum hm_code code); /* HM_OK: works again */
void fake_hold(const char *verb, const char *name);
void fake_let_go(const char *verb, const char *name);
void fake_let_one_go(const char *verb, const char *name); /* of the held; the others stay */
int fake_inside(const char *verb, const char *name);      /* calls held there now */

int fake_calls(const char *verb, const char *name); /* how often it was called, since the reset */
char *fake_story(void); /* all calls but observe: "create web, start web"; the caller frees it */
/* Calls that overlapped on one connection for the same thing: must stay 0. */
int fake_overlaps(void);
int64_t fake_last_grace_ms(void); /* of the last stop */

void fake_die(void);        /* every connection that is open is dead from now on */
void fake_change(void);     /* tell all open connections that something may have changed */
int fake_connections(void); /* open ones */

/* For tests in which a call is left behind with what it holds, as the end of a process would. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define FAKE_EXPECT_LEFT_BEHIND() __lsan_disable()
#else
#define FAKE_EXPECT_LEFT_BEHIND() (void)0
#endif

#endif
