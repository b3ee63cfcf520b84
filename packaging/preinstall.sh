#!/bin/sh
# Makes the user of the service, before files that belong to it are unpacked.
set -e
getent group otelcol-verifyyou >/dev/null || groupadd --system otelcol-verifyyou
getent passwd otelcol-verifyyou >/dev/null || useradd --system --gid otelcol-verifyyou --no-create-home \
	--home-dir /var/lib/otelcol-verifyyou --shell /usr/sbin/nologin otelcol-verifyyou
