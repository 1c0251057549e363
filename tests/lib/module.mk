# What the demo, the tests and the bench share: downloaded tools, the test guest, the witness.

GUEST := $(HARMONY_TOOLS)/guest
FETCHED := $(HARMONY_TOOLS)/python/requirements.txt $(HARMONY_TOOLS)/kernel/boot

.PHONY: guest witness
guest: $(GUEST)/initramfs
witness: $(BUILD)/witness

$(FETCHED) &:
	$(Q)tests/lib/fetch $(HARMONY_TOOLS)

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

# For LD_PRELOAD: kill -9 at the k-th libvirt call that changes something.
.PHONY: interpose
interpose: $(BUILD)/interpose_libvirt.so

$(BUILD)/interpose_libvirt.so: tests/lib/interpose_libvirt.c
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -fPIC -shared $(CFLAGS) -o $@ $< -ldl

integration: drive interpose $(if $(NETALLOC),native)
