#include "ctl/exit.h"

#include "suite.h"

START_TEST(errors_have_the_documented_codes)
{
    static const struct {
        enum hm_code code;
        int exit;
    } cases[] = {
        {HM_OK, 0},           {HM_E_INTERNAL, 1},  {HM_E_IO, 1},       {HM_E_INVALID, 3},
        {HM_E_TOO_LARGE, 3},  {HM_E_NOT_FOUND, 4}, {HM_E_CONFLICT, 5}, {HM_E_REFUSED, 5},
        {HM_E_CONNECTION, 6}, {HM_E_TIMEOUT, 7},   {HM_E_NATS, 1},
    };
    for (size_t i = 0; i < HM_COUNT(cases); i++)
        ck_assert_msg((int)exit_for(cases[i].code) == cases[i].exit, "%s",
                      hm_code_name(cases[i].code));
}
END_TEST

RUN_SUITE("exit", errors_have_the_documented_codes)
