/*
 * What the real one's deserializer does with a body: unknown keys are dropped, missing ones filled
 * in, wrong types refused with the place where they stand. Only the fields that matter to a VM of
 * harmony's are here; others are dropped as unknown ones are. One table says it all.
 *
 * Of the place, the real one tells line and column, mostly of the value's end; so does this, by finding
 * the first "name": in the text.
 */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { BOOL, U8, U16, U32, U64, USIZE, TEXT, PATH, ANY, OBJECT, LIST };

struct field {
    const char *name;
    enum type type;
    const char *standard; /* JSON; NULL: left out (v50: null) */
    const char *kind;     /* of an object, or of a list's items; NULL: any */
    const char *values;   /* of a text: "|A|B|" */
    bool required;
    int only; /* in that version; 0: in all */
};

#define MODES "|Off|Pty|Tty|File|Socket|Null|"
#define IN_V50(name)                                                                               \
    {                                                                                              \
        name, ANY, .only = 50                                                                      \
    }
/* Of disks and cards; others have them since v53. */
#define DEVICE                                                                                     \
    {"id", TEXT}, {"pci_segment", U16, "0"}, {"pci_device_id", U8, .only = 53},                    \
    {                                                                                              \
        "iommu", BOOL, "false", .only = 50                                                         \
    }
#define OTHER_DEVICE                                                                               \
    {"id", TEXT, .only = 53}, {"pci_segment", U16, "0", .only = 53},                               \
        {"pci_device_id", U8, .only = 53},                                                         \
    {                                                                                              \
        "iommu", BOOL, "false", .only = 50                                                         \
    }

static const struct field vm_config[] = {
    {"cpus", OBJECT, "{\"boot_vcpus\":1,\"max_vcpus\":1}", "CpusConfig"},
    {"memory", OBJECT, "{\"size\":536870912}", "MemoryConfig"},
    {"payload", OBJECT, NULL, "PayloadConfig"},
    {"disks", LIST, NULL, "DiskConfig"},
    {"net", LIST, NULL, "NetConfig"},
    {"rng", OBJECT, "{\"src\":\"/dev/urandom\"}", "RngConfig"},
    {"serial", OBJECT, "{\"mode\":\"Null\"}", "SerialConfig"},
    {"console", OBJECT, "{\"mode\":\"Tty\"}", "ConsoleConfig"},
    {"debug_console", OBJECT, "{\"mode\":\"Off\",\"iobase\":233}", "DebugConsoleConfig"},
    {"pvpanic", BOOL, "false"},
    {"iommu", BOOL, "false"},
    {"watchdog", BOOL, "false"},
    {"platform", OBJECT, NULL, "PlatformConfig"},
    {"tpm", OBJECT, NULL, "TpmConfig"},
    {"landlock_enable", BOOL, "false"},
    {"landlock_rules", LIST, NULL, "LandlockConfig"},
    IN_V50("rate_limit_groups"),
    IN_V50("balloon"),
    IN_V50("fs"),
    IN_V50("pmem"),
    IN_V50("devices"),
    IN_V50("user_devices"),
    IN_V50("vdpa"),
    IN_V50("vsock"),
    IN_V50("numa"),
    IN_V50("pci_segments"),
    {0},
};
static const struct field cpus[] = {
    {"boot_vcpus", U32, .required = true},
    {"max_vcpus", U32, .required = true},
    {"topology", ANY},
    {"kvm_hyperv", BOOL, "false"},
    {"max_phys_bits", U8, "46"},
    {"affinity", LIST, NULL, "CpuAffinity"},
    {"features", ANY, "{\"amx\":false}"},
    {"nested", BOOL, "true"},
    {"core_scheduling", TEXT, "\"Vm\"", .only = 53},
    {"profile", TEXT, "\"Host\"", .only = 53},
    {0},
};
static const struct field affinity[] = {
    {"vcpu", U32, .required = true}, {"host_cpus", ANY, .required = true}, {0}};
static const struct field memory[] = {
    {"size", U64, .required = true},
    {"mergeable", BOOL, "false"},
    {"hotplug_method", TEXT, "\"Acpi\"", .values = "|Acpi|VirtioMem|"},
    {"hotplug_size", U64},
    {"hotplugged_size", U64},
    {"shared", BOOL, "false"},
    {"hugepages", BOOL, "false"},
    {"hugepage_size", U64},
    {"prefault", BOOL, "false"},
    {"reserve", BOOL, "false", .only = 53},
    {"zones", ANY},
    {"thp", BOOL, "true"},
    {0},
};
static const struct field payload[] = {
    {"firmware", PATH}, {"kernel", PATH}, {"cmdline", TEXT}, {"initramfs", PATH}, {0}};
static const struct field disk[] = {
    DEVICE,
    {"path", PATH},
    {"readonly", BOOL, "false"},
    {"direct", BOOL, "false"},
    {"num_queues", USIZE, "1"},
    {"queue_size", U16, "128"},
    {"vhost_user", BOOL, "false"},
    {"vhost_socket", TEXT},
    {"rate_limit_group", TEXT},
    {"rate_limiter_config", ANY},
    {"disable_io_uring", BOOL, "false"},
    {"disable_aio", BOOL, "false"},
    {"serial", TEXT},
    {"queue_affinity", ANY},
    {"backing_files", BOOL, "false"},
    {"sparse", BOOL, "true", .only = 53},
    {"image_type", TEXT, "\"Unknown\"", .values = "|FixedVhd|Qcow2|Raw|Vhdx|Unknown|"},
    {"lock_granularity", TEXT, "\"ByteRange\"", .values = "|ByteRange|Full|", .only = 53},
    {0},
};
static const struct field net[] = {
    DEVICE,
    {"tap", TEXT},
    {"ip", TEXT},
    {"mask", TEXT},
    {"mac", TEXT},
    {"host_mac", TEXT},
    {"mtu", U16},
    {"num_queues", USIZE, "2"},
    {"queue_size", U16, "256"},
    {"vhost_user", BOOL, "false"},
    {"vhost_socket", TEXT},
    {"vhost_mode", TEXT, "\"Client\""},
    {"rate_limiter_config", ANY},
    {"offload_tso", BOOL, "true"},
    {"offload_ufo", BOOL, "true"},
    {"offload_csum", BOOL, "true"},
    IN_V50("fds"),
    {0},
};
static const struct field rng[] = {OTHER_DEVICE, {"src", PATH, .required = true}, {0}};
static const struct field serial[] = {
    {"file", PATH},
    {"mode", TEXT, .values = MODES, .required = true},
    {"socket", PATH},
    {"iommu", BOOL, "false", .only = 50},
    {0},
};
static const struct field console[] = {
    {"file", PATH},
    {"mode", TEXT, .values = MODES, .required = true},
    {"socket", PATH},
    OTHER_DEVICE,
    {0},
};
static const struct field debug_console[] = {
    {"file", PATH},
    {"mode", TEXT, .values = MODES, .required = true},
    {"iobase", U16},
    {0},
};
static const struct field platform[] = {
    {"num_pci_segments", U16, "1"},
    {"iommu_segments", ANY},
    {"iommu_address_width_bits", U8, "64"},
    {"system_serial_number", TEXT},
    {"system_uuid", TEXT},
    {"oem_strings", ANY},
    {"iommufd", BOOL, "false"},
    {"vfio_p2p_dma", BOOL, "true"},
    {0},
};
static const struct field tpm[] = {{"socket", PATH, .required = true}, {0}};
static const struct field landlock[] = {
    {"path", PATH, .required = true}, {"access", TEXT, .required = true}, {0}};
static const struct field resize[] = {
    {"desired_vcpus", U32}, {"desired_ram", U64}, {"desired_balloon", U64}, {0}};
static const struct field resize_disk_data[] = {
    {"id", TEXT, .required = true}, {"desired_size", U64, .required = true}, {0}};
static const struct field remove_data[] = {{"id", TEXT, .required = true}, {0}};
static const struct field snapshot_data[] = {{"destination_url", TEXT, .required = true}, {0}};
static const struct field restore_data[] = {
    {"source_url", TEXT, .required = true},
    {"prefault", BOOL, "false"},
    {"memory_restore_mode", TEXT},
    {"resume", BOOL, "false"},
    {0},
};

static const struct {
    const char *name;
    const struct field *fields;
} kinds[] = {
    {"VmConfig", vm_config},
    {"CpusConfig", cpus},
    {"CpuAffinity", affinity},
    {"MemoryConfig", memory},
    {"PayloadConfig", payload},
    {"DiskConfig", disk},
    {"NetConfig", net},
    {"RngConfig", rng},
    {"SerialConfig", serial},
    {"ConsoleConfig", console},
    {"DebugConsoleConfig", debug_console},
    {"PlatformConfig", platform},
    {"TpmConfig", tpm},
    {"LandlockConfig", landlock},
    {"VmResizeData", resize},
    {"VmResizeDiskData", resize_disk_data},
    {"VmRemoveDeviceData", remove_data},
    {"VmSnapshotConfig", snapshot_data},
    {"RestoreConfig", restore_data},
};

static const struct field *fields_of(const char *kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return kinds[i].fields;
    die("no kind %s", kind);
}

/* -- where and what ---------------------------------------------------------------------------- */

struct reading {
    const struct vmm *v;
    const char *body;
    size_t size;
    const char *within; /* name of the object that is being read; NULL: the body itself */
    char said[512];     /* empty: all is well */
};

/* Where the first value after "name": begins in the text; it is parsed, so nothing ends it but itself. */
static size_t start_of_value(const struct reading *r, const char *name)
{
    char key[72];
    snprintf(key, sizeof(key), "\"%s\"", name);
    const char *at = memmem(r->body, r->size, key, strlen(key));
    if (!at)
        return r->size;
    at += strlen(key) + strspn(at + strlen(key), " \t\r\n:");
    return (size_t)(at - r->body);
}

static size_t end_of_value(const struct reading *r, const char *name)
{
    size_t start = start_of_value(r, name);
    json_error_t error;
    json_t *value = json_loadb(r->body + start, r->size - start,
                               JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
    json_decref(value);
    return start + (value ? (size_t)error.position : 0);
}

static void say_at(struct reading *r, size_t end, const char *what)
{
    size_t line = 1, column = 0;
    for (size_t i = 0; i < end; i++)
        if (r->body[i] == '\n') {
            line++;
            column = 0;
        } else
            column++;
    snprintf(r->said, sizeof(r->said), "%s at line %zu column %zu", what, line, column);
}

/* A part that devices, or consoles, have in common is read when all of the object has been; v50 has none. */
static bool is_common(const struct vmm *v, const char *name)
{
    static const char *const common[] = {"id",   "pci_segment", "pci_device_id",
                                         "mode", "file",        "socket"};
    for (size_t i = 0; v->options.version >= 53 && i < sizeof(common) / sizeof(*common); i++)
        if (strcmp(common[i], name) == 0)
            return true;
    return false;
}

static size_t end_of_object(const struct reading *r)
{
    return r->within ? end_of_value(r, r->within) : r->size;
}

/* NULL: of the whole body. */
static void say(struct reading *r, const char *name, const char *what)
{
    if (!name || (r->within && is_common(r->v, name)))
        say_at(r, end_of_object(r), what);
    else
        say_at(r, end_of_value(r, name), what);
}

static void describe(const json_t *value, char *ret, size_t size)
{
    if (json_is_string(value))
        snprintf(ret, size, "string \"%.60s\"", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(ret, size, "integer `%lld`", json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(ret, size, "boolean `%s`", json_is_true(value) ? "true" : "false");
    else if (json_is_real(value))
        snprintf(ret, size, "floating point `%.17g`", json_real_value(value));
    else
        snprintf(ret, size, "%s",
                 json_is_array(value)    ? "sequence"
                 : json_is_object(value) ? "map"
                                         : "null");
}

static const char *expected(const struct field *field, char *room, size_t size)
{
    static const char *const names[] = {
        [BOOL] = "a boolean", [U8] = "u8",          [U16] = "u16",       [U32] = "u32",
        [U64] = "u64",        [USIZE] = "usize",    [TEXT] = "a string", [PATH] = "path string",
        [ANY] = "anything",   [LIST] = "a sequence"};
    if (field->type != OBJECT)
        return names[field->type];
    snprintf(room, size, "struct %s", field->kind);
    return room;
}

static bool is_of(const struct field *field, const json_t *value)
{
    switch (field->type) {
    case BOOL:
        return json_is_boolean(value);
    case U8 ... USIZE:
        return json_is_integer(value);
    case TEXT:
    case PATH:
        return json_is_string(value);
    case OBJECT:
        return json_is_object(value);
    case LIST:
        return json_is_array(value);
    default:
        return true;
    }
}

static bool is_in_range(const struct field *field, const json_t *value)
{
    static const uint64_t largest[] = {[U8] = UINT8_MAX,
                                       [U16] = UINT16_MAX,
                                       [U32] = UINT32_MAX,
                                       [U64] = INT64_MAX,
                                       [USIZE] = INT64_MAX};
    if (field->type < U8 || field->type > USIZE)
        return true;
    json_int_t seen = json_integer_value(value);
    return seen >= 0 && (uint64_t)seen <= largest[field->type];
}

static bool is_a_value(const struct field *field, const json_t *value)
{
    char between[72];
    snprintf(between, sizeof(between), "|%.64s|", json_string_value(value));
    return strstr(field->values, between);
}

/* "expected `A` or `B`", "expected one of `A`, `B`, `C`" */
static void refuse_variant(struct reading *r, const struct field *field, const json_t *value)
{
    char list[256] = "", said[400];
    size_t count = 0;
    for (const char *at = field->values + 1; *at; at += strcspn(at, "|") + 1)
        count++;
    for (const char *at = field->values + 1; *at; at += strcspn(at, "|") + 1)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s`%.*s`",
                 !*list       ? ""
                 : count == 2 ? " or "
                              : ", ",
                 (int)strcspn(at, "|"), at);
    snprintf(said, sizeof(said), "unknown variant `%.64s`, expected %s%s", json_string_value(value),
             count == 2 ? "" : "one of ", list);
    say(r, field->name, said);
}

/* -- reading ----------------------------------------------------------------------------------- */

static json_t *read_object(struct reading *r, const char *name, const char *kind,
                           const json_t *given);

static json_t *read_list(struct reading *r, const struct field *field, const json_t *given)
{
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach(given, i, item)
    {
        if (!json_is_object(item)) {
            char what[200], seen[100];
            describe(item, seen, sizeof(seen));
            snprintf(what, sizeof(what), "invalid type: %s, expected struct %s", seen, field->kind);
            say(r, field->name, what);
        } else
            json_array_append_new(list, read_object(r, field->name, field->kind, item));
    }
    return list;
}

static json_t *read_value(struct reading *r, const struct field *field, const json_t *given)
{
    char what[300], seen[100], room[64];
    describe(given, seen, sizeof(seen));
    if (!is_of(field, given)) {
        snprintf(what, sizeof(what), "invalid type: %s, expected %s", seen,
                 expected(field, room, sizeof(room)));
        if (json_is_array(given) || json_is_object(given)) /* it is not read any further */
            say_at(r, start_of_value(r, field->name), what);
        else
            say(r, field->name, what);
    } else if (!is_in_range(field, given)) {
        snprintf(what, sizeof(what), "invalid value: %s, expected %s", seen,
                 expected(field, room, sizeof(room)));
        say(r, field->name, what);
    } else if (field->values && !is_a_value(field, given))
        refuse_variant(r, field, given);
    if (field->type == OBJECT && !r->said[0])
        return read_object(r, field->name, field->kind, given);
    if (field->type == LIST && !r->said[0])
        return read_list(r, field, given);
    return json_deep_copy(given);
}

/* A field that was not given, or is null. */
static void fill_in(struct reading *r, json_t *object, const struct field *field)
{
    if (field->required) {
        char what[100];
        snprintf(what, sizeof(what), "missing field `%s`", field->name);
        say_at(r, end_of_object(r), what);
    }
    if (field->standard) {
        json_t *standard = json_loads(field->standard, JSON_DECODE_ANY, NULL);
        json_object_set_new(object, field->name,
                            field->type == OBJECT
                                ? read_object(r, field->name, field->kind, standard)
                                : json_incref(standard));
        json_decref(standard);
    } else if (r->v->options.version < 53)
        json_object_set_new(object, field->name, json_null());
}

static bool is_in(const struct vmm *v, const struct field *field)
{
    return !field->only || (field->only < 53) == (v->options.version < 53);
}

static json_t *read_object(struct reading *r, const char *name, const char *kind,
                           const json_t *given)
{
    json_t *object = json_object();
    const char *before = r->within;
    r->within = name;
    for (const struct field *field = fields_of(kind); field->name && !r->said[0]; field++) {
        if (!is_in(r->v, field))
            continue;
        const json_t *value = json_object_get(given, field->name);
        if (value && !json_is_null(value))
            json_object_set_new(object, field->name, read_value(r, field, value));
        else
            fill_in(r, object, field);
    }
    r->within = before;
    return object;
}

/* As far as the real one's words are known: a text that ends too early, or begins with a wrong letter. */
static void say_syntax(struct reading *r, const json_error_t *error)
{
    if (json_error_code(error) == json_error_premature_end_of_input)
        say_at(r, r->size, "EOF while parsing a value");
    else if (r->size && strchr("ntf", r->body[0]))
        say_at(r, 2, "expected ident");
    else
        say_at(r, 1, "expected value");
}

/* A list in place of the body is taken for its fields, in order; the real one has more than are known here. */
static void say_no_object(struct reading *r, const char *kind, const json_t *given)
{
    char seen[100], what[200];
    describe(given, seen, sizeof(seen));
    if (json_is_array(given) && json_array_size(given) == 0 && strcmp(kind, "VmConfig") == 0)
        snprintf(what, sizeof(what), "invalid length 2, expected struct VmConfig with %d elements",
                 r->v->options.version < 53 ? 26 : 28);
    else
        snprintf(what, sizeof(what), "invalid type: %s, expected struct %s", seen, kind);
    say(r, NULL, what);
}

struct answer read_as(const struct vmm *v, const char *kind, const char *body, size_t size,
                      json_t **ret)
{
    struct reading r = {.v = v, .body = body, .size = size};
    json_error_t error;
    json_t *given = json_loadb(body, size, JSON_DECODE_ANY, &error), *object = NULL;
    if (!given)
        say_syntax(&r, &error);
    else if (!json_is_object(given))
        say_no_object(&r, kind, given);
    else
        object = read_object(&r, NULL, kind, given);
    json_decref(given);
    if (!r.said[0]) {
        *ret = object;
        return FINE;
    }
    json_decref(object);
    return refuse(400, "Failed to deserialize JSON", r.said, NULL);
}
