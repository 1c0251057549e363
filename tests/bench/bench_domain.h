/*
 * The VM document of the bench, and its domain as the libvirt driver writes it, with our mark.
 */
#ifndef HM_TESTS_BENCH_DOMAIN_H
#define HM_TESTS_BENCH_DOMAIN_H

#include "proto/doc.h"

/* No two are equal: the agent keeps equal specs once. tests/bench/bench.py puts the same ones. */
#define BENCH_SPEC_FORMAT                                                                          \
    "{\"vcpus\":1,\"memory\":\"16MiB\",\"kernel\":\"/boot/"                                        \
    "vmlinuz\",\"labels\":{\"number\":\"%lu\"}}"

struct doc bench_document(unsigned long number); /* "site-a.vm.vm<number>"; doc_clear() it */
char *bench_domain_xml(const struct doc *doc);   /* the caller frees it */

#endif
