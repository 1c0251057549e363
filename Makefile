# harmony: `make` builds harmonyd, harmonyctl and harmony-guardian in build/. `make help` lists the targets.
#
# One folder is one layer and one archive; what it may include is checked by `make lint`.
# BUILD=dir builds elsewhere; SAN=1 adds the address, undefined and leak sanitizers (build/san).

SAN    ?= 0
BUILD  ?= $(if $(filter 1,$(SAN)),build/san,build)
PREFIX ?= /usr/local
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
V      ?= 0
# What ./run downloaded for the demo and the tests; several working trees can share one.
HARMONY_TOOLS ?= build/tools
export HARMONY_TOOLS
Q      := $(if $(filter 1,$(V)),,@)

PACKAGES := libuv libnats libvirt libvirt-qemu jansson libcurl yaml-0.1 libxml-2.0 libsystemd openssl \
            libmicrohttpd

# Parts that a build can leave out.
WITH_NETALLOC ?= 1
NETALLOC := $(if $(filter 1,$(WITH_NETALLOC)),netalloc)
PACKAGES += $(if $(NETALLOC),libmnl libnftables)

PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

VERSION := $(shell cat VERSION)
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Werror
SANITIZE := -O1 -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined \
            -fno-omit-frame-pointer
OPT  := $(if $(filter 1,$(SAN)),$(SANITIZE),-O2 -D_FORTIFY_SOURCE=2)
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DHM_VERSION='"$(VERSION)"' \
             -DHM_WITH_NETALLOC=$(if $(NETALLOC),1,0) -I. $(OPT) $(WARN) \
             -fstack-protector-strong -pthread -MMD -MP $(PKG_CFLAGS) $(CFLAGS)
ALL_LIBS = $(PKG_LIBS) -lm -pthread $(LDFLAGS)

# Layers, each one using only those to its left; but the guardian uses libc alone.
LAYERS := base proto failover bus vmm $(NETALLOC) agent ctl guardian
PROGRAMS := $(BUILD)/harmonyd $(BUILD)/harmonyctl $(BUILD)/harmony-guardian
MAINS := agent/main.c ctl/main.c guardian/main.c

sources = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
archives = $(foreach l,$(1),$(BUILD)/lib$(l).a)
REVERSED := ctl agent $(NETALLOC) vmm bus failover proto base

.PHONY: all install demo test unit lint bench sim clean help format
all: $(PROGRAMS)

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

$(BUILD)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	@$(if $(Q),echo "  CC      $<")
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/obj/agent/http_page.o: agent/http_page.html

# The failover's core is compiled as a whole, into one object: the daemon and the simulator link the very same
# code, and the simulator runs some ten million schedules of it. Sanitizers want files one by one.
WHOLE := $(if $(filter 1,$(SAN)),,-O3 -flto -flto-partition=one -fvisibility=hidden)
$(call objects,failover): private OPT += $(WHOLE)
$(BUILD)/obj/failover.o: $(call objects,failover)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) $(WHOLE) -Wno-error -r -flinker-output=nolto-rel -o $@ $^

define layer_rule
$(BUILD)/lib$(1).a: $(if $(and $(WHOLE),$(filter failover,$(1))),$(BUILD)/obj/failover.o,$(call objects,$(1)))
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))

$(BUILD)/harmonyd: $(BUILD)/obj/agent/main.o $(call archives,agent $(NETALLOC) vmm bus failover proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/harmonyctl: $(BUILD)/obj/ctl/main.o $(call archives,ctl bus failover proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/harmony-guardian: $(BUILD)/obj/guardian/main.o $(call archives,guardian)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS)

# Unit tests: tests/unit/<layer>/test_<source>.c, a program each, linked with its layer and those below.
# What several of them share (builders, fakes) are the other files there, in an archive: a program gets
# only what it names.
UNIT_SOURCES := $(filter-out $(if $(NETALLOC),,tests/unit/netalloc/%),$(wildcard tests/unit/*/test_*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))
layer_of = $(word 3,$(subst /, ,$(1)))
linked_with = $(if $(filter guardian,$(1)),guardian,$(call from_layer,$(1),$(REVERSED)))
from_layer = $(if $(filter $(1),$(firstword $(2))),$(2),$(call from_layer,$(1),$(wordlist 2,99,$(2))))

shared_sources = $(filter-out tests/unit/$(1)/test_%.c,$(wildcard tests/unit/$(1)/*.c))
shared_archive = $(if $(call shared_sources,$(1)),$(BUILD)/unit/$(1)/libshared.a)

define shared_rule
$(BUILD)/unit/$(1)/libshared.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(call shared_sources,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(if $(call shared_sources,$(l)),$(eval $(call shared_rule,$(l)))))

define unit_rule
$(BUILD)/unit/$(patsubst tests/unit/%.c,%,$(1)): $(BUILD)/obj/$(1:.c=.o) $(call shared_archive,$(call layer_of,$(1))) $(call archives,$(call linked_with,$(call layer_of,$(1))))
	@mkdir -p $$(@D)
	@$$(if $$(Q),echo "  LINK    $$@")
	$$(Q)$$(CC) $$(ALL_CFLAGS) -o $$@ $$^ $$(shell pkg-config --libs check) $$(ALL_LIBS)
endef
$(foreach t,$(UNIT_SOURCES),$(eval $(call unit_rule,$(t))))

#: make unit [ONLY=layer]   build and run the unit tests (of one layer)
unit: $(filter $(BUILD)/unit/$(if $(ONLY),$(ONLY)/)%,$(UNIT_TESTS))
	$(Q)tests/run_unit $^

#: make lint                layering, banned calls, shell scripts, docs against the code
lint: all
	+$(Q)tests/lint

format:
	clang-format -i $(wildcard */*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

#: make install             DESTDIR, PREFIX
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	install -m 755 $(BUILD)/harmonyd $(DESTDIR)$(PREFIX)/sbin/harmonyd
	install -m 755 $(BUILD)/harmony-guardian $(DESTDIR)$(PREFIX)/sbin/harmony-guardian
	install -m 755 $(BUILD)/harmonyctl $(DESTDIR)$(PREFIX)/bin/harmonyctl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in systemd/*.service; do \
	    sed 's|/usr/local/|$(PREFIX)/|' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; done

install: install-monitoring
.PHONY: install-monitoring
install-monitoring:
	install -d $(DESTDIR)$(PREFIX)/share/harmony/monitoring
	install -m 644 examples/monitoring/* $(DESTDIR)$(PREFIX)/share/harmony/monitoring

install: install-man
.PHONY: install-man
install-man: man
	for page in $(BUILD)/man/*.[158]; do \
	    install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BUILD)/harmonyctl completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/harmonyctl

clean:
	rm -rf build

# Parts of the build that belong to one area stand beside it.
-include $(wildcard tests/*/module.mk docs/module.mk demo/module.mk)
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
