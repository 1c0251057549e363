/*
 * A TCP port of 127.0.0.1 that is the test's own, also before its server listens there and while that is down: tests run
 * beside each other, and a port that nobody has is given to whoever asks for any. A socket that is bound to it and never
 * listens holds it. Servers bind beside it, since they set SO_REUSEADDR; who connects meanwhile is refused. Failures end
 * the test.
 */
#ifndef HM_TESTS_HELD_PORT_H
#define HM_TESTS_HELD_PORT_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* The socket that holds it; close it to give the port away. */
static inline int hold_port(uint16_t *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret = ntohs(at.sin_port);
    return fd;
}

#endif
