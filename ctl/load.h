/*
 * The documents that -f names: files and folders, verified, with every error collected.
 */
#ifndef HM_CTL_LOAD_H
#define HM_CTL_LOAD_H

#include "ctl/command.h"
#include "proto/doc.h"

struct loaded {
    struct doc_list docs;
    json_t *errors; /* array of {"code", "text"} */
};

/* Load every -f of the command. Anything wrong: HM_E_INVALID (or the first error's code), with all
 * sentences in ret->errors. The caller clears *ret in every case. Blocks on files. */
int load_documents(const struct invocation *in, struct loaded *ret);
void loaded_clear(struct loaded *l);

/* The same, with the errors printed: CTL_OK, or the exit code. -f is required. */
enum ctl_exit load_or_report(struct invocation *in, struct loaded *ret);

#endif
