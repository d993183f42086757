# Inside the virtual machine: what the `guest` functions of the scenarios use. $repo is the repository, $out the scenario's folder
# on the host, $bin the programs under test; the current folder is in memory.
# shellcheck shell=bash disable=SC2154

uvcam=$repo/tests/devices/uvcam/target/release/uvcam
declare -A pid # of the cameras, by serial number

# await SECONDS COMMAND...: until it succeeds; fails when it does not in time.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -le $end ] || { echo "gave up waiting for: $*" >&2; return 1; }
        sleep 0.1
    done
}

# node SERIAL: the capture device of the USB camera with this serial number.
node() {
    local v
    for v in /sys/class/video4linux/video*; do
        if [ "$(cat "$v/device/../serial" 2> /dev/null)" = "$1" ] && [ "$(cat "$v/index")" = 0 ]; then
            echo "/dev/${v##*/}"
            return
        fi
    done
    return 1
}
plugged() { node "$1" > /dev/null; }
unplugged() { ! plugged "$1"; }

# plug SERIAL [OPTION...]: a USB camera; its log is SERIAL.log, what it says SERIAL.err; both are in $out at the end.
plug() {
    local serial=$1
    shift
    modprobe -a vhci-hcd uvcvideo
    "$uvcam" --serial "$serial" --log "$serial.log" "$@" 2>> "$serial.err" &
    pid[$serial]=$!
    await 60 plugged "$serial"
}

# await_frames SERIAL N: until the camera has drawn N frames more.
await_frames() {
    local until=$(($(frames "$1") + $2))
    await $(($2 / 5 + 10)) drawn "$1" "$until"
}
frames() { wc -l < "$1.log"; }
drawn() { [ "$(frames "$1")" -ge "$2" ]; }

unplug() {
    kill -9 "${pid[$1]}"
    wait "${pid[$1]}" 2> /dev/null || true
    unset "pid[$1]"
    await 10 unplugged "$1"
}

unplug_all() {
    local serial
    for serial in "${!pid[@]}"; do unplug "$serial"; done
}

# v4l2-ctl's own capture: capture NODE FOURCC WIDTHxHEIGHT FRAMES FILE; what it tells of each buffer goes to FILE.txt.
capture() {
    v4l2-ctl -d "$1" --set-fmt-video "pixelformat=$2,width=${3%x*},height=${3#*x}" --set-parm 30 > /dev/null
    v4l2-ctl -d "$1" --stream-mmap --stream-count "$4" --stream-to "${5##*/}" --verbose 2>&1 | grep '^cap dqbuf' > "$5.txt"
    mv "${5##*/}" "$5"
}

# traced FILE COMMAND...: what the kernel says of each buffer that is taken meanwhile goes to FILE.
traced() {
    local file=$1 tracing=/sys/kernel/tracing
    shift
    mountpoint -q $tracing || mount -t tracefs trace $tracing
    echo > $tracing/trace
    echo 1 > $tracing/events/v4l2/v4l2_dqbuf/enable
    "$@"
    echo 0 > $tracing/events/v4l2/v4l2_dqbuf/enable
    cat $tracing/trace > "$file"
}
