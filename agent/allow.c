#include "agent/allow.h"

static int check_table(const struct agent_config *config, const struct field *fields,
                       const json_t *spec, struct hm_error *err);

static int check_text(const struct agent_config *config, const struct field *f, const json_t *value,
                      struct hm_error *err)
{
    const char *path = json_string_value(value);
    if (!path || config_allows_path(config, path))
        return 0;
    return hm_fail(err, HM_E_REFUSED,
                   "%s: %s is outside of what documents may name on this host; put it below %s, or "
                   "add it to host_paths in the agent's configuration",
                   f->name, path, config->libvirt.image_dir);
}

static int check_list(const struct agent_config *config, const struct field *f, const json_t *list,
                      struct hm_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        int r = f->element == FIELD_OBJECT ? check_table(config, f->fields, item, err)
                : f->element == FIELD_PATH ? check_text(config, f, item, err)
                                           : 0;
        if (r < 0)
            return hm_wrap(err, "%s[%zu]", f->name, i);
    }
    return 0;
}

static int check_table(const struct agent_config *config, const struct field *fields,
                       const json_t *spec, struct hm_error *err)
{
    for (const struct field *f = fields; f->name; f++) {
        const json_t *value = json_object_get(spec, f->name);
        int r = 0;
        if (!value)
            continue;
        if (f->type == FIELD_PATH)
            r = check_text(config, f, value, err);
        else if (f->type == FIELD_LIST)
            r = check_list(config, f, value, err);
        else if (f->type == FIELD_OBJECT)
            r = check_table(config, f->fields, value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int allow_paths(const struct agent_config *config, const struct kind *kind, const json_t *spec,
                struct hm_error *err)
{
    return check_table(config, kind->fields, spec, err);
}
