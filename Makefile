# The thin front: each target is one or two commands of CMake, ctest or scripts/.
# What the targets are is part of the interface; how they do it is in CMakePresets.json.

SHELL := /bin/bash
BUILD := build/release
PORT  ?= 6379
# Compilers share two cores with whatever else runs; JOBS= overrides.
JOBS  ?= $(shell nproc)
# Suites that measure time or start servers say so (RUN_SERIAL); the others may run by two.
TEST_JOBS ?= 2
CMAKE_FLAGS ?=

.PHONY: all run cluster test soak mutants bench bench-cluster deps clean format tidy configure debug asan tsan fuzz

all: configure
	@cmake --build --preset release --parallel $(JOBS) --target programs

# With a quiet configure: its output matters only when it fails.
configure: deps
	@cmake --preset release $(CMAKE_FLAGS) >$(BUILD).configure.log 2>&1 \
	  || { cat $(BUILD).configure.log >&2; exit 1; }

run: all
	@mkdir -p data
	exec $(BUILD)/alfheimdb --dir ./data --resp-addr 127.0.0.1:$(PORT)

# Three nodes on loopback, data in ./data-cluster; prints their addresses when one leads, ends with
# all of them at Ctrl-C.
cluster: all
	@scripts/cluster $(BUILD)/alfheimdb

# The last line is ctest's own verdict; its status is make's. Some of its tests run what the
# presets fuzz, asan and tsan build: the fuzzers, and a share of the unit tests under sanitizers.
test: deps
	@scripts/tidy
	@$(MAKE) --no-print-directory configure CMAKE_FLAGS=-DALF_CHECK_HEADERS=ON
	@cmake --build --preset release --parallel $(JOBS)
	@scripts/build_checkers --share $(JOBS)
	@ctest --preset release --parallel $(TEST_JOBS)

# The same suites at full length; ARGS are handed to the script (seeds, rounds).
soak: all
	@cmake --build --preset release --parallel $(JOBS)
	@scripts/soak $(ARGS)

# The meter of the tests: plants one bug after the other and prints which suite caught it.
mutants: deps
	@scripts/mutants --jobs $(JOBS) $(ARGS)

# Side by side with redis-server; ARGS are handed to the script (--rounds, --only, --part).
bench: all
	@cmake --build --preset release --parallel $(JOBS) --target benches
	@bench/run $(ARGS)

# Three nodes on loopback, the single node and redis-server in turn; medians of three rounds.
bench-cluster: all
	@bench/run --part cluster --rounds 3 $(ARGS)

deps:
	@mkdir -p build
	@scripts/deps

# The other ways to build everything: make asan && ctest --preset asan
debug asan tsan fuzz: deps
	cmake --preset $@
	cmake --build --preset $@ --parallel $(JOBS)

tidy:
	@scripts/tidy

format:
	@git ls-files '*.h' '*.cc' | xargs -r clang-format -i

# The build only; ./data holds somebody's keys and stays.
clean:
	rm -rf build
