# Integration tests on real parts, and everything together.
SUDO ?= $(if $(filter 0,$(shell id -u)),,sudo)
AS_ROOT = $(SUDO) env HARMONY_BUILD=$(BUILD) HARMONY_TOOLS=$(HARMONY_TOOLS) \
          $(foreach v,CLOUD_HYPERVISOR HARMONY_SEED HARMONY_VMS,$(if $($v),$v=$($v)))

# They wait more than they work: as many files at once as there are processors, of which one at most boots
# guests (conftest.py). A file's tests run in order.
AT_ONCE ?= $(shell nproc)

.PHONY: integration
#: make integration         tests with real NATS, libvirt and QEMU (as root); T=test_file.py: only these; AT_ONCE=2
integration: all guest guest-agent witness | $(HARMONY_TOOLS)/python/requirements.txt \
    $(HARMONY_TOOLS)/pytest/requirements-tests.txt $(HARMONY_TOOLS)/debian/usr/sbin/nats-server
	$(Q)$(AS_ROOT) PYTHONPATH=$(HARMONY_TOOLS)/pytest python3 -m pytest -q -p no:cacheprovider -n $(AT_ONCE) \
	    $(if $(T),$(addprefix tests/integration/,$(T)),tests/integration)

#: make test                lint, unit tests, simulator, fuzzing, integration, chaos; ends in "N passed, N failed"
test:
	$(Q)MAKE="$(MAKE)" tests/run_all "lint" "unit SAN=1" "sim-test" "fuzz FUZZ_SECONDS=20" "integration SAN=1" "chaos-test"
