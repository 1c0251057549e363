#include "agent/agent_metrics.h"

enum { GAUGE, COUNTER };
enum { VALUE, WORD };

const struct metric_row agent_metrics[METRIC_COUNT] = {
#define ROW(id, name, type, tells, labels, section, help)                                          \
    [METRIC_##                                                                                     \
        id] = {name, (type) == COUNTER, (tells) == WORD, labels, METRIC_SECTION_##section, help},
    AGENT_METRICS(ROW)
#undef ROW
};

const char *metric_section_title(enum metric_section section)
{
    static const char *const titles[] = {
#define TITLE(id, title) [METRIC_SECTION_##id] = title,
        METRIC_SECTIONS(TITLE)
#undef TITLE
    };
    return titles[section];
}
