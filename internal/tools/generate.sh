#!/bin/sh
# Makes the files that mdatagen generates from metadata.yaml, for both components.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

# mdatagen names the package of the tests that it writes after the folder, which can be called anything in a clone:
# it gets to see the clone under the package's name.
link=$(mktemp -d)
trap 'rm -rf "$link"' EXIT
ln -s "$root" "$link/verifyyoureceiver"

# mend changes a generated file with a sed script.
mend() {
	sed "$2" "$1" >"$link/mended.go"
	cat "$link/mended.go" >"$1"
}

# generate runs mdatagen in a folder.
generate() {
	cd "$link/verifyyoureceiver/$1"
	go tool -modfile="$root/internal/tools/go.mod" mdatagen metadata.yaml
	# mdatagen v0.159.0 imports the wrong package in this test, so that it does not compile.
	mend internal/metadata/generated_resource_test.go 's#confmap/xconfmap"#confmap"#'
}

generate .

# The metrics builder that mdatagen v0.159.0 makes for a histogram does not compile. Of what it makes, the settings and
# the documentation are used, and the builder, which is not, is made to compile as one for gauges.
generate verifyyoufunnelconnector
for file in internal/metadata/generated_metrics.go internal/metadata/generated_metrics_test.go; do
	mend "$file" '/Histogram()\.\(Set\)\{0,1\}AggregationTemporality/d; s/SetEmptyHistogram/SetEmptyGauge/; s/MetricTypeHistogram/MetricTypeGauge/; s/\.Histogram()/.Gauge()/g'
done
