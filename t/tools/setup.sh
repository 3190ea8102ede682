#!/bin/sh
# Installs what is missing, from the packages of Debian.
#
#   setup.sh [build] [demo] [test] [fuzz] [valgrind] [matrix] [bench]
#
# Without arguments: build demo test fuzz, which is what "make test" needs.
# The package sources of the system stay as they are; what Debian's release
# does not have (Test::Nginx), or not without a tail of packages (the headers
# of nginx), is unpacked into .deps.  Does nothing, quickly, if all is there.
set -eu
. "$(dirname "$0")/lib.sh"

sets=${*:-build demo test fuzz}
started=

build="nginx gcc libc6-dev make dpkg-dev libpcre2-dev zlib1g-dev libssl-dev
       libhiredis-dev libyajl-dev libexpat1-dev"
demo="python3 python3-cryptography curl openssl redis-server procps"
test="lua-cjson libtest-base-perl libtext-diff-perl liblist-moreutils-perl
      libipc-run-perl libtest-longstring-perl libhttp-message-perl libwww-perl
      liburi-perl libfilter-perl perl libnginx-mod-http-lua"

# languages of conf-examples/client and verify, unless they came another way;
# go and java are used where they are, and take too long to install
for language in php:php-cli node:nodejs; do
    command -v ${language%:*} > /dev/null || test="$test ${language#*:}"
done

fuzz="clang libclang-rt-dev"
valgrind="valgrind libc6-dbg"
matrix="debootstrap mount util-linux iproute2 debian-archive-keyring"
bench="wrk"

packages=
for set in $sets; do
    case $set in
        build)             packages="$packages $build" ;;
        demo)              packages="$packages $build $demo" ;;
        test)              packages="$packages $build $demo $test" ;;
        fuzz)              packages="$packages $build $fuzz" ;;
        valgrind)          packages="$packages $build $demo $test $valgrind" ;;
        matrix)            packages="$packages $matrix" ;;
        bench)             packages="$packages $build $demo $bench" ;;
        *)                 die "unknown set \"$set\"" ;;
    esac
done

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo -n "$@"
    else
        die "not root and no sudo here; as root, run: $*"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

lists() {
    if ! ls /var/lib/apt/lists/*_Packages* > /dev/null 2>&1; then
        say "setup: apt-get update (no package lists yet)"
        update
    fi
}

update() {
    logged "$PAYGW_BUILD/log/apt-update.log" "apt-get update" apt update
}

# packages of the given names that are not installed, each once
missing() {
    _have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" \
            2> /dev/null | awk '$2 == "installed" { print $1 }')
    for _p in "$@"; do
        echo "$_p"
    done | sort -u | while read -r _p; do
        case "
$_have
" in
            *"
$_p
"*) ;;
            *) echo "$_p" ;;
        esac
    done
}

# nginx and redis-server start a service when they are installed; here only
# the programs are wanted, and port 80 may be taken.  The system is asked not
# to, for the time of the installation, and only if it has no policy itself.
policy=/usr/sbin/policy-rc.d
mark="made by paygw setup"

policy_off() {
    if as_root grep -qs "$mark" $policy; then
        as_root rm -f $policy
    fi
}

policy_on() {
    policy_off
    if [ ! -e $policy ]; then
        trap policy_off EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" \
            | as_root tee $policy > /dev/null
        as_root chmod 755 $policy
    fi
}

install_packages() {
    started=1
    say "setup: installing $(echo $* | wc -w) packages with apt-get"
    echo "$*" | fold -s -w 70 | sed 's/^/    /'
    lists
    policy_on

    if ! apt install --no-install-recommends "$@" \
        > "$PAYGW_BUILD/log/apt.log" 2>&1 < /dev/null
    then
        # lists that are too old name files that are gone
        update
        logged "$PAYGW_BUILD/log/apt.log" "apt-get install" \
            apt install --no-install-recommends "$@"
    fi
    policy_off
}

in_set() {
    case " $sets " in
        *" $1 "*) return 0 ;;
        *)        return 1 ;;
    esac
}

# a .deb by the system's own sources, else of another suite of the same mirror
fetch_deb() {
    _dir=$1
    _name=$2
    shift 2

    rm -rf "$_dir"
    mkdir -p "$_dir/deb"
    lists
    for _suite in "$@"; do
        say "setup: fetching $_name ($_suite)"
        case $_suite in
            system)
                (cd "$_dir/deb" && apt-get -q -o APT::Sandbox::User=root \
                    download "$_name") || continue ;;
            *)
                sh "$PAYGW_ROOT/t/tools/isoapt.sh" "$_suite" -q update \
                && (cd "$_dir/deb" \
                    && sh "$PAYGW_ROOT/t/tools/isoapt.sh" "$_suite" -q \
                       download "$_name") || continue ;;
        esac >> "$PAYGW_BUILD/log/fetch.log" 2>&1

        if dpkg -x "$_dir"/deb/*.deb "$_dir"; then
            rm -rf "$_dir/deb"
            return 0
        fi
    done

    rm -rf "$_dir"
    return 1
}

mkdir -p "$PAYGW_BUILD/log"

todo=$(missing $packages)
if [ -n "$todo" ]; then
    install_packages $todo
fi

if in_set build || in_set demo || in_set test || in_set fuzz \
    || in_set bench || in_set valgrind
then
    # GBK, which Alipay may use; a package of its own from Debian 13 on
    if ! iconv -f GBK -t UTF-8 < /dev/null > /dev/null 2>&1; then
        install_packages libc-gconv-modules-extra
    fi

    if ! nginx_tree > /dev/null; then
        started=1
        version=$(dpkg-query -W -f '${Version}' nginx 2> /dev/null || :)
        fetch_deb "$PAYGW_DEPS/nginx-dev" "nginx-dev=$version" system \
            || fetch_deb "$PAYGW_DEPS/nginx-dev" nginx-dev system || :
        nginx_tree > /dev/null || die "no headers for nginx" \
            "$(nginx_version "$NGINX_BINARY"): install the nginx-dev package" \
            "of the same version, or name a tree by NGX_SRC;" \
            "see $PAYGW_BUILD/log/fetch.log"
    fi
fi

if in_set test || in_set valgrind; then
    if ! test_nginx > /dev/null; then
        started=1
        fetch_deb "$PAYGW_DEPS/tn" libtest-nginx-perl system sid forky \
            || die "Test::Nginx could not be had from Debian: put Test/Nginx" \
               "and Test/Nginx.pm of CPAN's Test-Nginx into" \
               "$PAYGW_DEPS/tn/usr/share/perl5 (see" \
               "$PAYGW_BUILD/log/fetch.log)"
        # lists of a whole suite, for one package
        rm -rf "$PAYGW_DEPS/apt"
    fi

    # promtool alone: a package of its own in newer releases, and before that
    # in a large one; the tests do without it, so it is asked for once
    if [ ! -d "$PAYGW_DEPS/prometheus" ] \
        && ! command -v promtool > /dev/null
    then
        started=1
        fetch_deb "$PAYGW_DEPS/promtool" promtool system \
            || fetch_deb "$PAYGW_DEPS/promtool" prometheus system || :
        mkdir -p "$PAYGW_DEPS/prometheus/usr/bin"
        mv "$PAYGW_DEPS/promtool/usr/bin/promtool" \
            "$PAYGW_DEPS/prometheus/usr/bin/" 2> /dev/null \
            || say "setup: no promtool, its tests are skipped"
        rm -rf "$PAYGW_DEPS/promtool"
    fi
fi

if [ -n "$started" ]; then
    say "setup: done"
fi
