#!/bin/sh
# Makes the files that mdatagen generates from metadata.yaml.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

# mdatagen names the package of the tests that it writes after the folder, which can be called anything in a clone:
# it gets to see the clone under the package's name.
link=$(mktemp -d)
trap 'rm -rf "$link"' EXIT
ln -s "$root" "$link/verifyyoureceiver"
cd "$link/verifyyoureceiver"
go tool -modfile=internal/tools/go.mod mdatagen metadata.yaml

# mdatagen v0.159.0 imports the wrong package in this test, so that it does not compile.
test=internal/metadata/generated_resource_test.go
sed 's#confmap/xconfmap"#confmap"#' "$test" >"$link/test.go"
cat "$link/test.go" >"$test"
