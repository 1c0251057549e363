#include "vmm/run_note.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/xml.h"

#define X(text) ((const xmlChar *)(text))

const char *run_state_name(enum run_state state)
{
    static const char *const names[] = {
#define RUN_STATE_NAME(id, text) [RUN_##id] = text,
        RUN_STATES(RUN_STATE_NAME)
#undef RUN_STATE_NAME
    };
    return (size_t)state < HM_COUNT(names) ? names[state] : names[RUN_NONE];
}

enum run_state run_state_named(const char *name)
{
    for (int state = RUN_STARTED; name && state <= RUN_FAILED; state++)
        if (!strcmp(name, run_state_name((enum run_state)state)))
            return (enum run_state)state;
    return RUN_NONE;
}

bool run_note_is_same(const struct run_note *a, const struct run_note *b)
{
    return a->state == b->state && a->epoch == b->epoch && a->restarts == b->restarts &&
           a->streak == b->streak && a->began_ms == b->began_ms &&
           a->loop_since_ms == b->loop_since_ms;
}

/* -- Writing -------------------------------------------------------------------------------------- */

static void fill(xmlNodePtr node, const struct run_note *note)
{
    xml_set(node, "state", run_state_name(note->state));
    xml_set_int(node, "epoch", (int64_t)note->epoch);
    xml_set_int(node, "restarts", note->restarts);
    xml_set_int(node, "streak", note->streak);
    xml_set_int(node, "began", note->began_ms);
    xml_set_int(node, "loop_since", note->loop_since_ms);
}

void run_note_to_xml(const struct run_note *note, xmlNodePtr root)
{
    if (note->state == RUN_NONE)
        return;
    xmlNodePtr metadata = xml_at(root, "metadata");
    xmlNodePtr node = xml_add(metadata ? metadata : xml_add(root, "metadata"), "run");
    xmlSetNs(node, xmlNewNs(node, X(RUN_NOTE_NAMESPACE), X(RUN_NOTE_PREFIX)));
    fill(node, note);
}

char *run_note_element(const struct run_note *note)
{
    if (note->state == RUN_NONE)
        return NULL;
    XML_AUTOFREE xmlDocPtr doc = xml_new("run");
    fill(xml_root(doc), note);
    xmlBufferPtr out = xmlBufferCreate();
    xmlNodeDump(out, doc, xml_root(doc), 0, 0);
    char *text = hm_strdup((const char *)xmlBufferContent(out));
    xmlBufferFree(out);
    return text;
}

/* -- Reading -------------------------------------------------------------------------------------- */

static bool is_note(const xmlNode *node)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           !strcmp((const char *)node->ns->href, RUN_NOTE_NAMESPACE) &&
           !strcmp((const char *)node->name, "run");
}

/* A whole number from 0 to `most`; anything else is 0. */
static int64_t number(xmlNodePtr node, const char *name, int64_t most)
{
    HM_AUTOFREE char *text = xml_get(node, name);
    char *end = NULL;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    bool good = text && *text && !*end && !errno && value >= 0 && value <= most;
    return good ? value : 0;
}

static enum run_state state_of(xmlNodePtr node)
{
    HM_AUTOFREE char *text = xml_get(node, "state");
    return run_state_named(text);
}

struct run_note run_note_from_xml(xmlNodePtr root)
{
    xmlNodePtr metadata = xml_at(root, "metadata");
    xmlNodePtr node = metadata ? metadata->children : NULL;
    while (node && !is_note(node))
        node = node->next;
    enum run_state state = node ? state_of(node) : RUN_NONE;
    if (state == RUN_NONE)
        return (struct run_note){0};
    return (struct run_note){.state = state,
                             .epoch = (uint64_t)number(node, "epoch", INT64_MAX),
                             .restarts = (uint32_t)number(node, "restarts", UINT32_MAX),
                             .streak = (uint32_t)number(node, "streak", UINT32_MAX),
                             .began_ms = number(node, "began", RUN_NOTE_MS_MAX),
                             .loop_since_ms = number(node, "loop_since", RUN_NOTE_MS_MAX)};
}
