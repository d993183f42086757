# What a frame of MJPEG costs h5cap, beside the capture of ustreamer (without viewers) on the same camera.
# shellcheck shell=bash disable=SC2034,SC2154
clock=real

guest() {
    plug A1
    for _ in 1 2; do
        cost ustreamer ustreamer -d "$(node A1)" -m MJPEG -r 640x480 -f 30 -b 4 --host 127.0.0.1 -p 8090
        cost h5cap "$bin/h5cap" camera --size 640x480
    done
    unplug_all
}

# cost NAME COMMAND...: nanoseconds of processor time for each of 80 frames, to $out/NAME.
cost() {
    local name=$1 program before first
    shift
    "$@" > /dev/null 2>> "$name.err" &
    program=$!
    await_frames A1 20
    first=$(frames A1)
    before=$(used $program)
    await_frames A1 80
    echo $((($(used $program) - before) / ($(frames A1) - first))) >> "$out/$name"
    kill $program
    wait $program || true
}

# used PID: nanoseconds of processor time of all its threads.
used() { cat /proc/"$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%d", n }'; }

check() {
    local ours theirs
    ours=$(best h5cap) theirs=$(best ustreamer)
    awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "        a frame: h5cap %.0f us, ustreamer %.0f us of processor time, ratio %.2f\n", a / 1000, b / 1000, a / b }'
    between "a frame, of what it costs ustreamer, per cent" $((ours * 100 / theirs)) 1 100
}

# The least disturbed round.
best() { sort -n "$out/$1" | head -n 1; }
