/*
 * The UUID of a VM that is made from a document: the same on every day, different on every site.
 *
 * A version 5 UUID (RFC 9562) of the name "SITE/KEY" in a namespace of our own: what must end a VM
 * without asking libvirt (the guardian) knows it before the VM exists, and from nothing but the
 * document. `uuidgen --sha1 -n b6c1e8a2-53f0-4c1d-9a57-0d6f6b3e7c11 -N site-a/primary.vm.db` gives the
 * same. Pure. Thread: any.
 */
#ifndef HM_VMM_VM_UUID_H
#define HM_VMM_VM_UUID_H

enum { VM_UUID_TEXT = 37 };

void vm_uuid(const char *site, const char *key, char out[VM_UUID_TEXT]);

#endif
