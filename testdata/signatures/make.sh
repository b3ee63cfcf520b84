#!/bin/sh
# Writes vectors.tsv: for each secret and each file in bodies/, the signature that openssl, node's crypto and Python's
# hmac compute. Columns: signer, secret, body, signature.
set -eu
cd "$(dirname "$0")"

secrets() {
	echo whsec_test
	echo 'geheim ø "quoted" $HOME'
	echo 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-longer-than-a-block
}

by_openssl() { openssl dgst -sha256 -hmac "$1" "$2" | sed 's/^.*= *//'; }

by_node() {
	node -e 'const [secret, file] = process.argv.slice(1);
		console.log(require("crypto").createHmac("sha256", secret).update(require("fs").readFileSync(file)).digest("hex"))' "$1" "$2"
}

by_python() {
	python3 -c 'import hashlib, hmac, sys
secret, file = sys.argv[1:]
print(hmac.new(secret.encode(), open(file, "rb").read(), hashlib.sha256).hexdigest())' "$1" "$2"
}

secrets | while IFS= read -r secret; do
	for body in bodies/*; do
		for signer in openssl node python; do
			printf '%s\t%s\t%s\tsha256=%s\n' "$signer" "$secret" "$body" "$("by_$signer" "$secret" "$body")"
		done
	done
done >vectors.tsv
