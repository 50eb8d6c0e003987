# Two commands do all the set-up: `make sweep SWEEP=quickstart` and `make test`. `make help` lists the rest.
#
# A target's variables are those that its own line names, as NAME=; any other is refused. Each becomes an option of the
# command: SCALE=paper is --scale paper. Recipes read values from the environment, where no shell splits them.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
AUDIT   := $(VENV)/audit

comma := ,
empty :=
space := $(empty) $(empty)
list   = $(subst $(space),$(comma) ,$(strip $(1)))

variables = $(shell sed -n '/^$(1):/p' $(firstword $(MAKEFILE_LIST)) | grep -oE '[A-Z][A-Z_]*=' | tr -d =)
flag      = --$(shell echo $(1) | tr A-Z_ a-z-)
argument  = $(if $($(1)),"$$$(1)")
options   = $(foreach name,$(filter-out $(2),$(call variables,$(1))),$(if $($(name)),$(call flag,$(name)) "$$$(name)"))
sweep     = "$${SWEEP:-quickstart}"

GOALS := $(or $(MAKECMDGOALS),help)
GIVEN := $(sort $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(GIVEN),)
VALID   := PYTHON $(foreach goal,$(GOALS),$(call variables,$(goal)))
UNKNOWN := $(filter-out $(VALID),$(GIVEN))
ifneq ($(UNKNOWN),)
$(error make $(GOALS) has no variable $(call list,$(UNKNOWN)); it has: $(call list,$(VALID)))
endif
endif

.DEFAULT_GOAL := help
.PHONY: help setup doctor sweep submit slurm plan status data experts play videos ui tables figures report claims results select export verify bench methods tasks test docs chaos fuzz lint audit format clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY)  ## install everything into .venv (the other commands do it when needed)

$(READY): pyproject.toml constraints.txt $(wildcard smore_sweep/stacked/native/*)
	@echo "Installing into $(VENV) (once; a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

sweep: $(READY)  ## run what a sweep lacks: SWEEP=quickstart [SCALE= TASKS=a,b METHODS=a,b SEEDS=5|0,3-9 SET="knob=1,3" UPDATES= SOURCE= RESULTS= ADDRESS= GPUS_PER_STACK= STACK_SIZE= NOTIFY=command MIRROR=wandb|tensorboard SEEDS_FOR=claim EXPORTED=]
	@$(BIN)/smore-sweep run $(sweep) $(call options,$@,SWEEP)

submit: $(READY)  ## run a sweep as a job of a Ray cluster: SWEEP=... JOBS_ADDRESS=http://127.0.0.1:8265 RESULTS=/on/the/cluster [SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= GPUS_PER_STACK= STACK_SIZE= NOTIFY= DETACH=1 | FOLLOW=job | CANCEL=job]
	@$(BIN)/smore-sweep submit $(sweep) $(call options,$@,SWEEP DETACH) $(if $(DETACH),--detach)

slurm: $(READY)  ## run a sweep as SLURM jobs: SWEEP=... ARRAY=4 TIME=04:00:00 [NODES= CPUS_PER_TASK= GPUS_PER_TASK= MEMORY= PARTITION= ACCOUNT= SBATCH= IMAGE= DRY_RUN=1 RESULTS= SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= GPUS_PER_STACK= STACK_SIZE= NOTIFY=]
	@$(BIN)/smore-sweep submit $(sweep) --slurm $(call options,$@,SWEEP DRY_RUN) $(if $(DRY_RUN),--dry-run)

plan: $(READY)  ## show what a sweep would do, and how long it takes: SWEEP=... [SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= RESULTS= EXPORTED=]
	@$(BIN)/smore-sweep plan $(sweep) $(call options,$@,SWEEP)

status: $(READY)  ## show how far the sweeps with runs are, and the one that trains now: [SWEEP= SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep status $(call argument,SWEEP) $(call options,$@,SWEEP)

data: $(READY)  ## make the episodes of a task that the sweeps need: TASK=FetchReach [SCALE=paper | EPISODES=1000]
	@$(BIN)/smore-sweep data make $(call argument,TASK) $(call options,$@,TASK)

experts: $(READY)  ## measure the policies that the data are made of: [TASKS=Reacher,FetchPush EPISODES=200]
	@$(BIN)/smore-sweep experts $(subst $(comma), ,$(TASKS)) $(call options,$@,TASKS)

play: $(READY)  ## animate a policy: TASK=FetchPush [POLICY=expert|random|RUN_ID EPISODES=1 SEED=0 OUTPUT=x.gif RESULTS=]
	@$(BIN)/smore-sweep play $(call argument,TASK) $(call options,$@,TASK)

videos: $(READY)  ## attach an animation to one run of each cell of a sweep in MLflow: SWEEP=... [SCALE= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep videos $(sweep) $(call options,$@,SWEEP)

ui: $(READY)  ## open the MLflow page of a sweep, or of the one that trained last: [SWEEP= RESULTS= PORT=5000]
	@$(BIN)/smore-sweep ui $(call argument,SWEEP) $(call options,$@,SWEEP)

tables: $(READY)  ## write the paper's tables from the finished runs, as LaTeX, into tables/: [TABLE="2 9" | SWEEP=mine.py | BENCHMARK=ogbench] [SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep tables $(call options,$@,TABLE SWEEP) $(if $(TABLE),--table $(TABLE)) $(if $(SWEEP),--sweep $(SWEEP))

figures: $(READY)  ## draw the figures of the finished sweeps into figures/, as PDF and PNG: [SWEEP=mine.py X=knob | FIGURE=name] [PLAIN=1 SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep figures $(call options,$@,PLAIN) $(if $(PLAIN),--plain)

report: $(READY)  ## write a sweep as one HTML page into reports/: SWEEP=... [SCALE= TASKS= METHODS= SEEDS= SET= UPDATES= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep report --sweep $(sweep) $(call options,$@,SWEEP)

select: $(READY)  ## choose the tuned knobs from the runs of learning_rate and tuning, into sweeps/tuned.csv: [SCALE= RESULTS=]
	@$(BIN)/smore-sweep select $(call options,$@)

export: $(READY)  ## write all ended runs into small files that can be committed: [RESULTS= TO=results]
	@$(BIN)/smore-sweep export $(call options,$@)

claims: $(READY)  ## judge each claim of the paper by the finished runs: [BENCHMARK=ogbench SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep claims $(call options,$@)

results: $(READY)  ## write RESULTS.md, claims and tables of the finished runs: [SCALE= SEEDS= SOURCE= RESULTS=]
	@$(BIN)/smore-sweep results $(call options,$@)

verify: $(READY)  ## check every record, and train some runs again: [RETRAIN=2 SEED=0 TASKS= RESULTS=]
	@$(BIN)/smore-sweep verify $(call options,$@)

bench: $(READY)  ## measure training speed, kernels, overhead, memory and packing on this machine: [METHOD=gc_iql|all | ONLY=kernels]
	@$(BIN)/smore-sweep bench $(call options,$@)

doctor: $(READY)  ## examine this machine for two minutes, and write a report to send to us: [OUTPUT=output RESULTS=]
	@$(BIN)/smore-sweep doctor $(call options,$@)

methods: $(READY)  ## list the methods, or the knobs of one: [METHOD=gc_iql]
	@$(BIN)/smore-sweep methods $(call argument,METHOD)

tasks: $(READY)  ## list the tasks
	@$(BIN)/smore-sweep tasks

test: $(READY)  ## run all tests
	@$(BIN)/python -m pytest

docs: $(READY)  ## build the documentation into docs/_build/html; a warning or a broken link is an error
	@$(BIN)/python -m sphinx --fresh-env --write-all --fail-on-warning --keep-going --quiet --builder html docs docs/_build/html
	@$(BIN)/python docs/check_links.py docs/_build/html
	@echo docs/_build/html/index.html

chaos: $(READY)  ## kill, interrupt, fill and truncate while sweeps run, and compare what is left: [SEED=0 DISTURBANCES=100 KINDS= RESULTS=]
	@$(BIN)/python -m tests.chaos --output "$${RESULTS:-output}/chaos" $(call options,$@,RESULTS)

fuzz: $(READY)  ## damage files for some minutes, and count how each reader takes it: [MINUTES=10 SEED=0]
	@$(BIN)/python -m tests.fuzz $(call options,$@)

lint: $(READY)  ## run ruff, mypy and import-linter
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

audit: $(READY)  ## look up known vulnerabilities of the pinned dependencies (asks pypi.org)
	@test -x $(AUDIT)/bin/pip-audit || { $(BIN)/python -m venv $(AUDIT) && $(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

format: $(READY)  ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:  ## remove the virtual environment and caches (not the results)
	rm -rf $(VENV) docs/_build docs/*/generated *.egg-info .mypy_cache .pytest_cache .ruff_cache
