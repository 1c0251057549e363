# make bench [PARTS="bus latency pass resources failover network disk boot change vmm"]: figures, each beside the bare thing.

.PHONY: bench
BENCH_TOOLS := $(BUILD)/bench/bench_pass $(BUILD)/bench/domains $(BUILD)/bench/bench_bus $(BUILD)/bench/bare \
               $(BUILD)/bench/first_call.so

#: make bench               figures beside the bare tools (PARTS=..., BENCH_IDLE_SECONDS, BENCH_CUTS)
bench: all drive witness native fake-vmm tiny-guest $(BENCH_TOOLS) | $(HARMONY_TOOLS)/python/requirements.txt
	$(Q)HARMONY_BUILD=$(BUILD) python3 tests/bench/bench.py $(PARTS)

$(BUILD)/bench/bench_pass $(BUILD)/bench/domains: $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/obj/tests/bench/bench_domain.o $(call archives,agent $(NETALLOC) vmm bus failover proto base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/bench/bench_bus: $(BUILD)/obj/tests/bench/bench_bus.o $(call archives,bus failover proto base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# The yardstick uses nothing of harmony.
$(BUILD)/bench/bare: tests/bench/bare.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $(PKG_CFLAGS) -o $@ $< $(shell pkg-config --libs libvirt libnats)

$(BUILD)/bench/first_call.so: tests/bench/first_call.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $(PKG_CFLAGS) -shared -fPIC -o $@ $< -ldl

# Failover alone: outage at a power cut, what a heartbeat costs, and many groups on one server.
.PHONY: bench-failover
#: make bench-failover      outage at a power cut and a switchover, cost of heartbeats and of many groups (PARTS="cuts switchovers cost groups")
bench-failover: all witness $(BUILD)/bench/bench_groups | $(HARMONY_TOOLS)/python/requirements.txt
	$(Q)$(AS_ROOT) BENCH_CUTS=$(BENCH_CUTS) BENCH_IDLE_SECONDS=$(BENCH_IDLE_SECONDS) python3 tests/bench/bench_failover.py $(PARTS)

$(BUILD)/bench/bench_groups: $(BUILD)/obj/tests/bench/bench_groups.o $(call archives,agent $(NETALLOC) vmm bus failover proto base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# The guardian alone: memory, and how late it fires.
.PHONY: bench-guardian
#: make bench-guardian      the guardian's memory, and how late it fires and kills (BENCH_RUNS)
bench-guardian: $(BUILD)/harmony-guardian
	$(Q)$(AS_ROOT) BENCH_RUNS=$(or $(BENCH_RUNS),100) python3 tests/bench/bench_guardian.py
