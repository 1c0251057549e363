#include "agent/depends.h"

#include <string.h>

#include "proto/doc.h"

/* Visit the text `field` of each object in the list `list`, as the name of a `kind`. */
static bool visit_named(const json_t *spec, const char *list, const char *field, const char *kind,
                        depends_visit visit, void *data)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(spec, list), i, item)
    {
        const char *name = spec_str(item, field);
        if (name && !visit(data, kind, name))
            return false;
    }
    return true;
}

/* `depends_on` holds "kind/name"; the verifier has checked the form. */
static bool visit_explicit(const json_t *spec, depends_visit visit, void *data)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(spec, "depends_on"), i, item)
    {
        const char *text = json_string_value(item), *slash = text ? strchr(text, '/') : NULL;
        char kind[DOC_NAME_MAX + 1];
        if (!slash || (size_t)(slash - text) >= sizeof kind)
            continue;
        memcpy(kind, text, (size_t)(slash - text));
        kind[slash - text] = '\0';
        if (!visit(data, kind, slash + 1))
            return false;
    }
    return true;
}

bool depends_each(const char *kind, const json_t *spec, depends_visit visit, void *data)
{
    if (!spec)
        return true;
    if (!strcmp(kind, "vm") &&
        (!visit_named(spec, "networks", "network", "network", visit, data) ||
         !visit_named(spec, "disks", "disk", "disk", visit, data) ||
         !visit_named(spec, "disks", "base", "image-file", visit, data) ||
         !visit_named(spec, "disks", "backing_image", "image-file", visit, data) ||
         !visit_named(spec, "cdroms", "image", "image-file", visit, data)))
        return false;
    const char *base = !strcmp(kind, "disk") ? spec_str(spec, "backing_image") : NULL;
    if (base && !visit(data, "image-file", base))
        return false;
    return visit_explicit(spec, visit, data);
}

struct wanted {
    const char *kind, *name;
};

static bool is_another(void *data, const char *kind, const char *name)
{
    const struct wanted *w = data;
    return strcmp(kind, w->kind) != 0 || strcmp(name, w->name) != 0;
}

bool depends_on_thing(const char *kind, const json_t *spec, const char *on_kind,
                      const char *on_name)
{
    struct wanted wanted = {on_kind, on_name};
    return !depends_each(kind, spec, is_another, &wanted);
}
