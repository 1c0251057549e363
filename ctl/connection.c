#include "ctl/connection.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"

#define DEFAULT_SERVER "nats://127.0.0.1:4222"

enum { CONTEXT_FILE_MAX = 64 * 1024 };

static const char *env_text(const char *name)
{
    const char *value = name ? getenv(name) : NULL;
    return value && *value ? value : NULL;
}

static char *config_file(const char *below)
{
    const char *xdg = env_text("XDG_CONFIG_HOME"), *home = env_text("HOME");
    if (xdg)
        return hm_printf("%s/nats/%s", xdg, below);
    return home ? hm_printf("%s/.config/nats/%s", home, below) : NULL;
}

/* The name in context.txt, NULL when none is selected. */
static char *selected_context(void)
{
    HM_AUTOFREE char *path = config_file("context.txt");
    char *name = NULL;
    size_t len;
    if (!path || hm_file_read(path, CONTEXT_FILE_MAX, &name, &len, NULL) < 0)
        return NULL;
    name[strcspn(name, "\r\n")] = '\0';
    if (*name)
        return name;
    free(name);
    return NULL;
}

static char *wanted_context(const struct invocation *in, bool *ret_named)
{
    const char *named = flag_value(in, "context");
    if (!named)
        named = env_text("NATS_CONTEXT");
    *ret_named = named != NULL;
    return named ? hm_strdup(named) : selected_context();
}

static int read_context(const char *name, json_t **ret, struct hm_error *err)
{
    if (strchr(name, '/') || name[0] == '.' || !*name)
        return hm_fail(err, HM_E_INVALID, "context \"%.60s\": is not a context's name", name);
    HM_AUTOFREE char *below = hm_printf("context/%s.json", name);
    HM_AUTOFREE char *path = config_file(below);
    HM_AUTOFREE char *text = NULL;
    size_t len;
    if (!path)
        return hm_fail(err, HM_E_NOT_FOUND, "context %s: neither XDG_CONFIG_HOME nor HOME is set",
                       name);
    int result = hm_file_read(path, CONTEXT_FILE_MAX, &text, &len, err);
    if (result < 0)
        return hm_wrap(err, "context %s (nats context ls lists them)", name);
    json_error_t why;
    *ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*ret))
        return 0;
    json_decref(*ret);
    *ret = NULL;
    return hm_fail(err, HM_E_INVALID, "%s:%d: is not a context: %s", path, why.line, why.text);
}

static const char *context_text(const json_t *context, const char *name)
{
    const char *value = json_string_value(json_object_get(context, name));
    return value && *value ? value : NULL;
}

static int check_context(const char *name, const json_t *context, struct hm_error *err)
{
    static const char *const unsupported[] = {"nkey", "nsc", "socks_proxy"};
    for (size_t i = 0; i < HM_COUNT(unsupported); i++)
        if (context_text(context, unsupported[i]))
            return hm_fail(
                err, HM_E_UNSUPPORTED,
                "context %s uses \"%s\", which harmonyctl can't: give --server and --creds", name,
                unsupported[i]);
    return 0;
}

/* A selected context that is not there any more is no error: the nats CLI ignores it, too. */
static int load_context(const struct invocation *in, json_t **ret, struct hm_error *err)
{
    bool named;
    HM_AUTOFREE char *name = wanted_context(in, &named);
    if (!name)
        return 0;
    struct hm_error why = {0};
    int result = read_context(name, ret, &why);
    if (result == -HM_E_NOT_FOUND && !named)
        return 0;
    if (result >= 0)
        result = check_context(name, *ret, &why);
    if (result < 0 && err)
        *err = why;
    return result;
}

static char *expand_home(const char *path)
{
    const char *home = env_text("HOME");
    if (home && strncmp(path, "~/", 2) == 0)
        return hm_printf("%s/%s", home, path + 2);
    return hm_strdup(path);
}

enum source { FROM_FLAG, FROM_ENVIRONMENT, FROM_CONTEXT, SOURCES };

/* Who we say we are comes from one source only: a user given by flag is not mixed with a context's
 * creds. */
enum part { PART_WHERE, PART_IDENTITY, PART_PASSWORD };

/* One row for each setting: its flag, its variable, its name in a context. */
struct setting {
    size_t offset;
    enum part part;
    bool is_path;
    const char *flag, *variable, *in_context;
};
static const struct setting settings[] = {
    {offsetof(struct connection, servers), PART_WHERE, false, "server", "NATS_URL", "url"},
    {offsetof(struct connection, tls_ca), PART_WHERE, true, "tls-ca", "NATS_CA", "ca"},
    {offsetof(struct connection, tls_cert), PART_WHERE, true, "tls-cert", "NATS_CERT", "cert"},
    {offsetof(struct connection, tls_key), PART_WHERE, true, "tls-key", "NATS_KEY", "key"},
    {offsetof(struct connection, creds), PART_IDENTITY, true, "creds", "NATS_CREDS", "creds"},
    {offsetof(struct connection, user), PART_IDENTITY, false, "user", "NATS_USER", "user"},
    {offsetof(struct connection, token), PART_IDENTITY, false, NULL, "NATS_TOKEN", "token"},
    {offsetof(struct connection, password), PART_PASSWORD, false, "password", "NATS_PASSWORD",
     "password"},
};

struct sources {
    const struct invocation *in;
    const json_t *context;
    enum source identity; /* the first source that says who we are; SOURCES: none */
};

static const char *given_by(const struct sources *from, enum source source, const struct setting *s)
{
    if (source == FROM_FLAG)
        return s->flag ? flag_value(from->in, s->flag) : NULL;
    if (source == FROM_ENVIRONMENT)
        return env_text(s->variable);
    return context_text(from->context, s->in_context);
}

static enum source first_identity(const struct sources *from)
{
    for (enum source source = FROM_FLAG; source < SOURCES; source++)
        for (size_t i = 0; i < HM_COUNT(settings); i++)
            if (settings[i].part == PART_IDENTITY && given_by(from, source, &settings[i]))
                return source;
    return SOURCES;
}

/* A password may stand in the environment though the user is a flag; a context's belongs to its
 * user. */
static bool may_come_from(const struct sources *from, enum source source, enum part part)
{
    if (part == PART_IDENTITY)
        return source == from->identity;
    return part == PART_WHERE || source != FROM_CONTEXT || from->identity == FROM_CONTEXT;
}

static const char *first_given(const struct sources *from, const struct setting *s)
{
    for (enum source source = FROM_FLAG; source < SOURCES; source++) {
        const char *value = given_by(from, source, s);
        if (value && may_come_from(from, source, s->part))
            return value;
    }
    return NULL;
}

static char **member(struct connection *c, const struct setting *setting)
{
    return (char **)(void *)((char *)c + setting->offset);
}

static void take_settings(const struct invocation *in, const json_t *context,
                          struct connection *ret)
{
    struct sources from = {.in = in, .context = context};
    from.identity = first_identity(&from);
    for (size_t i = 0; i < HM_COUNT(settings); i++) {
        const char *value = first_given(&from, &settings[i]);
        if (value)
            *member(ret, &settings[i]) =
                settings[i].is_path ? expand_home(value) : hm_strdup(value);
    }
    if (!ret->servers)
        ret->servers = hm_strdup(DEFAULT_SERVER);
}

/* The nats CLI takes a user without a password for a token. */
static void user_as_token(struct connection *c)
{
    if (!c->user || c->password || c->token)
        return;
    c->token = c->user;
    c->user = NULL;
}

int connection_find(const struct invocation *in, struct connection *ret, struct hm_error *err)
{
    json_t *context = NULL;
    *ret = (struct connection){0};
    int result = load_context(in, &context, err);
    if (result >= 0) {
        take_settings(in, context, ret);
        user_as_token(ret);
    }
    json_decref(context);
    return result < 0 ? result : 0;
}

void connection_clear(struct connection *c)
{
    for (size_t i = 0; i < HM_COUNT(settings); i++)
        free(*member(c, &settings[i]));
    *c = (struct connection){0};
}
