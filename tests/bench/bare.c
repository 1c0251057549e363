/*
 * The least that a program with the same connections and domains costs: the yardstick for the agent's
 * memory and processor time.
 *
 *     bare NATS_URL FILE         prints "ready", then waits for SIGTERM
 *
 * FILE holds the XML of the domains to define and start, and a note to keep in each, both ended by a NUL
 * byte: the very ones of the agent (bench/domains), so that what libvirt's test driver keeps is the same.
 */
#include <libvirt/libvirt.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* As vmm/lv_vm_note.c does it. */
static int keep_note(virDomainPtr domain, const char *note)
{
    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, note, "harmonyrun",
                                "urn:harmony:run:1", VIR_DOMAIN_AFFECT_CONFIG);
}

static void define_domains(virConnectPtr conn, const char *path)
{
    FILE *file = fopen(path, "r");
    char *xml = NULL, *note = NULL;
    size_t xml_size = 0, note_size = 0;
    if (!file)
        exit(1);
    while (getdelim(&xml, &xml_size, '\0', file) > 0) {
        virDomainPtr domain = virDomainDefineXML(conn, xml);
        if (getdelim(&note, &note_size, '\0', file) <= 0 || !domain ||
            virDomainCreate(domain) < 0 || keep_note(domain, note) < 0)
            exit(1);
        virDomainFree(domain);
    }
    free(xml);
    free(note);
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
