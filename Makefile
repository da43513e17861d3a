# Hydra overrides are typed as they are: make train model.style_weight=20 optimizer.lr=3e-4
# Upper-case words are make variables, lower-case ones Hydra keys.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Every override reaches Hydra as you typed it, quoted for the shell; upper-case variables are ours. ~key (delete a key) has no
# equals sign, so that make takes it for a command.
DELETED := $(filter ~%,$(MAKECMDGOALS))
OVERRIDES = $(DELETED:%='%') $(foreach key,$(.VARIABLES),$(if $(filter command line,$(origin $(key))),$(if $(filter $(UPPER),$(key)),,$(call quoted,$(key)))))
quoted = '$(1)=$(subst ','\'',$(value $(1)))'
UPPER := PYTHON ARGS EXTRAS MAKEFLAGS

.DEFAULT_GOAL := help
COMMANDS := help setup train sweep report stylize stylize-dataset export evaluate compare bench doctor gallery demo runs watch test test-slow \
	test-gpu coverage lint check lock clean
.PHONY: $(COMMANDS)

STRAY := $(filter-out $(COMMANDS) .venv/% $(if $(filter $(COMMANDS),$(MAKECMDGOALS)),~%),$(MAKECMDGOALS))
ASKED := $(if $(filter help,$(MAKECMDGOALS)),$(filter-out help ~%,$(MAKECMDGOALS)))

ifneq ($(STRAY),)
# An unknown command ends make here, before the commands ahead of it have run.
KNOWN := $(firstword $(foreach group,experiment model data,$(if $(wildcard conf/$(group)/$(firstword $(STRAY)).yaml),$(group)=$(firstword $(STRAY)))))
TYPED = '$(subst ','\'',$(firstword $(STRAY)))'
NEAREST = $(PYTHON) -c 'import difflib, sys; print(*("make " + word for word in difflib.get_close_matches(*sys.argv[1:2], sys.argv[2:], 1)))'
.PHONY: $(MAKECMDGOALS)
$(MAKECMDGOALS):
	@known="$(or $(KNOWN),$$($(NEAREST) $(TYPED) $(COMMANDS) 2>/dev/null))"; \
		if [ -n "$$known" ]; then advice="did you mean $$known?"; else advice="keys are typed key=value; make alone lists the commands"; fi; \
		echo "error: there is no command '"$(TYPED)"': $$advice" >&2; exit 2
else ifneq ($(ASKED),)
# make help train: the keys of train
$(ASKED): help
	@:
help: $(READY)
	@for command in $(ASKED); do \
		module=$$(echo $$command | tr - _); \
		if [ -f src/adain/cli/$$module.py ]; then $(BIN)/python -m adain.cli.$$module --help $(OVERRIDES); \
		else awk -F ':.*## ' -v c=$$command '$$1 == c && NF > 1 {printf "make %s : %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST)); fi; done
else

## Start
help: ## print this list; make help train: the keys of train, their values, and what they do
	@echo "make COMMAND [key=value ...]        e.g. make train model.style_weight=20 optimizer.lr=3e-4"
	@echo "make help COMMAND                   list the keys of a command"
	@awk -F ':.*## ' '/^## / {printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) $(EXTRAS:%=.venv/.extra-%) ## set up .venv, the weights, and the sample pictures; EXTRAS="ray video" adds optional packages

# Compile bytecode once here. Where Python may not write it later (a read-only or shared folder, or PYTHONDONTWRITEBYTECODE, common in
# containers), every command would compile torch's and Lightning's sources again, which is half of the time to the first step.
# The lock names no index: uv gets the one that pip is configured with.
INSTALL = index=$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true); \
	index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$index}}; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; else unset UV_DEFAULT_INDEX; fi; \
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint requirements.lock --require-hashes --requirements pyproject.toml

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} is too old or too new: give one of 3.11 to 3.13, as in  make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12")'
	@echo "setting up .venv (once, a few minutes; about 6 GB with torch's CUDA libraries on Linux)" >&2
	@$(PYTHON) -m venv .venv
	@awk '/^[^ #]/ {on = /^uv==/} on' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(INSTALL) --extra dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .
	@$(BIN)/python -m adain.cli.prepare >&2
	@touch $@

# Optional packages, pinned like the rest, are installed when a command first needs them.
.venv/.extra-%: $(READY)
	@echo "setting up the optional packages of $*" >&2
	@$(INSTALL) --extra $*
	@touch $@

# Which of them the typed keys need: videos and GIFs by their ending, in upper or lower case, and whatever comes through a pipe or from a
# camera. make cannot see videos inside a folder: the command then says what to type.
VIDEOS := .3g2 .3gp .asf .avi .divx .dv .f4v .flv .m1v .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mts .mxf \
	.gif .nut .ogm .ogv .qt .rm .rmvb .tod .ts .vob .webm .wmv .y4m
COMMA := ,
CONTENTS := $(subst [, ,$(subst ], ,$(subst $(COMMA), ,$(content))))
ENDINGS := $(if $(CONTENTS),$(shell printf '%s ' '$(subst ','\'',$(suffix $(CONTENTS)))' | tr A-Z a-z))
NEEDS := $(sort $(filter hub tensorboard,$(data) $(logger)) $(if $(filter paper,$(experiment) $(scale)),$(if $(data),,hub)) \
	$(filter ray joblib,$(engine) $(hydra/launcher)) $(if $(filter submitit_slurm,$(hydra/launcher)),slurm) \
	$(if $(filter $(VIDEOS),$(ENDINGS))$(filter - camera:%,$(CONTENTS))$(filter video,$(bench)),video))
EXTRA = $(NEEDS:%=.venv/.extra-%)

## Train
train: $(READY) $(EXTRA) ## train a decoder, by default in 5 minutes on a laptop; experiment=paper is the published recipe
	@$(BIN)/python -m adain.cli.train $(OVERRIDES)

sweep: .venv/.extra-sweep $(EXTRA) ## train once for every combination: KEY=A,B [KEY=C,D], or sweep=style_weight|learning_rate|seeds|strategy|optuna; resume=latest
	@$(BIN)/python -m adain.cli.sweep $(OVERRIDES)

report: .venv/.extra-sweep $(if $(run),.venv/.extra-compare) ## rank a sweep's runs and write its page: sweep=latest|PATH; draw a run's losses: run=latest|PATH
	@$(BIN)/python -m adain.cli.report $(OVERRIDES)

doctor: $(READY) $(EXTRA) ## before a long run, with its overrides: check pictures, weights, disk, devices, and whether loading keeps up
	@$(BIN)/python -m adain.cli.doctor $(OVERRIDES)

runs: $(READY) ## list the runs and sweeps below logs/, each with the command that continues or uses it: [last=20]
	@$(BIN)/python -m adain.cli.runs $(OVERRIDES)

watch: $(READY) ## show the local W&B runs in the terminal: [run=PATH]
	@$(BIN)/python -m adain.cli.watch $(OVERRIDES)

## Use a decoder
stylize: $(READY) $(EXTRA) ## stylize pictures, folders, and videos: content=PATH style=PATH [alpha=0..1] [styles=a,b weights=.7,.3] [preserve_color=coral]
	@$(BIN)/python -m adain.cli.stylize $(OVERRIDES)

stylize-dataset: $(READY) $(EXTRA) ## stylize a whole data set, resumable: content=DIR style=DIR out=DIR [shards=N shard=i] [engine=ray]
	@$(BIN)/python -m adain.cli.stylize_dataset $(OVERRIDES)

demo: .venv/.extra-demo ## open a web page to stylize photographs: [port=7860] [decoder=...] [side=1024]
	@$(BIN)/python -m adain.cli.demo $(OVERRIDES)

export: .venv/.extra-export ## write safetensors and ONNX, checked against PyTorch: [decoder=latest|shipped|reference|PATH] [out=DIR]
	@$(BIN)/python -m adain.cli.export $(OVERRIDES)

## Measure
evaluate: $(READY) $(EXTRA) ## measure a decoder: [benchmark=styleid800] [content=DIR style=DIR] [decoder=...] [outputs=DIR] [against=...]
	@$(BIN)/python -m adain.cli.evaluate $(OVERRIDES)

compare: .venv/.extra-compare $(EXTRA) ## reproduce the paper's table and figures for all four systems: an hour or more on two cores; resumable; scale=smoke|laptop|paper
	@$(BIN)/python -m adain.cli.compare $(OVERRIDES)

bench: .venv/.extra-sweep $(EXTRA) ## measure speed and memory by stage, beside the machine's limits: [reference=PATH] [profile=true]
	@$(BIN)/python -m adain.cli.bench $(OVERRIDES)

gallery: .venv/.extra-video ## make the pictures of docs/gallery.md again, with the page's own commands
	@command -v ffmpeg >/dev/null || { echo "error: the page's video is made with the program ffmpeg: install it" >&2; exit 1; }
	@samples="$${ADAIN_CACHE:-$$HOME/.cache/adain}/sample"; export PHOTOS="$$samples/content" PAINTINGS="$$samples/style"; \
		sed -n 's/^make stylize/$(subst /,\/,$(MAKE)) --no-print-directory stylize/p; /^ffmpeg /p' docs/gallery.md | sh -e

.PHONY: $(DELETED)
$(DELETED):
	@:

PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest
QUICK = -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

## Work on this project
test: $(READY) ## run the tests without the slow ones, about five minutes on two cores; ARGS='-k word' picks
	@$(PYTEST) $(QUICK) $(ARGS)

test-slow: $(READY) ## run the slow tests, which start servers, queues, and several processes: a quarter of an hour; CI runs them nightly
	@$(PYTEST) -m slow $(ARGS)

test-gpu: $(READY) ## on a machine with a GPU, test and measure what needs one, in four minutes: [reference=PATH]
	@$(BIN)/python -m tests.gpu $(OVERRIDES)

coverage: $(READY) ## run the tests and measure their coverage of src/: half as long again
	@$(PYTEST) $(QUICK) --cov --cov-report=term:skip-covered $(ARGS)

lint: $(READY) ## run ruff, mypy, and import-linter (imports point down only)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: lint test ## run everything CI runs on a push: lint and test

lock: ## write requirements.lock again from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --all-extras pyproject.toml --output-file requirements.lock

clean: ## remove .venv (the cache of weights and pictures stays)
	rm -rf .venv

endif
