/*
 * The record of a VM on cloud-hypervisor: what is on disk, since a VMM keeps nothing and knows no mark.
 *
 * <state_dir>/cloud-hypervisor/NAME/, mode 0700, with these files, each written atomically and fsynced, and each
 * by one verb alone, so that a kill beside a start loses nothing:
 *   vm.json       the definition: the mark, with the spec (vmm/mark.h). Without it there is no such VM.
 *   process.json  its VMM as it was started: pid with start time, boot of the host, socket, cgroup, TAPs, where its part
 *                 of vmm.log begins, and the mark of what runs, which may be older than the definition's
 *   note.json     the run note (driver.h)
 *   resume.json   that its next start goes on from memory that was saved (ch_memory.h)
 *   hold.json     that it stands still for a moment, and for which run of the agent (ch_memory.h)
 * and vmm.log, what the VMM says, and events, what it tells of its guest. None of it is believed about what runs: a pid counts only with its start
 * time in this boot, and a state only as the VMM itself says it. Blocks on the disk; thread: any.
 */
#ifndef HM_VMM_CH_RECORD_H
#define HM_VMM_CH_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "vmm/driver.h"
#include "vmm/mark.h"

/* A process, told from every later one of the same number. */
struct ch_pid {
    int pid;        /* 0: none */
    uint64_t start; /* field 22 of /proc/PID/stat */
};

struct ch_process {
    struct ch_pid pid;
    char *boot;     /* of the host: /proc/sys/kernel/random/boot_id */
    char *socket;   /* path */
    char *cgroup;   /* folder, or NULL */
    json_t *taps;   /* names of the TAPs that it opens */
    json_t *placed; /* networks[] as this host connects them (order.placed) */
    int64_t said;   /* bytes of vmm.log before it */
    struct mark mark;
};
void ch_process_clear(struct ch_process *p); /* zeroed is allowed */
/* process.json; *ret is untouched on failure (HM_E_INVALID). Pure. */
int ch_process_parse(const char *text, size_t len, struct ch_process *ret, struct hm_error *err);

/* <state_dir>/cloud-hypervisor; the caller's, as all that follow. */
char *ch_records_path(const char *state_dir);
char *ch_record_path(const char *records, const char *vm);
char *ch_log_path(const char *records, const char *vm);
char *ch_events_path(const char *records, const char *vm);

/* Names of all VMs that have a folder, sorted: a JSON array of texts; none: empty. */
int ch_records_list(const char *records, json_t **ret, struct hm_error *err);

/* 1: found; 0: none. One that can't be read is an error (HM_E_INVALID, HM_E_IO). */
int ch_record_read(const char *records, const char *vm, struct mark *ret, struct hm_error *err);
int ch_record_write(const char *records, const char *vm, const struct mark *m,
                    struct hm_error *err);
int ch_record_read_process(const char *records, const char *vm, struct ch_process *ret,
                           struct hm_error *err);
int ch_record_write_process(const char *records, const char *vm, const struct ch_process *p,
                            struct hm_error *err);
int ch_record_forget_process(const char *records, const char *vm, struct hm_error *err);
/* What is not there, or can't be understood, is RUN_NONE. */
struct run_note ch_record_read_note(const char *records, const char *vm);
int ch_record_write_note(const char *records, const char *vm, const struct run_note *note,
                         struct hm_error *err);
/* resume.json: a new reference; taken over. */
int ch_record_read_resume(const char *records, const char *vm, json_t **ret, struct hm_error *err);
int ch_record_write_resume(const char *records, const char *vm, json_t *note, struct hm_error *err);
int ch_record_forget_resume(const char *records, const char *vm, struct hm_error *err);
/* The same of hold.json. */
int ch_record_read_hold(const char *records, const char *vm, json_t **ret, struct hm_error *err);
int ch_record_write_hold(const char *records, const char *vm, json_t *note, struct hm_error *err);
int ch_record_forget_hold(const char *records, const char *vm, struct hm_error *err);
/* What an agent that was killed had not written to its end. */
void ch_record_sweep_unfinished(const char *records, const char *vm);
/* What a crash has left of one without a definition: its folder, with whatever is in it. */
void ch_record_sweep(const char *records, const char *vm);
/* All of it, the definition last. > 0: there was none. */
int ch_record_remove(const char *records, const char *vm, struct hm_error *err);

#endif
