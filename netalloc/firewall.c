#include "netalloc/firewall.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "base/alloc.h"

enum { ROOM = 8 }; /* more than it needs, since other threads may take some meanwhile */

/* libnftables ends the process when it gets no socket: exit(3). */
static bool has_room(void)
{
    int room[ROOM], count = 0;
    while (count < ROOM && (room[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    for (int i = 0; i < count; i++)
        close(room[i]);
    return count == ROOM;
}

static int open_context(struct nft_ctx **ret, struct hm_error *err)
{
    if (!has_room())
        return hm_fail(err, HM_E_IO, "nftables: the agent has no descriptors left");
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft)
        return hm_fail(err, HM_E_UNSUPPORTED, "nftables: no context");
    nft_ctx_buffer_output(nft);
    nft_ctx_buffer_error(nft);
    nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_STATELESS);
    *ret = nft;
    return 0;
}

/* The first line of what it says, without its place in the text that nobody sees. */
static int fail(struct nft_ctx *nft, const char *what, struct hm_error *err)
{
    const char *said = nft_ctx_get_error_buffer(nft);
    const char *text = said ? strstr(said, "Error: ") : NULL;
    text = text ? text : said && *said ? said : "no reason given";
    return hm_fail(err, HM_E_IO, "nftables: %s: %.*s", what, (int)strcspn(text, "\n"), text);
}

int firewall_apply(const char *ruleset, struct hm_error *err)
{
    struct nft_ctx *nft;
    int r = open_context(&nft, err);
    if (r < 0)
        return r;
    r = nft_run_cmd_from_buffer(nft, ruleset) ? fail(nft, "replace the table", err) : 0;
    nft_ctx_free(nft);
    return r;
}

int firewall_list(const char *table, char **ret, struct hm_error *err)
{
    struct nft_ctx *nft;
    int r = open_context(&nft, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *command = hm_printf("list table inet %s", table);
    r = nft_run_cmd_from_buffer(nft, command);
    const char *said = nft_ctx_get_error_buffer(nft);
    if (r == 0)
        *ret = hm_strdup(nft_ctx_get_output_buffer(nft));
    else if (said && strstr(said, "No such file or directory")) {
        *ret = hm_strdup("");
        r = 0;
    } else
        r = fail(nft, "list the table", err);
    nft_ctx_free(nft);
    return r;
}
