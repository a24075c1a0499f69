# Every path is relative, because make cannot handle spaces in the names of targets.
PYTHON ?=
PYTEST_ARGS ?=
BENCHMARK_ARGS ?=
WORKERS ?= auto

RUN := .venv/bin/python -m
READY := .venv/.ready
CODE := railway_release run_migrations.py examples tests benchmarks

# Where Python may not write bytecode, every worker of pytest would compile all tests anew, in each run.
test coverage: export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test lint format typecheck coverage benchmark clean

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done
	@echo 'PYTHON=... chooses the interpreter, PYTEST_ARGS=... is passed to pytest.'

demo: $(READY) ## Release twelve tenants, some of them unwell, on a PostgreSQL of its own.
	@$(RUN) examples.demo

demo-stop: $(READY) ## Stop the PostgreSQL of the demo.
	@$(RUN) examples.demo stop

test: $(READY) ## Run the tests against a real PostgreSQL.
	$(RUN) pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

lint: $(READY) typecheck ## Check style and types.
	$(RUN) ruff check $(CODE)
	$(RUN) ruff format --check $(CODE)

typecheck: $(READY) ## Check the types only.
	$(RUN) mypy

format: $(READY) ## Rewrite the code in the project's style.
	$(RUN) ruff check --fix $(CODE)
	$(RUN) ruff format $(CODE)

coverage: $(READY) ## The same with branch coverage, in processes too; also as htmlcov/index.html.
	$(RUN) pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=term --cov-report=html $(PYTEST_ARGS)

benchmark: .venv-benchmark/.ready ## Measure releases beside other tools; BENCHMARK_ARGS=--quick tries it.
	@.venv-benchmark/bin/python -m benchmarks $(BENCHMARK_ARGS)

clean: ## Remove everything that was made here, the demo's server and its data too.
	@if [ -e $(READY) ]; then $(RUN) examples.demo stop; fi
	rm -rf .venv .venv-* .demo .benchmark* .coverage .coverage.* htmlcov build *.egg-info examples/buildings/staticfiles
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml requirements.txt tests/requirements.txt tests/constraints.txt
	@python=$$(sh .ci/find-python "$(PYTHON)") && echo "Setting up .venv with $$python" && \
		"$$python" -m venv --clear .venv
	@$(RUN) pip install --quiet --disable-pip-version-check \
		-r tests/requirements.txt -c tests/constraints.txt -e .
	@touch $@

.venv-benchmark/.ready: pyproject.toml requirements.txt benchmarks/requirements.txt
	@python=$$(sh .ci/find-python "$(PYTHON)") && echo "Setting up .venv-benchmark with $$python" && \
		"$$python" -m venv --clear .venv-benchmark
	@.venv-benchmark/bin/python -m pip install --quiet --disable-pip-version-check \
		-r benchmarks/requirements.txt -e .
	@touch $@
