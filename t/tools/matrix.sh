#!/bin/bash
# Builds the module and runs the suites on other releases of Debian, each in
# a root of its own made by debootstrap; needs root.
#
#   matrix.sh [RELEASE...]     default: trixie forky
#
# The roots are kept in build/matrix, where a second run finds them.  What
# runs there runs in namespaces of its own: nothing stays mounted, and its
# ports are its own, so that releases do not disturb each other.
set -eu
. "$(dirname "$0")/lib.sh"

releases=${*:-trixie forky}
base=$PAYGW_BUILD/matrix
mkdir -p "$base"

[ "$(id -u)" = 0 ] || die "needs root, for chroot and namespaces"

mirror() {
    apt-get indextargets --format '$(SITE) $(ORIGIN)' 'Created-By: Packages' \
        | awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }'
}

# a bare root; finished ones are known by their stamp
make_root() {
    local release=$1 root=$2 script= mirror

    if [ -f "$root/.complete" ]; then
        return 0
    fi

    mirror=$(mirror)
    [ -n "$mirror" ] || die "no Debian mirror is known: run apt-get update"
    # an older debootstrap does not know the next release
    if [ ! -e "/usr/share/debootstrap/scripts/$release" ]; then
        script=/usr/share/debootstrap/scripts/sid
    fi

    say "$release: debootstrap from $mirror"
    rm -rf --one-file-system "$root"
    logged "$base/$release.root.log" "debootstrap" \
        debootstrap --variant=minbase "$release" "$root" "$mirror" $script \
        || return 1

    # the Release file of a release in the making may have run out
    cat > "$root/etc/apt/apt.conf.d/99paygw" <<'END'
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
    printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' \
        > "$root/etc/dpkg/dpkg.cfg.d/99paygw"
    touch "$root/.complete"
}

# in_root NAMESPACES ROOT COMMAND
in_root() {
    local flags=$1 root=$2 net=
    shift 2

    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    case $flags in
        *n*) net=1 ;;
    esac

    unshare "$flags" --propagation private bash -c '
        set -e
        root=$1; net=$2; shift 2
        if [ -n "$net" ]; then ip link set lo up; fi
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} \
            ${JOBS:+JOBS="$JOBS"} bash -c "cd /paygw && $*"
    ' _ "$root" "$net" "$@" < /dev/null
}

# the sources, without what was built; what was built there is kept
copy_sources() {
    mkdir -p "$1/paygw"
    find "$1/paygw" -mindepth 1 -maxdepth 1 ! -name build ! -name .deps \
        -exec rm -rf {} +
    tar -C "$PAYGW_ROOT" -cf - --exclude=./.git --exclude=./build \
        --exclude=./.deps --exclude=./t/servroot'*' . \
        | tar -C "$1/paygw" -xf -
}

one() {
    local release=$1 root=$base/$1 log=$base/$1.log begin rc=0
    begin=$(date +%s)

    make_root "$release" "$root" || return 1
    copy_sources "$root"

    say "$release: setup and build"
    logged "$log" "setup on $release" in_root -m "$root" "
        if [ ! -e /usr/bin/make ]; then
            apt-get -q update && apt-get -q -y install make
        fi
        make setup SETS='build demo test' && make build-test || exit 1
        # for the unit tests, which run without a network; not every release
        # has it
        sh t/tools/nginx-source.sh .deps/nginx-source || :" || return 1

    if [ -n "${MATRIX_ONLY_BUILD:-}" ]; then
        say "$release: ok, build only, $(($(date +%s) - begin)) s"
        return 0
    fi

    say "$release: unit tests, suites, sandbox"
    in_root -mn "$root" "
        rc=0
        rm -rf build/results
        MAY_SKIP=1 sh t/tools/prove.sh unit zone t/unit.t || rc=1
        sh t/tools/prove.sh zone zone || rc=1
        sh t/tools/prove.sh redis redis || rc=1
        /usr/bin/python3 -m unittest discover -s sandbox/tests -t . || rc=1
        exit \$rc" >> "$log" 2>&1 || rc=1

    versions=$(in_root -m "$root" '
        v=$(nginx -v 2>&1); v="${v#*/}"
        gcc=$(gcc -dumpversion)
        printf "nginx %s, gcc %s" "${v%% *}" "$gcc"
        dpkg-query -W -f ", \${Package} \${Version}" libhiredis-dev libssl-dev
        ' 2> /dev/null)
    line="$release ($versions)"
    results=$(cd "$root/paygw/build/results" && for f in *; do
                  read -r p n < "$f"
                  printf '%s %d/%d, ' "$f" "$p" "$((p + n))"
              done)

    if [ $rc != 0 ]; then
        tail -n 40 "$log" >&2
        say "$line: FAILED, ${results}$(($(date +%s) - begin)) s; $log"
        return 1
    fi

    say "$line: ok, ${results}$(($(date +%s) - begin)) s"
}

status=0
for release in $releases; do
    one "$release" || { status=1; say "$release: FAILED"; }
done

exit $status
