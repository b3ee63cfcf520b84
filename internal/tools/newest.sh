#!/bin/sh
# Makes build/newest.mod: go.mod, which requires the oldest versions that are supported, with the versions of the
# Collector in builder-config.yaml, for `go test -modfile=build/newest.mod`.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build
cp go.mod build/newest.mod
cp go.sum build/newest.sum

# Most modules follow from what the Collector requires. Those that are named here do not.
core=go.opentelemetry.io/collector
version=$(sed -n "s#.*gomod: $core/receiver/otlpreceiver ##p" builder-config.yaml)
modules=$(sed -n '/otel-verifyyou/!s/.*gomod: \([^ ]*\) \(v.*\)/\1@\2/p' builder-config.yaml)
# shellcheck disable=SC2086 # a module a word
go get -modfile=build/newest.mod $modules "$core/connector/connectortest@$version" "$core/filter@$version" 2>build/newest.log || {
	cat build/newest.log >&2
	exit 1
}
go mod tidy -modfile=build/newest.mod

if grep -Fx -f go.mod build/newest.mod | grep "$core"; then
	echo "These stayed at the oldest version: name them in internal/tools/newest.sh." >&2
	exit 1
fi
