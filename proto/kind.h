/* Inside proto/kind*.c: the tables of the kinds, and the rows that all of them have. */
#ifndef HM_PROTO_KIND_H
#define HM_PROTO_KIND_H

#include "proto/doc.h"
#include "proto/field.h"

extern const struct kind kind_network, kind_image_file, kind_disk, kind_vm;

extern const char *const change_words[], *const disk_formats[];

/* field.weigh of the size of a disk: it grows live, and never shrinks. */
enum field_cost disk_weigh_size(const json_t *before, const json_t *after, char **ret_why);

/* What a disk is made on top of; its format is always said, and never guessed. */
#define DISK_BACKING_FIELDS(what)                                                                  \
    {.name = "backing", .type = FIELD_PATH, .cost = COST_NEVER, .help = what},                     \
        {.name = "backing_format",                                                                 \
         .type = FIELD_ENUM,                                                                       \
         .cost = COST_NEVER,                                                                       \
         .words = disk_formats,                                                                    \
         .help = "With backing: its format; qcow2 unless it is said."},                            \
    {                                                                                              \
        .name = "backing_image", .type = FIELD_NAME, .cost = COST_NEVER,                           \
        .help = "With size: made on top of the image of this image-file document, which stays in " \
                "the store as long as the disk is there."                                          \
    }
/* Those of one disk; `at` is its place. */
int disk_check_backing(const json_t *disk, struct field_place *at, struct hm_error *err);

/* The field `bridge` of `in`, if it is there: a name that the kernel takes. `at` is the place of
 * `in`. */
int kind_check_bridge(const json_t *in, struct field_place *at, struct hm_error *err);

extern const char *const restart_words[];
extern const struct field health_fields[];
/* What the table of `health` can't say; `spec` is the document's. */
int kind_check_health(const json_t *spec, struct field_place *at, struct hm_error *err);

/* Of kinds that run: what becomes of them when they end. */
#define FIELDS_LIFE                                                                                \
    {.name = "restart_policy",                                                                     \
     .type = FIELD_ENUM,                                                                           \
     .words = restart_words,                                                                       \
     .default_value = "\"always\"",                                                                \
     .help = "What follows when it ends by itself. always: it is started again; on-failure: "      \
             "unless it shut down cleanly; no: it stays off until power was off once."},           \
    {                                                                                              \
        .name = "health", .type = FIELD_OBJECT, .fields = health_fields,                           \
        .help = "How to ask whether it is well, by one of tcp, http and guest_agent; one that is " \
                "not is started again, unless restart_policy is no."                               \
    }

/* `change` has a default of its own for each kind. */
#define FIELDS_COMMON(change_default)                                                              \
    {.name = "adopt",                                                                              \
     .type = FIELD_BOOL,                                                                           \
     .default_value = "false",                                                                     \
     .help = "Take over a thing of this name that harmony did not make."},                         \
        {.name = "protect",                                                                        \
         .type = FIELD_BOOL,                                                                       \
         .default_value = "false",                                                                 \
         .help = "Refuse removal and replacement until this is taken off in a revision of its "    \
                 "own."},                                                                          \
        {.name = "change",                                                                         \
         .type = FIELD_ENUM,                                                                       \
         .words = change_words,                                                                    \
         .default_value = change_default,                                                          \
         .help = "The most that a change of this document may cost without asking; "               \
                 "never-replace allows all but a replacement."},                                   \
        {.name = "depends_on",                                                                     \
         .type = FIELD_LIST,                                                                       \
         .element = FIELD_STRING,                                                                  \
         .help = "Documents that must be in place first, as KIND/NAME; networks and disks that "   \
                 "are named anyway need no mention."},                                             \
    {                                                                                              \
        .name = "labels", .type = FIELD_MAP,                                                       \
        .help = "Texts of your own, for finding and grouping."                                     \
    }

#endif
