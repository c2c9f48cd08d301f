#!/usr/bin/env bash
# The form of the tree: few rules, no warnings. Everything is looked at before
# it fails, so that one run shows all that is wrong.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
rule() { # NAME COMMAND…: the command must succeed
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "check: $name: ok"
	else
		failed=1
		echo "check: $name: FAILED" >&2
		echo "$out" | sed 's/^/    /' >&2
	fi
}

formatted() {
	local files
	files=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
	[ -z "$files" ] || { echo "gofmt -w $files"; return 1; }
}

chains() {
	go run ./cmd/weir fmt --check examples lang/std lang/testdata/corpus
}

# The sum of every file that git knows or would take.
tree() {
	git ls-files --cached --others --exclude-standard -z | sort -z | xargs -0 sha256sum
}

generated() {
	local before
	before=$(tree)
	go generate ./... || return 1
	diff <(echo "$before") <(tree) || { echo "go generate changes files: commit them"; return 1; }
}

# No package, and no test, is of one architecture.
arm64() {
	GOARCH=arm64 CGO_ENABLED=0 go build ./... && GOARCH=arm64 CGO_ENABLED=0 go vet ./...
}

rule "gofmt" formatted
rule "weir fmt" chains
rule "go vet" go vet ./...
rule "arm64" arm64
rule "staticcheck" go tool -modfile=scripts/tools.mod staticcheck ./...
rule "go mod tidy" go mod tidy -diff
rule "go generate" generated
rule "faults" go test -count=1 ./internal/mutate
rule "tree" go test -count=1 ./internal/arch
exit $failed
