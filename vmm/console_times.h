/*
 * When a console's log had which length: what a serial console writes carries no times.
 *
 * Beside LOG lies LOG.times: a line "TIME INODE LENGTH" for each look (console_times_note()) at which the log
 * had grown, TIME in ms since 1970. So it is known with the precision of the looks what was written since an
 * instant; a line too many is shown rather than one too few. The file survives agents and reboots as the log
 * does. Above CONSOLE_TIMES_MAX of the older half every second line goes. It is not fsynced: what is lost or
 * torn makes an answer begin earlier.
 *
 * A log that was rotated goes on in LOG.0, the newest, LOG.1 and so on (virtlogd(8): 2 MiB each, three of them); a file
 * keeps its number (inode) when it is renamed, so the marks hold. The first two functions are pure. Thread: any, one for
 * each log.
 */
#ifndef HM_VMM_CONSOLE_TIMES_H
#define HM_VMM_CONSOLE_TIMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { CONSOLE_TIMES_MAX = 64 * 1024 };

/* The log as it was seen: which file, and how long. {0}: never. */
struct console_seen {
    uint64_t inode;
    int64_t length;
};

/* A place in the log: so many files back (0: LOG itself, 1: LOG.0), and how far into that one. */
struct console_place {
    size_t back;
    int64_t from;
};

/* Where that begins which was written since `since_ms`, in these files of the log (newest first, at least one); the
 * beginning of the oldest of them when nothing tells. */
struct console_place console_times_find(const char *text, size_t len,
                                        const struct console_seen *files, size_t count,
                                        int64_t since_ms);
/* How much of `text` a thinned copy is, which is written to `ret` (with room for `len` bytes). */
size_t console_times_thin(const char *text, size_t len, char *ret);

/* Look at the log; *seen is what the look before left. A log that can't be looked at is passed over. */
void console_times_note(const char *log, int64_t now_ms, struct console_seen *seen);
/* A log that begins anew, in a file that may get the number of an earlier one: nothing told of those holds. */
void console_times_forget(const char *log);
/* The same answer for the log on disk: also its whole length if nothing was written since. HM_E_IO. */
int console_times_since(const char *log, int64_t since_ms, struct console_place *ret,
                        struct hm_error *err);

#endif
