#!/bin/sh
# Stops the service and takes it out of the start of the machine, unless this is an upgrade. deb: remove, upgrade; rpm: 0
# for a removal, 1 for an upgrade.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl stop otelcol-verifyyou.service
	fi
	if command -v systemctl >/dev/null; then
		systemctl --quiet disable otelcol-verifyyou.service
	fi
fi
