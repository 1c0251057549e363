/* The agent's configuration: refused with a clean sentence, or every text that is needed is there. */
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"
#include "base/alloc.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_env(const char *variable)
{
    (void)variable;
    return NULL;
}

static void check_config(const struct agent_config *c)
{
    FUZZ_REQUIRE(*c->site_id && strcmp(c->site_id, "primary") != 0);
    FUZZ_REQUIRE(c->state_dir[0] == '/' && c->runtime_dir[0] == '/');
    FUZZ_REQUIRE(c->nats.servers && c->libvirt.uri && c->libvirt.accel && c->failover.group);
    FUZZ_REQUIRE(!c->nats.tls_cert == !c->nats.tls_key);
    FUZZ_REQUIRE(config_allows_path(c, c->libvirt.image_dir));
    for (int i = 0; i < HOOK_COUNT; i++)
        FUZZ_REQUIRE(!c->failover.hooks[i] || c->failover.hooks[i][0][0] == '/');
    for (char *const *path = c->host_paths; *path; path++)
        FUZZ_REQUIRE(config_allows_path(c, *path));
}

static void parse(const char *name, const char *text, size_t len)
{
    struct agent_config c;
    struct hm_error err;
    int rc = config_parse(name, text, len, no_env, &c, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    check_config(&c);
    config_clear(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    parse("f.yaml", text, size);
    parse("f.json", text, size);
    return 0;
}
