# Fuzz targets: tests/fuzz/fuzz_<name>.c with the named seeds in tests/fuzz/corpus/<name>/. clang's
# libFuzzer, with the address and undefined sanitizers; objects of their own in build/fuzz.

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 20
FUZZ := $(BUILD)/fuzz
FUZZ_SANITIZE := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DHM_VERSION='"$(VERSION)"' -DHM_WITH_NETALLOC=1 -I. -pthread -MMD -MP \
               $(FUZZ_SANITIZE) $(WARN) $(PKG_CFLAGS)
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SOURCES := $(foreach l,base proto failover,$(call sources,$(l))) vmm/image_sums.c vmm/console_times.c agent/config.c agent/config_guardian.c agent/config_vip.c vmm/image_info.c vmm/qmp_reply.c \
                $(addprefix vmm/,ch_reply.c ch_record.c ch_drift.c ch_config.c ch_hardware.c disk_spec.c domain_xml.c domain_hardware.c domain_boot.c domain_read.c hot.c network_change.c network_xml.c shape.c seed.c spec_pool.c vm_uuid.c mark.c run_note.c thing.c volume_xml.c xml.c) \
                $(addprefix ctl/,cause.c config_change.c diagnosis.c documents_join.c documents_view.c entry.c group.c group_look.c group_view.c group_vip.c incident.c incident_html.c incident_view.c json_text.c page.c plot.c plan_view.c plot_svg.c redact.c repair.c request_text.c show.c table.c timeline.c timeline_view.c watch_line.c) \
                $(addprefix agent/,addresses.c depends.c describe.c desired.c driver_takes.c index.c marks.c plan.c plan_json.c plan_world.c quota.c run_rule.c) \
                tests/fuzz/check.c tests/fuzz/entries.c \
                bus/names.c bus/decode.c bus/jetstream.c bus/server_version.c \
                $(addprefix netalloc/,alias.c link.c link_plan.c link_read.c net.c net6.c pool.c pool_record.c dhcp_text.c ruleset.c vip_frame.c vip_link.c rtnl.c) \
                $(addprefix guardian/,plan.c message.c lease.c clock.c kill.c procfs.c cgroup.c cgroup_find.c keep.c link_answer.c)
FUZZ_OBJECTS := $(patsubst %.c,$(FUZZ)/obj/%.o,$(FUZZ_SOURCES))

.PHONY: fuzz
.SECONDARY: $(FUZZ_OBJECTS) $(patsubst %,$(FUZZ)/obj/tests/fuzz/fuzz_%.o,$(FUZZ_TARGETS))

$(FUZZ)/obj/%.o: %.c Makefile tests/fuzz/module.mk
	@mkdir -p $(@D)
	@$(if $(Q),echo "  FUZZ CC $<")
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(FUZZ)/fuzz_%: $(FUZZ)/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

#: make fuzz [FUZZ_SECONDS=20]   each fuzz target for so long; prints executions and coverage
fuzz: $(patsubst %,$(FUZZ)/fuzz_%,$(FUZZ_TARGETS))
	$(Q)tests/fuzz/run $(FUZZ) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

-include $(shell find $(FUZZ)/obj -name '*.d' 2>/dev/null)
