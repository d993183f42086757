# Runs $EXAMPLE in a network of its own until it has shown that it works. Says what is wrong, and exits with 1, if it does not.
set -u
ip link set lo up

fail() {
    echo "$*; its messages:"
    cat messages
    exit 1
}

# The names of the streams that are on the air.
streams() {
    curl -fsS -m 5 http://127.0.0.1:8080/api/streams 2>/dev/null |
        python3 -c 'import json, sys; [print(s["name"]) for s in json.load(sys.stdin).values() if s["type"]]' 2>/dev/null
}

# Whether a media file or address has video frames or sound in it.
has_frames() {
    timeout 20 ffprobe -v error -read_intervals %+2 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" 2>/dev/null |
        grep -q '[1-9]'
}

# Whether the newest picture of an MJPEG stream can be had.
has_picture() {
    curl -fsS -m 5 -o newest.jpg "http://127.0.0.1:8080/$1.jpg" 2>/dev/null && has_frames newest.jpg
}

serves_frames() {
    local name names
    names=$(streams)
    [ -n "$names" ] || return 1
    for name in $names; do
        has_frames "http://127.0.0.1:8080/$name.mp4" || has_picture "$name" || return 1
    done
}

# until SECONDS CHECK…: tries a check until it holds; fails when the time is over or the example has failed.
until_within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        kill -0 "$example" 2>/dev/null || wait "$example" || return 1
        sleep 0.2
    done
}

case $EXAMPLE in
    *h5serve*) ;;
    *http://127.0.0.1:8080/*)
        # It watches what another example serves.
        bash -c 'h5cap test | h5enc | h5mux | h5serve' 2>served &
        example=$!
        until_within 40 serves_frames || fail "the server for it did not start: $(cat served)"
        ;;
esac

case $EXAMPLE in
    *rtsp://* | *onvif://*)
        # The camera prints a line when it serves.
        coproc camera { exec /usr/bin/python3 tests/it/rtsp/camera.py 8554 auth=none; }
        read -r -u "${camera[0]}" _ || fail "there is no camera"
        trap 'kill "$camera_PID"' EXIT
        ;;
esac

case $EXAMPLE in
    *onvif://*)
        # It names the stream of that camera.
        exec 9< <(exec /usr/bin/python3 tests/it/onvif/device.py port=8000 user=viewer "password=$(cat password)" uri=rtsp://127.0.0.1:8554/h264)
        device=$!
        read -r -u 9 _ || fail "there is no camera by ONVIF"
        trap 'kill "$camera_PID" "$device"' EXIT
        ;;
esac

bash -o pipefail -c "$EXAMPLE" </dev/null >output 2>messages &
example=$!

case $EXAMPLE in
    # It serves nothing.
    h5serve\ passwd\ * | h5serve\ link\ *) ;;
    *h5serve*) until_within 40 serves_frames || fail "it serves no frames" ;;
esac

# What it writes by `> NAME.ext`, `tee NAME.ext` or `-o NAME.ext`.
for file in $(grep -oE '(>|tee|-o) *[a-z0-9_-]+\.(mp4|mkv|webm|h264|mjpeg|nut|y4m)' <<<"$EXAMPLE" | sed 's/.* //; s/^>//'); do
    [ -p "$file" ] || until_within 40 has_frames "$file" || fail "$file has no frames"
done

# Where it writes by `--hls NAME`.
for folder in $(grep -oE -e '--hls *[a-z0-9_-]+' <<<"$EXAMPLE" | sed 's/.* //'); do
    until_within 40 has_frames "$folder/index.m3u8" || fail "$folder/index.m3u8 has no frames"
done

# Everything else has shown its worth when it has ended well, or has run for three seconds.
for _ in $(seq 30); do
    if ! kill -0 "$example" 2>/dev/null; then
        wait "$example" || fail "it ended with exit code $?"
        exit 0
    fi
    sleep 0.1
done
if grep -E '^h5(cap|enc|mux|serve): ' messages | grep -vE ': (warning|info): |http://'; then
    fail "it complained"
fi
exit 0
