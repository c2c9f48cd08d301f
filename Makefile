# make run    set up, build, and show a chain at work: weir demo
# make test   set up, check, and run all tests (as root: they use the kernel)
# make check  form: gofmt, weir fmt, vet, staticcheck, tidy, generate, import table
# make build  the one static binary: bin/weir
# make test-kernels runs them on other kernels, in QEMU, and writes docs/kernels.md
# make mutate plants faults in the compiler: do the tests find them? (20 minutes)
# make soak   the long proofs (an hour or so)
# make bench  the measurements that tests of functions bring along

GO       ?= go
TIMEOUT  ?= 40m
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
MAX_SIZE := 40000000

.PHONY: run test test-kernels check build mutate soak bench setup clean
.DEFAULT_GOAL := build

setup:
	@scripts/setup.sh

run: setup build
	bin/weir demo

build:
	@CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false \
		-ldflags '-s -w -X main.version=$(VERSION)' -o bin/weir ./cmd/weir
	@size=$$(stat -c %s bin/weir); \
	if [ $$size -gt $(MAX_SIZE) ]; then \
		echo "bin/weir has $$size bytes, more than $(MAX_SIZE)" >&2; exit 1; \
	fi; \
	echo "bin/weir: $$((size / 1000)) kB, static"

check:
	@scripts/check.sh

test: setup check build
	@scripts/test.sh -timeout $(TIMEOUT) ./...

test-kernels: setup
	@scripts/kernels.sh
	@bash -o pipefail -c '$(GO) run ./internal/kernels -doc docs/kernels.md | $(GO) run ./internal/tally'

soak: setup build
	@scripts/kernels.sh 6.1
	@WEIR_SOAK=1 scripts/test.sh -timeout 3h ./...

mutate: setup
	@PATH="$$PATH:/usr/sbin:/sbin" $(GO) run ./internal/mutate

bench: setup
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
