# A camera and a microphone in one stream: what was to be seen and heard at one time has one time in it.
# shellcheck shell=bash disable=SC2154

guest() {
    modprobe snd-aloop
    plug A1
    # A second of nothing, then beeps of a tenth of a second, one each second.
    ffmpeg -v error -f lavfi -i "aevalsrc='if(gte(t,1)*lt(mod(t,1),0.1),0.5*sin(2*PI*1000*t),0)':s=48000:d=30" -ac 2 -c:a pcm_s16le beeps.wav
    "$bin/h5cap" camera --size 320x240 --audio hw:Loopback,1 -v --late block > together.mkv 2> "$out/together.err" &
    local h5cap=$!
    await_frames A1 20
    aplay -q -D hw:Loopback,0 beeps.wav &
    local aplay=$!
    await_frames A1 30
    # When the card began to play, by the clock of the machine, and how far that is from the time of day.
    sed -n 's/^trigger_time: //p' /proc/asound/Loopback/pcm0p/sub0/status > "$out/began"
    python3 -c 'import time; print(time.time() - time.monotonic())' > "$out/day"
    await_frames A1 200
    kill $h5cap $aplay
    wait $h5cap
    wait $aplay || true
    mv together.mkv "$out"
    unplug_all
    modprobe -r snd-aloop
}

check() {
    "$H5_BIN/h5enc" --video copy < "$out/together.mkv" > "$out/coded.mkv"
    clock "$out/together.mkv" 320x240 > "$out/clock"
    python3 "$here/scenarios/together.py" "$out" > "$out/offsets" || fail "$(tail -n 1 "$out/offsets")"
    local picture sound beeps
    read -r picture sound beeps < "$out/offsets"
    between "beeps" "$beeps" 3 30
    between "the sound against the picture, ms" $((sound - picture)) -20 20
    echo "        a picture is $picture ms after its clock, a beep $sound ms after it was played"
}
