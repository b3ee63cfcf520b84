#!/bin/sh
# State is kept until the package is purged (deb only). The user stays, so that no other gets its id.
set -e
if [ "$1" = purge ]; then
	rm -rf /var/lib/otelcol-verifyyou
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
