/*
 * What is done to a running domain so that it is as its definition says, as far as that can be done
 * while it runs: more processors and memory within their maximum, disks and network cards
 * in and out, CDs changed (ADR 0020). Pure; it
 * compares two XML texts and remembers nothing, so after a crash the rest comes out. What carries no
 * alias of ours (vmm/domain_hardware.h) is never taken away, and a file that a disk is on already is
 * not put in a second time. Thread: any.
 */
#ifndef HM_VMM_HOT_H
#define HM_VMM_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum hot_what {
    HOT_VCPUS,  /* to `number`, which is more */
    HOT_MEMORY, /* to `number` KiB, which need not be more than its balloon has left it so far */
    HOT_DETACH, /* the device `alias` */
    HOT_ATTACH, /* `xml` */
    HOT_MEDIUM, /* the drive gets what `xml` says, or nothing */
};

struct hot_step {
    enum hot_what what;
    int64_t number;
    char *alias, *xml;
    char *name; /* for people: "disk data", "network card 52:54:00:12:34:56", "CD-ROM sda" */
};
/* In the order in which they are to be done. */
struct hot_steps {
    struct hot_step *items;
    size_t count;
};

/* `live`: what runs; `defined`: what it shall be. Untouched on failure. */
int hot_plan(const char *live, const char *defined, struct hot_steps *ret, struct hm_error *err);
/* 1: the running domain has a device of this alias; 0: it has none. */
int hot_has_device(const char *live, const char *alias, struct hm_error *err);
void hot_steps_clear(struct hot_steps *steps);

#endif
