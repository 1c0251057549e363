/* Answers of the API: errors are a JSON array of texts, the outermost first. */
#include "fake_vmm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct answer rendered(int status, json_t *body)
{
    struct answer answer = {status, json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY)};
    if (!answer.text)
        die("out of memory");
    json_decref(body);
    return answer;
}

struct answer refuse(int status, ...)
{
    json_t *chain = json_array();
    va_list args;
    va_start(args, status);
    for (const char *one; (one = va_arg(args, const char *));)
        json_array_append_new(chain, json_string(one));
    va_end(args);
    return rendered(status, chain);
}

struct answer within(const char *outer, struct answer inner)
{
    json_t *chain = json_loads(inner.text, 0, NULL);
    json_array_insert_new(chain, 0, json_string(outer));
    free(inner.text);
    return rendered(inner.status, chain);
}

int not_there(const struct vmm *v)
{
    return v->options.version < 53 ? 500 : 404;
}

struct answer done(void)
{
    return (struct answer){204, NULL};
}

struct answer done_with(json_t *body)
{
    return rendered(200, body);
}

struct answer done_with_text(char *body)
{
    return (struct answer){200, body};
}

const char *os_error(int error)
{
    static char said[128];
    snprintf(said, sizeof(said), "%s (os error %d)", strerror(error), error);
    return said;
}
