# On the host: what the `check` functions of the scenarios use. $out is the scenario's folder.
# shellcheck shell=bash

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
between() { [[ $2 =~ ^-?[0-9]+$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: got '$2', expected $3 to $4"; }

# clock FILE WIDTHxHEIGHT [FFMPEG_INPUT_OPTION...]: "NUMBER TIME" of the clock in each picture, "-" where none can be read.
clock() {
    local file=$1 size=$2
    shift 2
    ffmpeg -v fatal -nostdin "$@" -i "$file" -fps_mode passthrough -f rawvideo -pix_fmt gray - | "$readclock" "$size"
}

# consecutive: do the lines of stdin (first column) count up by one?
consecutive() { awk 'NR > 1 && $1 != last + 1 || $1 == "-" { print "    after " last ": " $1; bad = 1 } { last = $1 } END { exit bad || !NR }'; }

# sequences FILE.txt: the sequence numbers in v4l2-ctl's report.
sequences() { sed -E 's/.*seq: *([0-9]+).*/\1/' "$1"; }
