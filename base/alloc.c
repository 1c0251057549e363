#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("harmony: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *hm_alloc(size_t size)
{
    return must(calloc(1, size ? size : 1));
}

void *hm_realloc_array(void *old, size_t count, size_t size)
{
    return must(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *hm_strdup(const char *s)
{
    return must(strdup(s));
}

char *hm_strndup(const char *s, size_t n)
{
    return must(strndup(s, n));
}

void *hm_memdup(const void *data, size_t len)
{
    char *copy = must(malloc(len + 1));
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *hm_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    return must(n < 0 ? NULL : text);
}

void hm_free_ptr(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}
