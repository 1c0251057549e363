/* harmonyd.yaml(5), from the field table of the configuration. */
#include <string.h>

#include "base/alloc.h"
#include "base/roff.h"
#include "docs/generate/reference.h"
#include "proto/render.h"

static const char environment[] =
    "The first of these that is set and not empty wins: HARMONY_KVM_URI and HARMONY_KVM_CONNECTION "
    "over "
    "libvirt.uri; HARMONY_KVM_IMAGE_DIR over libvirt.image_dir, which wins over HARMONY_DATA_DIR "
    "(its folder kvm/images).\n";

/* "Default: X.", "Required.", or nothing; the caller frees it. */
static char *default_text(const struct field *f)
{
    json_t *value = f->default_value ? json_loads(f->default_value, JSON_DECODE_ANY, NULL) : NULL;
    char *text = f->required ? hm_strdup(" Required.") : NULL;
    if (!text && value && !json_is_object(value)) {
        const struct field shown = {.type = f->type, .element = f->element, .fields = f->fields};
        HM_AUTOFREE char *rendered = render_text(&shown, value);
        text = hm_printf(" Default: %s.", rendered);
    }
    json_decref(value);
    return text ? text : hm_strdup("");
}

static void add_fields(const struct field *table, const char *prefix, struct hm_buf *out)
{
    for (const struct field *f = table; f->name; f++) {
        HM_AUTOFREE char *name = hm_printf("%s%s", prefix, f->name);
        HM_AUTOFREE char *by_default = default_text(f);
        HM_AUTOFREE char *text = hm_printf("%s%s", f->help, by_default);
        roff_item(out, name, text);
        if (!f->fields)
            continue;
        HM_AUTOFREE char *below = hm_printf("%s%s.", name, f->type == FIELD_LIST ? "[]" : "");
        add_fields(f->fields, below, out);
    }
}

void manual_of_configuration(const struct field *table, struct hm_buf *out)
{
    roff_head(out, "harmonyd.yaml", 5, HM_VERSION);
    roff_section(out, "NAME");
    hm_buf_puts(out, "harmonyd.yaml \\- configuration of harmonyd\n");
    roff_section(out, "DESCRIPTION");
    roff_text(
        out,
        "One YAML document, /etc/harmony/harmonyd.yaml where the units of systemd look for it. "
        "harmonyd --config FILE --check verifies it.\n");
    roff_section(out, "FIELDS");
    add_fields(table, "", out);
    roff_section(out, "ENVIRONMENT");
    roff_text(out, environment);
    roff_section(out, "SEE ALSO");
    hm_buf_puts(out, ".BR harmonyd (8),\n.BR harmonyctl (1)\n");
}
