#include "agent/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "proto/address.h"
#include "proto/doc.h"
#include "proto/operation.h"
#include "proto/text.h"
#include "proto/tree.h"
#include "vmm/image_store.h"

/* -- the table -------------------------------------------------------------------------------- */

static const char *const accel_words[] = {"auto", "kvm", "tcg", NULL};
static const char *const format_words[] = {"text", "json", "journal", NULL};
static const char *const level_words[] = {
#define LEVEL_WORD(id, text, syslog) text,
    HM_LOG_LEVELS(LEVEL_WORD)
#undef LEVEL_WORD
        NULL};

static const struct field tls_fields[] = {
    {.name = "ca",
     .type = FIELD_PATH,
     .help = "Certificates that the server's is checked against; absent: the system's."},
    {.name = "cert",
     .type = FIELD_PATH,
     .help = "This agent's own certificate; given together with key."},
    {.name = "key", .type = FIELD_PATH, .help = "Its private key."},
    {.name = NULL},
};

static const struct field nats_fields[] = {
    {.name = "servers",
     .type = FIELD_LIST,
     .element = FIELD_STRING,
     .secret = true,
     .min = 1,
     .max = 32,
     .default_value = "[\"nats://127.0.0.1:4222\"]",
     .help = "URLs of the NATS servers (nats:// or tls://); one may be written without the list."},
    {.name = "credentials",
     .type = FIELD_PATH,
     .help = "A .creds file, readable by the agent alone."},
    {.name = "tls", .type = FIELD_OBJECT, .fields = tls_fields, .help = "Certificates."},
    {.name = NULL},
};

static const struct field libvirt_fields[] = {
    {.name = "enabled",
     .type = FIELD_BOOL,
     .default_value = "true",
     .help = "false: this host has no libvirt guests of harmony, and none are looked for; "
             "documents then need a "
             "backend that is not libvirt."},
    {.name = "uri",
     .type = FIELD_STRING,
     .min = 1,
     .max = 512,
     .help = "Connection URI. HARMONY_KVM_URI and HARMONY_KVM_CONNECTION in the environment win; "
             "absent: qemu:///system."},
    {.name = "image_dir",
     .type = FIELD_PATH,
     .help = "Folder of the pool `default`. HARMONY_KVM_IMAGE_DIR in the environment wins; absent: "
             "$HARMONY_DATA_DIR/kvm/images, else /var/lib/libvirt/images."},
    {.name = "accel",
     .type = FIELD_ENUM,
     .words = accel_words,
     .default_value = "\"auto\"",
     .help = "auto: KVM where it really works (tried once per boot), else emulation (tcg)."},
    {.name = NULL},
};

static const struct field cloud_hypervisor_fields[] = {
    {.name = "program",
     .type = FIELD_PATH,
     .help = "The program. CLOUD_HYPERVISOR in the environment wins; absent: found in the usual "
             "folders."},
    {.name = "firmware",
     .type = FIELD_PATH,
     .help = "What a guest without a kernel boots with (CLOUDHV.fd, or hypervisor-fw)."},
    {.name = NULL},
};

static const struct field images_fields[] = {
    {.name = "ca_file",
     .type = FIELD_PATH,
     .help = "Authorities whose certificates are believed for downloads; absent: the system's."},
    {.name = "stall_timeout",
     .type = FIELD_DURATION,
     .min = 1000,
     .max = 3600000,
     .default_value = "\"60s\"",
     .help = "A download from which nothing came for so long has failed, and is resumed later."},
    {.name = NULL},
};

static const struct field hook_fields[] = {
#define HOOK_FIELD(id, hook, when)                                                                 \
    {.name = hook, .type = FIELD_LIST, .element = FIELD_STRING, .min = 1, .max = 64, .help = when},
    HOOKS(HOOK_FIELD)
#undef HOOK_FIELD
        {.name = NULL},
};

static const struct field peer_tls_fields[] = {
    {.name = "ca",
     .type = FIELD_PATH,
     .required = true,
     .help = "The authority that signed every site's certificate; no other is believed."},
    {.name = "cert",
     .type = FIELD_PATH,
     .required = true,
     .help = "This agent's certificate; it names site_id (DNS name or common name)."},
    {.name = "key", .type = FIELD_PATH, .required = true, .help = "Its private key."},
    {.name = NULL},
};

static const struct field peer_fields[] = {
    {.name = "listen",
     .type = FIELD_STRING,
     .required = true,
     .min = 1,
     .max = 64,
     .help = "Numeric address and port that the other sites reach (0.0.0.0:7422, [::]:7422)."},
    {.name = "tls",
     .type = FIELD_OBJECT,
     .required = true,
     .fields = peer_tls_fields,
     .help = "Certificates; both sides of a link show one."},
    {.name = NULL},
};

static const struct field failover_fields[] = {
    {.name = "group",
     .type = FIELD_NAME,
     .default_value = "\"default\"",
     .help = "The failover group; another name than `default` prefixes the group's keys."},
    {.name = "hooks",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = hook_fields,
     .help = "Programs of the operator, each a list: absolute path and arguments. No shell."},
    {.name = "hook_timeout",
     .type = FIELD_DURATION,
     .min = 100,
     .max = 3600000,
     .default_value = "\"10s\"",
     .help = "A hook that takes longer is killed and has failed."},
    {.name = "follow_timeout",
     .type = FIELD_DURATION,
     .min = 100,
     .max = 7 * 24 * 3600000LL,
     .help = "The same for follow and resync, which may have data to copy; absent: hook_timeout."},
    {.name = "vip",
     .type = FIELD_LIST,
     .element = FIELD_OBJECT,
     .fields = vip_fields,
     .max = VIPS_MAX,
     .default_value = "[]",
     .help = "Virtual IPs: addresses that are on this host while it leads (docs/failover/vip.md)."},
    {.name = "peer",
     .type = FIELD_OBJECT,
     .fields = peer_fields,
     .help = "Direct links between the sites' agents, which failsafe needs (docs/failover)."},
    {.name = NULL},
};

static const struct field http_fields[] = {
    {.name = "listen",
     .type = FIELD_STRING,
     .min = 1,
     .max = 64,
     .default_value = "\"127.0.0.1:7480\"",
     .help = "Numeric address and port, or off. Whoever reaches it can read roles, names and "
             "statuses, and change nothing."},
    {.name = NULL},
};

static const struct field log_fields[] = {
    {.name = "level",
     .type = FIELD_ENUM,
     .words = level_words,
     .default_value = "\"info\"",
     .help = "The least important messages that are still written."},
    {.name = "format",
     .type = FIELD_ENUM,
     .words = format_words,
     .default_value = "\"text\"",
     .help = "text and json go to stderr, one line a message."},
    {.name = NULL},
};

static const struct field operations_fields[] = {
    {.name = "refuse",
     .type = FIELD_LIST,
     .element = FIELD_NAME,
     .default_value = "[]",
     .help = "Operations that this site does not do, whoever asks (console, prune, ...)."},
    {.name = NULL},
};

const struct field config_fields[] = {
    {.name = "site_id",
     .type = FIELD_NAME,
     .required = true,
     .help = "The name of this site, different from every other's."},
    {.name = "state_dir",
     .type = FIELD_PATH,
     .default_value = "\"/var/lib/harmony\"",
     .help = "What must survive a reboot: the last known desired state, failover marks."},
    {.name = "runtime_dir",
     .type = FIELD_PATH,
     .default_value = "\"/run/harmony\"",
     .help = "What need not: sockets, process ids."},
    {.name = "nats",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = nats_fields,
     .help = "The NATS servers with JetStream that hold all documents, statuses and heartbeats."},
    {.name = "libvirt",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = libvirt_fields,
     .help = "Where VMs run."},
    {.name = "cloud_hypervisor",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = cloud_hypervisor_fields,
     .help = "VMs with backend cloud-hypervisor (docs/cloud-hypervisor.md)."},
    {.name = "images",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = images_fields,
     .help = "Downloads into the image store, the folder harmony-images below image_dir."},
    {.name = "failover",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = failover_fields,
     .help = "This site's part in its failover group."},
    {.name = "guardian",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = guardian_fields,
     .help = "The second process that fences when the agent can't."},
    {.name = "host_paths",
     .type = FIELD_LIST,
     .element = FIELD_PATH,
     .default_value = "[]",
     .help =
         "Folders and files that documents may name (kernels, images); image_dir always is one."},
    {.name = "quota",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = quota_fields,
     .help =
         "The most that documents may take of this host; absent: no limit (docs/workloads.md)."},
    {.name = "operations",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = operations_fields,
     .help = "What may be asked of this agent beside documents (docs/operations.md)."},
    {.name = "http",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = http_fields,
     .help = "Endpoints for load balancers and monitoring (docs/http.md)."},
    {.name = "log",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = log_fields,
     .help = "What the agent writes about itself."},
    {.name = NULL},
};

/* -- what the table can't say ----------------------------------------------------------------- */

static int check_hooks(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *hooks = json_object_get(json_object_get(spec, "failover"), "hooks");
    for (const struct field *f = hook_fields; f->name; f++) {
        const char *program = json_string_value(json_array_get(json_object_get(hooks, f->name), 0));
        if (!program || *program == '/')
            continue;
        char shown[TEXT_QUOTE_MAX];
        text_quote(program, shown);
        field_place_set(at, "failover.hooks.%s[0]", f->name);
        return field_fail(at, err, "%s is not an absolute path of a program", shown);
    }
    return 0;
}

static bool is_numeric(const char *host)
{
    return strchr(host, ':') || host[strspn(host, "0123456789.")] == '\0';
}

static int check_listen(const char *listen, const char *path, const char *example,
                        struct field_place *at, struct hm_error *err)
{
    char host[HOST_TEXT_MAX + 1], shown[TEXT_QUOTE_MAX];
    uint16_t port;
    if (host_port_parse(listen, host, &port) && is_numeric(host))
        return 0;
    text_quote(listen, shown);
    field_place_set(at, "%s", path);
    return field_fail(at, err, "%s is no numeric address and port (%s)", shown, example);
}

static int check_peer(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *peer = json_object_get(json_object_get(spec, "failover"), "peer");
    const char *listen = peer ? spec_str(peer, "listen") : NULL;
    return listen ? check_listen(listen, "failover.peer.listen", "0.0.0.0:7422", at, err) : 0;
}

static bool is_off(const char *listen)
{
    return !strcmp(listen, "off");
}

static int check_http(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const char *listen = spec_str(json_object_get(spec, "http"), "listen");
    return is_off(listen) ? 0
                          : check_listen(listen, "http.listen", "127.0.0.1:7480, or off", at, err);
}

static int check_operations(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const struct operation *found;
    const json_t *refuse = json_object_get(json_object_get(spec, "operations"), "refuse");
    for (size_t i = 0; i < json_array_size(refuse); i++) {
        struct hm_error why;
        field_place_set(at, "operations.refuse[%zu]", i);
        if (operation_find(json_string_value(json_array_get(refuse, i)), &found, &why) < 0)
            return field_fail(at, err, "%s", why.text);
    }
    return 0;
}

static int check_config(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *tls = json_object_get(json_object_get(spec, "nats"), "tls");
    field_place_set(at, "site_id");
    if (!strcmp(spec_str(spec, "site_id"), DOC_PLACEMENT_PRIMARY))
        return field_fail(at, err, "primary is the word for whichever site leads; take another");
    field_place_set(at, "nats.tls");
    if (!spec_str(tls, "cert") != !spec_str(tls, "key"))
        return field_fail(at, err, "cert and key are given together, or neither");
    int r = check_hooks(spec, at, err);
    if (r >= 0)
        r = check_peer(spec, at, err);
    if (r >= 0)
        r = vip_config_check(json_object_get(json_object_get(spec, "failover"), "vip"), at, err);
    if (r >= 0)
        r = check_operations(spec, at, err);
    if (r >= 0)
        r = check_http(spec, at, err);
    return r < 0 ? r : guardian_config_check(spec, at, err);
}

/* -- environment ------------------------------------------------------------------------------ */

typedef const char *(*env_lookup)(const char *variable);

static const char *env_value(env_lookup get_env, const char *variable)
{
    const char *value = get_env(variable);
    return value && *value ? value : NULL;
}

static const char *process_env(const char *variable)
{
    return getenv(variable);
}

static void choose_uri(struct agent_config *c, const json_t *libvirt, env_lookup get_env)
{
    const struct {
        const char *from, *value;
    } choices[] = {{"HARMONY_KVM_URI", env_value(get_env, "HARMONY_KVM_URI")},
                   {"HARMONY_KVM_CONNECTION", env_value(get_env, "HARMONY_KVM_CONNECTION")},
                   {"libvirt.uri", spec_str(libvirt, "uri")},
                   {"the default", "qemu:///system"}};
    size_t i = 0;
    while (!choices[i].value)
        i++;
    c->libvirt.uri = hm_strdup(choices[i].value);
    c->libvirt.uri_from = hm_strdup(choices[i].from);
}

static void choose_image_dir(struct agent_config *c, const json_t *libvirt, env_lookup get_env)
{
    const char *data = env_value(get_env, "HARMONY_DATA_DIR");
    HM_AUTOFREE char *in_data = data ? hm_printf("%s/kvm/images", data) : NULL;
    const struct {
        const char *from, *value;
    } choices[] = {{"HARMONY_KVM_IMAGE_DIR", env_value(get_env, "HARMONY_KVM_IMAGE_DIR")},
                   {"libvirt.image_dir", spec_str(libvirt, "image_dir")},
                   {"HARMONY_DATA_DIR", in_data},
                   {"the default", "/var/lib/libvirt/images"}};
    size_t i = 0;
    while (!choices[i].value)
        i++;
    c->libvirt.image_dir = hm_strdup(choices[i].value);
    c->libvirt.image_dir_from = hm_strdup(choices[i].from);
}

static void take_cloud_hypervisor(struct agent_config *c, const json_t *given, env_lookup get_env)
{
    const char *program = env_value(get_env, "CLOUD_HYPERVISOR");
    if (!program)
        program = spec_str(given, "program");
    c->cloud_hypervisor.program = program ? hm_strdup(program) : NULL;
    c->cloud_hypervisor.firmware = config_text(given, "firmware");
}

/* The file's paths were verified; those of the environment were not. */
static int check_image_dir(const struct agent_config *c, struct hm_error *err)
{
    static const struct field table[] = {{.name = "image_dir", .type = FIELD_PATH}, {.name = NULL}};
    json_t *in = json_object(), *spec = NULL;
    json_object_set_new(in, "image_dir", json_string(c->libvirt.image_dir));
    int rc = fields_verify(table, in, &spec, err);
    json_decref(in);
    json_decref(spec);
    return rc < 0 ? hm_wrap(err, "%s", c->libvirt.image_dir_from) : 0;
}

/* -- spec -> struct --------------------------------------------------------------------------- */

char *config_text(const json_t *object, const char *name)
{
    const char *text = spec_str(object, name);
    return text ? hm_strdup(text) : NULL;
}

char **config_texts(const json_t *list)
{
    size_t n = json_array_size(list);
    char **texts = hm_alloc((n + 1) * sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = hm_strdup(json_string_value(json_array_get(list, i)));
    return texts;
}

static char *joined(const json_t *list)
{
    struct hm_buf b = {0};
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        hm_buf_printf(&b, "%s%s", i ? "," : "", json_string_value(item));
    }
    return hm_buf_steal(&b);
}

static void take_nats(struct agent_config *c, const json_t *nats)
{
    const json_t *tls = json_object_get(nats, "tls");
    c->nats.servers = joined(json_object_get(nats, "servers"));
    c->nats.credentials = config_text(nats, "credentials");
    c->nats.tls_ca = config_text(tls, "ca");
    c->nats.tls_cert = config_text(tls, "cert");
    c->nats.tls_key = config_text(tls, "key");
}

static void take_peer(struct agent_config *c, const json_t *peer)
{
    const json_t *tls = json_object_get(peer, "tls");
    c->failover.peer.listen = config_text(peer, "listen");
    c->failover.peer.tls_ca = config_text(tls, "ca");
    c->failover.peer.tls_cert = config_text(tls, "cert");
    c->failover.peer.tls_key = config_text(tls, "key");
}

static void take_images(struct agent_config *c, const json_t *images)
{
    c->images.ca_file = config_text(images, "ca_file");
    c->images.stall_timeout_ms = spec_int(images, "stall_timeout", 0);
}

static void take_failover(struct agent_config *c, const json_t *failover)
{
    const json_t *hooks = json_object_get(failover, "hooks");
    c->failover.group = config_text(failover, "group");
    take_peer(c, json_object_get(failover, "peer"));
    vip_config_take(&c->failover.vips, json_object_get(failover, "vip"));
    c->failover.hook_timeout_ms = spec_int(failover, "hook_timeout", HOOK_LIMIT_MS);
    c->failover.follow_timeout_ms =
        spec_int(failover, "follow_timeout", c->failover.hook_timeout_ms);
    for (int i = 0; i < HOOK_COUNT; i++) {
        const json_t *argv = json_object_get(hooks, hook_fields[i].name);
        c->failover.hooks[i] = argv ? config_texts(argv) : NULL;
    }
}

static void take_http(struct agent_config *c, const json_t *http)
{
    if (!is_off(spec_str(http, "listen")))
        c->http.listen = config_text(http, "listen");
}

static void take_log(struct agent_config *c, const json_t *log)
{
    const char *format = spec_str(log, "format");
    hm_log_level_from_name(spec_str(log, "level"), &c->log.level);
    c->log.format = !strcmp(format, "json")      ? HM_LOG_JSON
                    : !strcmp(format, "journal") ? HM_LOG_JOURNAL
                                                 : HM_LOG_TEXT;
}

static void take_spec(struct agent_config *c, const json_t *spec, env_lookup get_env)
{
    const json_t *libvirt = json_object_get(spec, "libvirt");
    c->site_id = config_text(spec, "site_id");
    c->state_dir = config_text(spec, "state_dir");
    c->runtime_dir = config_text(spec, "runtime_dir");
    c->libvirt.accel = config_text(libvirt, "accel");
    c->libvirt.enabled = spec_bool(libvirt, "enabled");
    c->host_paths = config_texts(json_object_get(spec, "host_paths"));
    choose_uri(c, libvirt, get_env);
    choose_image_dir(c, libvirt, get_env);
    take_cloud_hypervisor(c, json_object_get(spec, "cloud_hypervisor"), get_env);
    take_nats(c, json_object_get(spec, "nats"));
    take_images(c, json_object_get(spec, "images"));
    take_failover(c, json_object_get(spec, "failover"));
    guardian_config_take(&c->guardian, json_object_get(spec, "guardian"), c->runtime_dir);
    c->refused_operations =
        config_texts(json_object_get(json_object_get(spec, "operations"), "refuse"));
    quota_take(&c->quota, json_object_get(spec, "quota"));
    take_http(c, json_object_get(spec, "http"));
    take_log(c, json_object_get(spec, "log"));
}

/* -- reading ---------------------------------------------------------------------------------- */

/* One server may be written without the list. */
static void list_servers(json_t *given)
{
    json_t *nats = json_object_get(given, "nats"), *servers = json_object_get(nats, "servers");
    if (json_is_string(servers))
        json_object_set_new(nats, "servers", json_pack("[O]", servers));
}

/* Its lines are looked up before list_servers() changes it: only the place of the error is needed.
 */
static int verify(const struct tree *tree, const char *name, json_t **ret_spec,
                  struct hm_error *err)
{
    const json_t *root = json_array_get(tree->docs, 0);
    if (json_array_size(tree->docs) != 1)
        return hm_fail(err, HM_E_INVALID, "%s:1: %s; expected one, with site_id", name,
                       root ? "holds several documents" : "is empty");
    json_t *given = json_deep_copy(root), *spec = NULL;
    struct field_place at = {""};
    list_servers(given);
    int rc = fields_verify_at(config_fields, given, &spec, &at, err);
    if (rc >= 0)
        rc = check_config(spec, &at, err);
    json_decref(given);
    if (rc < 0) {
        json_decref(spec);
        return hm_wrap(err, "%s:%d", name, tree_line(tree, root, at.path));
    }
    *ret_spec = spec;
    return 0;
}

int config_parse(const char *name, const char *text, size_t len, env_lookup get_env,
                 struct agent_config *ret, struct hm_error *err)
{
    struct tree tree;
    json_t *spec = NULL;
    int rc = tree_parse(tree_format_of(name), name, text, len, &tree, err);
    if (rc < 0)
        return rc;
    rc = verify(&tree, name, &spec, err);
    tree_clear(&tree);
    if (rc < 0)
        return rc;
    struct agent_config config = {0};
    take_spec(&config, spec, get_env);
    json_decref(spec);
    rc = check_image_dir(&config, err);
    if (rc < 0)
        config_clear(&config);
    else
        *ret = config;
    return rc;
}

int config_load(const char *path, struct agent_config *ret, struct hm_error *err)
{
    char *text;
    size_t len;
    int rc = hm_file_read(path, PROTO_MAX_BYTES, &text, &len, err);
    if (rc < 0)
        return rc;
    rc = config_parse(path, text, len, process_env, ret, err);
    free(text);
    return rc;
}

void config_free_texts(char **texts)
{
    for (char **t = texts; t && *t; t++)
        free(*t);
    free(texts);
}

void config_clear(struct agent_config *c)
{
    char *const owned[] = {c->site_id,
                           c->state_dir,
                           c->runtime_dir,
                           c->nats.servers,
                           c->http.listen,
                           c->nats.credentials,
                           c->nats.tls_ca,
                           c->nats.tls_cert,
                           c->nats.tls_key,
                           c->libvirt.uri,
                           c->libvirt.uri_from,
                           c->libvirt.image_dir,
                           c->libvirt.image_dir_from,
                           c->libvirt.accel,
                           c->cloud_hypervisor.program,
                           c->cloud_hypervisor.firmware,
                           c->images.ca_file,
                           c->failover.group,
                           c->failover.peer.listen,
                           c->failover.peer.tls_ca,
                           c->failover.peer.tls_cert,
                           c->failover.peer.tls_key};
    for (size_t i = 0; i < HM_COUNT(owned); i++)
        free(owned[i]);
    for (int i = 0; i < HOOK_COUNT; i++)
        config_free_texts(c->failover.hooks[i]);
    config_free_texts(c->host_paths);
    config_free_texts(c->refused_operations);
    vip_config_clear(&c->failover.vips);
    guardian_config_clear(&c->guardian);
    *c = (struct agent_config){0};
}

/* -- allow-list ------------------------------------------------------------------------------- */

static bool is_at_or_below(const char *path, const char *root)
{
    size_t n = strlen(root);
    return !strncmp(path, root, n) && (path[n] == '/' || path[n] == '\0');
}

/* Its files are many documents' at once: they are named by document, and nobody writes to them. */
static bool is_in_store(const char *below_image_dir)
{
    return is_at_or_below(below_image_dir, "/" IMAGE_STORE_FOLDER);
}

bool config_allows_path(const struct agent_config *config, const char *path)
{
    if (!path_is_plain(path))
        return false;
    if (is_at_or_below(path, config->libvirt.image_dir))
        return !is_in_store(path + strlen(config->libvirt.image_dir));
    for (char *const *root = config->host_paths; *root; root++)
        if (is_at_or_below(path, *root))
            return true;
    return false;
}
