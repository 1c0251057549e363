#include "ctl/redact.h"

#include "suite.h"

static const struct field user_fields[] = {
    {.name = "name", .type = FIELD_STRING},
    {.name = "password", .type = FIELD_STRING, .secret = true},
    {0},
};
static const struct field fields[] = {
    {.name = "token", .type = FIELD_STRING, .secret = true},
    {.name = "users", .type = FIELD_LIST, .element = FIELD_OBJECT, .fields = user_fields},
    {.name = "owner", .type = FIELD_OBJECT, .fields = user_fields},
    {.name = "tags", .type = FIELD_LIST, .element = FIELD_STRING},
    {0},
};

START_TEST(hides_secrets_at_every_depth)
{
    json_t *given = json_of("{'token':{'a':1},'users':[{'name':'x','password':'p1'},7],"
                            "'owner':{'password':'p2'},'tags':['t'],'unknown':'u'}");
    json_t *before = json_deep_copy(given);
    json_t *expected = json_of("{'token':'(secret)','users':[{'name':'x','password':'(secret)'},7],"
                               "'owner':{'password':'(secret)'},'tags':['t'],'unknown':'u'}");
    json_t *shown = redact(fields, given);
    ck_assert(json_equal(shown, expected));
    ck_assert(json_equal(given, before));
    json_decref(shown);
    json_decref(expected);
    json_decref(before);
    json_decref(given);
}
END_TEST

RUN_SUITE("redact", hides_secrets_at_every_depth)
