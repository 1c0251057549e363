# What the demo, the tests and the bench share: downloaded tools, the test guest, the witness.

GUEST := $(HARMONY_TOOLS)/guest
FETCHED := $(HARMONY_TOOLS)/python/requirements.txt $(HARMONY_TOOLS)/kernel/boot

.PHONY: guest witness
guest: $(GUEST)/initramfs
witness: $(BUILD)/witness

$(FETCHED) &:
	$(Q)tests/lib/fetch $(HARMONY_TOOLS)

$(HARMONY_TOOLS)/pytest/requirements-tests.txt: tests/lib/requirements-tests.txt
	$(Q)tests/lib/fetch $(HARMONY_TOOLS) tests && touch $@

$(HARMONY_TOOLS)/debian/usr/sbin/nats-server:
	$(Q)tests/lib/fetch $(HARMONY_TOOLS) tests

$(GUEST)/initramfs: $(wildcard tests/lib/guest/*) | $(HARMONY_TOOLS)/kernel/boot
	@$(if $(Q),echo "  GUEST   $@")
	$(Q)tests/lib/guest/build $(HARMONY_TOOLS)/kernel $(GUEST)

# With the QEMU guest agent in it, for the tests that need one.
.PHONY: guest-agent
guest-agent: $(GUEST)/initramfs-agent
$(HARMONY_TOOLS)/agent/usr/sbin/qemu-ga:
	$(Q)tests/lib/fetch $(HARMONY_TOOLS) tests

$(GUEST)/initramfs-agent: $(GUEST)/initramfs tests/lib/guest/build-agent | $(HARMONY_TOOLS)/agent/usr/sbin/qemu-ga
	@$(if $(Q),echo "  GUEST   $@")
	$(Q)tests/lib/guest/build-agent $(HARMONY_TOOLS)/agent $(GUEST)/initramfs $@

# The witness uses nothing of harmony: it judges it.
$(BUILD)/witness: tests/lib/witness.c
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $(CFLAGS) -o $@ $<

# One verb of a driver, for tests of real parts.
.PHONY: drive
drive: $(BUILD)/drive

$(BUILD)/drive: $(BUILD)/obj/tests/lib/drive.o $(call archives,vmm bus failover proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

.PHONY: native
native: $(BUILD)/native

$(BUILD)/native: $(BUILD)/obj/tests/lib/native.o $(call archives,netalloc vmm bus failover proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# For LD_PRELOAD: kill -9 at the k-th libvirt call that changes something, or at a write of qemu-img; EIO.
.PHONY: interpose
interpose: $(BUILD)/interpose_libvirt.so $(BUILD)/interpose_writes.so

$(BUILD)/interpose_%.so: tests/lib/interpose_%.c
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -fPIC -shared $(CFLAGS) -o $@ $< -ldl

integration: drive interpose $(if $(NETALLOC),native)

# A fake of cloud-hypervisor. Without sanitizers, whatever the rest is built with: tests start a hundred.
.PHONY: fake-vmm
fake-vmm: $(BUILD)/fake_vmm

$(BUILD)/fake_vmm: $(wildcard tests/lib/fake_vmm/*.c) tests/lib/fake_vmm/fake_vmm.h
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -Wno-missing-field-initializers $(CFLAGS) -o $@ $(filter %.c,$^) -ljansson

integration: fake-vmm

# A kernel of a few KiB with a serial console and a power button, for the real cloud-hypervisor.
.PHONY: tiny-guest
tiny-guest: $(BUILD)/tiny_guest

TINY := -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables -nostdlib -static -O2 -Wall -Wextra -Werror
$(BUILD)/tiny_guest: tests/lib/tiny_guest/start.S tests/lib/tiny_guest/guest.c tests/lib/tiny_guest/guest.ld
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(TINY) -Wl,--build-id=none,-no-pie,--no-warn-rwx-segments,-T,$(filter %.ld,$^) -o $@ $(filter %.S %.c,$^)

integration: tiny-guest
