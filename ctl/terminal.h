/*
 * The terminal on stdin in raw mode, and back, however the program ends: return, signal, crash.
 *
 * There is one. While it is raw, signals that end the program (SIGSEGV, SIGABRT, ... too) first give the
 * terminal back. SIGKILL can't be caught: `stty sane` helps then. Thread: the program's only one.
 */
#ifndef HM_CTL_TERMINAL_H
#define HM_CTL_TERMINAL_H

#include <stdbool.h>

/* false: stdin is no terminal, nothing was done. */
bool terminal_make_raw(void);
void terminal_restore(void); /* nothing when it is not raw; also from a signal handler */

#endif
