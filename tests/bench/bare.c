/*
 * The least that a program with the same connections and domains costs: the yardstick for the agent's
 * memory and processor time.
 *
 *     bare NATS_URL COUNT        prints "ready", then waits for SIGTERM
 */
#include <libvirt/libvirt.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void define_domains(virConnectPtr conn, long count)
{
    for (long i = 0; i < count; i++) {
        char xml[256];
        snprintf(xml, sizeof xml,
                 "<domain type='test'><name>vm%ld</name><memory unit='MiB'>16</memory>"
                 "<os><type>hvm</type></os></domain>",
                 i);
        virDomainPtr domain = virDomainDefineXML(conn, xml);
        if (!domain || virDomainCreate(domain) < 0)
            exit(1);
        virDomainFree(domain);
    }
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
    define_domains(conn, strtol(argv[2], NULL, 10));
    puts("ready");
    fflush(stdout);
    sigwait(&term, &number);
    return 0;
}
