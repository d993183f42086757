# Every raw format that the pipe carries, pixel by pixel as v4l2-ctl captures it; gaps; errors at every call.
# shellcheck shell=bash disable=SC2016,SC2086,SC2154

single="YU12 YV12 NV12 422P YUYV UYVY RGB3 BGR3 AB24 AR24 GREY"
planar="NM12 YM12 YM16 YM24"

guest() {
    modprobe vivid n_devs=2 node_types=0x1,0x1 multiplanar=1,2 num_inputs=1,1 input_types=0x0,0x0
    await 5 test -e /dev/video1
    local node format
    for node in 0 1; do
        v4l2-ctl -d$node -c osd_text_mode=2
        [ $node = 0 ] && formats=$single || formats=$planar
        for format in $formats; do
            v4l2-ctl -d$node --set-fmt-video "width=320,height=180,pixelformat=$format" > /dev/null
            v4l2-ctl -d$node --stream-mmap --stream-count 1 --stream-to "$format.raw" > /dev/null 2>&1
            "$bin/h5cap" /dev/video$node --format $format --size 320x180 --rate 60 --duration 0.1 > "$format.mkv" 2> "$out/$format.err"
        done
    done
    # Every size: the end of the stream is a picture.
    local size
    for size in $(v4l2-ctl -d0 --list-framesizes YUYV | grep -o '[0-9]*x[0-9]*'); do
        v4l2-ctl -d0 --set-fmt-video "width=${size%x*},height=${size#*x},pixelformat=YUYV" > /dev/null
        v4l2-ctl -d0 --stream-mmap --stream-count 1 --stream-to size > /dev/null 2>&1
        "$bin/h5cap" /dev/video0 --format YUYV --size "$size" --duration 1ms > size.h5
        echo "$size $(md5sum < size) $(tail -c $((${size%x*} * ${size#*x} * 2)) size.h5 | md5sum)" | tr -d - >> "$out/sizes"
    done
    # Odd ones, of a device that takes any.
    modprobe -r vivid
    modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x3
    await 5 test -e /dev/video0
    v4l2-ctl -d0 -c osd_text_mode=2
    for format in GREY RGB3 BGR3; do
        v4l2-ctl -d0 --set-fmt-video "width=333,height=221,pixelformat=$format" > /dev/null
        v4l2-ctl -d0 --stream-mmap --stream-count 1 --stream-to "odd-$format.raw" > /dev/null 2>&1
        "$bin/h5cap" /dev/video0 --format $format --size 333x221 --duration 0.1 > "odd-$format.mkv"
    done
    modprobe -r vivid
    modprobe vivid n_devs=2 node_types=0x1,0x1 multiplanar=1,2 num_inputs=1,1 input_types=0x0,0x0
    await 5 test -e /dev/video1
    # What is there under the same name comes by it.
    "$bin/h5cap" camera:vivid.0 --size 640x360 --duration 0.1 > name.mkv
    mv ./*.raw ./*.mkv "$out"

    # Three buffers in ten are dropped: the gaps are counted.
    v4l2-ctl -d0 -c percentage_of_dropped_buffers=30
    traced "$out/gaps.trace" "$bin/h5cap" /dev/video0 --format GREY --size 320x180 --rate 30 --duration 4 --late block -v > gaps.mkv 2> "$out/gaps.err"
    mv gaps.mkv "$out"
    v4l2-ctl -d0 -c percentage_of_dropped_buffers=0

    # An error at each call: said with the name of the call.
    local call
    for call in reqbufs qbuf streamon; do
        v4l2-ctl -d0 -c inject_vidioc_${call}_error=1
        fails $call /dev/video0
    done
    fails missing camera:nowhere
    fails format /dev/video0 --format mjpeg
    fails control /dev/video0 --control-set nothing=1
    fails value /dev/video0 --control-set brightness=999
    # In use by another program.
    v4l2-ctl -d0 --stream-mmap > other 2>&1 &
    local other=$!
    # It prints a character for each frame. To ask by streaming would be in its way.
    await 5 grep -q '<' other
    fails busy /dev/video0
    kill $other
    wait $other || true
    # No right to open it.
    chmod 660 /dev/video0
    chgrp video /dev/video0
    fails denied /dev/video0 as-nobody

    # A buffer with an error, then an error that ends the stream: it goes on by itself.
    (sleep 1.5; v4l2-ctl -d0 -c inject_v4l2_buf_flag_error=1; sleep 0.5; v4l2-ctl -d0 -c inject_fatal_streaming_error=1) &
    "$bin/h5cap" /dev/video0 --format GREY --size 320x180 --rate 30 --duration 5 -v > errors.mkv 2> "$out/errors.err"
    mv errors.mkv "$out"
    modprobe -r vivid
}

# fails NAME SOURCE [OPTION...]: h5cap's exit code and last line go to $out/NAME.fails.
fails() {
    local name=$1 user=()
    shift
    if [ "${*: -1}" = as-nobody ]; then
        user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        set -- "${@:1:$#-1}"
    fi
    local code=0
    timeout 20 "${user[@]}" "$bin/h5cap" "$@" > /dev/null 2> "$out/$name.fails" || code=$?
    echo "$code $(tail -n 1 "$out/$name.fails")" > "$out/$name.fails"
}

check() {
    local format wanted
    for format in $single $planar; do
        # The pipe has U before V.
        [ $format = YV12 ] && wanted=YU12 || wanted=$format
        wanted=$(md5sum < "$out/$wanted.raw" | cut -c1-32)
        equal "$format: pictures" "$(ffprobe -v error -show_packets -show_data_hash md5 -show_entries packet=data_hash -of csv=p=0 "$out/$format.mkv" | sort -u)" "MD5:$wanted"
    done
    equal "sizes" "$(awk '$2 == $3 { print $1 }' "$out/sizes" | xargs)" "320x180 640x360 640x480 1280x720 1920x1080 3840x2160"
    for format in GREY RGB3 BGR3; do
        equal "333x221 $format" "$(ffprobe -v error -show_packets -show_data_hash md5 -show_entries packet=data_hash -of csv=p=0 "$out/odd-$format.mkv" | sort -u)" "MD5:$(md5sum < "$out/odd-$format.raw" | cut -c1-32)"
    done
    equal "by name" "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 "$out/name.mkv")" "640,360"

    buffers "$out/gaps.trace" > "$out/gaps.driver"
    between "frames that the driver dropped, of 120" "$(missing "$out/gaps.driver" 2)" 15 60
    equal "frames that were counted as lost" "$(counted gaps)" "$(missing "$out/gaps.driver" 2) lost, 0 damaged"

    local call
    for call in reqbufs qbuf streamon; do
        expect "$call" grep -qix "1 h5cap: /dev/video0: VIDIOC_$call: .* (os error [0-9]*)" "$out/$call.fails"
    done
    equal "missing" "$(cat "$out/missing.fails")" '3 h5cap: camera nowhere: no such camera; `h5cap --list` shows those there are'
    expect "format" grep -q '^4 h5cap: /dev/video0: it offers YUYV, UYVY' "$out/format.fails"
    equal "control" "$(cat "$out/control.fails")" '4 h5cap: /dev/video0: no control "nothing"; see `h5cap --list`'
    expect "value" grep -q '^4 h5cap: /dev/video0: brightness: "999" is not one of 0 to 255' "$out/value.fails"
    expect "busy" grep -q '^1 h5cap: /dev/video0: VIDIOC_.*: it is used by v4l2-ctl (process [0-9]*)' "$out/busy.fails"
    expect "denied" grep -q '^1 h5cap: /dev/video0: not allowed: it belongs to group video' "$out/denied.fails"
    expect "an error is survived" grep -q ' 1 damaged' "$out/errors.err"
    expect "it came back" grep -q 'back after 0' "$out/errors.err"
    # On a busy machine some are lost as well.
    between "frames in 5 s with errors" "$(($(packets errors | wc -l) + $(counted errors | cut -d' ' -f1)))" 120 152
}
