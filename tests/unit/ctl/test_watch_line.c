#include "ctl/watch_line.h"
#include "tests/unit/ctl/suite.h"

#include <string.h>

static struct entry entry_of(const char *key, const char *value)
{
    return (struct entry){.key = (char *)key,
                          .value = (char *)(value ? value : ""),
                          .len = value ? strlen(value) : 0,
                          .revision = 12,
                          .stamp_ns = 1764000000000000000,
                          .deleted = value == NULL};
}

/* The line, without its time; "" when there is none. */
static const char *line_of(const char *key, const char *before, const char *now, bool is_status)
{
    static char text[512];
    struct entry e = entry_of(key, now);
    json_t *was = before ? json_loads(before, 0, NULL) : NULL;
    struct hm_buf out = {0};
    bool told = watch_line(&e, was, is_status, &out);
    ck_assert(told == (out.len > 0));
    snprintf(text, sizeof text, "%s", told ? strstr(out.data, "  ") + 2 : "");
    hm_buf_free(&out);
    json_decref(was);
    return text;
}

START_TEST(documents_say_what_differs)
{
    static const char key[] = "site-a.network.lan", now[] = "{\"subnet\":\"10.0.1.1/24\"}";
    ck_assert_str_eq(line_of(key, NULL, now, false), "site-a  network/lan  declared (rev 12)\n");
    ck_assert_str_eq(line_of(key, "{\"subnet\":\"10.0.0.1/24\"}", now, false),
                     "site-a  network/lan  changed (rev 12): subnet 10.0.0.1/24 -> 10.0.1.1/24\n");
    ck_assert_str_eq(line_of(key, now, NULL, false), "site-a  network/lan  deleted (rev 12)\n");
    ck_assert_ptr_nonnull(
        strstr(line_of(key, NULL, "{\"sub\":1}", false), "(rev 12): not valid: "));
    ck_assert_ptr_nonnull(strstr(line_of(key, NULL, "[", false), "(rev 12): not a JSON object\n"));
}
END_TEST

START_TEST(statuses_speak_only_when_their_words_change)
{
    static const char key[] = "site-a.vm.web",
                      running[] = "{\"phase\":\"Running\",\"applied_revision\":3}";
    ck_assert_str_eq(line_of(key, NULL, running, true), "site-a  vm/web  Running (rev 3)\n");
    ck_assert_str_eq(line_of(key, running,
                             "{\"phase\":\"Running\",\"applied_revision\":3,\"hash\":\"x\"}", true),
                     "");
    ck_assert_str_eq(line_of(key, running,
                             "{\"phase\":\"Failed\",\"error\":{\"text\":\"no\\u001b disk\"}}",
                             true),
                     "site-a  vm/web  Failed: no? disk\n");
    ck_assert_str_eq(line_of(key, running, NULL, true), "site-a  vm/web  gone\n");
    ck_assert_str_eq(
        line_of("site-a.agent", NULL, "{\"role\":\"leader\",\"epoch\":7,\"documents\":2}", true),
        "site-a.agent  leader, epoch 7, 2 documents\n");
}
END_TEST

START_TEST(json_is_one_line)
{
    struct entry e = entry_of("site-a.network.lan", "{\"subnet\":\"10.0.1.1/24\"}");
    struct hm_buf out = {0};
    watch_line_json(&e, "harmony_desired", &out);
    ck_assert_ptr_eq(strchr(out.data, '\n'), out.data + out.len - 1);
    json_t *o = json_loads(out.data, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(o, "key")), "site-a.network.lan");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "revision")), 12);
    ck_assert(json_is_object(json_object_get(o, "value")));
    json_decref(o);
    hm_buf_free(&out);
}
END_TEST

RUN_SUITE("watch_line", documents_say_what_differs, statuses_speak_only_when_their_words_change,
          json_is_one_line)
