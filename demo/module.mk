# ./run demo, once everything is installed.
.PHONY: demo
#: make demo                the main job in a minute (KEEP=1 leaves it running)
demo: all guest witness | $(HARMONY_TOOLS)/python/requirements.txt
	$(Q)$(AS_ROOT) KEEP=$(KEEP) python3 demo/demo.py
