#include "vmm/image_sums.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define TAG "SHA256 ("

struct entry {
    const char *hash; /* SHA256_TEXT characters */
    const char *file;
    size_t file_len; /* 0: the line is a checksum alone */
};

static bool is_hash(const char *text, size_t len)
{
    for (size_t i = 0; i < SHA256_TEXT; i++)
        if (i >= len || !isxdigit((unsigned char)text[i]))
            return false;
    return len == SHA256_TEXT || !isxdigit((unsigned char)text[SHA256_TEXT]);
}

/* "SHA256 (FILE) = HASH" */
static bool read_tagged(const char *line, size_t len, struct entry *ret)
{
    size_t tag = strlen(TAG), end = strlen(") = ") + SHA256_TEXT;
    if (len < tag + 1 + end || strncmp(line, TAG, tag) != 0 ||
        strncmp(line + len - end, ") = ", 4) != 0 ||
        !is_hash(line + len - SHA256_TEXT, SHA256_TEXT))
        return false;
    *ret = (struct entry){line + len - SHA256_TEXT, line + tag, len - end - tag};
    return true;
}

/* "HASH  FILE", "HASH *FILE", "HASH" */
static bool read_plain(const char *line, size_t len, struct entry *ret)
{
    if (!is_hash(line, len))
        return false;
    *ret = (struct entry){.hash = line};
    if (len == SHA256_TEXT)
        return true;
    bool has_file = len > SHA256_TEXT + 2 && line[SHA256_TEXT] == ' ' &&
                    (line[SHA256_TEXT + 1] == ' ' || line[SHA256_TEXT + 1] == '*');
    ret->file = line + SHA256_TEXT + 2;
    ret->file_len = has_file ? len - SHA256_TEXT - 2 : 0;
    return has_file;
}

static bool is_about(const struct entry *e, const char *file)
{
    const char *name = e->file;
    size_t len = e->file_len;
    if (len > 2 && !strncmp(name, "./", 2)) {
        name += 2;
        len -= 2;
    }
    return len == strlen(file) && !strncmp(name, file, len);
}

struct search {
    const char *file;
    char found[SHA256_TEXT + 1], alone[SHA256_TEXT + 1]; /* "": none */
    bool differ;
    size_t lines; /* that are not empty */
};

static void note(char found[SHA256_TEXT + 1], const char *hash, bool *differ)
{
    char lower[SHA256_TEXT + 1] = "";
    for (size_t i = 0; i < SHA256_TEXT; i++)
        lower[i] = (char)tolower((unsigned char)hash[i]);
    *differ |= *found && strcmp(found, lower) != 0;
    memcpy(found, lower, sizeof lower);
}

static void look_at(struct search *s, const char *line, size_t len)
{
    struct entry e;
    while (len > 0 && isspace((unsigned char)line[len - 1])) /* a CR, too */
        len--;
    if (len == 0)
        return;
    s->lines++;
    if (!read_tagged(line, len, &e) && !read_plain(line, len, &e))
        return;
    if (e.file_len == 0)
        note(s->alone, e.hash, &s->differ);
    else if (is_about(&e, s->file))
        note(s->found, e.hash, &s->differ);
}

int image_sums_find(const char *text, size_t len, const char *file, char ret[SHA256_TEXT + 1],
                    struct hm_error *err)
{
    struct search s = {.file = file};
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - text) - at : len - at;
        look_at(&s, text + at, line);
        at += line + 1;
    }
    const char *hash = *s.found ? s.found : s.lines == 1 ? s.alone : "";
    if (s.differ)
        return hm_fail(err, HM_E_INVALID, "it has several checksums for %s that differ", file);
    if (!*hash)
        return hm_fail(err, HM_E_NOT_FOUND, "it has no SHA-256 for %s", file);
    memcpy(ret, hash, SHA256_TEXT + 1);
    return 0;
}
