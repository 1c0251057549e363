/* A vm-config.json of anybody's, as harmonyctl import reads it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/doc.h"
#include "proto/tree.h"
#include "proto/vm_import.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every path is there, and every other one may be written to. */
static int any_file(void *data, const char *path, struct import_file *ret, struct hm_error *err)
{
    (void)data;
    (void)err;
    *ret = (struct import_file){.size = 1 << 20, .is_written = strlen(path) % 2};
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vm_import o = {.name = "a", .site = "s", .folder = "/f", .look = any_file};
    struct hm_buf notes = {0};
    struct hm_error err;
    struct tree tree = {0};
    json_t *docs = NULL;
    if (tree_parse(TREE_JSON, "c", (const char *)data, size, &tree, &err) < 0)
        return 0;
    int rc = vm_import(json_array_get(tree.docs, 0), &o, &docs, &notes, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    FUZZ_REQUIRE((rc < 0) == (docs == NULL));
    json_decref(docs);
    hm_buf_free(&notes);
    tree_clear(&tree);
    return 0;
}
