# Cameras of the machine in a browser on the host: no encoder anywhere, and a plug that is pulled under the viewer.
# shellcheck shell=bash disable=SC2034,SC2154
clock=real

guest() {
    plug A1 --name Left --colour c02020
    "$bin/h5cap" camera --size 320x240 --rate 15 -v 2> h5cap-mjpeg.err | "$bin/h5serve" --listen 0.0.0.0:8080 --public 2> h5serve-mjpeg.err &
    plug B2 --name Right --colour 2020c0
    "$bin/h5cap" camera:B2 --format h264 --size 320x240 --rate 15 -v 2> h5cap-h264.err | "$bin/h5mux" |
        "$bin/h5serve" --listen 0.0.0.0:8081 --public 2> h5serve-h264.err &
    await 20 curl -sf -o /dev/null http://127.0.0.1:8080/live
    await 20 curl -sf -o /dev/null http://127.0.0.1:8081/live
    echo > "$out/ready"

    await 120 test -e "$out/unplug"
    unplug A1
    unplug B2
    echo > "$out/unplugged"
    # In the other order: each gets the other's number.
    await 120 test -e "$out/plug"
    plug B2 --name Right --colour 2020c0
    plug A1 --name Left --colour c02020
    # When the device nodes were there.
    stat -c %.3Y "$(node A1)" "$(node B2)" > "$out/plugged.part"
    mv "$out/plugged.part" "$out/plugged"

    await 120 test -e "$out/done"
    pkill -x h5cap
    unplug_all
    wait
}

# On the host, beside it.
during() { node "$here/scenarios/browser.mjs" "$out" "${ports[8080]}" "${ports[8081]}" > "$out/browser" 2>&1 || fail "in the browser: $(cat "$out/browser")"; }

check() {
    equal "what was seen" "$(grep -c '^ok' "$out/browser")" 2
    # Each picture that was seen is one that the camera drew at that time.
    for camera in A1 B2; do
        awk 'NR == FNR { drawn[$1 " " $2] = 1; next } !($0 in drawn) { print }' "$out/$camera.log" "$out/$camera.seen" > "$out/$camera.strange"
        equal "$camera: pictures that it did not draw" "$(head -n 3 "$out/$camera.strange")" ""
    done
    sed 's/^ok/       /' "$out/browser"
}
