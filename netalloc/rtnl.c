#include "netalloc/rtnl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/alloc.h"
#include "netalloc/link_read.h"

enum { ANSWER_MAX = 32768, ANSWER_SECONDS = 5 };

struct rtnl {
    struct mnl_socket *socket;
    unsigned port, sequence;
};

/* -- The socket -------------------------------------------------------------------------------- */

static void set_option(struct mnl_socket *socket, int option)
{
    int on = 1; /* an old kernel does without: its errors have no words */
    mnl_socket_setsockopt(socket, option, &on, sizeof on);
}

int rtnl_open(struct rtnl **ret, struct hm_error *err)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int code = hm_fail(err, HM_E_UNSUPPORTED, "rtnetlink: open a socket: %s", strerror(errno));
        if (socket)
            mnl_socket_close(socket);
        return code;
    }
    set_option(socket, NETLINK_EXT_ACK);
    set_option(socket, NETLINK_CAP_ACK);
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct rtnl *r = hm_alloc(sizeof *r);
    *r = (struct rtnl){.socket = socket, .port = mnl_socket_get_portid(socket)};
    *ret = r;
    return 0;
}

void rtnl_close(struct rtnl *r)
{
    if (!r)
        return;
    mnl_socket_close(r->socket);
    free(r);
}

/* -- Asking ------------------------------------------------------------------------------------ */

static int on_message(const struct nlmsghdr *message, void *data)
{
    struct rtnl_answer *a = data;
    if (!a->read || a->read(message, a->into))
        return MNL_CB_OK;
    errno = EPROTO;
    return MNL_CB_ERROR;
}

static int on_error(const struct nlmsghdr *message, void *data)
{
    struct rtnl_answer *a = data;
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    const char *words = netlink_error_text(message);
    if (words)
        snprintf(a->words, sizeof a->words, " (%s)", words);
    if (mnl_nlmsg_get_payload_len(message) < sizeof *error)
        errno = EPROTO;
    else if (error->error == 0)
        return MNL_CB_STOP;
    else
        errno = error->error < 0 ? -error->error : error->error;
    return MNL_CB_ERROR;
}

/* The end of a dump, which may have failed on the way. */
static int on_done(const struct nlmsghdr *message, void *data)
{
    (void)data;
    const int *code = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof *code || *code >= 0)
        return MNL_CB_STOP;
    errno = -*code;
    return MNL_CB_ERROR;
}

/* Everything that is still there from a request that was given up. */
static void drain(struct rtnl *r)
{
    char buffer[ANSWER_MAX];
    while (recv(mnl_socket_get_fd(r->socket), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
}

static int read_answer(struct rtnl *r, struct rtnl_answer *a)
{
    char buffer[ANSWER_MAX];
    mnl_cb_t control[NLMSG_MIN_TYPE] = {[NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done};
    for (;;) {
        /* libmnl reads the padding of the last message, too, which need not be there. */
        ssize_t n = mnl_socket_recvfrom(r->socket, buffer, sizeof buffer - MNL_ALIGNTO);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        int end = mnl_cb_run2(buffer, (size_t)n, r->sequence, r->port, on_message, a, control,
                              NLMSG_MIN_TYPE);
        if (end <= MNL_CB_STOP)
            return end;
    }
}

int rtnl_ask(struct rtnl *r, struct nlmsghdr *message, struct rtnl_answer *a)
{
    message->nlmsg_seq = ++r->sequence;
    if (mnl_socket_sendto(r->socket, message, message->nlmsg_len) < 0)
        return -1;
    int end = read_answer(r, a);
    if (end < 0) {
        int why = errno;
        drain(r);
        errno = why;
    }
    return end;
}

int rtnl_dump(struct rtnl *r, uint16_t type, unsigned char family, struct rtnl_answer *a)
{
    char buffer[RTNL_REQUEST_MAX];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct rtgenmsg *of = mnl_nlmsg_put_extra_header(message, sizeof *of);
    of->rtgen_family = family;
    return rtnl_ask(r, message, a);
}

int rtnl_change(struct rtnl *r, struct nlmsghdr *message, const char *name, const char *what,
                struct hm_error *err)
{
    struct rtnl_answer a = {0};
    if (rtnl_ask(r, message, &a) >= 0)
        return 0;
    int why = errno;
    enum hm_code code = why == EPERM || why == EOPNOTSUPP ? HM_E_UNSUPPORTED : HM_E_IO;
    int failed = hm_fail(err, code, "rtnetlink: %s %s: %s%s", what, name, strerror(why), a.words);
    errno = why;
    return failed;
}
