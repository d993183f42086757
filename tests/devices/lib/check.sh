# On the host: what the `check` functions of the scenarios use. $out is the scenario's folder.
# shellcheck shell=bash disable=SC2154

readclock=$repo/tests/devices/uvcam/target/release/readclock
failures=0

fail() {
    echo "    FAILED: $*"
    failures=$((failures + 1))
}

# expect WHAT COMMAND...: it must succeed.
expect() {
    local what=$1
    shift
    "$@" || fail "$what: $*"
}

# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: got '${2:0:300}', expected '${3:0:300}'"; }

# between WHAT GOT LOW HIGH, whole numbers
between() { if ! { [[ $2 =~ ^-?[0-9]+$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; }; then fail "$1: got '$2', expected $3 to $4"; fi; }

# clock FILE WIDTHxHEIGHT [FFMPEG_INPUT_OPTION...]: "NUMBER TIME" of the clock in each picture, "-" where none can be read.
clock() {
    local file=$1 size=$2
    shift 2
    ffmpeg -v fatal -nostdin "$@" -i "$file" -fps_mode drop -f rawvideo -pix_fmt gray - | "$readclock" "$size"
}

# consecutive: do the lines of stdin (first column) count up by one?
consecutive() { awk 'NR > 1 && $1 != last + 1 || $1 == "-" { print "    after " last ": " $1; bad = 1 } { last = $1 } END { exit bad || !NR }'; }

# sequences FILE.txt: the sequence numbers in v4l2-ctl's report.
sequences() { sed -E 's/.*seq: *([0-9]+).*/\1/' "$1"; }

# packets NAME: "PTS SIZE ADLER32" of each packet of $out/NAME.mkv, time in microseconds.
packets() {
    ffprobe -v error -show_packets -show_data_hash adler32 -show_entries packet=pts_time,size,data_hash -of csv=p=0 "$out/$1.mkv" |
        awk -F, '{ sub("adler32:", "", $3); printf "%.0f %d %s\n", $1 * 1000000, $2, $3 }'
}

# json FILE EXPRESSION: of Python, with the file's content as d.
json() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }

# buffers FILE: the driver's time, in microseconds, and sequence number of each buffer in a kernel's trace.
buffers() { sed -nE 's/.*v4l2_dqbuf: .*timestamp = ([0-9]+), .*sequence = ([0-9]+)/\1 \2/p' "$1" | awk '{ printf "%d %d\n", $1 / 1000, $2 }'; }

# missing FILE [COLUMN]: numbers left out between the first and the last.
missing() { awk -v c="${2-1}" '{ n++ } NR == 1 { first = $c } { last = $c } END { print last - first + 1 - n }' "$1"; }

# counted NAME: what h5cap counted, "N lost, N damaged".
counted() { grep -o '[0-9]* lost, [0-9]* damaged' "$out/$1.err"; }
