# What the scripts of the device tests share: where the built machine is kept, and how packages are installed.
# shellcheck shell=bash

# The kernel package is 71 MB: it is kept between runs and between clones of the repository.
vm_cache=${H5LIVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/h5live}/vm

# need PACKAGE...: installs the Debian packages that are missing.
need() {
    local missing=() p sudo=
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] || sudo=sudo
    echo "installing ${missing[*]}" >&2
    $sudo apt-get update -qq >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
