#!/bin/bash
# A Debian package of the module, for exactly the nginx that is installed:
# build/libnginx-mod-http-paygw_VERSION_ARCH.deb
set -eu
. "$(dirname "$0")/lib.sh"

name=libnginx-mod-http-paygw
conf=mod-http-paygw.conf
module=$PAYGW_BUILD/ngx_http_paygw_module.so

# the first heading of CHANGES.md that names a version
version=$(sed -n 's/^## *v\{0,1\}\([0-9][0-9.]*\).*/\1/p' \
          "$PAYGW_ROOT/CHANGES.md" 2> /dev/null | head -n 1)
version=${version:-0.0.0}+nginx$(nginx_version "$NGINX_BINARY")
arch=$(dpkg --print-architecture)

# a module of another build of nginx is refused when it is loaded: Debian's
# nginx names its binary interface
abi=$(dpkg-query -W -f '${Provides}' nginx | tr -d ' ' | tr ',' '\n' \
      | grep '^nginx-abi-' || :)
[ -n "$abi" ] || die "the installed nginx names no nginx-abi:" \
                     "the package is for Debian's nginx"

root=$PAYGW_BUILD/deb/root
rm -rf "$PAYGW_BUILD/deb"
mkdir -p "$root/DEBIAN" "$PAYGW_BUILD/deb/debian"

install -D -m 644 "$module" \
    "$root/usr/lib/nginx/modules/ngx_http_paygw_module.so"
strip --strip-unneeded "$root/usr/lib/nginx/modules/ngx_http_paygw_module.so"
install -d "$root/usr/share/nginx/modules-available"
echo "load_module modules/ngx_http_paygw_module.so;" \
    > "$root/usr/share/nginx/modules-available/$conf"

# where Lua of Debian's nginx looks by itself
install -D -m 644 "$PAYGW_ROOT/lua-compat/lib/resty/paygw.lua" \
    "$root/usr/share/lua/5.1/resty/paygw.lua"

docs=$root/usr/share/doc/$name
install -d "$docs"
for file in LICENSE README.md CHANGES.md; do
    if [ -f "$PAYGW_ROOT/$file" ]; then
        install -m 644 "$PAYGW_ROOT/$file" "$docs/"
    fi
done
for folder in docs conf-examples conf-examples/queue conf-examples/verify \
              lua-compat
do
    install -d "$docs/$folder"
    find "$PAYGW_ROOT/$folder" -maxdepth 1 -type f \
        -exec install -m 644 {} "$docs/$folder/" ';'
done
if [ -f "$docs/LICENSE" ]; then
    mv "$docs/LICENSE" "$docs/copyright"
fi

# dpkg-shlibdeps wants a source package to stand in
printf 'Source: paygw\n\nPackage: %s\nArchitecture: any\n' "$name" \
    > "$PAYGW_BUILD/deb/debian/control"
libs=$(cd "$PAYGW_BUILD/deb" && dpkg-shlibdeps -O --ignore-missing-info \
       "$root/usr/lib/nginx/modules/ngx_http_paygw_module.so" \
       2> "$PAYGW_BUILD/log/deb.log" | sed 's/^shlibs:Depends=//')

# GBK is a package of its own where libc6 does not bring it
gconv=
if dpkg-query -W -f '${db:Status-Status}' libc-gconv-modules-extra \
    2> /dev/null | grep -q '^installed'
then
    gconv=", libc-gconv-modules-extra"
fi

cat > "$root/DEBIAN/control" <<END
Package: $name
Version: $version
Architecture: $arch
Maintainer: the paygw authors <paygw@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Depends: $abi, nginx-common, $libs$gconv
Suggests: libnginx-mod-http-lua
Section: httpd
Priority: optional
Description: payments as nginx configuration
 Verifies payment callbacks before a backend sees them, hands each event over
 once, and gives the provider its own acknowledgement.
END

# as Debian's own modules do: enabled by a link, which an administrator may
# remove and which then stays away
cat > "$root/DEBIAN/postinst" <<END
#!/bin/sh
set -e
link=/etc/nginx/modules-enabled/50-$conf

if [ "\$1" = configure ]; then
    if [ -z "\$2" ] || [ -L "\$link.removed" ]; then
        rm -f "\$link.removed"
        ln -sf /usr/share/nginx/modules-available/$conf "\$link"
    fi
    dpkg-trigger --no-await nginx-reload || :
fi
END

cat > "$root/DEBIAN/postrm" <<END
#!/bin/sh
set -e
link=/etc/nginx/modules-enabled/50-$conf

case "\$1" in
    remove)
        if [ -L "\$link" ]; then
            mv "\$link" "\$link.removed"
        fi
        dpkg-trigger --no-await nginx-reload || : ;;
    purge)
        rm -f "\$link" "\$link.removed" ;;
esac
END
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/postrm"

(cd "$root" && find usr -type f -print0 | sort -z \
    | xargs -0 md5sum > DEBIAN/md5sums)

deb=$PAYGW_BUILD/${name}_${version}_$arch.deb
logged "$PAYGW_BUILD/log/deb.log" "dpkg-deb" \
    dpkg-deb --root-owner-group --build "$root" "$deb"
say "deb: ${deb#$PAYGW_ROOT/}, depends on $abi"
