#!/bin/sh
# Calls a location with "paygw_auth", signed by the openssl command.
#
#   call.sh KEY-ID FILE METHOD URL [BODY-FILE [CURL-OPTION ...]]
#
# FILE holds the secret of the key id, or its private key in PEM.  Prints the
# body of the answer; the status of the program is 0 if that is a 2xx and, with
# a secret, if its signature is right or CHECK=no is set, for a location without
# "sign_response".
#
# On a machine with other users take a private key: arguments of a program, and
# a secret is one of those of openssl here, can be seen by everybody.
set -eu

[ $# -ge 4 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

id=$1 file=$2 method=$3 url=$4 body=${5:-/dev/null}
shift $(($# > 5 ? 5 : $#))

# as it will stand on the request line: all behind the host

rest=${url#*://}
case $rest in
*/*) target=/${rest#*/} ;;
*)   target=/ ;;
esac

# curl would encode or leave out what must not stand there

if printf %s "$target" | LC_ALL=C grep -q '[^!-~]\|#'; then
    echo "call.sh: the target is not encoded" >&2
    exit 2
fi

time=$(date +%s)
nonce=$(openssl rand -hex 16)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

sha256() { openssl dgst -sha256 -r | cut -c-64; }

hmac() {
    key=$(printf %s "$(cat "$file")" | od -An -v -tx1 | tr -d ' \n')
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -r | cut -c-64
}

# five lines, each with a line feed at its end

printf '%s\n' "$method" "$target" "$time" "$nonce" "$(sha256 < "$body")" \
    > "$tmp/text"

if grep -q 'PRIVATE KEY' "$file"; then
    if openssl pkey -in "$file" -noout -text 2> /dev/null | grep -qi ed25519
    then
        openssl pkeyutl -sign -rawin -inkey "$file" -in "$tmp/text" \
            > "$tmp/raw"
    else
        openssl dgst -sha256 -sign "$file" "$tmp/text" > "$tmp/raw"
    fi
    signature=$(openssl base64 -A -in "$tmp/raw")
    CHECK=no
else
    signature=$(hmac < "$tmp/text")
fi

[ "$body" = /dev/null ] || set -- --data-binary "@$body" "$@"

# curl would resolve "..", and newer ones write "%7e" as "%7E"

status=$(curl -sSg --request-target "$target" -X "$method" \
              -o "$tmp/answer" -D "$tmp/head" -w '%{http_code}' \
              -H "X-Key-Id: $id" -H "X-Timestamp: $time" \
              -H "X-Nonce: $nonce" -H "X-Signature: $signature" "$@" "$url")

[ -f "$tmp/answer" ] || : > "$tmp/answer"
cat "$tmp/answer"

field() { tr -d '\r' < "$tmp/head" | sed -n "s/^$1: //Ip"; }

if [ "${CHECK:-yes}" != no ]; then
    want=$(printf '%s\n' "$status" "$(field x-timestamp)" "$nonce" \
                  "$(sha256 < "$tmp/answer")" | hmac)
    if [ "$(field x-signature)" != "$want" ]; then
        echo "call.sh: the answer ($status) is not signed for this call;" \
             "a location without sign_response needs CHECK=no" >&2
        exit 3
    fi
fi

case $status in
2??) ;;
*)   echo "call.sh: $status" >&2; exit 1 ;;
esac
