# The reference pages and JSON Schemas in docs/reference are written from the field tables,
# and harmonyctl.md from the table of its commands.

REFERENCE := docs/reference
REFERENCE_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard docs/generate/*.c)) \
    $(BUILD)/obj/agent/config.o $(BUILD)/obj/agent/quota.o $(BUILD)/obj/agent/config_guardian.o

.PHONY: docs docs-check

$(BUILD)/reference: $(REFERENCE_OBJECTS) $(call archives,proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

#: make docs                write docs/reference from the field tables
docs: $(BUILD)/reference $(BUILD)/harmonyctl
	$(Q)$(BUILD)/reference $(REFERENCE)
	$(Q)$(BUILD)/harmonyctl help -o markdown >$(REFERENCE)/harmonyctl.md

# Says nothing when all is well (make -s V=1: neither commands nor their short form).
docs-check:
	@$(MAKE) -s V=1 $(BUILD)/reference $(BUILD)/harmonyctl
	@rm -rf $(BUILD)/reference-check
	@$(BUILD)/reference $(BUILD)/reference-check
	@$(BUILD)/harmonyctl help -o markdown >$(BUILD)/reference-check/harmonyctl.md
	@diff -ru $(REFERENCE) $(BUILD)/reference-check || { echo "$(REFERENCE) is stale: run make docs"; exit 1; }
