#!/bin/sh
# Writes a version, 0.2.0 or v0.2.0, wherever it stands: internal/tools/release/version.sh v0.2.0. The release workflow
# does it with the version of the tag, and ends if that changes a file.
set -eu
cd "$(dirname "$0")/../../.."
version=${1#v}
if ! echo "$version" | grep -qxE '[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?'; then
	echo "version.sh: $1 is no version; use 0.2.0 for example" >&2
	exit 2
fi

module=github.com/otel-verifyyou/verifyyoureceiver
sed -i "s/^const Version = .*/const Version = \"$version\"/" internal/version/version.go
sed -i -e "s,\(gomod: $module\) v.*,\1 v$version," -e "s/^  version: .*/  version: $version/" \
	builder-config.yaml examples/*/builder-config.yaml
sed -i "s,\(gomod: $module\) v.*,\1 v$version," README.md docs/install.md
sed -i "s,\(otelcol-verifyyou\):[0-9][^ ]*,\1:$version," examples/kubernetes/*.yaml docs/install.md
sed -i -e "s,\(otelcol-verifyyou_\)[0-9][^_]*,\1$version," \
	-e "s,\(refs/tags/\)v.*,\1v$version," docs/install.md
