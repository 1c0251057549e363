/*
 * Errors: a code that programs test, and one sentence that helps a person.
 *
 * The caller owns a `struct hm_error` and passes it last. A function that fails returns a negative
 * code (`-HM_E_...`) and has filled in the sentence; one that succeeds returns >= 0 and leaves it
 * alone. The sentence names the thing, says what was tried and what to do, and never holds a secret.
 * `err` may be NULL where the caller needs only the code. Errors are wrapped with context on the way
 * up; the edge (main loop, command line) logs them once.
 *
 * Thread: any; one error object belongs to one thread at a time.
 */
#ifndef HM_BASE_ERROR_H
#define HM_BASE_ERROR_H

#define HM_ERROR_CODES(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(E_INVALID, "invalid")     /* the input is wrong; retrying won't help */                      \
    X(E_TOO_LARGE, "too-large") /* a limit of size, depth or count */                              \
    X(E_IO, "io-error")         /* file or socket */                                               \
    X(E_TIMEOUT, "timeout")     /* no answer within the deadline: outcome unknown */               \
    X(E_CANCELLED, "cancelled")                                                                    \
    X(E_BUSY, "busy") /* a bounded queue is full; try again */                                     \
    X(E_NOT_FOUND, "not-found")                                                                    \
    X(E_CONFLICT, "conflict")       /* compare-and-swap lost, or not ours */                       \
    X(E_REFUSED, "refused")         /* allowed in principle, not safe now */                       \
    X(E_UNSUPPORTED, "unsupported") /* this host or server can't */                                \
    X(E_CONNECTION, "connection-failed")                                                           \
    X(E_INVALID_URI, "invalid-uri")                                                                \
    X(E_VM_EXISTS, "vm-exists")                                                                    \
    X(E_VM_NOT_FOUND, "vm-not-found")                                                              \
    X(E_NETWORK_EXISTS, "network-exists")                                                          \
    X(E_NETWORK_NOT_FOUND, "network-not-found")                                                    \
    X(E_POOL_NOT_FOUND, "pool-not-found")                                                          \
    X(E_DISK_EXISTS, "disk-exists")                                                                \
    X(E_NO_SPACE, "disk-full") /* of the host */                                                   \
    X(E_DOWNLOAD, "download-failed")                                                               \
    X(E_IN_PROGRESS, "in-progress") /* it goes on by itself; ask again */                          \
    X(E_LIBVIRT, "libvirt-error")                                                                  \
    X(E_VMM, "vmm-error")          /* cloud-hypervisor refused, in its own words */                \
    X(E_PROCESS, "process-failed") /* a child exited non-zero or died */                           \
    X(E_NATS, "nats-error")                                                                        \
    X(E_INTERNAL, "internal-error") /* a bug: please report */

enum hm_code {
#define HM_CODE_ENUM(id, text) HM_##id,
    HM_ERROR_CODES(HM_CODE_ENUM)
#undef HM_CODE_ENUM
};
#define HM_CODE_ONE(id, text) +1
enum { HM_CODE_COUNT = HM_ERROR_CODES(HM_CODE_ONE) };
#undef HM_CODE_ONE

enum { HM_ERROR_TEXT_MAX = 768 };

struct hm_error {
    enum hm_code code;
    char text[HM_ERROR_TEXT_MAX];
};

/* The code's name as it appears in statuses and JSON ("not-found"). Never NULL. */
const char *hm_code_name(enum hm_code code);
/* Its way back; a name that is not known is HM_E_INTERNAL. */
enum hm_code hm_code_from_name(const char *name);

/* Fill in `err` (if not NULL) and return -code. Too long a sentence is cut, ending in "..."; bytes
 * that are not UTF-8 become '?'. */
int hm_fail(struct hm_error *err, enum hm_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Copy *err to *kept, which is allocated if it is NULL (free() it): most things never fail, and an
 * error is large. */
void hm_error_keep(struct hm_error **kept, const struct hm_error *err);

/* Put "context: " before the sentence that is there; the code stays. Returns -code. */
int hm_wrap(struct hm_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
