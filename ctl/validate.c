#include <string.h>

#include "ctl/json_text.h"
#include "ctl/load.h"
#include "ctl/run.h"

static json_t *documents_json(const struct doc_list *docs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < docs->count; i++) {
        char key[DOC_KEY_MAX + 1];
        doc_key(&docs->items[i], key);
        json_array_append_new(
            list, json_pack("{s:s, s:s?}", "key", key, "source", docs->items[i].source));
    }
    return list;
}

static enum ctl_exit validate_json(struct invocation *in)
{
    struct loaded l;
    struct hm_buf text = {0};
    int result = load_documents(in, &l);
    json_t *report = json_pack("{s:b, s:o, s:O}", "valid", result >= 0, "documents",
                               documents_json(&l.docs), "errors", l.errors);
    json_render(report, &text);
    print_buf(in, &text);
    json_decref(report);
    loaded_clear(&l);
    return result < 0 ? exit_for((enum hm_code) - result) : CTL_OK;
}

enum ctl_exit run_validate(struct invocation *in)
{
    if (flag_value(in, "file") && strcmp(output_format(in), "json") == 0)
        return validate_json(in);
    struct loaded l;
    enum ctl_exit code = load_or_report(in, &l);
    if (code == CTL_OK)
        fprintf(in->out, "%zu document%s, all valid\n", l.docs.count, l.docs.count == 1 ? "" : "s");
    loaded_clear(&l);
    return code;
}
