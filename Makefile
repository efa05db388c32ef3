# Everything a person needs, from a bare machine on. What a target does is in setup/make.py.
PYTHON ?= python3

# Taken as typed (no expansion of "$") and passed by environment: text never becomes part of a shell command.
override APP := $(value APP)
override ARGS := $(value ARGS)
override NAME := $(value NAME)
export APP ARGS NAME

.PHONY: help build test attacks bench constraints
help build test attacks bench constraints:
	@command -v "$(PYTHON)" >/dev/null || { echo "Macrohard needs Python 3.11 or newer: apt-get install python3 python3-pip, or make PYTHON=…" >&2; exit 1; }
	@exec "$(PYTHON)" setup/make.py $@
