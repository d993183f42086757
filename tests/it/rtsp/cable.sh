# Two hosts on one cable, each a network of its own: a camera at 10.99.0.1, and this one at 10.99.0.2. $1: the camera's script. $2: libfaketime; the
# camera's clock is a second slow.
# Prints "ready", the process whose network is this host's, and the camera's; lives until its stdin ends.
set -eu
ip link set lo up
# "network" and "up" order the steps: a cable can be laid only where a network is.
coproc camera {
    # shellcheck disable=SC2016  # for the inner shell
    exec unshare --net bash -c 'echo network && read -r up && ip link set lo up && ip address add 10.99.0.1/24 dev cable &&
        ip link set cable up && exec env LD_PRELOAD="$2" FAKETIME=-1s FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 \
        /usr/bin/python3 "$1" 8554 auth=none address=10.99.0.1 fps=25' - "$1" "$2"
}
trap 'kill "$camera_PID"' EXIT
read -r -u "${camera[0]}" line
ip link add cable type veth peer name cable netns "$camera_PID"
ip address add 10.99.0.2/24 dev cable
ip link set cable up
echo "$line up" >&"${camera[1]}"
read -r -u "${camera[0]}" line port
echo "$line" $$ "$camera_PID" "$port"
cat >/dev/null
