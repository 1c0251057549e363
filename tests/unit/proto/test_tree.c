#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/field.h"
#include "proto/tree.h"

static struct tree parse(enum tree_format format, const char *text)
{
    struct tree tree;
    struct hm_error err = {0};
    int rc = tree_parse(format, NULL, text, strlen(text), &tree, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    return tree;
}

static char *as_text(const struct tree *tree)
{
    return json_dumps(tree->docs, JSON_COMPACT);
}

struct reading {
    const char *given, *expected;
};

/* -- YAML that is read --------------------------------------------------------------------------
 */

static const struct reading yaml_readings[] = {
    {"a: 1", "[{\"a\":1}]"},
    {"a: -9223372036854775808", "[{\"a\":-9223372036854775808}]"},
    {"a: true\nb: false\nc: null\nd: ~\ne:",
     "[{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":null}]"},
    /* YAML 1.1 would make booleans, octal numbers and sexagesimals of these. */
    {"a: yes\nb: on\nc: 010\nd: 0x10\ne: 1:30\nf: True",
     "[{\"a\":\"yes\",\"b\":\"on\",\"c\":\"010\",\"d\":\"0x10\",\"e\":\"1:30\",\"f\":\"True\"}]"},
    {"a: 1.5", "[{\"a\":1.5}]"},
    {"a: '1'\nb: \"true\"", "[{\"a\":\"1\",\"b\":\"true\"}]"},
    {"a: [1, {b: c}]", "[{\"a\":[1,{\"b\":\"c\"}]}]"},
    {"- 1\n- 2", "[[1,2]]"},
    {"a: 1\n---\nb: 2\n", "[{\"a\":1},{\"b\":2}]"},
    {"---\n# nothing\n---\na: 1\n---\n", "[{\"a\":1}]"},
    {"", "[]"},
    {"# only a comment\n", "[]"},
    {"1: one", "[{\"1\":\"one\"}]"},
    {"\xef\xbb\xbf"
     "a: 1",
     "[{\"a\":1}]"},
    {"a: |\n  x\n  y\n", "[{\"a\":\"x\\ny\\n\"}]"},
    {"{\"a\": [1, true, \"x\"]}", "[{\"a\":[1,true,\"x\"]}]"},
};

START_TEST(yaml_is_read)
{
    struct tree tree = parse(TREE_YAML, yaml_readings[_i].given);
    HM_AUTOFREE char *text = as_text(&tree);
    ck_assert_str_eq(text, yaml_readings[_i].expected);
    tree_clear(&tree);
}
END_TEST

static const struct reading json_readings[] = {
    {"{\"a\": 1}", "[{\"a\":1}]"},
    {" {\"a\":1}\n{\"b\":[]}\n", "[{\"a\":1},{\"b\":[]}]"},
    {"[{\"a\":\"\\u00e4 \\\" ] } ,\"}]", "[[{\"a\":\"\xc3\xa4 \\\" ] } ,\"}]]"},
    {"", "[]"},
    {" \n", "[]"},
};

START_TEST(json_is_read)
{
    struct tree tree = parse(TREE_JSON, json_readings[_i].given);
    HM_AUTOFREE char *text = as_text(&tree);
    ck_assert_str_eq(text, json_readings[_i].expected);
    tree_clear(&tree);
}
END_TEST

/* -- hostile text: one sentence with the line ---------------------------------------------------
 */

struct refusal {
    enum tree_format format;
    const char *given, *begins, *holds;
};

static const struct refusal refusals[] = {
    {TREE_YAML, "a: 1\na: 2", "line 2: ", "the key \"a\" is there twice"},
    {TREE_YAML, "x:\n  a: &big [1]\n  b: *big", "line 2: ", "anchors"},
    {TREE_YAML, "a: *nothing", "line 1: ", "aliases"},
    {TREE_YAML, "a: !!str 1", "line 1: ", "tags"},
    {TREE_YAML, "a: !python/object:os.system x", "line 1: ", "tags"},
    {TREE_YAML, "%YAML 1.2\n%TAG ! tag:x,2026:\n--- {}", "line 2: ", "%TAG"},
    {TREE_YAML, "? [a, b]\n: 1", "line 1: ", "can't be a key"},
    {TREE_YAML, "a:\n\tb: 1", "line 2: not valid YAML", "indent with spaces"},
    {TREE_YAML, "a: [1, 2", "line 2: not valid YAML", "a flow sequence begun in line 1"},
    {TREE_YAML, "a: \"x\\0y\"", "line 1: ", "NUL"},
    {TREE_YAML, "a: 9223372036854775808", "line 1: ", "too big"},
    {TREE_YAML, "a: x\nb: \xff\n", "line 2: ", "UTF-8"},
    {TREE_YAML, "a: \xc0\xaf", "line 1: ", "UTF-8"},
    {TREE_YAML, "a: \xed\xa0\x80", "line 1: ", "UTF-8"},
    {TREE_YAML, "a: \xf4\x90\x80\x80", "line 1: ", "UTF-8"},
    {TREE_JSON, "{\"a\":1,\n\"a\":2}", "line 2: not valid JSON", "duplicate"},
    {TREE_JSON, "{\"a\":1}\n{\"a\":\n]", "line 3: not valid JSON", "]"},
    {TREE_JSON, "{\"a\":99999999999999999999}", "line 1: not valid JSON", "too big"},
    {TREE_JSON, "{\"a\":1e999}", "line 1: not valid JSON", "overflow"},
    {TREE_JSON, "{\"a\":\"\\u0000\"}", "line 1: not valid JSON", "\\u0000"},
    {TREE_JSON, "{a: 1}", "line 1: not valid JSON", "expected"},
    {TREE_JSON, "{\"a\":1} x", "line 1: not valid JSON", "x"},
    {TREE_JSON, "{\"a\":\"x\ny\"}", "line 1: not valid JSON", "unexpected newline"},
    {TREE_JSON, "\"text\"", "line 1: not valid JSON", "expected"},
    {TREE_JSON, "{\"a\":\"\x1b[31m\"}", "line 1: not valid JSON", "control character"},
};

START_TEST(hostile_text_is_refused_with_its_line)
{
    const struct refusal *r = &refusals[_i];
    struct tree tree = {0};
    struct hm_error err = {0};
    int rc = tree_parse(r->format, NULL, r->given, strlen(r->given), &tree, &err);
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(!strncmp(err.text, r->begins, strlen(r->begins)), "%s", err.text);
    ck_assert_msg(strstr(err.text, r->holds) != NULL, "%s", err.text);
    ck_assert_ptr_null(strchr(err.text, '\x1b'));
    ck_assert_ptr_null(tree.docs);
}
END_TEST

START_TEST(nul_byte_is_refused)
{
    struct tree tree;
    struct hm_error err = {0};
    ck_assert_int_eq(tree_parse(TREE_JSON, "a.json", "{}\n\0", 4, &tree, &err), -HM_E_INVALID);
    ck_assert_msg(!strncmp(err.text, "a.json:2: ", 10), "%s", err.text);
}
END_TEST

/* -- limits: the last value that passes, and the first that does not ------------------------------
 */

static char *repeat(const char *part, size_t times, const char *end)
{
    struct hm_buf b = {0};
    for (size_t i = 0; i < times; i++)
        hm_buf_puts(&b, part);
    hm_buf_puts(&b, end);
    return hm_buf_steal(&b);
}

static int try_parse(enum tree_format format, const char *text, struct hm_error *err)
{
    struct tree tree = {0};
    int rc = tree_parse(format, NULL, text, strlen(text), &tree, err);
    tree_clear(&tree);
    return rc;
}

START_TEST(depth_is_bounded)
{
    enum tree_format format = _i ? TREE_YAML : TREE_JSON;
    struct hm_error err = {0};
    for (size_t depth = PROTO_MAX_DEPTH; depth <= PROTO_MAX_DEPTH + 1; depth++) {
        HM_AUTOFREE char *closing = repeat("]", depth, "");
        HM_AUTOFREE char *text = repeat("[", depth, closing);
        int rc = try_parse(format, text, &err);
        ck_assert_int_eq(rc, depth > PROTO_MAX_DEPTH ? -HM_E_TOO_LARGE : 0);
    }
    HM_AUTOFREE char *bomb = repeat("[", 400000, "");
    ck_assert_int_eq(try_parse(format, bomb, &err), -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "32 levels"));
}
END_TEST

START_TEST(count_is_bounded)
{
    enum tree_format format = _i ? TREE_YAML : TREE_JSON;
    struct hm_error err = {0};
    HM_AUTOFREE char *full = repeat("1,", PROTO_MAX_NODES - 2, "1]"); /* with the list itself */
    HM_AUTOFREE char *most = hm_printf("[%s", full);
    HM_AUTOFREE char *more = hm_printf("[1,%s", full);
    ck_assert_int_eq(try_parse(format, most, &err), 0);
    ck_assert_int_eq(try_parse(format, more, &err), -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "20000 values"));
}
END_TEST

START_TEST(size_is_bounded)
{
    enum tree_format format = _i ? TREE_YAML : TREE_JSON;
    struct hm_error err = {0};
    HM_AUTOFREE char *most = repeat(" ", PROTO_MAX_BYTES - 2, "{}");
    HM_AUTOFREE char *more = repeat(" ", PROTO_MAX_BYTES - 1, "{}");
    ck_assert_int_eq(try_parse(format, most, &err), 0);
    ck_assert_int_eq(try_parse(format, more, &err), -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "512 KiB"));
}
END_TEST

/* -- lines ----------------------------------------------------------------------------------------
 */

static const char yaml_lines[] = "kind: vm\n"        /* 1 */
                                 "labels: {a: b,\n"  /* 2 */
                                 "   a.b: c}\n"      /* 3 */
                                 "disks:\n"          /* 4 */
                                 "  - device: vda\n" /* 5 */
                                 "    size: 1\n"     /* 6 */
                                 "  - device: vdb\n" /* 7 */
                                 "    size:\n"       /* 8 */
                                 "       2\n"        /* 9 */
                                 "power: on\n";      /* 10 */

static const char json_lines[] = "{\"kind\": \"vm\",\n"               /* 1 */
                                 " \"labels\": {\"a\": \"b:\\\"\",\n" /* 2 */
                                 "   \"a.b\": \"c\"},\n"              /* 3 */
                                 " \"disks\": [\n"                    /* 4 */
                                 "  {\"device\": \"vda\",\n"          /* 5 */
                                 "   \"size\": 1},\n"                 /* 6 */
                                 "  {\"device\": \"vdb\",\n"          /* 7 */
                                 "   \"size\"\n"                      /* 8 */
                                 "     : 2}],\n"                      /* 9 */
                                 " \"power\": \"on\"}\n";             /* 10 */

static const struct {
    const char *path;
    int line;
} lines[] = {
    {"", 1},
    {"kind", 1},
    {"labels", 2},
    {"labels.a", 2},
    {"labels.a.b", 3},
    {"disks", 4},
    {"disks[0]", 5},
    {"disks[0].device", 5},
    {"disks[0].size", 6},
    {"disks[1].device", 7},
    {"disks[1].size", 8},
    {"power", 10},
    {"disks[1].nothing", 7}, /* the nearest above it that exists */
    {"disks[7].size", 4},
    {"nothing", 1},
};

START_TEST(lines_are_kept)
{
    const char *texts[] = {yaml_lines, json_lines};
    for (int i = 0; i < 2; i++) {
        struct tree tree = parse(i ? TREE_JSON : TREE_YAML, texts[i]);
        int line = tree_line(&tree, json_array_get(tree.docs, 0), lines[_i].path);
        ck_assert_msg(line == lines[_i].line, "%s %s: %d", i ? "json" : "yaml", lines[_i].path,
                      line);
        tree_clear(&tree);
    }
}
END_TEST

START_TEST(lines_of_later_documents)
{
    const char *texts[] = {"a: 1\n---\nb:\n  - c: 1\n", "{\"a\": 1}\n\n{\"b\":\n[{\"c\": 1}]}"};
    for (int i = 0; i < 2; i++) {
        struct tree tree = parse(i ? TREE_JSON : TREE_YAML, texts[i]);
        ck_assert_int_eq(tree_line(&tree, json_array_get(tree.docs, 1), ""), 3);
        ck_assert_int_eq(tree_line(&tree, json_array_get(tree.docs, 1), "b[0].c"), 4);
        tree_clear(&tree);
    }
}
END_TEST

START_TEST(format_follows_the_name)
{
    ck_assert_int_eq(tree_format_of("a/b.json"), TREE_JSON);
    ck_assert_int_eq(tree_format_of("a.json/b.yaml"), TREE_YAML);
    ck_assert_int_eq(tree_format_of("b"), TREE_YAML);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tree");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, yaml_is_read, 0, HM_COUNT(yaml_readings));
    tcase_add_loop_test(t, json_is_read, 0, HM_COUNT(json_readings));
    tcase_add_loop_test(t, hostile_text_is_refused_with_its_line, 0, HM_COUNT(refusals));
    tcase_add_test(t, nul_byte_is_refused);
    tcase_add_loop_test(t, depth_is_bounded, 0, 2);
    tcase_add_loop_test(t, count_is_bounded, 0, 2);
    tcase_add_loop_test(t, size_is_bounded, 0, 2);
    tcase_add_loop_test(t, lines_are_kept, 0, HM_COUNT(lines));
    tcase_add_test(t, lines_of_later_documents);
    tcase_add_test(t, format_follows_the_name);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
