# Every call to the driver fails once, in two ways: h5cap says which one it was, or does without it. It never hangs.
# shellcheck shell=bash disable=SC2016,SC2154

guest() {
    modprobe vivid n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x0
    await 5 test -e /dev/video1
    errors 0 EIO &
    errors 1 EINVAL
    wait $!
    modprobe -r vivid
}

# errors NODE ERROR: for each kind of call, what h5cap does when the first of it fails goes to $out/ERROR, a line each: call, exit code, last words.
errors() {
    local call number code
    straced "$2" "$1" || return
    # Number of the first call of each kind, among all ioctls of the thread that makes them.
    awk 'NR == 1 { thread = $1 } $1 == thread { n++; name = match($0, /VIDIOC_[A-Z_]+/) ? substr($0, RSTART, RLENGTH) : "" } name && !seen[name]++ { print name, n }' "$2.calls" > "$2.first"
    while read -r call number; do
        code=0
        straced "$2" "$1" -e "inject=ioctl:error=$2:when=$number" || code=$?
        echo "$call $code $(grep -v ': GREY 320x180' "$2.said" | head -n 1)" >> "$out/$2"
    done < "$2.first"
}

# straced NAME NODE [OPTION...]: a moment of h5cap with options of strace.
straced() {
    local name=$1 node=$2
    shift 2
    timeout -k 1 20 strace -f --seccomp-bpf -e trace=ioctl -o "$name.calls" "$@" \
        "$bin/h5cap" "/dev/video$node" --format GREY --size 320x180 --rate 30 --control-set brightness=100 --duration 0.2 > /dev/null 2> "$name.said"
}

check() {
    local error text call
    for error in EIO EINVAL; do
        [ $error = EIO ] && text="Input/output error" || text="Invalid argument"
        for call in G_FMT S_FMT REQBUFS QUERYBUF QBUF STREAMON; do
            expect "$error" grep -q "^VIDIOC_$call 1 h5cap: /dev/video.: VIDIOC_$call: $text" "$out/$error"
        done
        expect "$error" grep -q "^VIDIOC_S_EXT_CTRLS 1 h5cap: /dev/video.: brightness: VIDIOC_S_EXT_CTRLS: $text" "$out/$error"
        # A frame that cannot be had: the camera is started again.
        expect "$error" grep -q "^VIDIOC_DQBUF 0 h5cap: warning: /dev/video.: lost: VIDIOC_DQBUF: $text" "$out/$error"
        # What can be done without.
        for call in ENUM_FRAMESIZES ENUM_FRAMEINTERVALS G_PARM S_PARM STREAMOFF; do
            expect "$error" grep -q "^VIDIOC_$call 0" "$out/$error"
        done
        # No other way to end, and each with one line.
        equal "$error: ends" "$(grep -vE '^VIDIOC_[A-Z_]+ (0|[134] h5cap: .*)' "$out/$error")" ""
        between "$error: calls" "$(wc -l < "$out/$error")" 15 25
    done
}
