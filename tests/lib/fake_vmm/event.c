/* The event monitor: pretty-printed objects with a blank line after each; a full pipe loses events. */
#include "fake_vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int monitor = -1;
static struct timespec start;

void event_open(const char *path)
{
    clock_gettime(CLOCK_MONOTONIC, &start);
    monitor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
    if (monitor < 0)
        die("event monitor %s: %m", path);
}

static json_t *since_start(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec;
    return json_pack("{sIsI}", "secs", (json_int_t)(ns / 1000000000), "nanos",
                     (json_int_t)(ns % 1000000000));
}

void event(const char *source, const char *name, json_t *properties)
{
    if (monitor < 0) {
        json_decref(properties);
        return;
    }
    json_t *object = json_pack("{sosssssO?}", "timestamp", since_start(), "source", source, "event",
                               name, "properties", properties);
    if (!properties)
        json_object_set_new(object, "properties", json_null());
    json_decref(properties);
    char *rendered = json_dumps(object, JSON_INDENT(2)), *lines = NULL;
    json_decref(object);
    if (!rendered || asprintf(&lines, "%s\n\n", rendered) < 0)
        die("out of memory");
    if (write(monitor, lines, strlen(lines)) < 0) {
        /* lost, as the real one's are */
    }
    free(lines);
    free(rendered);
}
