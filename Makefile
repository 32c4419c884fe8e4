# Two commands: `make demo` runs the main job on the embedded mini corpus, `make test`
# passes the tests. Both set up .venv first.
PYTHON ?= python3
SEEDS ?= 0
REQUIREMENTS := requirements.txt requirements-demo.txt requirements-dev.txt \
	requirements-extra.txt
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
.venv/installed: $(REQUIREMENTS)
	$(PYTHON) -m venv .venv
	$(PIP) $(REQUIREMENTS:%=-r %)
	touch $@

clean:
	rm -rf .venv data/mini results/mini
