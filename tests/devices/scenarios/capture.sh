# h5cap on a USB camera: what the camera sent is what comes out, with the driver's times.
# shellcheck shell=bash disable=SC2154

guest() {
    plug A1 --name "First Camera" --colour c02020
    "$bin/h5cap" --list > "$out/list"
    "$bin/h5cap" --list --json > "$out/list.json"

    # 1000 frames, and what the driver said of each.
    traced "$out/mjpeg.trace" record mjpeg 1002 "$bin/h5cap" camera --size 640x480 -v
    cp A1.log "$out/mjpeg.log"

    # H.264 by serial number, raw by a part of the name.
    record h264 70 "$bin/h5cap" camera:A1 --format h264 -v
    record yuyv 60 "$bin/h5cap" "camera:first cam" --format yuy2 --size 320x240 -v

    # A frame cut short on its way never gets into the pipe.
    (await_frames A1 20; kill -USR1 "${pid[A1]}") &
    record cut 60 "$bin/h5cap" camera --size 320x240 -v

    # Controls, from the command line and while it runs.
    "$bin/h5cap" camera --size 320x240 --control-set brightness=7 --control-set "power_line_frequency=60 hz" --control 127.0.0.1:9000 > /dev/null 2> "$out/controls.err" &
    local h5cap=$!
    await 10 curl -sf -o /dev/null http://127.0.0.1:9000/controls
    curl -s -o /dev/null -w '%{http_code} ' -X PUT -d '{"brightness": 42, "focus_automatic_continuous": false}' http://127.0.0.1:9000/controls > "$out/put"
    curl -s -w ' %{http_code}' -X PUT -d '{"brightness": 256}' http://127.0.0.1:9000/controls >> "$out/put"
    curl -s http://127.0.0.1:9000/controls > "$out/controls.json"
    kill $h5cap
    wait $h5cap
    unplug_all
}

# record NAME FRAMES COMMAND...: until the camera has drawn so many frames. How many a second it draws depends on the machine.
record() {
    local name=$1 frames=$2
    shift 2
    "$@" --late block > "$name.mkv" 2> "$out/$name.err" &
    await_frames A1 "$frames"
    kill $!
    wait $!
    mv "$name.mkv" "$out"
}

check() {
    packets mjpeg > "$out/mjpeg.packets"
    between "frames" "$(wc -l < "$out/mjpeg.packets")" 980 1100
    # The camera's own list of what it sent: the same frames; those that the driver had no buffer for are counted.
    awk 'NR == FNR { number[$4] = $1; next } { print ($3 in number) ? number[$3] : "-" }' "$out/mjpeg.log" "$out/mjpeg.packets" > "$out/mjpeg.numbers"
    equal "frames that the camera did not send so" "$(grep -c -- - "$out/mjpeg.numbers")" 0
    equal "frames lost" "$(counted mjpeg)" "$(missing "$out/mjpeg.numbers") lost, 0 damaged"
    clock "$out/mjpeg.mkv" 640x480 > "$out/mjpeg.clock"
    equal "frame numbers in the picture" "$(cut -d' ' -f1 "$out/mjpeg.clock")" "$(cat "$out/mjpeg.numbers")"
    buffers "$out/mjpeg.trace" > "$out/mjpeg.driver"
    equal "frames that the driver gave" "$(wc -l < "$out/mjpeg.driver")" "$(wc -l < "$out/mjpeg.packets")"
    # Both count from when the stream was started.
    equal "numbers in the picture" "$(cut -d' ' -f1 "$out/mjpeg.numbers")" "$(cut -d' ' -f2 "$out/mjpeg.driver")"
    between "largest distance from the driver's times, us" "$(times_apart "$out/mjpeg.driver" "$out/mjpeg.packets")" 0 1000

    clock "$out/h264.mkv" 640x480 > "$out/h264.clock"
    between "H.264: frames" "$(wc -l < "$out/h264.clock")" 30 90
    equal "H.264: pictures that cannot be read" "$(grep -c -- - "$out/h264.clock")" 0
    equal "H.264: avcC" "$(ffprobe -v error -show_entries stream=codec_name,profile,width,height,is_avc -of csv=p=0 "$out/h264.mkv")" \
        "h264,Constrained Baseline,640,480,true"
    expect "H.264 decodes" test -z "$(complaints h264)"

    clock "$out/yuyv.mkv" 320x240 > "$out/yuyv.clock"
    between "YUYV: frames" "$(wc -l < "$out/yuyv.clock")" 50 80
    equal "YUYV: frames lost" "$(counted yuyv)" "$(missing "$out/yuyv.clock") lost, 0 damaged"

    clock "$out/cut.mkv" 320x240 > "$out/cut.clock"
    equal "every picture that came out is whole" "$(grep -c -- - "$out/cut.clock")" 0
    expect "no complaint of the decoder" test -z "$(complaints cut)"
    # What is missing is the cut frame and what the driver lost.
    expect "the cut frame is counted" test "$(missing "$out/cut.clock")" = "$(($(counted cut | cut -d' ' -f1) + 1))"
    expect "as damaged" test "$(counted cut | cut -d, -f2)" = " 1 damaged"

    expect "list" grep -q "^/dev/video[0-9]*  First Camera: First Camera$" "$out/list"
    equal "list as JSON" "$(json "$out/list.json" 'd["cameras"][0]["serial"], len(d["cameras"]), [f["codec"] for f in d["cameras"][0]["formats"]]')" \
        "('A1', 1, ['MJPEG', 'raw yuy2', 'H.264'])"
    equal "controls reach the camera" "$(grep -c -e 'brightness = 7$' -e 'power_line = 2' -e 'brightness = 42' -e 'focus_auto = 0' "$out/A1.err")" 4
    equal "answers" "$(tr '\n' ' ' < "$out/put")" '204 brightness: "256" is not one of 0 to 255  400'
    equal "GET /controls" "$(json "$out/controls.json" '[c["value"] for c in d if c["id"] == "brightness"]')" "[42]"
}

complaints() { ffmpeg -v error -nostdin -i "$out/$1.mkv" -fps_mode drop -f rawvideo -pix_fmt gray -y /dev/null 2>&1; }

# times_apart DRIVER PACKETS: the largest difference, both counted from the first frame.
times_apart() {
    paste -d' ' <(cut -d' ' -f1 "$1") <(cut -d' ' -f1 "$2") | awk 'NF == 2 { if (!n++) { a = $1; b = $2 } d = ($1 - a) - ($2 - b); if (d < 0) d = -d; if (d > max) max = d } END { print max + 0 }'
}
