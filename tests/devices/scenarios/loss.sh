# Cameras that are pulled out, come back under another number, or hang.
# shellcheck shell=bash disable=SC2154

guest() {
    plug A1 --name Left --colour c02020
    plug B2 --name Right --colour 2020c0
    "$bin/h5cap" camera:A1 --size 320x240 -v > away.mkv 2> "$out/away.err" &
    local h5cap=$!
    await_frames A1 20
    unplug A1
    cat /proc/uptime > "$out/away.from"
    # Both come back in the other order: what was video0 is the other camera now.
    unplug B2
    plug B2 --name Right --colour 2020c0
    plug A1 --name Left --colour c02020
    await_frames A1 20
    cat /proc/uptime > "$out/away.to"

    # It hangs for longer than --stall, then goes on.
    kill -USR2 "${pid[A1]}"
    sleep 5
    kill -USR2 "${pid[A1]}"
    await_frames A1 20

    # Its driver is taken away and given back.
    local interface
    interface=$(basename "$(readlink -f "/sys/class/video4linux/$(basename "$(node A1)")/device")")
    echo "$interface" > /sys/bus/usb/drivers/uvcvideo/unbind
    sleep 1
    echo "$interface" > /sys/bus/usb/drivers/uvcvideo/bind
    await 10 plugged A1
    await_frames A1 20
    kill $h5cap
    wait $h5cap
    mv away.mkv "$out"

    # Black pictures in between, raw and JPEG.
    local format
    for format in yuy2 mjpeg; do
        "$bin/h5cap" camera:A1 --format $format --size 320x240 --on-loss black > black.mkv 2> "$out/black-$format.err" &
        h5cap=$!
        await_frames A1 10
        unplug A1
        sleep 1
        plug A1 --name Left --colour c02020
        await_frames A1 10
        kill $h5cap
        wait $h5cap
        mv black.mkv "$out/black-$format.mkv"
    done

    # The end of it, for those who want that.
    (await_frames A1 10; unplug A1) &
    code=0
    "$bin/h5cap" camera:A1 --size 320x240 --on-loss exit > /dev/null 2> "$out/exit.err" || code=$?
    echo $code >> "$out/exit.err"
    unset "pid[A1]"
    unplug_all
}

check() {
    clock "$out/away.mkv" 320x240 > "$out/away.clock"
    equal "pictures that cannot be read" "$(grep -c -- - "$out/away.clock")" 0
    equal "times that it started anew" "$(awk 'NR > 1 && $1 < last { n++ } { last = $1 } END { print n + 0 }' "$out/away.clock")" 3
    equal "colours" "$(colours away)" "red"
    equal "what was said" "$(grep -c -e 'lost: it was unplugged; waiting for it' -e 'lost: no frame for 3 s; waiting for it' "$out/away.err") $(grep -c 'back after' "$out/away.err")" "3 3"
    # The times of the stream go on as the camera's own clock does: it was away for seconds each time.
    packets away > "$out/away.packets"
    paste -d' ' "$out/away.packets" "$out/away.clock" | awk 'NR == 1 { p = $1; t = $5 } { d = ($1 - p) / 1000 - ($5 - t); if (d < 0) d = -d; if (d > max) max = d } END { printf "%d\n", max }' > "$out/away.drift"
    between "times against the camera's clock, ms" "$(cat "$out/away.drift")" 0 1000

    local format
    for format in yuy2 mjpeg; do
        clock "$out/black-$format.mkv" 320x240 > "$out/black-$format.clock"
        between "black pictures, $format" "$(grep -c -- - "$out/black-$format.clock")" 15 400
    done
    expect "exit" test "$(tr '\n' ' ' < "$out/exit.err")" = "h5cap: camera A1: it was unplugged 1 "
}

# The colours of the lower half, each once.
colours() {
    ffmpeg -v error -nostdin -i "$out/$1.mkv" -fps_mode drop -vf crop=8:8:100:200,scale=1:1 -f rawvideo -pix_fmt rgb24 - |
        od -An -v -w3 -tu1 | awk '{ print(($1 > 150 && $3 < 80) ? "red" : ($3 > 150 && $1 < 80) ? "blue" : $0) }' | sort -u
}
