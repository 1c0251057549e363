#include "vmm/image_download.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/image_fetch.h"
#include "vmm/image_part.h"
#include "vmm/image_store.h"
#include "vmm/image_sums.h"

enum {
    MOST_AT_ONCE = 4,
    MOST_LISTENERS = 8,
    CHUNK = 1 << 20,
    TELL_EVERY_MS = 2000,
    ABORT_WAIT_S = 5
};

#define PHASES(X)                                                                                  \
    X(WAITING, "waiting for other downloads")                                                      \
    X(ASKING, "asking for its checksum")                                                           \
    X(DOWNLOADING, "downloading")                                                                  \
    X(CHECKING, "checking")

enum phase {
#define PHASE_ENUM(id, text) PHASE_##id,
    PHASES(PHASE_ENUM)
#undef PHASE_ENUM
};

static const char *const phase_words[] = {
#define PHASE_WORD(id, text) text,
    PHASES(PHASE_WORD)
#undef PHASE_WORD
};

/* One download, until its end was told. All but the atomics is set before the thread begins, or guarded
 * by `lock`. */
struct job {
    char *store, *url, *sha256_url, *name, *ca_file;
    char sha256[SHA256_TEXT + 1]; /* in lower case; "": not known yet */
    int64_t stall_ms;
    pthread_t thread;
    atomic_bool stop;
    atomic_int phase; /* enum phase */
    _Atomic int64_t bytes, total;
    _Atomic int64_t told_ns; /* when on_change was last called for it */
    bool ended;              /* `error` is final: HM_OK: it is in the store */
    struct hm_error error;
    struct job *next;
};

struct listener {
    void (*on_change)(void *data);
    void *data;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER; /* a job has ended, or is to stop */
static struct job *jobs;
static struct listener listeners[MOST_LISTENERS];
static size_t listener_count;
static unsigned at_work;

/* -- Telling -------------------------------------------------------------------------------------- */

/* With the lock. */
static void tell_all(void)
{
    for (size_t i = 0; i < listener_count; i++)
        listeners[i].on_change(listeners[i].data);
}

static void tell(void)
{
    pthread_mutex_lock(&lock);
    tell_all();
    pthread_mutex_unlock(&lock);
}

static void tell_now_and_then(struct job *j)
{
    int64_t now = hm_boottime_ns();
    if (now - atomic_load(&j->told_ns) < TELL_EVERY_MS * HM_MS)
        return;
    atomic_store(&j->told_ns, now);
    tell();
}

static void enter(struct job *j, enum phase phase)
{
    atomic_store(&j->phase, (int)phase);
    tell();
}

static void on_progress(void *data, int64_t bytes, int64_t total)
{
    struct job *j = data;
    atomic_store(&j->bytes, bytes);
    atomic_store(&j->total, total);
    tell_now_and_then(j);
}

/* -- The work (a thread of each job) -------------------------------------------------------------- */

static struct image_fetch fetch_of(struct job *j, const char *url)
{
    return (struct image_fetch){.url = url,
                                .ca_file = j->ca_file,
                                .stall_ms = j->stall_ms,
                                .stop = &j->stop,
                                .on_progress = on_progress,
                                .data = j};
}

static int find_checksum(struct job *j, char ret[SHA256_TEXT + 1], struct hm_error *err)
{
    struct hm_buf text = {.limit = IMAGE_SUMS_MAX};
    struct image_fetch f = fetch_of(j, j->sha256_url);
    char file[URL_FILE_MAX + 1], shown[URL_SHOWN_MAX];
    f.https_only = true;
    f.on_progress = NULL;
    if (!url_file(j->url, file))
        return hm_fail(err, HM_E_INVALID, "its URL names no file");
    int r = image_fetch_text(&f, &text, err);
    if (r >= 0) {
        r = image_sums_find(text.data, text.len, file, ret, err);
        url_shown(j->sha256_url, shown);
        r = r < 0 ? hm_wrap(err, "%s", shown) : 0;
    }
    hm_buf_free(&text);
    return r;
}

static int learn_checksum(struct job *j, struct hm_error *err)
{
    char sha256[SHA256_TEXT + 1];
    if (*j->sha256)
        return 0;
    enter(j, PHASE_ASKING);
    int r = find_checksum(j, sha256, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&lock);
    memcpy(j->sha256, sha256, sizeof sha256);
    pthread_mutex_unlock(&lock);
    return j->name ? image_mark_learn(j->store, j->name, sha256, err) : 0;
}

static int hash_fd(struct job *j, int fd, EVP_MD_CTX *hash)
{
    HM_AUTOFREE char *chunk = hm_alloc(CHUNK);
    for (int64_t done = 0;;) {
        ssize_t n = read(fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : 0;
        if (atomic_load(&j->stop)) {
            errno = ECANCELED;
            return -1;
        }
        EVP_DigestUpdate(hash, chunk, (size_t)n);
        done += n;
        on_progress(j, done, atomic_load(&j->total));
    }
}

static void hash_text(EVP_MD_CTX *hash, char ret[SHA256_TEXT + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_DigestFinal_ex(hash, digest, &len);
    for (unsigned i = 0; i < SHA256_TEXT / 2; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* Of what lies on the disk, whoever wrote it. */
static int hash_file(struct job *j, const char *path, char ret[SHA256_TEXT + 1],
                     struct hm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int r = fd < 0 || !hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1
                ? -1
                : hash_fd(j, fd, hash);
    if (r < 0)
        r = hm_fail(err, errno == ECANCELED ? HM_E_CANCELLED : HM_E_IO, "cannot read %s: %s", path,
                    strerror(errno));
    else
        hash_text(hash, ret);
    EVP_MD_CTX_free(hash);
    if (fd >= 0)
        close(fd);
    return r;
}

static int fail_wrong(const struct job *j, const char *found, struct hm_error *err)
{
    char shown[URL_SHOWN_MAX];
    url_shown(j->url, shown);
    return hm_fail(err, HM_E_DOWNLOAD,
                   "%s: what came has the SHA-256 %s, and should have %s; it was thrown away",
                   shown, found, j->sha256);
}

static int store(const struct job *j, const char *part, struct hm_error *err)
{
    HM_AUTOFREE char *path = image_store_file(j->store, j->sha256);
    int folder = open(j->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = folder >= 0 && rename(part, path) == 0 && fsync(folder) == 0;
    int r = done ? 0 : hm_fail(err, HM_E_IO, "cannot give %s its name: %s", path, strerror(errno));
    if (folder >= 0)
        close(folder);
    if (done)
        image_part_remove(part); /* what it was a part of */
    return r;
}

static int check_and_store(struct job *j, const char *part, struct hm_error *err)
{
    char found[SHA256_TEXT + 1];
    enter(j, PHASE_CHECKING);
    int r = hash_file(j, part, found, err);
    if (r < 0)
        return r;
    if (!strcmp(found, j->sha256))
        return store(j, part, err);
    image_part_remove(part);
    return fail_wrong(j, found, err);
}

static int bring(struct job *j, struct hm_error *err)
{
    HM_AUTOFREE char *part = image_store_part(j->store, j->sha256);
    if (image_store_has(j->store, j->sha256))
        return 0;
    enter(j, PHASE_DOWNLOADING);
    struct image_fetch f = fetch_of(j, j->url);
    int r = image_fetch_file(&f, part, err);
    return r < 0 ? r : check_and_store(j, part, err);
}

/* -- Taking turns --------------------------------------------------------------------------------- */

/* Another one brings the same content by another URL: one of them waits for the other. With the lock. */
static bool is_being_brought(const struct job *of)
{
    for (const struct job *j = jobs; j; j = j->next)
        if (j != of && !j->ended && *of->sha256 && !strcmp(j->sha256, of->sha256) &&
            !strcmp(j->store, of->store) && atomic_load(&j->phase) > PHASE_ASKING)
            return true;
    return false;
}

static void wait_for_turn(struct job *j)
{
    pthread_mutex_lock(&lock);
    while (!atomic_load(&j->stop) && at_work >= MOST_AT_ONCE)
        pthread_cond_wait(&turned, &lock);
    at_work++;
    pthread_mutex_unlock(&lock);
}

/* From here on its phase tells the others. */
static void wait_for_twin(struct job *j)
{
    pthread_mutex_lock(&lock);
    while (!atomic_load(&j->stop) && is_being_brought(j))
        pthread_cond_wait(&turned, &lock);
    atomic_store(&j->phase, PHASE_DOWNLOADING);
    pthread_mutex_unlock(&lock);
}

/* The last that a job's thread does: who holds the lock may wait for it then. */
static void end(struct job *j, const struct hm_error *err)
{
    pthread_mutex_lock(&lock);
    j->ended = true;
    j->error = *err;
    at_work--;
    pthread_cond_broadcast(&turned);
    tell_all();
    pthread_mutex_unlock(&lock);
}

static void *work(void *data)
{
    struct job *j = data;
    struct hm_error err = {0};
    wait_for_turn(j);
    int r = atomic_load(&j->stop) ? hm_fail(&err, HM_E_CANCELLED, "it was given up")
                                  : learn_checksum(j, &err);
    if (r >= 0) {
        wait_for_twin(j);
        bring(j, &err);
    }
    end(j, &err);
    return NULL;
}

/* -- Jobs (with the lock) ------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return (!a || !b) ? a == b : !strcmp(a, b);
}

static bool is_of(const struct job *j, const struct image_source *s)
{
    bool by_sha256 = s->sha256 && !strcasecmp(j->sha256, s->sha256);
    return same(j->store, s->store) && same(j->url, s->url) &&
           (s->sha256 ? by_sha256 : same(j->sha256_url, s->sha256_url));
}

static struct job **find(const struct image_source *s)
{
    struct job **at = &jobs;
    while (*at && !is_of(*at, s))
        at = &(*at)->next;
    return at;
}

static char *copy(const char *text)
{
    return text ? hm_strdup(text) : NULL;
}

static struct job *new_job(const struct image_source *s)
{
    struct job *j = hm_alloc(sizeof *j);
    *j = (struct job){.store = hm_strdup(s->store),
                      .url = hm_strdup(s->url),
                      .sha256_url = s->sha256 ? NULL : copy(s->sha256_url),
                      .name = copy(s->name),
                      .ca_file = copy(s->ca_file),
                      .stall_ms = s->stall_ms,
                      .next = jobs};
    for (size_t i = 0; s->sha256 && i < SHA256_TEXT; i++)
        j->sha256[i] = (char)tolower((unsigned char)s->sha256[i]);
    return j;
}

static int begin(const struct image_source *s, struct hm_error *err)
{
    struct job *j = new_job(s);
    if (pthread_create(&j->thread, NULL, work, j) == 0) {
        pthread_setname_np(j->thread, "download");
        jobs = j;
        return 0;
    }
    free(j->store);
    free(j->url);
    free(j->sha256_url);
    free(j->name);
    free(j->ca_file);
    free(j);
    return hm_fail(err, HM_E_BUSY, "there is no thread for a download; it is tried again");
}

static void forget(struct job **at)
{
    struct job *j = *at;
    *at = j->next;
    pthread_join(j->thread, NULL); /* it has told its end */
    free(j->store);
    free(j->url);
    free(j->sha256_url);
    free(j->name);
    free(j->ca_file);
    free(j);
}

static void read_progress(const struct job *j, struct image_progress *ret)
{
    *ret = (struct image_progress){.doing = phase_words[atomic_load(&j->phase)],
                                   .bytes = atomic_load(&j->bytes),
                                   .total = atomic_load(&j->total)};
}

static int say_progress(const struct job *j, struct hm_error *err)
{
    struct image_progress p;
    char shown[URL_SHOWN_MAX];
    url_shown(j->url, shown);
    read_progress(j, &p);
    if (p.total > 0)
        return hm_fail(err, HM_E_IN_PROGRESS, "%s: %s, %d %% of %lld MiB", shown, p.doing,
                       (int)(p.bytes * 100 / p.total), (long long)(p.total >> 20));
    return hm_fail(err, HM_E_IN_PROGRESS, "%s: %s", shown, p.doing);
}

/* How it ended, once. What was given up was not, now that somebody asks again. */
static int tell_end(struct job **at, char ret_sha256[SHA256_TEXT + 1], struct hm_error *err)
{
    struct hm_error ended = (*at)->error;
    memcpy(ret_sha256, (*at)->sha256, SHA256_TEXT + 1);
    forget(at);
    if (ended.code == HM_E_CANCELLED)
        return hm_fail(err, HM_E_IN_PROGRESS, "the download begins again");
    return ended.code ? hm_fail(err, ended.code, "download failed: %s", ended.text) : 0;
}

int image_download(const struct image_source *s, char ret_sha256[SHA256_TEXT + 1],
                   struct hm_error *err)
{
    pthread_mutex_lock(&lock);
    struct job **at = find(s);
    int r;
    if (*at && (*at)->ended)
        r = tell_end(at, ret_sha256, err);
    else if (*at || (r = begin(s, err)) >= 0)
        r = say_progress(*find(s), err);
    pthread_mutex_unlock(&lock);
    return r;
}

bool image_download_progress(const struct image_source *s, struct image_progress *ret)
{
    pthread_mutex_lock(&lock);
    const struct job *j = *find(s);
    bool under_way = j && !j->ended && !atomic_load(&j->stop);
    if (under_way)
        read_progress(j, ret);
    pthread_mutex_unlock(&lock);
    return under_way;
}

void image_download_abort(const struct image_source *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ABORT_WAIT_S;
    pthread_mutex_lock(&lock);
    if (*find(s))
        atomic_store(&(*find(s))->stop, true);
    pthread_cond_broadcast(&turned);
    int r = 0;
    while (r == 0 && *find(s) && !(*find(s))->ended)
        r = pthread_cond_timedwait(&turned, &lock, &until);
    if (*find(s) && (*find(s))->ended)
        forget(find(s));
    pthread_mutex_unlock(&lock);
}

bool image_download_is_busy(void *unused, const char *sha256)
{
    bool busy = false;
    (void)unused;
    pthread_mutex_lock(&lock);
    for (const struct job *j = jobs; j; j = j->next)
        busy |= !j->ended && !strcmp(j->sha256, sha256);
    pthread_mutex_unlock(&lock);
    return busy;
}

/* -- Who listens ---------------------------------------------------------------------------------- */

void image_download_listen(void (*on_change)(void *data), void *data)
{
    pthread_mutex_lock(&lock);
    if (listener_count < MOST_LISTENERS)
        listeners[listener_count++] = (struct listener){on_change, data};
    pthread_mutex_unlock(&lock);
}

/* With the lock, which is let go meanwhile. */
static void end_all(void)
{
    for (struct job *j = jobs; j; j = j->next)
        atomic_store(&j->stop, true);
    pthread_cond_broadcast(&turned);
    while (jobs) {
        while (!jobs->ended)
            pthread_cond_wait(&turned, &lock);
        forget(&jobs);
    }
}

void image_download_unlisten(void (*on_change)(void *data), void *data)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < listener_count; i++)
        if (listeners[i].on_change == on_change && listeners[i].data == data)
            listeners[i--] = listeners[--listener_count];
    if (listener_count == 0)
        end_all();
    pthread_mutex_unlock(&lock);
}
