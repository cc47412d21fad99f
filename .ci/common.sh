# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# What tests/run, examples/run and benchmarks/run share: packages, configuring, building. Sourced.
#
# It has to work before anything is installed and without /proc, so: bash and coreutils only, and
# no <(process substitution), which needs /dev/fd.
#
# Exit codes of all run scripts: 0 done, 1 something failed, 2 wrong usage, 3 something is missing
# that can't be installed from here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_root=${PENSTOCK_BUILD_DIR:-$root/build}
jobs=$(nproc)
compiler=${CXX:-g++}
yes=         # install without asking
build_only=  # build, don't run

say() { printf '%s\n' "$*" >&2; }
wrong_usage() { say "$0: $*"; say "See $0 --help."; exit 2; }

# The comment at the top of a run script, below its SPDX line, is its help.
help() { sed -n '3,/^[^#]/ { s/^# \{0,1\}//p }' "$0"; }

# option "$@": one that all run scripts know. Sets `used`, the number of words it took.
option() {
    used=1
    case $1 in
    --compiler=*) compiler=${1#*=} ;;
    --compiler) compiler=${2-} used=2 ;;
    --yes) yes=yes ;;
    --build-only) build_only=yes ;;
    --help | -h) help; exit ;;
    *) wrong_usage "unknown option $1" ;;
    esac
    [[ -n $compiler ]] || wrong_usage "--compiler needs a name"
}

# ---- Packages -----------------------------------------------------------------------------------

missing=()
reasons=()

# require PACKAGE WHY PROBE: the probe is a command or a header. Packages that come from elsewhere
# than apt are as good, hence no question to dpkg.
require() {
    case $3 in
    *.h | *.hpp) [[ -e /usr/include/$3 || -e /usr/local/include/$3 ]] && return ;;
    *) type -P "$3" >/dev/null && return ;;
    esac
    missing+=("$1")
    reasons+=("$(printf '  %-22s %s' "$1" "$2")")
}

require_tools() {
    local package=$compiler
    [[ $compiler == clang++* ]] && package=clang${compiler#clang++}
    [[ $compiler == c++ ]] && package=g++
    require "$package" "the compiler" "$compiler"
    require cmake "configures the build" cmake
    require ninja-build "runs the build" ninja
}

require_doctest() { require doctest-dev "the test framework (a header)" doctest/doctest.h; }
require_cli11() { require libcli11-dev "options of the examples (a header)" CLI/CLI.hpp; }
require_asio() { require libasio-dev "Asio, behind channel/asio.hpp (headers)" asio.hpp; }
require_moodycamel() {
    local name
    for name in concurrentqueue/{,moodycamel/}; do
        [[ -e /usr/include/${name}concurrentqueue.h ]] && return
        [[ -e /usr/local/include/${name}concurrentqueue.h ]] && return
    done
    require libconcurrentqueue-dev "moodycamel's queue, behind unbounded.hpp (a header)" concurrentqueue.h
}

# Clang's sanitizers are a package of their own, named after clang's version; some distributions
# have them in clang itself.
require_sanitizer() {
    [[ $compiler == clang++* ]] || return 0
    local version
    version=$("$compiler" -dumpversion)
    compgen -G "$("$compiler" -print-resource-dir)/lib/*/*clang_rt.asan*.a" >/dev/null ||
        require "libclang-rt-${version%%.*}-dev" "clang's sanitizers" no-such-command
}

# os KEY: a value of /etc/os-release, in a subshell because that file sets names like VERSION.
os() { (unset "$1"; . /etc/os-release 2>/dev/null; printf '%s' "${!1-}"); }

# Derivatives are tried, and testing and sid carry no version.
apt_is_new_enough() {
    local oldest version
    case $(os ID) in debian) oldest=12 ;; ubuntu) oldest=22.04 ;; *) return 0 ;; esac
    version=$(os VERSION_ID)
    [[ -z $version || $(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1) == "$oldest" ]]
}

# Ubuntu keeps most of what we need in `universe`, which a minimal system doesn't list.
list_universe() {
    local package file found=yes
    for package in "${missing[@]}"; do
        apt-cache show "$package" >/dev/null 2>&1 || found=
    done
    [[ $(os ID) == ubuntu && -z $found ]] || return 0
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/ubuntu.sources; do
        [[ ! -e $file ]] || "$@" sed -i -E \
            's/^(deb [^#]*\bmain)\b/\1 universe/; s/^(Components:.*\bmain)\b/\1 universe/' "$file"
    done
    "$@" apt-get -q update
}

# install_missing: installs what `require` found missing; says what and why first.
install_missing() {
    ((${#missing[@]})) || return 0
    local as_root=() answer
    local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    say "Missing:"
    printf '%s\n' "${reasons[@]}" >&2
    if ! type -P apt-get >/dev/null; then
        say "There is no apt-get here. Install these, by the names your system gives them, and run this again."
        exit 3
    fi
    if ! apt_is_new_enough; then
        say "This is $(os PRETTY_NAME); the packages above are new enough from Debian 12 and Ubuntu 22.04 on."
        say "Install them by hand (g++ 11 or clang 14, CMake 3.22, or later), and run this again."
        exit 3
    fi
    if [[ $(id -u) != 0 ]]; then
        if type -P sudo >/dev/null; then as_root=(sudo); fi
        if [[ ! -t 0 && ${#as_root[@]} -gt 0 ]]; then
            # Nobody is there to type a password.
            if sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(); fi
        fi
        if ((${#as_root[@]} == 0)); then
            say "That needs root, and there is no usable sudo. As root, run:"
            say "  $line"
            exit 3
        fi
        if [[ -t 0 && -z $yes ]]; then
            read -r -p "Install them with sudo apt-get? [Y/n] " answer
            if [[ $answer == [nN]* ]]; then
                say "Then run this as root:"
                say "  $line"
                exit 3
            fi
        fi
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    say "Installing them by apt-get$([[ $(os ID) != ubuntu ]] || echo ", from Ubuntu's universe where main lacks them")."
    local log
    log=$(mktemp)
    # A list that can't be refreshed may still do. A machine just started is often still running its
    # own first update: wait for the lock.
    if ! {
        "${as_root[@]}" apt-get -q update || echo "Trying the lists at hand."
        list_universe "${as_root[@]}"
        "${as_root[@]}" apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
            install "${missing[@]}"
    } </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        say "apt-get failed. By hand:"
        say "  $line"
        exit 3
    fi
    rm -f "$log"
    missing=() reasons=()
    hash -r
}

# ---- Building -----------------------------------------------------------------------------------

commit() {
    local hash
    hash=$(git -C "$root" rev-parse --short HEAD 2>/dev/null) || { echo unknown; return; }
    git -C "$root" diff --quiet HEAD 2>/dev/null || hash+=-changed
    echo "$hash"
}

# configure DIR CMAKE-ARGUMENT...: only when it wasn't done with these arguments already. Holds the
# folder's lock until `unlock`, as ninja doesn't.
configure() {
    local dir=$1 wanted
    shift
    set -- -G Ninja -DCMAKE_CXX_COMPILER="$compiler" "$@"
    type -P ccache >/dev/null && set -- "$@" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
    mkdir -p "$dir"
    exec 9>"$dir/.lock"
    flock 9
    wanted="$root $*"
    [[ -e $dir/.configured && $(cat "$dir/.configured") == "$wanted" ]] && return
    rm -rf "$dir/CMakeCache.txt" "$dir/CMakeFiles" "$dir/.configured"
    if ! cmake -S "$root" -B "$dir" "$@" >"$dir/configure.log" 2>&1; then
        cat "$dir/configure.log" >&2
        exit 1
    fi
    printf '%s\n' "$wanted" >"$dir/.configured"
}

build() { cmake --build "$1" -j "$jobs" "${@:2}" 9>&- >&2 || exit 1; }
unlock() { exec 9>&-; }

# list FOLDER: its programs, each with the first comment line below SPDX.
list() {
    local source name
    for source in "$root/$1"/*.cpp; do
        [[ -e $source ]] || continue
        name=${source##*/}
        printf '%-28s %s\n' "${name%.cpp}" "$(sed -n '/SPDX/d; s|^// *||p; q' "$source")"
    done
}
