/*
 * The agent's own configuration (`harmonyd --config FILE`, YAML): what no document can change.
 *
 * The file is verified by a field table (proto/field.h), like every document: unknown fields, wrong
 * types and values out of range are refused with "FILE:LINE: path: ..." and what was expected. Then
 * the environment is applied, first that is set wins:
 *   libvirt URI     HARMONY_KVM_URI, HARMONY_KVM_CONNECTION, libvirt.uri, qemu:///system
 *   images          HARMONY_KVM_IMAGE_DIR, libvirt.image_dir, $HARMONY_DATA_DIR/kvm/images,
 *                   /var/lib/libvirt/images
 * All strings belong to the struct; a zeroed struct is valid for config_clear(). Thread: any.
 */
#ifndef HM_AGENT_CONFIG_H
#define HM_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config_guardian.h"
#include "agent/config_vip.h"
#include "agent/hooks.h"
#include "agent/quota.h"
#include "base/error.h"
#include "base/log.h"
#include "proto/field.h"

struct agent_config {
    char *site_id;
    char *state_dir;   /* survives a reboot: desired state, marks of the failover */
    char *runtime_dir; /* may be lost at a reboot: sockets, pid files */
    struct {
        char *servers;                     /* comma-separated URLs; secret (may hold a password) */
        char *credentials;                 /* path of a .creds file, or NULL */
        char *tls_ca, *tls_cert, *tls_key; /* paths, or NULL; cert and key only together */
    } nats;
    struct {
        char *uri, *uri_from;             /* "qemu:///system", and what said so ("libvirt.uri") */
        char *image_dir, *image_dir_from; /* folder of the pool `default`, likewise */
        char *accel;                      /* auto | kvm | tcg */
        bool enabled;                     /* else the host has none */
    } libvirt;
    struct {
        char *program;  /* or NULL: found where programs are */
        char *firmware; /* or NULL: guests need a kernel */
    } cloud_hypervisor;
    struct {
        char *ca_file; /* or NULL: the system's authorities */
        int64_t stall_timeout_ms;
    } images;
    struct {
        char *group;
        char **hooks[HOOK_COUNT]; /* argv, ends in NULL; NULL: no such hook */
        int64_t hook_timeout_ms;
        int64_t follow_timeout_ms; /* the same for follow and resync */
        struct {
            char *listen; /* numeric host:port; NULL: no direct links to the other sites */
            char *tls_ca, *tls_cert, *tls_key; /* paths, all three with `listen` */
        } peer;
        struct vip_config vips;
    } failover;
    struct guardian_config guardian;
    char **host_paths; /* ends in NULL: folders and files that documents may name */
    struct quota quota;
    char **refused_operations; /* ends in NULL: names of operations that this site does not do */
    struct {
        char *listen; /* numeric host:port; NULL: off */
    } http;
    struct {
        enum hm_log_level level;
        enum hm_log_format format;
    } log;
};

/* The table of the file, for the reference pages. */
extern const struct field config_fields[];

/* Read, verify, apply the environment. Blocks on the disk. On failure *ret is untouched. */
int config_load(const char *path, struct agent_config *ret, struct hm_error *err);

/* The same for a text that is there; `name` is what errors call it, `get_env` is getenv(3) or a
 * stand-in of a test. */
int config_parse(const char *name, const char *text, size_t len,
                 const char *(*get_env)(const char *variable), struct agent_config *ret,
                 struct hm_error *err);

void config_clear(struct agent_config *config);

/* For the parts of the configuration that have a file of their own: copies of a text (NULL if absent) and
 * of a list of texts, which ends in NULL; the caller's. */
char *config_text(const json_t *object, const char *name);
char **config_texts(const json_t *list);
void config_free_texts(char **texts); /* NULL is allowed */

/* May a document name this host path? It must be absolute, without . and .. parts, and equal to or
 * below image_dir or one of host_paths, but not in the image store. Looks at the text only: follow no link that a guest or
 * another user could have put there. */
bool config_allows_path(const struct agent_config *config, const char *path);

#endif
