/* A folder that can't be listed to its end: for a test that includes this once. */
#ifndef HM_TESTS_LISTING_H
#define HM_TESTS_LISTING_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

static bool listing_fails;

struct dirent *readdir(DIR *folder)
{
    static struct dirent *(*real)(DIR *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    if (!listing_fails)
        return real(folder);
    errno = EIO;
    return NULL;
}

#endif
