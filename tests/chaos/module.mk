# Faults by name on real parts: three NATS servers, two or three agents, a network that can be cut.

RUNS ?= 5
CHAOS = $(AS_ROOT) python3 tests/chaos/chaos.py $(if $(SEED),--seed $(SEED))

.PHONY: chaos chaos-test
#: make chaos [RUNS=5 FAULT=name SEED=n]   faults by name on real parts; the table goes to build/chaos.md
chaos: all witness | $(HARMONY_TOOLS)/python/requirements.txt
	$(Q)$(CHAOS) --runs $(RUNS) $(FAULT)

#: make chaos-test          a short set of them, once each
chaos-test: all witness | $(HARMONY_TOOLS)/python/requirements.txt
	$(Q)$(CHAOS) --runs 1 --short
