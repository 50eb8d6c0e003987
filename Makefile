# Two commands do all the set-up: `make sweep SWEEP=quickstart` and `make test`. `make help` lists the rest.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
SWEEP   ?= quickstart
RESULTS ?= output
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
AUDIT   := $(VENV)/audit

comma   := ,

# Options of the sweep commands, each passed on only if it is given.
CHOICE = --results $(RESULTS) $(if $(SCALE),--scale $(SCALE)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(TASKS),--tasks $(TASKS)) $(if $(SOURCE),--source $(SOURCE))
ABOUT  = --results $(RESULTS) $(if $(SCALE),--scale $(SCALE)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SOURCE),--source $(SOURCE))
PLACE  = $(if $(GPUS_PER_STACK),--gpus-per-stack $(GPUS_PER_STACK)) $(if $(STACK_SIZE),--stack-size $(STACK_SIZE)) $(if $(NOTIFY),--notify "$$NOTIFY")

.DEFAULT_GOAL := help
.PHONY: help setup sweep submit plan status data experts play videos ui tables figures report claims results bench methods test chaos lint audit format clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY)  ## install everything into .venv (the other commands do it when needed)

$(READY): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

sweep: $(READY)  ## run what a sweep lacks: SWEEP=quickstart [SCALE= SEEDS= TASKS=a,b SOURCE= RESULTS= ADDRESS= GPUS_PER_STACK= STACK_SIZE= NOTIFY=command]
	@$(BIN)/smore-sweep run $(SWEEP) $(CHOICE) $(PLACE) $(if $(ADDRESS),--address $(ADDRESS))

submit: $(READY)  ## run a sweep as a job of a Ray cluster: SWEEP=... JOBS_ADDRESS=http://127.0.0.1:8265 RESULTS=/on/the/cluster [SCALE= ... DETACH=1 | FOLLOW=job | CANCEL=job]
	@$(BIN)/smore-sweep submit $(SWEEP) $(CHOICE) $(PLACE) \
		$(if $(JOBS_ADDRESS),--jobs-address $(JOBS_ADDRESS)) $(if $(DETACH),--detach) $(if $(FOLLOW),--follow $(FOLLOW)) $(if $(CANCEL),--cancel $(CANCEL))

plan: $(READY)  ## what a sweep would do, and how long it takes: SWEEP=... [SCALE= SEEDS= TASKS= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep plan $(SWEEP) $(CHOICE)

status: $(READY)  ## how far every sweep is, and the one that trains now: [SWEEP= SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep status $(if $(filter-out file,$(origin SWEEP)),$(SWEEP)) $(ABOUT)

data: $(READY)  ## make the episodes of a task that the sweeps need: TASK=FetchReach [SCALE=paper | EPISODES=1000]
	@$(BIN)/smore-sweep data make $(TASK) $(if $(SCALE),--scale $(SCALE)) $(if $(EPISODES),--episodes $(EPISODES))

experts: $(READY)  ## measure the policies that the data are made of: [TASKS=Reacher,FetchPush EPISODES=200]
	@$(BIN)/smore-sweep experts $(subst $(comma), ,$(TASKS)) $(if $(EPISODES),--episodes $(EPISODES))

play: $(READY)  ## animate a policy: TASK=FetchPush [POLICY=expert|random|RUN_ID EPISODES=1 SEED=0 OUTPUT=x.gif RESULTS=]
	@$(BIN)/smore-sweep play $(TASK) --results $(RESULTS) $(if $(POLICY),--policy $(POLICY)) $(if $(EPISODES),--episodes $(EPISODES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(OUTPUT),--output $(OUTPUT))

videos: $(READY)  ## attach an animation to one run of each cell of a sweep in MLflow: SWEEP=... [SCALE= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep videos $(SWEEP) --results $(RESULTS) $(if $(SCALE),--scale $(SCALE)) $(if $(SOURCE),--source $(SOURCE))

ui: $(READY)  ## open the MLflow page of the results: [RESULTS= PORT=5000]
	@$(BIN)/smore-sweep ui --results $(RESULTS) $(if $(PORT),--port $(PORT))

tables: $(READY)  ## write the paper's tables from the finished runs, as LaTeX, into tables/: [TABLE="2 9" SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/python analysis/tables.py $(ABOUT) $(if $(TABLE),--table $(TABLE))

figures: $(READY)  ## draw the figures of the finished sweeps into figures/, as PDF and PNG: [SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/python analysis/figures.py $(ABOUT)

report: $(READY)  ## a sweep as one HTML page in reports/: SWEEP=... [SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/python analysis/report.py --sweep $(SWEEP) $(ABOUT)

select: $(READY)  ## choose the tuned knobs from the runs of learning_rate and tuning, into sweeps/tuned.csv: [SCALE= RESULTS=]
	@$(BIN)/python analysis/selection.py --results $(RESULTS) $(if $(SCALE),--scale $(SCALE))

export: $(READY)  ## write all ended runs into small files that can be committed: [RESULTS= TO=results]
	@$(BIN)/python analysis/export.py --results $(RESULTS) $(if $(TO),--to $(TO))

claims: $(READY)  ## what the finished runs say about each claim of the paper: [SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/python analysis/claims.py $(ABOUT)

results: $(READY)  ## write RESULTS.md, claims and tables of the finished runs: [SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/python analysis/results.py $(ABOUT)

bench: $(READY)  ## measure training speed, overhead, memory and packing on this machine: [METHOD=gc_iql|all | ONLY=overhead]
	@$(BIN)/smore-sweep bench $(if $(METHOD),--method $(METHOD)) $(if $(ONLY),--only $(ONLY))

methods: $(READY)  ## every method and its knobs: [METHOD=gc_iql]
	@$(BIN)/smore-sweep methods $(METHOD)

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest

chaos: $(READY)  ## kill, interrupt, fill and truncate while sweeps run, and compare what is left: [SEED=0 DISTURBANCES=100]
	@$(BIN)/python -m tests.chaos --output $(RESULTS)/chaos $(if $(SEED),--seed $(SEED)) $(if $(DISTURBANCES),--disturbances $(DISTURBANCES))

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

audit: $(READY)  ## look up known vulnerabilities of the pinned dependencies (asks pypi.org)
	@test -x $(AUDIT)/bin/pip-audit || { $(BIN)/python -m venv $(AUDIT) && $(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

format: $(READY)  ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:  ## remove the virtual environment and caches (not the results)
	rm -rf $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache
