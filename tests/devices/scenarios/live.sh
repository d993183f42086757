# scripts/live finds the camera by itself, and serves it.
# shellcheck shell=bash disable=SC2154

guest() {
    plug A1
    H5LIVE_BIN=$bin "$repo/scripts/live" --listen 127.0.0.1:8080 > "$out/live" 2> "$out/live.err" &
    await 60 served
    curl -s http://127.0.0.1:8080/api/streams > "$out/streams"
    pkill -x -INT h5serve
    wait $! || true
    unplug_all
}

served() { curl -sf http://127.0.0.1:8080/api/streams | grep -q '"state":"live"'; }

check() {
    expect "the camera is the source" grep -q '^Source: camera' "$out/live"
    equal "it plays in browsers" "$(json "$out/streams" 'd["live"]["codecs"][0][:5]')" "avc1."
}
