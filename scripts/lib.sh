# What the scripts share: the project's own virtual environment, made when it is missing or out of date.
# Sourced with $root (the project's directory) set. Works in any POSIX shell.

venv="$root/.venv"

complain() {
    printf '%s\n' "fingdb: $*" >&2
}

# ready PURPOSE: is the environment set up for `run` or `dev`, by the present pyproject.toml?
# Only tests of the shell itself: this is asked at each start.
ready() {
    [ -x "$venv/bin/python" ] && [ "$venv/.ready-$1" -nt "$root/pyproject.toml" ]
}

# system_python: print the interpreter that the environment is made of.
# Debian's own, because gdb embeds the same: what is installed for one serves the other. A `python3` on PATH
# may be anybody's, a shell script of a version manager for instance, and is only the second choice.
system_python() {
    for candidate in /usr/bin/python3 "$(command -v python3 || :)" /usr/local/bin/python3; do
        if [ -n "$candidate" ] && "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# lacking PURPOSE: print the Debian packages that are not there and would be needed.
lacking() {
    python=$(system_python) || python=
    if [ -z "$python" ]; then
        printf '%s\n' python3 python3-venv
    elif ! "$python" -I -c 'import venv, ensurepip' 2>/dev/null; then
        printf '%s\n' python3-venv
    fi
    command -v "${FINGDB_GDB:-gdb}" >/dev/null || printf '%s\n' gdb
    # Debug information of Debian's interpreter, from which the names of inlined steps come. Not for other systems.
    own=$(readlink -f /usr/bin/python3) && own=${own##*/}
    [ ! -x /usr/bin/apt-get ] || package_installed python3-dbg || package_installed "${own:-python3}-dbg" ||
        printf '%s\n' python3-dbg
    if [ "$1" = dev ]; then
        command -v gcc >/dev/null || printf '%s\n' gcc libc6-dev
        command -v g++ >/dev/null || printf '%s\n' g++
        [ ! -x /usr/bin/apt-get ] || package_installed python3-dev || printf '%s\n' python3-dev
    fi
}

package_installed() {
    case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
        *" installed") return 0 ;;
        *) return 1 ;;
    esac
}

# install_packages PURPOSE: install what is lacking, or say in one sentence what to install.
install_packages() {
    packages=$(lacking "$1" | tr '\n' ' ')
    packages=${packages% }
    [ -n "$packages" ] || return 0
    if [ ! -x /usr/bin/apt-get ]; then
        complain "this needs gdb, Python 3.9 or newer with its venv module${2:-}; Debian calls what is missing here: $packages"
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if [ "$packages" = python3-dbg ]; then
            complain "note: without python3-dbg Debian's interpreter can only be shown in part (sudo apt-get install python3-dbg)"
            return 0
        fi
        complain "install what is missing, then try again: sudo apt-get install $packages"
        return 1
    fi
    printf '%s\n' "fingdb: installing $packages" >&2
    # shellcheck disable=SC2086  # the words are package names
    if ! { apt_get install $packages || { apt_get update && apt_get install $packages; }; }; then
        printf '%s\n' "$said" >&2
        complain "apt-get could not install $packages (its messages are above)"
        return 1
    fi
}

# apt_get WORDS: what it says goes into $said, for whom it may concern.
apt_get() {
    said=$(DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" 2>&1 </dev/null)
}

# set_up PURPOSE: make the environment ready. Takes a while once, and nothing afterwards.
set_up() {
    ready "$1" && return 0
    install_packages "$1" || return 1
    if ! (: >>"$root/.venv.lock") 2>/dev/null; then
        complain "$root cannot be written, and there fingdb keeps its libraries: run scripts/fingdb once as its owner, or use a copy"
        return 1
    fi
    if command -v flock >/dev/null; then
        # Two of us may start at once; the second finds the work done.
        (
            flock 9 || exit 1
            ready "$1" || make_environment "$1"
        ) 9>"$root/.venv.lock"
    else
        make_environment "$1"
    fi
}

make_environment() {
    python=$(system_python) || {
        complain "no Python 3.9 or newer was found (Debian: apt-get install python3 python3-venv)"
        return 1
    }
    printf '%s\n' "fingdb: setting up $venv (once)" >&2
    if [ "$1" = run ] && ! usable_venv && has_libraries; then
        # The system's own packages do, and ask for no network.
        new_venv --system-site-packages || return 1
    else
        install_requirements "$1" || return 1
    fi
    # The checkout itself goes in as a path, which needs no build.
    "$venv/bin/python" -I -c '
import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/fingdb-checkout.pth", "w") as file:
    # A line of code, in ASCII: a path is read in the encoding of the locale, whatever that will be.
    file.write("import sys; sys.path.append(%s)\n" % ascii(sys.argv[1]))' "$root" || return 1
    : >"$venv/.ready-$1"
    [ "$1" = run ] || : >"$venv/.ready-run"
}

new_venv() {
    "$python" -m venv --clear "$@" "$venv" >&2 || {
        complain "$python could not make a virtual environment (its message is above; Debian: apt-get install python3-venv)"
        return 1
    }
}

# requirements PURPOSE: print the project's dependencies, for `dev` with those of development.
requirements() {
    "$venv/bin/python" -I -c '
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
print(*project["dependencies"], *project["optional-dependencies"].get(sys.argv[2], []))' "$root/pyproject.toml" "$1"
}

# usable_venv: is there an environment, and is it of the Python that it has now?
usable_venv() {
    "$venv/bin/python" -I -c 'import os, pip, sysconfig; os.listdir(sysconfig.get_path("purelib"))' 2>/dev/null
}

# install_requirements PURPOSE: into the environment, by pip; for `run` Debian's packages do where pip cannot.
install_requirements() {
    if ! usable_venv || { [ "$1" = dev ] && grep -q '^include-system.*true' "$venv/pyvenv.cfg"; }; then
        new_venv || return 1
    fi
    # Where there is another way, nobody is to wait long for a network that is not there.
    [ "$1" = dev ] || export PIP_RETRIES="${PIP_RETRIES:-1}"
    # shellcheck disable=SC2046  # requirements hold no spaces
    said=$("$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check $(requirements "$1") 2>&1) && return 0
    instead=
    if [ "$1" = run ] && [ -x /usr/bin/apt-get ]; then
        pip_said=$said
        [ "$(id -u)" != 0 ] || apt_get install python3-pygments python3-tabulate || :
        if has_libraries; then
            new_venv --system-site-packages
            return
        fi
        said=$pip_said
        instead="; this does as well: sudo apt-get install python3-pygments python3-tabulate"
    fi
    printf '%s\n' "$said" >&2
    complain "pip could not install what is needed (its message is above): it wants a network or an index$instead"
    return 1
}

# has_libraries: can the system's Python import what we need?
has_libraries() {
    "$python" -I -c 'import pygments, tabulate' 2>/dev/null
}
