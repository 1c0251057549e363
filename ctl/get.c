#include <string.h>

#include "base/clock.h"
#include "ctl/documents_view.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"

static void print_rows(struct invocation *in, const struct document_rows *rows)
{
    const char *format = output_format(in);
    struct hm_buf text = {0};
    json_t *json = documents_json(rows);
    if (strcmp(format, "json") == 0)
        json_render(json, &text);
    else if (strcmp(format, "yaml") == 0)
        yaml_render(json, &text);
    else if (rows->count == 0)
        hm_buf_puts(&text, "nothing is declared\n");
    else
        documents_render(rows, strcmp(format, "wide") == 0, hm_wall_ns(), wants_colour(in), &text);
    print_buf(in, &text);
    json_decref(json);
}

static enum ctl_exit not_found(struct invocation *in, const struct wanted *wanted)
{
    struct hm_error err;
    hm_fail(&err, HM_E_NOT_FOUND, "%s %s: is not declared%s%s", wanted->kind, wanted->name,
            wanted->where ? " for " : "", wanted->where ? wanted->where : "");
    return report_error(in, &err);
}

static enum ctl_exit get_documents(struct invocation *in, struct session *s,
                                   const struct wanted *wanted)
{
    struct entries desired = {0}, status = {0};
    struct document_rows rows = {0};
    enum ctl_exit code = list_or_report(in, s, BUCKET_DESIRED, ">", &desired);
    if (code == CTL_OK)
        code = list_or_report(in, s, BUCKET_STATUS, ">", &status);
    if (code == CTL_OK) {
        documents_join(&desired, &status, wanted, &rows);
        if (rows.count == 0 && wanted->name)
            code = not_found(in, wanted);
        else
            print_rows(in, &rows);
    }
    document_rows_clear(&rows);
    entries_clear(&status);
    entries_clear(&desired);
    return code;
}

enum ctl_exit run_get(struct invocation *in)
{
    struct wanted wanted = {.where = flag_value(in, "site")};
    const struct kind *kind;
    struct hm_error err;
    struct session *s = NULL;
    if (in->argument_count > 0) {
        if (doc_find_kind(in->arguments[0], &kind, &err) < 0) {
            report_error(in, &err);
            return CTL_USAGE;
        }
        wanted.kind = kind->name;
    }
    if (in->argument_count > 1)
        wanted.name = in->arguments[1];
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = get_documents(in, s, &wanted);
    session_close(s);
    return code;
}
