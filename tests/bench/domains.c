/*
 * Prints the XML of COUNT domains as the agent would define them on test:///default for the documents of
 * the bench, and the note of its start that the agent keeps in each; both ended by a NUL byte: what
 * tests/bench/bare.c defines.
 *
 *     domains COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/bench/bench_domain.h"
#include "vmm/run_note.h"

static void print(const char *text)
{
    fwrite(text, 1, strlen(text) + 1, stdout);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    unsigned long count = strtoul(argv[1], NULL, 10);
    const struct run_note started = {.state = RUN_STARTED, .began_ms = hm_boottime_ns() / HM_MS};
    HM_AUTOFREE char *note = run_note_element(&started);
    for (unsigned long i = 0; i < count; i++) {
        struct doc doc = bench_document(i);
        HM_AUTOFREE char *xml = bench_domain_xml(&doc);
        print(xml);
        print(note);
        doc_clear(&doc);
    }
    return 0;
}
