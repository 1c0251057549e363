# The reference pages and JSON Schemas in docs/reference are written from the field tables,
# and harmonyctl.md from the table of its commands.

REFERENCE := docs/reference
REFERENCE_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard docs/generate/*.c)) \
    $(BUILD)/obj/agent/config.o $(BUILD)/obj/agent/quota.o $(BUILD)/obj/agent/config_guardian.o \
    $(BUILD)/obj/agent/config_vip.o $(BUILD)/obj/agent/agent_metrics.o $(BUILD)/obj/vmm/vm_stats.o
DASHBOARD := examples/monitoring/dashboard.json

.PHONY: docs docs-check

$(BUILD)/reference: $(REFERENCE_OBJECTS) $(call archives,proto base)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

#: make docs                write docs/reference from the field tables
docs: $(BUILD)/reference $(BUILD)/harmonyctl
	$(Q)$(BUILD)/reference $(REFERENCE)
	$(Q)$(BUILD)/reference --dashboard >$(DASHBOARD)
	$(Q)$(BUILD)/harmonyctl help -o markdown >$(REFERENCE)/harmonyctl.md

# What a program says of itself with --help stands in its page as it is.
MAN_PAGES := harmonyctl.1 harmonyd.8 harmony-guardian.8 harmonyd.yaml.5
.PHONY: man man-check
#: make man                 the man pages, in build/man
man: $(addprefix $(BUILD)/man/,$(MAN_PAGES))

$(BUILD)/man/harmonyctl.1: $(BUILD)/harmonyctl
	@mkdir -p $(@D)
	$(Q)$< help -o man >$@
$(BUILD)/man/harmonyd.yaml.5: $(BUILD)/reference
	@mkdir -p $(@D)
	$(Q)$< --man >$@
$(BUILD)/man/%.8: docs/man/%.8.in $(BUILD)/%
	@mkdir -p $(@D)
	$(Q)$(BUILD)/$* --help | sed 's/\\/\\e/g; s/-/\\-/g; s/^\./\\\&./' >$@.help
	$(Q)sed -e '/^@HELP@$$/{r $@.help' -e 'd;}' -e 's/@VERSION@/$(VERSION)/' $< >$@

man-check: man
	@for page in $(MAN_PAGES); do groff -man -ww -z -Tutf8 $(BUILD)/man/$$page 2>&1; done

# Says nothing when all is well (make -s V=1: neither commands nor their short form).
docs-check:
	@$(MAKE) -s V=1 $(BUILD)/reference $(BUILD)/harmonyctl
	@rm -rf $(BUILD)/reference-check
	@$(BUILD)/reference $(BUILD)/reference-check
	@$(BUILD)/harmonyctl help -o markdown >$(BUILD)/reference-check/harmonyctl.md
	@$(BUILD)/reference --dashboard | diff -u $(DASHBOARD) - || { echo "$(DASHBOARD) is stale: run make docs"; exit 1; }
	@diff -ru $(REFERENCE) $(BUILD)/reference-check || { echo "$(REFERENCE) is stale: run make docs"; exit 1; }
