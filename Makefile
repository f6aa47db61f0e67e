# make demo   two real experiments on a preprod of this machine's own, in three minutes, and one on a cluster if it can
# make test   lint, types, imports, and all tests on real parts; the three experiments on a cluster where it is built
# make setup  what both need; repeatable
# make kubernetes   the programs of the Kubernetes lab, once: about 20 minutes on two cores, with Go
# make test-kubernetes   all tests on a Kubernetes cluster of this machine's own; builds its programs first, once
# make docs   the command reference and the table of faults, from the code

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Namespaces, packet rules and Debian packages need root.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env=PATH,CHAOSCTL_NO_SKIPS)

.DEFAULT_GOAL := help
.PHONY: help setup packages guest kubernetes demo test test-kubernetes lint docs bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: packages $(READY)

packages:
	@lab/install-debian-packages bind9-dnsutils openssh-server postgresql stress-ng

# A kernel with netem for the tests that need one: Debian's, unpacked beside this machine's own and never installed.
guest: $(READY)
	@lab/install-debian-packages qemu-system-x86 busybox-static kmod
	@$(SUDO) $(BIN)/python -m tests.guest.kernel

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): chaosctl needs Python 3.11 or later. Name one: make PYTHON=python3.12 setup"; \
	  exit 2; }
	@echo "Making $(VENV) with the pinned libraries; about a minute, once."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

kubernetes: setup
	@lab/install-debian-packages containerd runc containernetworking-plugins openssl busybox-static gcc musl-tools
	@$(SUDO) $(BIN)/chaosctl lab build

demo: setup
	@$(SUDO) lab/demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m runner.cli.reference > docs/commands.md
	$(BIN)/python -m runner.cli.table > docs/faults.md

test: setup guest lint
	$(SUDO) $(BIN)/pytest --kubernetes -rs tests/kubernetes/test_experiments.py
	$(SUDO) $(BIN)/pytest -n 2

test-kubernetes: kubernetes
	$(SUDO) $(BIN)/pytest --kubernetes

bench: setup
	$(SUDO) $(BIN)/python -m bench

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
