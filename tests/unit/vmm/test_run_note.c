#include "vmm/run_note.h"

#include "xml_fixture.h"

static const struct run_note full = {.state = RUN_REVIVED,
                                     .epoch = 7,
                                     .restarts = 12,
                                     .streak = 3,
                                     .began_ms = 123456789,
                                     .loop_since_ms = 1700000000000};

static struct run_note read_back(const char *xml)
{
    xmlDocPtr doc = NULL;
    ck_assert_int_eq(xml_parse(xml, &doc, NULL), 0);
    struct run_note note = run_note_from_xml(xml_root(doc));
    xml_free(&doc);
    return note;
}

START_TEST(a_note_survives_xml_beside_a_mark)
{
    json_t *spec = spec_of("vm", "{\"kernel\":\"/k\"}");
    struct mark mark = mark_of(spec);
    xmlDocPtr doc = xml_new("domain");
    mark_to_xml(&mark, xml_root(doc));
    run_note_to_xml(&full, xml_root(doc));
    ck_xpath(doc, "count(/domain/metadata)", "1");
    char *xml = xml_print(doc);
    struct run_note found = read_back(xml);
    ck_assert_int_eq(found.state, full.state);
    ck_assert_uint_eq(found.epoch, full.epoch);
    ck_assert_uint_eq(found.restarts, full.restarts);
    ck_assert_uint_eq(found.streak, full.streak);
    ck_assert_int_eq(found.began_ms, full.began_ms);
    ck_assert_int_eq(found.loop_since_ms, full.loop_since_ms);
    free(xml);
    xml_free(&doc);
    mark_clear(&mark);
    json_decref(spec);
}
END_TEST

START_TEST(none_leaves_no_trace)
{
    xmlDocPtr doc = xml_new("domain");
    run_note_to_xml(&(struct run_note){.restarts = 3}, xml_root(doc));
    ck_xpath(doc, "count(/domain/*)", "0");
    ck_assert_ptr_null(run_note_element(&(struct run_note){0}));
    xml_free(&doc);
}
END_TEST

#define NOTE(attributes)                                                                           \
    "<domain><metadata><r:run xmlns:r='" RUN_NOTE_NAMESPACE "' " attributes "/></metadata></"      \
    "domain>"

START_TEST(what_cannot_be_understood_is_none_and_bad_numbers_are_0)
{
    ck_assert_int_eq(read_back("<domain/>").state, RUN_NONE);
    ck_assert_int_eq(read_back("<domain><metadata><run state='ended'/></metadata></domain>").state,
                     RUN_NONE);
    ck_assert_int_eq(read_back(NOTE("")).state, RUN_NONE);
    ck_assert_int_eq(read_back(NOTE("state='asleep' restarts='4'")).restarts, 0);
    struct run_note odd =
        read_back(NOTE("state='ended' restarts='-1' streak='99999999999' epoch='1x' began='1e9'"));
    ck_assert_int_eq(odd.state, RUN_ENDED);
    ck_assert_uint_eq(odd.restarts, 0);
    ck_assert_uint_eq(odd.streak, 0);
    ck_assert_uint_eq(odd.epoch, 0);
    ck_assert_int_eq(odd.began_ms, 0);
    odd = read_back(NOTE("state='started' began='9223372036854' loop_since='9223372036855'"));
    ck_assert_int_eq(odd.began_ms, 9223372036854); /* the last one that holds in nanoseconds */
    ck_assert_int_eq(odd.loop_since_ms, 0);
}
END_TEST

START_TEST(each_word_names_its_state_and_no_other_does)
{
    for (int state = RUN_NONE; state <= RUN_FAILED; state++)
        ck_assert_int_eq(run_state_named(run_state_name((enum run_state)state)), state);
    ck_assert_int_eq(run_state_named("Started"), RUN_NONE);
    ck_assert_int_eq(run_state_named(NULL), RUN_NONE);
}
END_TEST

START_TEST(notes_are_the_same_when_all_of_it_is)
{
    struct run_note others[] = {full, full, full, full, full, full};
    others[0].state = RUN_ENDED;
    others[1].epoch++;
    others[2].restarts++;
    others[3].streak++;
    others[4].began_ms++;
    others[5].loop_since_ms++;
    ck_assert(run_note_is_same(
        &full, &(struct run_note){RUN_REVIVED, 7, 12, 3, 123456789, 1700000000000}));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert(!run_note_is_same(&full, &others[i]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_note");
    TCase *c = tcase_create("run_note");
    tcase_add_test(c, a_note_survives_xml_beside_a_mark);
    tcase_add_test(c, none_leaves_no_trace);
    tcase_add_test(c, what_cannot_be_understood_is_none_and_bad_numbers_are_0);
    tcase_add_test(c, each_word_names_its_state_and_no_other_does);
    tcase_add_test(c, notes_are_the_same_when_all_of_it_is);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
