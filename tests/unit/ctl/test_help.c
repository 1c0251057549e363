#include "ctl/help.h"

#include <stdio.h>

#include "suite.h"

START_TEST(the_reference_has_every_command_and_flag)
{
    struct hm_buf page = {0};
    help_reference(&page);
    COMMANDS_EACH (c) {
        char heading[64];
        snprintf(heading, sizeof heading, "\n## %s\n", c->name);
        ck_assert_msg(strstr(page.data, heading) != NULL, "%s", c->name);
        for (const struct flag *f = c->flags; f && f->name; f++) {
            char name[64];
            snprintf(name, sizeof name, "--%s", f->name);
            ck_assert_msg(strstr(page.data, name) != NULL, "%s %s", c->name, name);
        }
    }
    ck_assert_ptr_nonnull(strstr(page.data, "| 5 | refused or in conflict"));
    hm_buf_free(&page);
}
END_TEST

static char *output_of(char *const *argv, int argc, enum ctl_exit *ret_code)
{
    char *out = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&out, &len);
    *ret_code = ctl_run(argc, argv, stream, stream);
    fclose(stream);
    return out;
}

START_TEST(the_program_explains_itself)
{
    char *version[] = {(char *)"version"}, *help[] = {(char *)"help", (char *)"apply"};
    char *flag[] = {(char *)"get", (char *)"-h"}, *wrong[] = {(char *)"wrong"};
    enum ctl_exit code;
    char *text = output_of(version, 1, &code);
    ck_assert_str_eq(text, "harmonyctl " HM_VERSION "\n");
    ck_assert_int_eq(code, CTL_OK);
    free(text);
    text = output_of(help, 2, &code);
    ck_assert_ptr_nonnull(strstr(text, "Usage: harmonyctl apply [FLAGS]"));
    free(text);
    text = output_of(flag, 2, &code);
    ck_assert_ptr_nonnull(strstr(text, "Usage: harmonyctl get [KIND [NAME]]"));
    ck_assert_int_eq(code, CTL_OK);
    free(text);
    text = output_of(wrong, 1, &code);
    ck_assert_int_eq(code, CTL_USAGE);
    free(text);
}
END_TEST

RUN_SUITE("help", the_reference_has_every_command_and_flag, the_program_explains_itself)
