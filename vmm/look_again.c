#include "vmm/look_again.h"

#include "base/clock.h"

#define FIRST_NS (10000 * HM_MS)
#define LAST_NS  (300000 * HM_MS)

static int64_t longer(int64_t wait_ns)
{
    if (wait_ns == 0)
        return FIRST_NS;
    return wait_ns < LAST_NS / 2 ? wait_ns * 2 : LAST_NS;
}

bool look_again_is_due(const struct look_again *again, int64_t now_ns)
{
    return again->wait_ns > 0 && now_ns >= again->at_ns;
}

void look_again_note(struct look_again *again, bool failed, int64_t now_ns)
{
    if (!failed) {
        *again = (struct look_again){0};
    } else if (now_ns >= again->at_ns) {
        again->wait_ns = longer(again->wait_ns);
        again->at_ns = now_ns + again->wait_ns;
    }
}
