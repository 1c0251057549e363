# The failover simulator. It links the very archive that the daemon links (libfailover.a).

SIM_SOURCES := $(wildcard tests/sim/*.c)
SIM_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(SIM_SOURCES))
N    ?= 1000000
JOBS ?= 2
SIM_BUDGET ?= 120

$(SIM_OBJECTS): private OPT += $(WHOLE)
$(BUILD)/sim: $(SIM_OBJECTS) $(call archives,failover proto base)
	@mkdir -p $(@D)
	@$(if $(Q),echo "  LINK    $@")
	$(Q)$(CC) $(ALL_CFLAGS) $(WHOLE) -Wno-error -o $@ $^ $(ALL_LIBS)

.PHONY: sim sim-long sim-test sim-mutants
#: make sim [N=1000000 JOBS=2]   that many schedules of the failover simulator
sim: $(BUILD)/sim
	$(Q)$(BUILD)/sim --runs $(N) --jobs $(JOBS)

#: make sim-long [LONG=20000000 FIRST=1]   many, with a line for each part done; FIRST goes on from there
LONG  ?= 20000000
FIRST ?= 1
sim-long: $(BUILD)/sim
	$(Q)$(BUILD)/sim --runs $(LONG) --first $(FIRST) --part 1000000 --jobs $(JOBS)

#: make sim-mutants         each rule switched off in turn must be noticed
sim-mutants: $(BUILD)/sim
	$(Q)$(BUILD)/sim --mutants --runs $(N) --jobs $(JOBS)

#: make sim-test [SIM_BUDGET=120]   the simulator's part of the tests
sim-test: $(BUILD)/sim
	$(Q)$(MAKE) --no-print-directory SAN=1 BUILD=$(BUILD)/san $(BUILD)/san/sim
	$(Q)tests/sim/run_tests $(BUILD)/sim $(BUILD)/san/sim $(SIM_BUDGET) 20000 $(JOBS)
