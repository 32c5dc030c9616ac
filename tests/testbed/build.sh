#!/bin/sh
# Builds the test bed into target/testbed/bin: testbed (and kubectl, which is
# the same binary), helm3, helm4. Only what is out of date is built.
#
#   tests/testbed/build.sh [testbed|helm3|helm4|all]…
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
out=$repo/target/testbed
bin=$out/bin

kubernetes=v1.35.4
helm3=v3.22.0
helm4=v4.3.1
go_needed=26 # of 1.26, which helm 4 asks for

say() { echo "testbed: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

check_go() {
  command -v go >/dev/null || fail "Go is not installed: the test bed needs Go 1.$go_needed or newer (https://go.dev/dl)"
  # A toolchain download would be a surprise of several hundred megabytes.
  export GOTOOLCHAIN=local GOFLAGS="${GOFLAGS:-} -buildvcs=false"
  go_version=$(cd / && go env GOVERSION)
  minor=$(echo "$go_version" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge "$go_needed" ] || fail "$(command -v go) is $go_version: the test bed needs Go 1.$go_needed or newer (https://go.dev/dl)"
}

# fresh NAME STAMP: is NAME there, and was it built from what STAMP says?
fresh() {
  [ -x "$bin/$1" ] && [ "$(cat "$out/stamps/$1" 2>/dev/null)" = "$2" ]
}

stamp() {
  mkdir -p "$out/stamps"
  echo "$2" >"$out/stamps/$1"
}

build_testbed() {
  sources=$(cd "$here" && find . -name '*.go' ! -name '*_test.go' -o -name 'go.mod' -o -name 'go.sum' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64)
  now="$sources $go_version $kubernetes"
  if ! fresh testbed "$now"; then
    say "building the cluster (about 5 min the first time, 20 s after a change)…"
    (cd "$here" && go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes" -o "$out/testbed.new" .)
    # Renamed, so that a cluster which runs the old binary is not disturbed.
    mv -f "$out/testbed.new" "$bin/testbed"
    stamp testbed "$now"
    say "built $bin/testbed"
  fi
  ln -sf testbed "$bin/kubectl"
}

# build_helm NAME MODULE VERSION
build_helm() {
  now="$2@$3 $go_version"
  if ! fresh "$1" "$now"; then
    say "building $1 $3 (about 2 min the first time)…"
    mkdir -p "$out/gobin"
    (cd / && GOBIN="$out/gobin" go install -trimpath -ldflags "-s -w -X ${2%/cmd/helm}/internal/version.version=$3" "$2@$3")
    mv -f "$out/gobin/helm" "$bin/$1"
    stamp "$1" "$now"
    say "built $bin/$1"
  fi
}

[ $# -gt 0 ] || set -- all
for what; do
  case $what in
  testbed | helm3 | helm4 | all) ;;
  *) fail "usage: build.sh [testbed|helm3|helm4|all]…" ;;
  esac
done
check_go
mkdir -p "$bin"
exec 9>"$out/build.lock"
if ! flock -n 9; then
  say "waiting for another build…"
  flock 9
fi
for what; do
  case $what in testbed | all) build_testbed ;; esac
  case $what in helm3 | all) build_helm helm3 helm.sh/helm/v3/cmd/helm "$helm3" ;; esac
  case $what in helm4 | all) build_helm helm4 helm.sh/helm/v4/cmd/helm "$helm4" ;; esac
done
