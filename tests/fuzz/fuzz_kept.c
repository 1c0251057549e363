/*
 * What agent and guardian keep in files of their own, which a power cut or a hand may have damaged. The first byte says
 * which: the cache of documents, what failover remembers, the plan of a guardian that died.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/desired.h"
#include "agent/marks.h"
#include "base/alloc.h"
#include "base/file.h"
#include "guardian/keep.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- A folder for files, as long as this runs ------------------------------------------------------- */

static char folder[] = "/dev/shm/fuzz-kept.XXXXXX";
static char file[sizeof folder + sizeof "/guardian.plan"];

static void remove_folder(void)
{
    unlink(file);
    rmdir(folder);
}

static void put_file(const uint8_t *data, size_t size)
{
    static bool is_made;
    if (!is_made) {
        FUZZ_REQUIRE(mkdtemp(folder));
        snprintf(file, sizeof file, "%s/guardian.plan", folder);
        atexit(remove_folder);
        is_made = true;
    }
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* -- The cache of documents -------------------------------------------------------------------------- */

/* What is in force is in normal form, which verifies to itself. */
static void check_documents(struct desired *d)
{
    size_t count;
    const struct plan_doc *docs = desired_docs(d, &count);
    for (size_t i = 0; i < count; i++) {
        json_t *again = NULL;
        FUZZ_REQUIRE(docs[i].key && docs[i].kind);
        if (!docs[i].spec)
            continue;
        FUZZ_REQUIRE(kind_verify(docs[i].kind, docs[i].spec, &again, NULL, NULL) >= 0);
        FUZZ_REQUIRE(json_equal(again, docs[i].spec));
        json_decref(again);
    }
}

static void documents(const char *text, size_t len)
{
    struct hm_error err;
    struct desired *d = desired_new("site-a"), *again = desired_new("site-a");
    int r = desired_from_cache(d, text, len, &err);
    if (r < 0)
        fuzz_require_sentence(r, &err);
    check_documents(d);
    HM_AUTOFREE char *cache = desired_to_cache(d);
    FUZZ_REQUIRE(desired_from_cache(again, cache, strlen(cache), &err) >= 0);
    desired_free(d);
    desired_free(again);
}

/* -- What failover remembers -------------------------------------------------------------------------- */

static void marks(const uint8_t *data, size_t size)
{
    struct marks m = {0};
    struct hm_error err;
    put_file(data, size);
    int r = marks_load(file, &m, &err);
    if (r < 0)
        fuzz_require_sentence(r, &err);
    FUZZ_REQUIRE(m.epoch <= HB_EPOCH_MAX && m.seen.generation <= HB_EPOCH_MAX &&
                 m.seen.epoch <= HB_EPOCH_MAX && m.led_generation <= HB_EPOCH_MAX);
}

/* -- The plan of a guardian that died ------------------------------------------------------------------ */

static void plan(const uint8_t *data, size_t size)
{
    static union message m;
    struct kept kept;
    struct plan_entry e;
    size_t at = 0;
    put_file(data, size);
    struct keep k = {.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .lock = -1};
    enum keep_found found = keep_read(&k, &kept, &m);
    close(k.folder);
    if (found != KEEP_PLAN)
        return;
    FUZZ_REQUIRE(lease_in_range(&kept.lease.held) && memchr(kept.cgroup, 0, sizeof kept.cgroup));
    while (plan_next(&m.plan, &at, &e))
        FUZZ_REQUIRE(e.words <= GUARD_WORDS_MAX);
    int64_t limit = plan_limit_ns(&m.plan, GUARD_RUNG_KILL, kept.lease.held.fence_limit_ns);
    FUZZ_REQUIRE(limit > 0 && limit <= GUARD_RUNG_LIMIT_MAX_MS * INT64_C(1000000));
    if (kept.lease.armed)
        lease_fire(&kept.lease, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    HM_AUTOFREE char *text = hm_memdup(data + 1, size - 1);
    switch (data[0]) {
    case 'd':
        documents(text, size - 1);
        break;
    case 'm':
        marks(data + 1, size - 1);
        break;
    default:
        plan(data + 1, size - 1);
    }
    return 0;
}
