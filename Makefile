# Two commands: `make demo` runs the main job on the embedded mini corpus, `make test`
# passes the tests. Both set up .venv first.
PYTHON ?= python3
SEEDS ?= 0
RUN := .venv/bin/python
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test clean

demo: .venv/installed
	$(RUN) -m recipes.AntiDeepfake.demo --seeds $(SEEDS)

test: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest

# The file says that the installation is complete and of these requirements.
.venv/installed: requirements.txt requirements-demo.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.txt
	$(PIP) -r requirements-demo.txt -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv data/mini results/mini
