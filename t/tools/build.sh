#!/bin/bash
# Builds dynamic modules, and nginx itself if asked to.
#
#   build.sh DIR ADDON...
#
# DIR gets the modules (and "nginx"); DIR/$OBJS is nginx' builddir.  It is
# configured again only if the tree, the options, the list of sources or a
# config file changed; otherwise make does what is needed.
#
#   OBJS       the name of the builddir; default: objs
#   NGX_SRC    a nginx source tree; default: the headers of the installed one
#   NGX_CONF   more options of configure, for a tree
#   CC_OPT     compiler options, instead of the default ones
#   LD_OPT     linker options, the same
#   WERROR     1 keeps warnings fatal, as nginx sets them
#   CORE       1 builds the nginx binary of the tree as well
set -eu
. "$(dirname "$0")/lib.sh"

dir=$(abspath "$1")
shift
addons=()
for addon in "$@"; do
    addons+=("--add-dynamic-module=$(abspath "$addon")")
done

map="-ffile-prefix-map=$PAYGW_ROOT=."
hard="-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
cc_opt="${CC_OPT:--g -O2 $map $hard} -fPIC"
ld_opt="${LD_OPT:--Wl,-z,relro -Wl,-z,now} -fPIC"
objs=$dir/${OBJS:-objs}
targets=modules
werror=

if [ "${WERROR:-}" != 1 ]; then
    werror=-Wno-error
fi

if [ -n "${NGX_SRC:-}" ]; then
    tree=$(abspath "$NGX_SRC")
    [ -f "$tree/src/core/nginx.h" ] || die "no nginx source in \"$tree\""
    configure=configure
    [ -x "$tree/configure" ] || configure=auto/configure
    options=(--with-compat)
    if [ -n "${NGX_CONF:-}" ]; then
        read -r -a more <<< "$NGX_CONF"
        options+=("${more[@]}")
    fi
else
    tree=$(nginx_tree) || die "no headers for the installed nginx:" \
                              "run \"make setup\", or name a tree by NGX_SRC"
    configure=configure
    cd "$tree"
    NGX_CONF_FLAGS=()
    . ./conf_flags
    options=("${NGX_CONF_FLAGS[@]}")
fi

if [ "${CORE:-}" = 1 ]; then
    # the flags of Debian's nginx, so that the same suites can run
    tree_flags=$(nginx_tree) && . "$tree_flags/conf_flags"
    options=("${NGX_CONF_FLAGS[@]}")
    # and what Debian's binary has beyond those
    for name in $("$NGINX_BINARY" -V 2>&1 | tr ' ' '\n' \
                  | sed -n '/^--with-http_[a-z0-9_]*_module$/p'); do
        options+=("$name")
    done
    targets="binary modules"
fi

options+=(--with-cc-opt="$cc_opt $werror" --with-ld-opt="$ld_opt"
          "${addons[@]}" --builddir="$objs")

sources() {
    for addon in "$@"; do
        addon=$(abspath "$addon")
        cat "$addon/config"
        if [ "$addon" = "$PAYGW_ROOT" ]; then
            addon=$PAYGW_ROOT/ngx_http_paygw_module
        fi
        find "$addon" -name '*.[ch]' | sort
    done
}

key=$({ echo "$tree" "$(tree_version "$tree")" "${CC:-cc}" "${options[@]}"
        find "$tree/src" "$tree/auto" -type f -printf '%P %s %T@\n' | sort
        sources "$@"; } | sha256sum)

mkdir -p "$dir"
exec 9> "$objs.lock"
flock 9

if [ ! -f "$objs/Makefile" ] \
   || [ "$(cat "$objs.key" 2> /dev/null)" != "$key" ]
then
    say "configure for nginx $(tree_version "$tree"): ${objs#$PAYGW_ROOT/}"
    rm -rf "$objs" "$objs.key"
    cd "$tree"
    # configure writes a Makefile into a tree, which may have its own one
    if [ -f Makefile ]; then
        cp -p Makefile "$objs.Makefile"
    fi
    rc=0
    logged "$objs.configure.log" configure \
        "./$configure" ${CC:+--with-cc="$CC"} "${options[@]}" || rc=1
    if [ -f "$objs.Makefile" ]; then
        mv "$objs.Makefile" Makefile
    elif [ -f Makefile ]; then
        rm Makefile
    fi
    [ $rc = 0 ] || exit 1
    echo "$key" > "$objs.key"
fi

# not the jobs of a make above: this one counts processors
unset MAKEFLAGS MFLAGS MAKELEVEL

if ! make -j"$(jobs)" -C "$tree" -f "$objs/Makefile" $targets \
    > "$objs.make.log" 2>&1 < /dev/null
then
    grep -E -A 5 '(error:|undefined reference|\*\*\*)' "$objs.make.log" \
        | head -n 40 >&2 || :
    die "the build failed, the whole log is $objs.make.log"
fi
grep 'warning:' "$objs.make.log" >&2 || :

for file in "$objs"/*.so "$objs/nginx"; do
    if [ -f "$file" ] && ! cmp -s "$file" "$dir/${file##*/}"; then
        # by rename: a running nginx keeps the file that it has mapped
        cp "$file" "$dir/.new.$$"
        mv "$dir/.new.$$" "$dir/${file##*/}"
        say "built ${dir#$PAYGW_ROOT/}/${file##*/}"
    fi
done
