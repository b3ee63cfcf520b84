#!/bin/sh
# Runs every fuzz target of the root module for FUZZTIME, one after another.
set -eu
cd "$(dirname "$0")/../.."
time=${FUZZTIME:-30s}

ran=0
packages=$(go list ./...)
for package in $packages; do
	listed=$(go test -list '^Fuzz' "$package")
	for target in $(echo "$listed" | sed -n '/^Fuzz/p'); do
		echo "== $target of $package, for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
		ran=$((ran + 1))
	done
done
if [ "$ran" -eq 0 ]; then
	echo "There is no fuzz target." >&2
	exit 1
fi
