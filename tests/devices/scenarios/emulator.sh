# The test bed itself: the USB camera is one for the kernel's driver and for v4l2-ctl, and its picture can be read.
# shellcheck shell=bash disable=SC2154

guest() {
    plug A1 --name "First Camera" --colour c02020
    local a
    a=$(node A1)
    capture "$a" MJPG 640x480 45 "$out/mjpeg"
    capture "$a" YUYV 320x240 45 "$out/yuyv"
    capture "$a" H264 640x480 45 "$out/h264"
    v4l2-ctl -d "$a" -c brightness=77,power_line_frequency=2
    v4l2-ctl -d "$a" -C brightness > "$out/brightness"

    # Two at once, told apart by serial number and name.
    plug B2 --name "Second Camera" --colour 2020c0
    cat "/sys/class/video4linux/${a##*/}/name" "/sys/class/video4linux/$(basename "$(node B2)")/name" > "$out/names"
    capture "$a" MJPG 320x240 20 "$out/two-a" &
    capture "$(node B2)" MJPG 320x240 20 "$out/two-b"
    wait $!

    # A frame cut short on its way: the driver throws a raw one away, and passes on a JPEG.
    for coding in YUYV MJPG; do
        (await_frames A1 20; kill -USR1 "${pid[A1]}") &
        capture "$a" $coding 320x240 45 "$out/cut-$coding"
    done

    # A camera that hangs for a second.
    (await_frames A1 20; kill -USR2 "${pid[A1]}"; sleep 1; kill -USR2 "${pid[A1]}") &
    capture "$a" MJPG 320x240 45 "$out/hang"

    unplug A1
    plug A1 --name "First Camera"
    plugged A1 && plugged B2
    unplug_all
}

check() {
    for coding in mjpeg yuyv h264; do
        equal "$coding: sequence numbers" "$(sequences "$out/$coding.txt" | consecutive; wc -l < "$out/$coding.txt")" 45
    done
    clock "$out/mjpeg" 640x480 -f mjpeg > "$out/mjpeg.clock"
    clock "$out/yuyv" 320x240 -f rawvideo -pix_fmt yuyv422 -s 320x240 > "$out/yuyv.clock"
    clock "$out/h264" 640x480 -f h264 > "$out/h264.clock"
    for coding in mjpeg yuyv h264; do
        equal "$coding: frame numbers in the picture" "$(consecutive < "$out/$coding.clock"; wc -l < "$out/$coding.clock")" 45
    done
    equal "control" "$(cat "$out/brightness"; grep -c 'power_line = 2' "$out/A1.err")" "brightness: 77
1"
    equal "names" "$(cat "$out/names")" "First Camera: First Camera
Second Camera: Second Camera"
    equal "colour of A1" "$(colour "$out/two-a")" "red"
    equal "colour of B2" "$(colour "$out/two-b")" "blue"
    equal "frames cut on the wire" "$(grep -c cut "$out/A1.log")" 2
    equal "raw frames lost of 45" "$(($(sequences "$out/cut-YUYV.txt" | tail -1) - 44))" 1
    equal "JPEGs lost of 45" "$(sequences "$out/cut-MJPG.txt" | tail -1)" 44
    equal "JPEGs without an end" "$(clock "$out/cut-MJPG" 320x240 -f mjpeg | grep -c .)" 45
    between "longest wait when it hung, ms" "$(grep -o 'delta: [0-9]*' "$out/hang.txt" | cut -d' ' -f2 | sort -n | tail -1)" 900 1500
}

# Which of red and blue the lower half of the first picture is.
colour() {
    ffmpeg -v error -nostdin -f mjpeg -i "$1" -frames:v 1 -vf crop=8:8:100:200,scale=1:1 -f rawvideo -pix_fmt rgb24 - |
        od -An -tu1 | awk '{ print(($1 > 150 && $3 < 80) ? "red" : ($3 > 150 && $1 < 80) ? "blue" : $0) }'
}
