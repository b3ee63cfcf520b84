#!/bin/sh
# Writes what a program is made of, in CycloneDX: sbom.sh version program document. The Collector is built with this
# module in place of its release, which `go version -m` shows as a path: the document names the release.
set -eu
version=$1 program=$2 document=$3
"$(dirname "$0")/../../../bin/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version="v$version" \
	-output "$document" "$program"
sed -i -e "s,\.\./\.\.@(devel),github.com/otel-verifyyou/verifyyoureceiver@v$version,g" \
	-e "s,\"name\": \"\.\./\.\.\",\"name\": \"github.com/otel-verifyyou/verifyyoureceiver\",g" \
	-e "s,\"version\": \"(devel)\",\"version\": \"v$version\",g" "$document"
