#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "proto/kind.h"
#include "proto/url.h"

static const char *const image_formats[] = {"iso", "qcow2", "raw", NULL};

static bool is_same(const json_t *before, const json_t *after, const char *name)
{
    const char *a = spec_str(before, name), *b = spec_str(after, name);
    return a && b && !strcasecmp(a, b);
}

/* Equal checksums, equal contents: another server is no other image. */
static enum field_cost weigh_source(const json_t *before, const json_t *after, char **ret_why)
{
    if (!is_same(before, after, "sha256"))
        return COST_REPLACE;
    *ret_why = hm_strdup("the same contents");
    return COST_NONE;
}

static const struct field image_file_fields[] = {
    {.name = "url",
     .type = FIELD_STRING,
     .cost = COST_NONE,
     .weigh = weigh_source,
     .required = true,
     .min = 8,
     .max = URL_MAX,
     .help = "Where it is downloaded from: http or https, without user and password. What the "
             "server answers is believed only by the checksum."},
    {.name = "sha256",
     .type = FIELD_STRING,
     .cost = COST_REPLACE,
     .min = SHA256_TEXT,
     .max = SHA256_TEXT,
     .help = "The checksum of its contents, 64 hexadecimal digits; this or sha256_url."},
    {.name = "sha256_url",
     .type = FIELD_STRING,
     .cost = COST_NONE,
     .weigh = weigh_source,
     .min = 8,
     .max = URL_MAX,
     .help = "The publisher's file of checksums (SHA256SUMS), over https alone; the entry of url's "
             "file name counts. It is asked once: what is complete is not downloaded again."},
    {.name = "format",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .required = true,
     .words = image_formats,
     .help = "What it is: an iso for CD-ROM drives, or the qcow2 or raw image of a disk."},
    FIELDS_COMMON("\"replace\""),
    {.name = NULL},
};

static int check_url(const json_t *spec, const char *name, bool https_only, struct field_place *at,
                     struct hm_error *err)
{
    const char *url = spec_str(spec, name), *fault = url ? url_fault(url, https_only) : NULL;
    field_place_set(at, "%s", name);
    return fault ? field_fail(at, err, "it %s", fault) : 0;
}

static int check_sha256(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const char *sha256 = spec_str(spec, "sha256");
    bool by_url = spec_str(spec, "sha256_url");
    char file[URL_FILE_MAX + 1];
    field_place_set(at, "%s", sha256 ? "sha256" : "");
    if (!sha256 == !by_url)
        return field_fail(at, err,
                          "%s of sha256 and sha256_url must be given: without a checksum of its "
                          "publisher, nobody knows what was downloaded",
                          by_url ? "only one" : "one");
    if (sha256 && !sha256_is_valid(sha256))
        return field_fail(at, err, "it is not a SHA-256: 64 hexadecimal digits");
    field_place_set(at, "url");
    if (by_url && !url_file(spec_str(spec, "url"), file))
        return field_fail(at, err, "it names no file, so there is no entry for it at sha256_url");
    return 0;
}

static int check_image_file(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int rc = check_url(spec, "url", false, at, err);
    if (rc >= 0)
        rc = check_url(spec, "sha256_url", true, at, err);
    return rc < 0 ? rc : check_sha256(spec, at, err);
}

const struct kind kind_image_file = {
    .name = "image-file",
    .fields = image_file_fields,
    .help =
        "An ISO or cloud image that is downloaded, checked, and kept in the site's image store. "
        "Under `primary` each site has one of its own.",
    .order = 15,
    .allowed_on_primary = true,
    .check = check_image_file,
};
