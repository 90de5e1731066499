# A Debian sid userland with the newer CPythons and gdb, in a cache directory. Sourced after lib.sh, with $root set.
#
# Everything that mounts does so in a mount namespace of its own, which the kernel takes apart with its last process,
# however that ended. So no mount can be left behind, and seen from outside the directory never has one in it.

newer_base=${FINGDB_PYTHONS:-${XDG_CACHE_HOME:-$HOME/.cache}/fingdb-pythons}
userland=$newer_base/sid

# In there: where the checkout is seen, and what is seen as its .venv.
userland_checkout=/fingdb
userland_venv=/opt/fingdb

# userland_packages: print what is installed in there. A change here brings userlands up to date.
userland_packages() {
    printf '%s\n' gdb gcc g++ libc6-dbg libcrypt-dev procps xz-utils zstd lz4 ca-certificates
    printf '%s\n' python3-venv python3-numpy python3-tabulate python3-pygments
    printf '%s\n' python3-pytest python3-pytest-xdist python3-pytest-rerunfailures cython3 python3-pybind11
    for version in 3.13 3.14 3.15; do
        # python3.x, its headers, and the debug build, whose package has the debug information of both.
        printf '%s\n' "python$version" "python$version-dev" "python$version-dbg" "libpython$version-dbg"
    done
}

# userland_recipe: print what tells this userland from one of another list of packages.
userland_recipe() {
    userland_packages | cksum
}

# userland_ready DIR: is it made, by the present list?
userland_ready() {
    [ "$(cat "$1/.fingdb-userland" 2>/dev/null)" = "$(userland_recipe)" ]
}

# inside_userland: are we in one?
inside_userland() {
    [ -e /.fingdb-userland ]
}

# no_userland: print why this machine can enter none, in one sentence; fails if it can.
no_userland() {
    if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
        printf '%s\n' "they are made for x86-64 Linux only"
    elif [ "$(id -u)" != 0 ]; then
        printf '%s\n' "making and entering their userland takes root"
    elif ! command -v unshare >/dev/null || ! command -v setpriv >/dev/null; then
        printf '%s\n' "the programs unshare and setpriv (util-linux) are missing"
    elif ! privately mount -t proc proc /proc 2>/dev/null; then
        printf '%s\n' "this machine lets us mount nothing, not even in a namespace of our own"
    else
        return 1
    fi
}

# privately WORDS: run a command in namespaces of its own for mounts and processes. It dies when we die.
privately() {
    setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child -- "$@"
}

# enter_userland DIR WORDS: run a command in a userland, as its root and in $userland_checkout, which is our checkout
# with a .venv of its own; /dev, /tmp and the CPythons of pyenv and of scripts/build-free-threaded are ours too. Status 2
# when the userland cannot be entered.
enter_userland() {
    directory=$1
    shift
    # This sh stays: it is process 1 of the namespace, which takes care of orphans.
    # shellcheck disable=SC2016  # for the inner shells
    privately sh -c '
        directory=$1 checkout=$2 place=$3 tmp=$4 venv=$5 built=$6 pyenv=$7
        shift 7
        mkdir -p "$directory$place" "$directory$venv" "$checkout/.venv" &&
            mount -t proc proc "$directory/proc" &&
            mount --rbind /dev "$directory/dev" &&
            mount --bind "$tmp" "$directory/tmp" &&
            mount --bind "$checkout" "$directory$place" &&
            mount --bind "$directory$venv" "$directory$place/.venv" || exit 2
        # At the same place as outside: their libraries are found by path.
        for python in "$built"/3.*t "$built"/3.*td "$pyenv"/versions/*; do
            [ ! -d "$python" ] || { mkdir -p "$directory$python" && mount --bind "$python" "$directory$python"; } || exit 2
        done
        touch "$directory$venv/.ready-run" "$directory$venv/.ready-dev"
        cat /etc/resolv.conf >"$directory/etc/resolv.conf" 2>/dev/null
        chroot "$directory" /usr/bin/env -u TMPDIR -u XDG_CACHE_HOME -u FINGDB_GDB -u FINGDB_TEST_GDB \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root FINGDB_PYTHONS="$built" PYENV_ROOT="$pyenv" \
            LC_ALL=C.UTF-8 /bin/sh -c "cd -- \"\$0\" && exec \"\$@\"" "$place" "$@"
        exit $?' sh "$directory" "$root" "$userland_checkout" "${TMPDIR:-/tmp}" "$userland_venv" "$newer_base" \
        "${PYENV_ROOT:-$HOME/.pyenv}" "$@"
}

# make_userland: make $userland unless it is there, and bring it up to date with the list of packages. What was begun
# is continued. One sentence and failure when that cannot be.
make_userland() {
    if reason=$(no_userland); then
        complain "the newer CPythons cannot be had here: $reason"
        return 1
    fi
    userland_ready "$userland" && return 0
    mkdir -p "$newer_base" || return 1
    (
        # Two of us may start at once; the second finds the work done.
        flock 9 || exit 1
        userland_ready "$userland" || build_userland
    ) 9>"$userland.lock"
}

build_userland() {
    new=$userland.new
    if [ -e "$userland" ]; then
        # Of an older list: continue from what it has.
        remove_userland "$new" && mv -- "$userland" "$new" || return 1
    elif [ ! -e "$new/.fingdb-base" ]; then
        remove_userland "$new" || return 1
    fi
    printf '%s\n' "fingdb: making a Debian userland with newer CPythons in $userland (once; some three minutes, 1.7 GB)" >&2
    log=$userland.log
    : >"$log"
    if [ ! -e "$new/.fingdb-base" ]; then
        need_debootstrap || return 1
        # shellcheck disable=SC2046  # a mirror is one word; with none debootstrap takes Debian's own
        if ! privately debootstrap --variant=minbase sid "$new" $(debian_mirror) >>"$log" 2>&1 </dev/null; then
            userland_failed "debootstrap could not make it (no mirror to be reached?)"
            return 1
        fi
        # No services, no manuals.
        printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
        chmod +x "$new/usr/sbin/policy-rc.d"
        printf 'path-exclude=/usr/share/%s/*\n' doc man locale info >"$new/etc/dpkg/dpkg.cfg.d/fingdb"
        printf 'force-unsafe-io\n' >>"$new/etc/dpkg/dpkg.cfg.d/fingdb"
        : >"$new/.fingdb-base"
    fi
    # shellcheck disable=SC2016,SC2046  # for the inner shell; names of packages are words
    if ! enter_userland "$new" /bin/sh -c '
        export DEBIAN_FRONTEND=noninteractive
        set -e
        dpkg --configure -a
        # A mirror may be a snapshot, whose lists look old.
        apt-get -q -o Acquire::Check-Valid-Until=false update
        apt-get -q -y --no-install-recommends install "$@"
        apt-get clean
        # The tests run under it; Debian has all it needs.
        python3 -m venv --clear --system-site-packages .venv
        .venv/bin/python -I -c "
import sys, sysconfig
with open(sysconfig.get_path(\"purelib\") + \"/fingdb-checkout.pth\", \"w\") as file:
    file.write(sys.argv[1] + \"\\n\")
import Cython, numpy, pybind11, pygments, pytest, pytest_rerunfailures, tabulate, xdist" "$PWD"
        ' sh $(userland_packages) >>"$log" 2>&1 </dev/null; then
        userland_failed "its packages could not be installed"
        return 1
    fi
    userland_recipe >"$new/.fingdb-userland"
    mv -- "$new" "$userland" && rm -f -- "$log"
}

userland_failed() {
    # The last thing said is mostly the reason.
    complain "the newer CPythons could not be had: $1: $(grep -v '^ *$' "$log" | tail -n 1) (all of it: $log)"
}

# remove_userland DIR: remove one that is not finished. Refuses while anything is mounted in it.
remove_userland() {
    [ -e "$1" ] || return 0
    if grep -qF " $(readlink -f -- "$1")/" /proc/self/mountinfo; then
        complain "$1 has something mounted in it and is not removed: unmount that first"
        return 1
    fi
    rm -rf --one-file-system -- "$1"
}

# debian_mirror: print the address that Debian's packages come from on this machine, if its apt has one.
debian_mirror() {
    if [ -n "${FINGDB_MIRROR-}" ]; then
        printf '%s\n' "$FINGDB_MIRROR"
    elif [ "$(. /etc/os-release 2>/dev/null && printf '%s' "$ID")" = debian ] && [ -x /usr/bin/apt-get ]; then
        codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
        apt-get -o Debug::NoLocking=1 --print-uris update 2>/dev/null |
            sed -n "s,^'\\(.*\\)/dists/\\($codename\\|sid\\|unstable\\)/InRelease'.*,\\1,p" | head -n 1
    fi
}

need_debootstrap() {
    command -v debootstrap >/dev/null && return 0
    if [ -x /usr/bin/apt-get ]; then
        apt_get install debootstrap || { apt_get update && apt_get install debootstrap; } || :
        command -v debootstrap >/dev/null && return 0
    fi
    complain "the newer CPythons cannot be had here: the program debootstrap is missing and cannot be installed"
    return 1
}
