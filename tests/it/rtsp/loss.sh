# In a network of its own: a camera, and h5cap behind a line that loses 3 % of all datagrams. $1: the path; $2: where the camera's script is.
# Writes out.mkv and messages; prints the counters at the end.
set -eu
ip link set lo up
# The encoder of H.265 is slow; a small picture of MJPEG has no inside to lose a packet of.
[ "$1" = h265 ] && size=320x240 || size=640x360
coproc camera { exec /usr/bin/python3 "$2" 8554 auth=none fps=25 "size=$size"; }
read -r -u "${camera[0]}" ready
trap 'kill "$camera_PID"' EXIT
nft add table inet line
nft add chain inet line in '{ type filter hook input priority 0; }'
nft add rule inet line in udp dport 1024-65535 numgen random mod 100 '<' 3 drop
h5cap -v --transport udp --control 9090 "rtsp://127.0.0.1:8554/$1" >out.mkv 2>messages &
cap=$!
counter() { curl -fs http://127.0.0.1:9090/metrics | awk -v name="h5cap_$1" '$1 == name { print $2 }'; }
# Packets that were lost, and pictures that were damaged by such a loss: inside a JPEG picture it is not counted as one of packets.
losses() { echo $(($(counter lost_packets_total) + $(counter damaged_total))); }
# By an order of events: until enough was lost, and pictures came all the same.
until [ "$(losses)" -ge 10 ] && [ "$(stat -c %s out.mkv)" -ge 20000 ]; do
    kill -0 "$cap"
    [ "$SECONDS" -lt 60 ] || { echo "$(losses) lost, $(stat -c %s out.mkv) bytes in $SECONDS s" >&2; exit 1; }
    sleep 0.1
done
echo "$(counter lost_packets_total)" "$(counter damaged_total)"
kill -TERM "$cap"
wait "$cap"
