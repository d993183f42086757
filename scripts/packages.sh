# shellcheck shell=bash disable=SC2046
# Names are one word each.
# What has to be on the machine, by the names of each package manager, and how it gets there. Sourced by scripts/live and
# scripts/test; defines functions only.

# What a script says of itself: the comment at its head.
print_help() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$1"; }

# absolute PATH FOLDER: a path as it was meant in this folder.
absolute() {
    case $1 in
        /*) echo "$1" ;;
        *) echo "$2/$1" ;;
    esac
}

# The package manager of this machine; nothing if it is none that we know.
package_manager() {
    local name
    for name in apt-get dnf pacman apk brew; do
        if command -v "$name" >/dev/null; then
            echo "$name"
            return
        fi
    done
}

# Names of what the build needs: a C and C++ compiler, cmake for libopus, nasm for a fast H.264 encoder, libclang for cameras.
build_packages() {
    case $1 in
        apt-get) echo gcc g++ make cmake nasm libclang-dev libasound2-dev pkg-config ;;
        dnf) echo gcc gcc-c++ make cmake nasm clang-devel alsa-lib-devel pkgconf-pkg-config ;;
        pacman) echo gcc make cmake nasm clang alsa-lib pkgconf ;;
        apk) echo build-base cmake nasm clang-dev linux-headers alsa-lib-dev pkgconf ;;
        brew) echo cmake nasm ;;
    esac
}

# The package NAME unless there is the command already: a Node.js from its makers brings npm along and conflicts with Debian's npm.
unless() { command -v "$1" >/dev/null || echo "$2"; }

# Names of the outside programs that judge our output in the tests. `a|b`: whichever the distribution has.
test_packages() {
    case $1 in
        apt-get)
            echo bsdutils certbot curl ffmpeg fuse3 haproxy iproute2 libturbojpeg0 libvo-aacenc0 mpv mkvtoolnix nftables nginx-light openssl pebble shellcheck systemd util-linux man-db varnish vlc-bin vlc-plugin-base $(unless node nodejs) $(unless npm npm) python3 python3-venv \
                gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
                gstreamer1.0-plugins-ugly gstreamer1.0-libav gir1.2-gst-rtsp-server-1.0 python3-gi 'chromium|chromium-browser' 'firefox-esr|firefox' webkit2gtk-driver xvfb faketime
            ;;
        dnf)
            echo curl ffmpeg-free fuse3 haproxy mpv mkvtoolnix nginx openssl ShellCheck man-db nodejs npm python3 turbojpeg gstreamer1 gstreamer1-plugins-base \
                gstreamer1-plugins-good gstreamer1-plugins-bad-free gstreamer1-plugin-libav chromium firefox xorg-x11-server-Xvfb libfaketime
            ;;
        pacman)
            echo curl ffmpeg fuse3 haproxy mpv mkvtoolnix-cli nginx openssl shellcheck man-db nodejs npm python gstreamer gst-plugins-base gst-plugins-good \
                gst-plugins-bad gst-plugins-ugly gst-libav chromium firefox webkit2gtk-4.1 xorg-server-xvfb libfaketime
            ;;
        apk)
            echo curl ffmpeg fuse3 haproxy mpv mkvtoolnix nginx openssl shellcheck mandoc nodejs npm python3 gstreamer-tools gst-plugins-base gst-plugins-good \
                gst-plugins-bad gst-plugins-ugly gst-libav chromium firefox-esr xvfb libfaketime
            ;;
        brew) echo curl ffmpeg haproxy mpv mkvtoolnix nginx openssl shellcheck node python gstreamer ;;
    esac
}

# Names of what the tests with cameras need: an emulator and what makes its initramfs, then what judges. Only for Debian and what is made
# from it, whose kernel the machine runs.
machine_packages() {
    case $1 in
        apt-get) echo qemu-system-x86 seabios busybox-static kmod cpio lz4 xz-utils ;;
    esac
}
device_packages() {
    case $1 in
        apt-get) echo "$(machine_packages "$1")" alsa-utils ffmpeg v4l-utils strace ustreamer curl python3 'chromium|chromium-browser' $(unless node nodejs) $(unless npm npm) ;;
    esac
}

is_installed() {
    case $1 in
        apt-get) dpkg-query -W -f '${db:Status-Abbrev}' "$2" 2>/dev/null | grep -q '^ii' ;;
        dnf) rpm -q --quiet --whatprovides "$2" ;;
        pacman) pacman -T "$2" >/dev/null ;;
        apk) apk info -e "$2" >/dev/null ;;
        brew) brew list --versions "$2" >/dev/null ;;
    esac
}

is_available() {
    case $1 in
        apt-get) apt-cache show "$2" 2>/dev/null | grep -q '^Package:' ;;
        *) true ;;
    esac
}

install_command() {
    case $1 in
        apt-get) echo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ;;
        dnf) echo dnf install -y ;;
        pacman) echo pacman -S --needed --noconfirm ;;
        apk) echo apk add ;;
        brew) echo brew install ;;
    esac
}

# The package names among `$2…` that are not installed, alternatives resolved.
missing_packages() {
    local manager=$1 wanted name chosen
    shift
    for wanted in "$@"; do
        chosen=
        for name in ${wanted//|/ }; do
            if is_installed "$manager" "$name"; then
                continue 2
            fi
        done
        for name in ${wanted//|/ }; do
            if [ -z "$chosen" ] && is_available "$manager" "$name"; then
                chosen=$name
            fi
        done
        echo "${chosen:-${wanted%%|*}}"
    done
}

# install_packages ASK NAME…: installs what is missing of NAME…; with ASK=ask, somebody who is not root is asked first.
install_packages() {
    local ask=$1 manager missing sudo=''
    shift
    manager=$(package_manager)
    if [ -z "$manager" ]; then
        echo "No package manager that this script knows; please install what corresponds to: $*" >&2
        return
    fi
    mapfile -t missing < <(missing_packages "$manager" "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$ask" = ask ] && [ "$(id -u)" != 0 ]; then
        [ "$manager" = brew ] || sudo='sudo '
        confirm "$sudo$(install_command "$manager") ${missing[*]}" || return 1
    fi
    if [ "$manager" = apt-get ]; then
        # The lists of a fresh machine are empty or old, and with them what is known of alternatives.
        as_root "$manager" apt-get update -qq || true
        mapfile -t missing < <(missing_packages "$manager" "$@")
    fi
    echo "+ $(install_command "$manager") ${missing[*]}" >&2
    # shellcheck disable=SC2046  # a command and its options
    as_root "$manager" $(install_command "$manager") "${missing[@]}"
}

# as_root MANAGER COMMAND…: runs the command with the rights that the package manager needs.
as_root() {
    local manager=$1
    shift
    if [ "$(id -u)" = 0 ] || [ "$manager" = brew ]; then "$@"; else sudo "$@"; fi
}

# Asks on the terminal whether to run a command; without a terminal the answer is no.
confirm() {
    local answer
    if ! [ -t 0 ]; then
        echo "Missing packages. Please run this, then try again (or give --yes):" >&2
        echo "    $1" >&2
        return 1
    fi
    echo "Some packages are missing. This would install them:" >&2
    echo "    $1" >&2
    read -r -p "Run it? [Y/n] " answer
    [[ $answer =~ ^([Yy].*)?$ ]]
}

# Fails with advice unless there is a Rust toolchain that is new enough for Cargo.toml.
require_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null; then
        echo "There is no Rust toolchain here. Install Rust $wanted or newer, from your package manager or with rustup." >&2
        return 1
    fi
    have=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        echo "Rust $have is too old; h5live needs $wanted or newer (rustup update)." >&2
        return 1
    fi
}
