/*
 * Exit codes of harmonyctl: one table, from which the enum, the help and
 * docs/reference/harmonyctl.md are made. Codes are part of the interface: numbers never change
 * their meaning.
 */
#ifndef HM_CTL_EXIT_H
#define HM_CTL_EXIT_H

#include "base/error.h"

#define CTL_EXITS(X)                                                                               \
    X(OK, 0, "done, or nothing had to be done")                                                    \
    X(FAILED, 1, "something failed; the sentence on stderr says what")                             \
    X(USAGE, 2, "the command line is wrong; nothing was done")                                     \
    X(INVALID, 3, "a document or configuration is not valid; nothing was written")                 \
    X(NOT_FOUND, 4, "there is no such document, bucket, file or agent")                            \
    X(REFUSED, 5, "refused or in conflict: protected, changed by someone else, or not confirmed")  \
    X(NO_CONNECTION, 6, "no connection to NATS")                                                   \
    X(TIMEOUT, 7, "no answer within --timeout: the outcome is not known")                          \
    X(CHANGES, 10, "plan --detailed-exitcode only: there are changes")

enum ctl_exit {
#define CTL_EXIT_ENUM(id, number, text) CTL_##id = number,
    CTL_EXITS(CTL_EXIT_ENUM)
#undef CTL_EXIT_ENUM
};

/* The exit code for an error. Pure. */
enum ctl_exit exit_for(enum hm_code code);

#endif
