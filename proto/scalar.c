#include "proto/scalar.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/nearest.h"
#include "proto/address.h"
#include "proto/doc.h"
#include "proto/render.h"
#include "proto/text.h"
#include "proto/units.h"

enum { TEXT_MAX = 4096 };

int verify_fail(const struct verifier *v, enum hm_code code, const char *fmt, ...)
{
    char sentence[HM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    return hm_fail(v->err, code, "%s%s%s", v->at.path, *v->at.path ? ": " : "", sentence);
}

int verify_fail_type(const struct verifier *v, const struct field *f, enum field_type type,
                     const json_t *in, const char *hint)
{
    char shown[TEXT_QUOTE_MAX] = "the value (secret)";
    if (json_is_null(in) && f->words && f->type != FIELD_ENUM)
        return verify_fail(v, HM_E_INVALID, "has no value (write %s, or leave the field out)",
                           f->words[0]);
    if (json_is_null(in))
        return verify_fail(v, HM_E_INVALID, "has no value (leave the field out instead)");
    if (!f->secret)
        value_quote(in, shown);
    const char *wanted = field_type_text(type), *example = strstr(wanted, " (");
    if (!*hint)
        return verify_fail(v, HM_E_INVALID, "%s is not %s", shown, wanted);
    return verify_fail(v, HM_E_INVALID, "%s is not %.*s (%s)", shown,
                       example ? (int)(example - wanted) : (int)strlen(wanted), wanted, hint);
}

/* -- numbers ---------------------------------------------------------------------------------- */

static int fail_range(const struct verifier *v, const struct field *f, const json_t *in,
                      bool too_small)
{
    char shown[TEXT_QUOTE_MAX], limit[RENDER_NUMBER_MAX], hint[80] = "";
    value_quote(in, shown);
    render_number(f->type, too_small ? f->min : f->max, limit);
    if (f->type == FIELD_SIZE && json_integer_value(in) > 0 && too_small)
        snprintf(hint, sizeof hint, " (a number alone is bytes: did you mean %" PRId64 "MiB?)",
                 (int64_t)json_integer_value(in));
    return verify_fail(v, HM_E_INVALID, "%s is %s %s, the %s allowed%s", shown,
                       too_small ? "below" : "above", limit, too_small ? "least" : "most", hint);
}

/* The range of a list is that of its length. */
static int verify_range(const struct verifier *v, const struct field *f, const json_t *in,
                        int64_t number, json_t **ret)
{
    bool out_of_range = number < f->min || (f->max != 0 && number > f->max);
    if (f->type != FIELD_LIST && out_of_range)
        return fail_range(v, f, in, number < f->min);
    *ret = json_integer(number);
    return 0;
}

static int verify_int(const struct verifier *v, const struct field *f, const json_t *in,
                      json_t **ret)
{
    if (json_is_integer(in))
        return verify_range(v, f, in, json_integer_value(in), ret);
    const char *text = json_string_value(in);
    bool digits = text && *text && !text[strspn(text, "0123456789")];
    return verify_fail_type(v, f, FIELD_INT, in, digits ? "write it without quotes" : "");
}

/* A text with a unit, or a number in the base unit (as in normal form). */
static int verify_unit(const struct verifier *v, const struct field *f, enum field_type type,
                       const json_t *in, json_t **ret)
{
    int64_t number;
    char advice[UNIT_HINT_MAX] = "";
    const char *text = json_string_value(in);
    if (json_is_integer(in))
        return verify_range(v, f, in, json_integer_value(in), ret);
    bool is_size = type == FIELD_SIZE;
    if (text && (is_size ? size_parse(text, &number) : duration_parse(text, &number)))
        return verify_range(v, f, in, number, ret);
    bool known = text && (is_size ? size_hint(text, advice) : duration_hint(text, advice));
    return verify_fail_type(v, f, type, in, known ? advice : "");
}

/* -- texts ------------------------------------------------------------------------------------ */

static bool has_other_control(const char *text)
{
    bool has = false;
    for (const char *line = text; *line && !has; line += strspn(line, "\n\t")) {
        HM_AUTOFREE char *part = hm_strndup(line, strcspn(line, "\n\t"));
        has = text_has_control(part);
        line += strlen(part);
    }
    return has;
}

static int verify_text(const struct verifier *v, const struct field *f, bool own_range,
                       const char *text)
{
    size_t len = strlen(text);
    size_t max = own_range && f->max ? (size_t)f->max : TEXT_MAX;
    if (f->lines ? has_other_control(text) : text_has_control(text))
        return verify_fail(v, HM_E_INVALID, "holds a control character (such as a newline or tab)");
    if (len > max)
        return verify_fail(v, HM_E_TOO_LARGE, "is %zu bytes long; at most %zu are allowed", len,
                           max);
    if (own_range && len < (size_t)f->min)
        return verify_fail(v, HM_E_INVALID, "is empty or too short (at least %" PRId64 " bytes)",
                           f->min);
    return 0;
}

static int fail_word(const struct verifier *v, const struct field *f, const char *text)
{
    char shown[TEXT_QUOTE_MAX];
    struct hm_buf words = {.limit = 256};
    struct hm_nearest near = hm_nearest_to(text);
    for (size_t i = 0; f->words[i]; i++) {
        const char *join = i == 0 ? "" : f->words[i + 1] ? ", " : " or ";
        hm_buf_printf(&words, "%s%s", join, f->words[i]);
        hm_nearest_offer(&near, f->words[i]);
    }
    text_quote(text, shown);
    int rc = verify_fail(v, HM_E_INVALID, "%s is not %s%s%s%s", shown, words.data,
                         near.best ? " (did you mean " : "", near.best ? near.best : "",
                         near.best ? "?)" : "");
    hm_buf_free(&words);
    return rc;
}

static bool is_word_of(const struct field *f, const char *text)
{
    for (const char *const *word = f->words; word && *word; word++)
        if (!strcmp(*word, text))
            return true;
    return false;
}

static int verify_word(const struct verifier *v, const struct field *f, const char *text)
{
    return is_word_of(f, text) ? 0 : fail_word(v, f, text);
}

/* The text as it is in normal form, in `out`; false: it is not of this type. */
static bool normal_address(enum field_type type, const char *text, char out[CIDR_TEXT_MAX + 1])
{
    uint32_t address;
    unsigned prefix;
    uint8_t mac[6];
    if (type == FIELD_IP && ipv4_parse(text, &address))
        ipv4_text(address, out);
    else if (type == FIELD_CIDR && cidr_parse(text, &address, &prefix))
        cidr_text(address, prefix, out);
    else if (type == FIELD_MAC && mac_parse(text, mac))
        mac_text(mac, out);
    else
        return false;
    return true;
}

static int verify_address(const struct verifier *v, const struct field *f, enum field_type type,
                          const json_t *in, json_t **ret)
{
    char normal[CIDR_TEXT_MAX + 1];
    if (f->type == type && is_word_of(f, json_string_value(in))) {
        *ret = json_incref((json_t *)in);
        return 0;
    }
    if (!normal_address(type, json_string_value(in), normal))
        return verify_fail_type(v, f, type, in, "");
    *ret = json_string(normal);
    return 0;
}

static int verify_string(const struct verifier *v, const struct field *f, enum field_type type,
                         const json_t *in)
{
    const char *text = json_string_value(in);
    switch (type) {
    case FIELD_NAME:
        return name_is_valid(text) ? 0 : verify_fail_type(v, f, type, in, "");
    case FIELD_PATH:
        return path_is_plain(text) ? 0 : verify_fail_type(v, f, type, in, "");
    case FIELD_ENUM:
        return verify_word(v, f, text);
    default:
        return verify_text(v, f, f->type == type, text);
    }
}

/* Types that are written as texts. */
static int verify_textual(const struct verifier *v, const struct field *f, enum field_type type,
                          const json_t *in, json_t **ret)
{
    if (!json_is_string(in)) {
        bool number = json_is_number(in) || json_is_boolean(in);
        return verify_fail_type(v, f, type, in,
                                number && type == FIELD_STRING ? "put it in quotes" : "");
    }
    if (type == FIELD_IP || type == FIELD_CIDR || type == FIELD_MAC)
        return verify_address(v, f, type, in, ret);
    int rc = verify_string(v, f, type, in);
    if (rc >= 0)
        *ret = json_incref((json_t *)in);
    return rc;
}

static int verify_bool(const struct verifier *v, const struct field *f, const json_t *in,
                       json_t **ret)
{
    if (!json_is_boolean(in))
        return verify_fail_type(v, f, FIELD_BOOL, in, "");
    *ret = json_boolean(json_is_true(in));
    return 0;
}

int verify_scalar(const struct verifier *v, const struct field *f, enum field_type type,
                  const json_t *in, json_t **ret)
{
    switch (type) {
    case FIELD_BOOL:
        return verify_bool(v, f, in, ret);
    case FIELD_INT:
        return verify_int(v, f, in, ret);
    case FIELD_SIZE:
    case FIELD_DURATION:
        return verify_unit(v, f, type, in, ret);
    default:
        return verify_textual(v, f, type, in, ret);
    }
}
