#!/bin/sh
# After an upgrade the service goes on with the new program. After a first installation it waits for the secret.
# deb: configure and the version before, empty for a first installation; rpm: 1 for a first installation, 2 for an upgrade.
set -e
if [ "$1" = configure ] && [ -z "$2" ] || [ "$1" = 1 ]; then
	echo 'otelcol-verifyyou: set VERIFYYOU_SIGNING_SECRET in /etc/otelcol-verifyyou/environment, then start it:'
	echo '  systemctl enable --now otelcol-verifyyou'
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart otelcol-verifyyou.service
fi
