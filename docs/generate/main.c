/* reference DIR: write the reference pages and JSON Schemas into this folder. reference --man: print
 * harmonyd.yaml(5). reference --dashboard: print a dashboard of Grafana. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"
#include "base/alloc.h"
#include "base/file.h"
#include "docs/generate/reference.h"
#include "proto/cluster_config.h"
#include "proto/operation.h"

static const char documents_intro[] =
    "# Documents\n"
    "\n"
    "<!-- Written by `make docs` from the field tables in proto/. Do not edit. -->\n"
    "\n"
    "A document says how one thing should be. In the bucket `harmony_desired` its key is\n"
    "`WHERE.KIND.NAME` and its value is the spec, a JSON object with the fields below:\n"
    "\n"
    "    nats kv put harmony_desired site-a.vm.web "
    "'{\"memory\":\"512MiB\",\"kernel\":\"/boot/vmlinuz\"}'\n"
    "\n"
    "In files for `harmonyctl apply -f`, YAML or JSON, each document also has `kind`, `name`, and\n"
    "one of `site: NAME` and `placement: primary` (it runs on whichever site leads the failover\n"
    "group). Several YAML documents are separated by `---`. JSON Schemas for editors are in\n"
    "[schema/](schema/).\n"
    "\n"
    "A field that is not known is an error, and so is a value of another type: nothing is\n"
    "guessed. In YAML, anchors, aliases and tags are refused, and only `true` and `false` are\n"
    "booleans. A size or duration that is a number alone is in bytes or milliseconds.\n"
    "\n"
    "The column *a change* says what changing the field costs a thing that exists:\n"
    "`none` is bookkeeping; `live` happens while it runs; `restart` stops it, changes it and "
    "starts\n"
    "it; `replace` removes it and creates it anew; `never` would lose data, so the plan says\n"
    "blocked, and you make a new one instead.\n";

static const char configuration_intro[] =
    "# Configuration of the agent\n"
    "\n"
    "<!-- Written by `make docs` from the field tables in agent/config.c. Do not edit. -->\n"
    "\n"
    "`harmonyd --config FILE` reads one YAML document. `harmonyd --config FILE --check` verifies "
    "it\n"
    "and says what this host can do. Paths are absolute, without `.` and `..` parts.\n"
    "\n";

static const char configuration_environment[] =
    "\n"
    "## Environment\n"
    "\n"
    "The first that is set and not empty wins.\n"
    "\n"
    "| setting | order |\n"
    "|---|---|\n"
    "| libvirt URI | `HARMONY_KVM_URI`, `HARMONY_KVM_CONNECTION`, `libvirt.uri`, `qemu:///system` "
    "|\n"
    "| folder of images | `HARMONY_KVM_IMAGE_DIR`, `libvirt.image_dir`, "
    "`$HARMONY_DATA_DIR/kvm/images`, `/var/lib/libvirt/images` |\n";

static const char operations_intro[] =
    "# Operations\n"
    "\n"
    "<!-- Written by `make docs` from the table in proto/operations.c. Do not edit. -->\n"
    "\n"
    "What can be asked of a site's agent, on `harmony.op.SITE.OPERATION`; how, and who may, is in\n"
    "[operations.md](../operations.md).\n";

static const char cluster_intro[] =
    "# cluster_config: tuning a failover group\n"
    "\n"
    "<!-- Written by `make docs` from the field table in proto/cluster_config.c. Do not edit. -->\n"
    "\n"
    "The key `cluster_config` of the bucket `harmony_failover` (of another group than `default`:\n"
    "`GROUP.cluster_config`), a JSON object, changed while everything runs:\n"
    "\n"
    "    nats kv put harmony_failover cluster_config "
    "'{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\",\n"
    "      \"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000}'\n"
    "\n"
    "One that is refused is reported with the reason, and the last good one stays in force.\n"
    "\n";

static const char index_text[] =
    "# Reference\n"
    "\n"
    "<!-- Written by `make docs`. Do not edit. -->\n"
    "\n"
    "- [documents.md](documents.md): networks, disks and VMs, field by field; JSON Schemas of "
    "them\n"
    "  in [schema/](schema/)\n"
    "- [configuration.md](configuration.md): the agent's own file and environment\n"
    "- [cluster-config.md](cluster-config.md): the timing and the sites of a failover group\n"
    "- [operations.md](operations.md): what can be asked of an agent at once\n"
    "- [metrics.md](metrics.md): what `/metrics` gives\n"
    "- [harmonyctl.md](harmonyctl.md): commands, flags, exit codes\n";

static void documents_page(struct hm_buf *out)
{
    hm_buf_puts(out, documents_intro);
    hm_buf_printf(out,
                  "\nA document, or file, has at most %d KiB, %d levels of nesting and %d values.\n"
                  "How values are written:\n\n",
                  PROTO_MAX_BYTES / 1024, PROTO_MAX_DEPTH, PROTO_MAX_NODES);
    markdown_types(out);
    for (const struct kind *const *k = kinds_all(); *k; k++) {
        hm_buf_printf(out, "\n## %s\n\n%s%s\n\n", (*k)->name, (*k)->help,
                      (*k)->allowed_on_primary ? "" : " It can't be placed on `primary`.");
        markdown_table((*k)->fields, true, out);
    }
}

static void configuration_page(struct hm_buf *out)
{
    hm_buf_puts(out, configuration_intro);
    markdown_table(config_fields, false, out);
    hm_buf_puts(out, configuration_environment);
}

static void operation_section(const struct operation *op, struct hm_buf *out)
{
    hm_buf_printf(out, "\n## %s\n\n%s\n\n", op->name, op->help);
    hm_buf_puts(out, op->kinds ? "For: " : "For the site.");
    for (const char *const *k = op->kinds; k && *k; k++)
        hm_buf_printf(out, "%s`%s`", k == op->kinds ? "" : ", ", *k);
    hm_buf_printf(out, "%s %s. Deadline: %lld s, unless asked otherwise.\n", op->kinds ? "." : "",
                  op->streams   ? "A stream; changes nothing by itself"
                  : op->changes ? "Acts: one at a time for each thing"
                                : "Only looks",
                  (long long)op->deadline_ms / 1000);
    if (op->args->name) {
        hm_buf_puts(out, "\n");
        markdown_table(op->args, false, out);
    }
}

static void operations_page(struct hm_buf *out)
{
    hm_buf_puts(out, operations_intro);
    for (const struct operation *const *o = operations; *o; o++)
        operation_section(*o, out);
}

static void cluster_page(struct hm_buf *out)
{
    hm_buf_puts(out, cluster_intro);
    markdown_table(cluster_config_fields, false, out);
}

static void index_page(struct hm_buf *out)
{
    hm_buf_puts(out, index_text);
}

static int write_page(const char *folder, const char *name, struct hm_buf *page,
                      struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, name);
    int rc = hm_file_write_atomic(path, page->data, page->len, 0644, err);
    hm_buf_free(page);
    return rc;
}

static int write_schemas(const char *folder, struct hm_error *err)
{
    HM_AUTOFREE char *schemas = hm_printf("%s/schema", folder);
    int rc = hm_mkdirs(schemas, 0755, err);
    for (const struct kind *const *k = kinds_all(); *k && rc >= 0; k++) {
        struct hm_buf page = {0};
        HM_AUTOFREE char *name = hm_printf("%s.json", (*k)->name);
        schema_of_kind(*k, &page);
        rc = write_page(schemas, name, &page, err);
    }
    return rc;
}

static int write_all(const char *folder, struct hm_error *err)
{
    static const struct {
        const char *name;
        void (*build)(struct hm_buf *out);
    } pages[] = {{"README.md", index_page},
                 {"documents.md", documents_page},
                 {"configuration.md", configuration_page},
                 {"cluster-config.md", cluster_page},
                 {"operations.md", operations_page},
                 {"metrics.md", metrics_page}};
    int rc = write_schemas(folder, err);
    for (size_t i = 0; i < HM_COUNT(pages) && rc >= 0; i++) {
        struct hm_buf page = {0};
        pages[i].build(&page);
        rc = write_page(folder, pages[i].name, &page, err);
    }
    return rc;
}

static void manual_page(struct hm_buf *out)
{
    manual_of_configuration(config_fields, out);
}

static int print_page(void (*build)(struct hm_buf *out))
{
    struct hm_buf page = {0};
    build(&page);
    fputs(page.data, stdout);
    hm_buf_free(&page);
    return 0;
}

int main(int argc, char **argv)
{
    struct hm_error err;
    if (argc == 2 && !strcmp(argv[1], "--man"))
        return print_page(manual_page);
    if (argc == 2 && !strcmp(argv[1], "--dashboard"))
        return print_page(dashboard_page);
    if (argc != 2) {
        fprintf(stderr, "usage: reference FOLDER | reference --man | reference --dashboard\n");
        return 2;
    }
    if (write_all(argv[1], &err) < 0) {
        fprintf(stderr, "reference: %s\n", err.text);
        return 1;
    }
    return 0;
}
