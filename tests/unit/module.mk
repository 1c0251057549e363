# Unit tests that talk to a real NATS server share a helper.
NATS_TESTS := $(filter tests/unit/bus/%,$(UNIT_SOURCES)) \
              $(shell grep -l 'tests/lib/nats_helper.h' $(UNIT_SOURCES))
$(NATS_TESTS:tests/unit/%.c=$(BUILD)/unit/%): $(BUILD)/obj/tests/lib/nats_helper.o
