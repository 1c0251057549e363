/*
 * The least that a program with the same connections and domains costs: the yardstick for the agent's
 * memory and processor time.
 *
 *     bare NATS_URL FILE         prints "ready", then waits for SIGTERM
 *
 * FILE holds the XML of the domains to define and start, each ended by a NUL byte: the very ones that the
 * agent would define (bench/domains), so that what libvirt's test driver keeps is the same.
 */
#include <libvirt/libvirt.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void define_domains(virConnectPtr conn, const char *path)
{
    FILE *file = fopen(path, "r");
    char *xml = NULL;
    size_t size = 0;
    if (!file)
        exit(1);
    while (getdelim(&xml, &size, '\0', file) > 0) {
        virDomainPtr domain = virDomainDefineXML(conn, xml);
        if (!domain || virDomainCreate(domain) < 0)
            exit(1);
        virDomainFree(domain);
    }
    free(xml);
    fclose(file);
}

int main(int argc, char **argv)
{
    natsConnection *nats = NULL;
    sigset_t term;
    int number;
    if (argc != 3)
        return 2;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    if (natsConnection_ConnectTo(&nats, argv[1]) != NATS_OK)
        return 1;
    virConnectPtr conn = virConnectOpen("test:///default");
    if (!conn)
        return 1;
    define_domains(conn, argv[2]);
    puts("ready");
    fflush(stdout);
    sigwait(&term, &number);
    return 0;
}
