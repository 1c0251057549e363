/*
 * Memory that is there or the program is not.
 *
 * Outside the failover core an allocation failure aborts (docs/architecture.md: the host's other
 * guards take over), so callers never test for NULL. The core itself does not allocate.
 * Everything returned here is released with free(). Thread: any.
 */
#ifndef HM_BASE_ALLOC_H
#define HM_BASE_ALLOC_H

#include <stddef.h>

void *hm_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *hm_realloc_array(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *hm_strdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *hm_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
void *hm_memdup(const void *data, size_t len) __attribute__((malloc, returns_nonnull)); /* + NUL */
char *hm_printf(const char *fmt, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* `__attribute__((cleanup(hm_free_ptr)))`: free the pointer when it goes out of scope. */
void hm_free_ptr(void *pointer_to_pointer);
#define HM_AUTOFREE __attribute__((cleanup(hm_free_ptr)))

#define HM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
