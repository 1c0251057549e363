/* cluster_config: what is accepted keeps its promise, and its rendering is read back as the same. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/cluster_config.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const struct cluster_config *config)
{
    char text[CLUSTER_CONFIG_TEXT_MAX], again[CLUSTER_CONFIG_TEXT_MAX];
    struct cluster_config back;
    struct hm_error err, warnings[CLUSTER_WARNINGS_MAX];
    FUZZ_REQUIRE(config->site_count >= 1 && config->site_count <= CLUSTER_SITES_MAX);
    FUZZ_REQUIRE(cluster_config_rank(config, &config->sites[0]) == 1);
    FUZZ_REQUIRE(config->failover_timeout_ms >=
                 cluster_config_promise_ms(config) + CLUSTER_MARGIN_MS);
    FUZZ_REQUIRE(cluster_config_warnings(config, true, warnings) <= CLUSTER_WARNINGS_MAX);
    size_t len = cluster_config_render(config, text);
    FUZZ_REQUIRE(len > 0 && len < CLUSTER_CONFIG_TEXT_MAX);
    FUZZ_REQUIRE(cluster_config_parse(text, len, &back, &err) >= 0);
    FUZZ_REQUIRE(cluster_config_render(&back, again) == len && !memcmp(text, again, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    struct cluster_config config;
    struct hm_error err;
    int rc = cluster_config_parse(text, size, &config, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_config(&config);
    return 0;
}
