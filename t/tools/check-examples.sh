#!/bin/sh
# Each file of conf-examples/ must pass "nginx -t", with keys made up here in
# the place of those below /etc/paygw.
#
#   check-examples.sh [FOLDER]
set -eu
. "$(dirname "$0")/lib.sh"

folder=${1:-$PAYGW_ROOT/conf-examples}
module=${MODULE:-$PAYGW_BUILD/ngx_http_paygw_module.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/logs" "$work/keys" "$work/modules"
ln -s "$module" "$work/modules/"
for lua in ndk_http_module.so ngx_http_lua_module.so; do
    if [ -e "/usr/lib/nginx/modules/$lua" ]; then
        ln -s "/usr/lib/nginx/modules/$lua" "$work/modules/"
    fi
done
status=0

key() {
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
        -out "$1" 2> /dev/null
}

# one authority for all certificates
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/root.key" -days 3650 \
    -subj "/O=example root" -out "$work/root.crt" 2> /dev/null

echo "basicConstraints=critical,CA:TRUE" > "$work/ca.ext"

certificate() {
    key=$1
    out=$2
    shift 2
    openssl req -new -key "$key" -subj "/O=example" -out "$work/csr" \
        2> /dev/null
    openssl x509 -req -in "$work/csr" -CA "$work/root.crt" \
        -CAkey "$work/root.key" -CAcreateserial -days 3650 -out "$out" "$@" \
        2> /dev/null
}

# each of our keys and each of the provider's is one of its own: the module
# refuses a provider's key that is really ours
make_key() {
    file=$work/keys/$1
    [ ! -e "$file" ] || return 0
    mkdir -p "${file%/*}"

    case ${1##*/} in
        *root*)
            cp "$work/root.crt" "$file" ;;
        *middle*)
            key "$work/key"
            certificate "$work/key" "$file" -extfile "$work/ca.ext" ;;
        g_*.key | g_*.pem)
            # calls of generic: a secret in base64, a pair of Ed25519
            case ${1##*/} in
                g_hmac.key | g_md5.key)
                    openssl rand -base64 32 > "$file" ;;
                *.key)
                    openssl genpkey -algorithm ed25519 -out "$file" ;;
                *)
                    openssl genpkey -algorithm ed25519 \
                        | openssl pkey -pubout -out "$file" ;;
            esac ;;
        *pub*)
            key "$work/key"
            openssl pkey -in "$work/key" -pubout -out "$file" ;;
        apiclient_cert* | app*cert* | merchant.cer)
            # belongs to the key next to it
            own=$(echo "${1##*/}" | sed 's/^app_cert.crt/app_private.pem/
                                         s/^merchant.cer/merchant_private.pem/
                                         s/_*cert/_key/; s/\.crt$/.pem/')
            own=${file%/*}/$own
            [ -e "$own" ] || key "$own"
            certificate "$own" "$file" ;;
        aes.key)
            openssl rand -base64 16 > "$file" ;;
        *cert* | *.crt | *.cer | *platform*)
            key "$work/key"
            certificate "$work/key" "$file" ;;
        *.pem)
            key "$file" ;;
        webhook*)
            echo "whsec_$(openssl rand -base64 24)" > "$file" ;;
        api.key)
            echo "sk_test_$(openssl rand -hex 16)" > "$file" ;;
        *)
            # 32 characters, as a secret of WeChat Pay is
            openssl rand -hex 16 | tr -d '\n' > "$file" ;;
    esac
    chmod 600 "$file"
}

for conf in "$folder"/*.conf; do
    [ -f "$conf" ] || continue

    if grep -q '^load_module.*ngx_http_lua' "$conf" \
        && [ ! -e "$work/modules/ngx_http_lua_module.so" ]
    then
        echo "# ${conf##*/}: no libnginx-mod-http-lua here, not checked"
        continue
    fi

    for name in $(sed 's/#.*//' "$conf" \
                  | grep -oE '/etc/paygw/[A-Za-z0-9_./-]+' \
                  | sed 's,^/etc/paygw/,,' | sort -u); do
        make_key "$name"
    done

    # ports, users and paths of a real machine are not of this one
    {
        grep -q '^load_module.*paygw' "$conf" \
            || echo "load_module modules/ngx_http_paygw_module.so;"
        sed -e "s,/etc/paygw/,$work/keys/,g" \
            -e "s,/var/log/nginx/,$work/logs/,g" \
            -e "s,/var/lib/nginx/,$work/,g" \
            -e "s,/usr/local/share/lua/5.1/,$PAYGW_ROOT/lua-compat/lib/," \
            -e "s,/run/nginx.pid,$work/nginx.pid," \
            -e "s,/usr/lib/nginx/modules/ngx_http_paygw,modules/ngx_http_paygw," \
            "$conf"
    } > "$work/nginx.conf"

    temp=
    for t in client_body proxy fastcgi uwsgi scgi; do
        temp="$temp ${t}_temp_path $work/$t;"
    done
    sed -i "0,/^http *{/s,^http *{,http { $temp," "$work/nginx.conf"

    if ! "$NGINX_BINARY" -t -q -e "$work/logs/error.log" -p "$work/" \
        -c "$work/nginx.conf" > "$work/out" 2>&1
    then
        while read -r line; do
            echo "${conf#$PAYGW_ROOT/}:1: $line"
        done < "$work/out"
        status=1
    fi
done

exit $status
