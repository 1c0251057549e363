# Unit tests that talk to a real NATS server share a helper, and the download that has the server.
NATS_TESTS := $(shell grep -lE '"tests/(lib/nats_helper|unit/bus/fixture).h"' $(UNIT_SOURCES))
$(NATS_TESTS:tests/unit/%.c=$(BUILD)/unit/%): $(BUILD)/obj/tests/lib/nats_helper.o \
    | $(if $(HARMONY_NATS_SERVER),,$(HARMONY_TOOLS)/python/requirements.txt)

# Tests whose clock is their own.
LATE_TESTS := $(shell grep -l '"late_clock.h"' $(UNIT_SOURCES))
$(LATE_TESTS:tests/unit/%.c=$(BUILD)/unit/%): ALL_LIBS += -Wl,--wrap=hm_boottime_ns
