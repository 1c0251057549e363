#include "bus/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/text.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool made_of(const char *text, const char *extra)
{
    for (; *text; text++)
        if (!is_alnum(*text) && !strchr(extra, *text))
            return false;
    return true;
}

static bool has_empty_token(const char *text)
{
    size_t len = strlen(text);
    return len == 0 || text[0] == '.' || text[len - 1] == '.' || strstr(text, "..");
}

/* "<quoted> is not <what>" */
static int not_a(const char *text, const char *what, int most, struct hm_error *err)
{
    char quoted[TEXT_QUOTE_MAX];
    text_quote(text ? text : "", quoted);
    return hm_fail(err, HM_E_INVALID, "%s is not %s, at most %d)", quoted, what, most);
}

int bus_check_bucket(const char *bucket, struct hm_error *err)
{
    if (!bucket || !*bucket || strlen(bucket) > BUS_BUCKET_MAX || !made_of(bucket, "_-"))
        return not_a(bucket, "a bucket name (letters, digits, - and _", BUS_BUCKET_MAX, err);
    return 0;
}

static int check_key_chars(const char *key, const char *extra, struct hm_error *err)
{
    if (!key || has_empty_token(key) || strlen(key) > BUS_SUBJECT_MAX / 2 || !made_of(key, extra))
        return not_a(key, "a key (letters, digits and -/_=., no empty part", BUS_SUBJECT_MAX / 2,
                     err);
    return 0;
}

int bus_check_key(const char *key, struct hm_error *err)
{
    return check_key_chars(key, "-/_=.", err);
}

int bus_check_filter(const char *filter, struct hm_error *err)
{
    return check_key_chars(filter, "-/_=.*>", err);
}

int bus_check_subject(const char *subject, struct hm_error *err)
{
    bool good = subject && !has_empty_token(subject) && strlen(subject) <= BUS_SUBJECT_MAX;
    for (const char *c = subject; good && *c; c++)
        good = *c > ' ' && *c < 0x7f;
    if (!good)
        return not_a(subject, "a subject (printable ASCII, no empty part", BUS_SUBJECT_MAX, err);
    return 0;
}

bool bus_is_header_value(const char *value)
{
    size_t len = strlen(value);
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return len > 0 && len <= 256;
}

enum { ACK_TOKENS_MAX = 12 };

/* Cut `text` at its dots; returns how many tokens, or -1 when there are too many. */
static int split(char *text, char *tokens[ACK_TOKENS_MAX])
{
    int count = 0;
    for (char *token; (token = strsep(&text, ".")) != NULL;) {
        if (count == ACK_TOKENS_MAX)
            return -1;
        tokens[count++] = token;
    }
    return count;
}

/* A sequence is a revision, which is an int64_t elsewhere. */
static bool parse_number(const char *text, uint64_t *ret)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return !errno && !*end && *ret <= INT64_MAX;
}

/* $JS.ACK.<stream>.<consumer>.<n>.<sseq>.<cseq>.<ns>.<pending>, or with <domain>.<account> before
 * the stream and possibly a random token at the end. */
static char **find_consumer(char *tokens[ACK_TOKENS_MAX], int count)
{
    if (count == 9)
        return tokens + 3;
    return count >= 11 ? tokens + 5 : NULL;
}

bool bus_parse_delivery(const char *reply, struct bus_delivery *ret)
{
    if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0 || strlen(reply) > BUS_SUBJECT_MAX)
        return false;
    HM_AUTOFREE char *copy = hm_strdup(reply);
    char *tokens[ACK_TOKENS_MAX];
    char **consumer = find_consumer(tokens, split(copy, tokens));
    uint64_t deliveries, stamp;
    if (!consumer || !parse_number(consumer[1], &deliveries) ||
        !parse_number(consumer[2], &ret->stream_seq) ||
        !parse_number(consumer[3], &ret->consumer_seq) || !parse_number(consumer[4], &stamp) ||
        !parse_number(consumer[5], &ret->pending) || stamp >= HM_TIME_END_NS)
        return false;
    ret->stamp_ns = (int64_t)stamp;
    return true;
}
