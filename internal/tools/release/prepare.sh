#!/bin/sh
# Makes what a release contains beside the programs: the licences of third parties in build/licenses, and the files of
# the image in build/image. The generated sources of the Collector must be in build/otelcol-verifyyou.
set -eu
cd "$(dirname "$0")/../../.."

# licences prints the licence and the notices of every module, the Go standard library's included, that the program in
# a folder is made of, on any of the platforms.
licences() (
	cd "$1"
	for os in linux darwin windows; do
		CGO_ENABLED=0 GOOS=$os GOARCH=amd64 go list -deps -f '{{with .Module}}{{with .Replace}}{{else}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}{{end}}' .
	done | LC_ALL=C sort -u >"$modules"
	echo "Go $(go env GOVERSION) $(go env GOROOT)" >>"$modules"

	while read -r module version dir; do
		files=$(find "$dir" -maxdepth 1 -type f | LC_ALL=C sort | grep -iE '/(licen[cs]e|copying|notice|patents|unlicense)[^/]*$' | grep -vE '\.go$') || {
			echo "prepare.sh: $module $version has no licence" >&2
			exit 1
		}
		printf '%s\n%s %s\n\n' "================================================================================" "$module" "$version"
		echo "$files" | while read -r file; do cat "$file"; echo; done
	done <"$modules"
)

modules=$(mktemp)
trap 'rm -f "$modules"' EXIT
for program in otelcol-verifyyou:build/otelcol-verifyyou verifyyougen:cmd/verifyyougen; do
	mkdir -p "build/licenses/${program%%:*}"
	licences "${program#*:}" >"build/licenses/${program%%:*}/THIRD_PARTY_LICENSES"
done

# Certificates are those of this machine, which is a current one for a release.
rm -rf build/image
mkdir -p build/image/etc/ssl/certs build/image/etc/otelcol-verifyyou build/image/var/lib/otelcol
cp /etc/ssl/certs/ca-certificates.crt build/image/etc/ssl/certs/
cp packaging/config.yaml LICENSE build/licenses/otelcol-verifyyou/THIRD_PARTY_LICENSES build/image/etc/otelcol-verifyyou/
chmod -R u=rwX,go=rX build/image
