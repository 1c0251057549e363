#include "agent/back_off.h"

enum { FIRST_MS = 1000, LONGEST_MS = 300000, DOUBLINGS = 9 };

int64_t back_off_ms(uint32_t nth, uint32_t jitter)
{
    if (nth == 0)
        return 0;
    int64_t ms = nth > DOUBLINGS ? LONGEST_MS : (int64_t)FIRST_MS << (nth - 1);
    return ms + ms * (jitter % 256) / 1024;
}
