/*
 * Prints the XML of COUNT domains as the agent would define them on test:///default for the documents of
 * the bench, each ended by a NUL byte: what tests/bench/bare.c defines.
 *
 *     domains COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/bench/bench_domain.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    unsigned long count = strtoul(argv[1], NULL, 10);
    for (unsigned long i = 0; i < count; i++) {
        struct doc doc = bench_document(i);
        HM_AUTOFREE char *xml = bench_domain_xml(&doc);
        fwrite(xml, 1, strlen(xml) + 1, stdout);
        doc_clear(&doc);
    }
    return 0;
}
