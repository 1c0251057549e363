#include "guardian/realtime.h"

#include <sched.h>
#include <sys/mman.h>

int realtime_lock_memory(void)
{
    return mlockall(MCL_CURRENT | MCL_FUTURE);
}

int realtime_schedule(void)
{
    struct sched_param p = {.sched_priority = REALTIME_PRIORITY};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
}
