# A sound card: what goes in comes out, at the same pitch and on our clock, however fast the card's own runs.
# shellcheck shell=bash disable=SC2016,SC2086,SC2154

guest() {
    modprobe snd-aloop
    "$bin/h5cap" --list > "$out/list"
    "$bin/h5cap" --list --json > "$out/list.json"
    ffmpeg -v error -f lavfi -i sine=frequency=440:sample_rate=48000:duration=330 -ac 2 -c:a pcm_s16le tone.wav

    # What is played into one end of the loop is recorded at the other.
    aplay -q -D hw:Loopback,0 tone.wav &
    local aplay=$!
    "$bin/h5cap" microphone:hw:Loopback,1 --duration 5 -v > tone.mkv 2> "$out/tone.err"

    # The card's clock runs one per cent slow, for five minutes.
    amixer -q -c Loopback cset iface=PCM,name='PCM Rate Shift 100000',device=1 101000
    "$bin/h5cap" microphone:hw:CARD=Loopback,DEV=1 --duration 300 -v > slow.mkv 2> "$out/slow.err"
    kill $aplay
    wait $aplay || true
    mv tone.mkv slow.mkv "$out"

    # Unplugged and plugged in again.
    "$bin/h5cap" microphone:hw:Loopback,1 -v > away.mkv 2> "$out/away.err" &
    local h5cap=$!
    sleep 2
    echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind
    sleep 3
    echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/bind
    sleep 3
    kill $h5cap
    wait $h5cap
    mv away.mkv "$out"

    # By a part of the card's name: the first of its devices.
    "$bin/h5cap" microphone:loop --duration 0.1 > /dev/null 2>> "$out/slow.err"

    # Somebody else has it; there is none.
    local code
    arecord -q -D hw:Loopback,1,0 -f S16_LE -r 48000 -c 2 /dev/null &
    local arecord=$!
    sleep 1
    for which in hw:Loopback,1,0 nowhere; do
        code=0
        timeout 20 "$bin/h5cap" "microphone:$which" > /dev/null 2> "$out/refused" || code=$?
        echo "$code $(tail -n 1 "$out/refused")" >> "$out/refusals"
    done
    kill $arecord
    wait $arecord || true
    modprobe -r snd-aloop
}

check() {
    expect "list" grep -q '^hw:CARD=Loopback,DEV=1  Loopback: Loopback PCM$' "$out/list"
    equal "list as JSON" "$(json "$out/list.json" '[m["card"] for m in d["microphones"]]')" "['Loopback', 'Loopback']"
    equal "track" "$(ffprobe -v error -show_entries stream=codec_name,sample_rate,channels -of csv=p=0 "$out/tone.mkv")" "pcm_s16le,48000,2"

    local name
    for name in tone slow; do
        "$H5_BIN/h5enc" < "$out/$name.mkv" > "$out/$name-opus.mkv"
    done
    between "440 Hz, in tenths" "$(pitch tone-opus 2)" 4390 4410
    # It plays one per cent too slowly, and so is heard one per cent lower; so it was on our clock.
    between "440 Hz at a wrong clock, in tenths" "$(pitch slow-opus 12)" 4346 4366

    # The times follow our clock, not the card's: 480 samples of it take 10.1 ms.
    between "length of 1000 packets of the slow card, us" "$(packets slow | awk 'NR == 501 { a = $1 } NR == 1501 { print $1 - a }')" 10088000 10112000
    between "jumps in the times, us" "$(packets slow | awk 'NR > 200 { d = $1 - last; if (d < 0) d = -d; if (NR > 201 && d > max) max = d } { last = $1 } END { print max }')" 10080 10300
    # In step with the times of the recording to its end.
    between "length of the sound, ms, against its times" "$(($(length slow-opus) - $(span slow)))" -20 20

    equal "unplugged: what was said" "$(grep -c 'lost: it was unplugged; waiting for it' "$out/away.err") $(grep -c 'back after' "$out/away.err")" "1 1"
    packets away > "$out/away.packets"
    # Of eight seconds it was away for three; then the times go on where it is back.
    between "unplugged: seconds of sound, in tenths" "$(($(wc -l < "$out/away.packets") / 10))" 40 60
    between "unplugged: the gap, ms" "$(awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } END { printf "%d", gap / 1000 }' "$out/away.packets")" 2900 4500

    equal "in use" "$(sed -n 1p "$out/refusals")" "1 h5cap: hw:Loopback,1,0: hw:Loopback,1,0 is used by another program"
    equal "missing" "$(sed -n 2p "$out/refusals")" '3 h5cap: microphone nowhere: no such microphone; `h5cap --list` shows those there are'
}

# pitch NAME SECOND: in tenths of a hertz, by the zero crossings of two seconds from there on.
pitch() {
    ffmpeg -v error -nostdin -i "$out/$1.mkv" -ss "$2" -t 2 -ac 1 -ar 48000 -f s16le - |
        python3 -c 'import array, sys
s = array.array("h", sys.stdin.buffer.read())
up = [i for i in range(1, len(s)) if s[i - 1] < 0 <= s[i]]
print(round((len(up) - 1) * 480000 / (up[-1] - up[0])))'
}

# span NAME: milliseconds from the first packet to the end of the last, of 10 ms.
span() { packets "$1" | awk 'NR == 1 { first = $1 } { last = $1 } END { printf "%d", (last - first) / 1000 + 10 }'; }

# length NAME: milliseconds of decoded sound.
length() { echo $(($(ffmpeg -v error -nostdin -i "$out/$1.mkv" -ac 1 -ar 48000 -f s16le - | wc -c) / 96)); }
