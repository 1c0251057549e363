/* Included by the programs that want it instead of agent/status.c. (From an archive test_status.c, too,
 * would get it.) */
#include "tests/unit/agent/fake_status.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct status {
    json_t *said;
    int words, failures;
};

struct status *fake_status_new(void)
{
    struct status *s = hm_alloc(sizeof *s);
    s->said = json_object();
    return s;
}

void fake_status_free(struct status *s)
{
    json_decref(s->said);
    free(s);
}

void status_set(struct status *s, const char *name, json_t *value)
{
    ck_assert_msg(value != NULL, "%s: no status", name);
    s->words++;
    json_object_set_new(s->said, name, value);
    s->failures += !strcmp(fake_phase_of(s, name), "Failed");
}

const json_t *fake_status_of(const struct status *s, const char *name)
{
    return json_object_get(s->said, name);
}

const char *fake_phase_of(const struct status *s, const char *name)
{
    const char *phase = json_string_value(json_object_get(fake_status_of(s, name), "phase"));
    return phase ? phase : "";
}

int fake_status_words(const struct status *s)
{
    return s->words;
}

int fake_status_failures(const struct status *s)
{
    return s->failures;
}
