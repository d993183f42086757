"""How far the times in coded.mkv are from those at which its pictures were drawn and its beeps played: "PICTURE SOUND BEEPS", in ms.

Reads in the folder given: coded.mkv; clock, the numbers and times in the pictures; began, when the sound card began to play beeps.wav, in
seconds of the monotonic clock; day, what is to be added to that for Unix time."""
import array
import datetime
import json
import statistics
import subprocess
import sys

folder = sys.argv[1]
RATE = 48000


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def packets(stream):
    shown = run("ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", f"{folder}/coded.mkv")
    return [float(line.strip(",")) for line in shown.decode().split()]


tags = json.loads(run("ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "json", f"{folder}/coded.mkv"))
zero = datetime.datetime.fromisoformat(tags["format"]["tags"]["creation_time"]).timestamp()

drawn = [line.split()[1] for line in open(f"{folder}/clock")]
times = packets("v:0")
assert len(times) == len(drawn), f"{len(times)} packets, {len(drawn)} pictures"
# The clock counts milliseconds modulo 2^32.
late = [(round((zero + t) * 1000) - int(d) + 2**31) % 2**32 - 2**31 for t, d in zip(times, drawn) if d != "-"]
picture = statistics.median(late)

# Decoded with its times: silence is put in where packets are apart.
sound = run("ffmpeg", "-v", "error", "-nostdin", "-i", f"{folder}/coded.mkv", "-vn", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-")
samples = array.array("h", sound)
loud = [i for i, s in enumerate(samples) if abs(s) > 3000]
onsets = [b for a, b in zip([-RATE] + loud, loud) if b - a > RATE // 2]
played = float(open(f"{folder}/began").read()) + float(open(f"{folder}/day").read())
# Beep n began n seconds after the card did; beeps are a second apart, so the fraction tells.
offsets = [((zero + i / RATE - played + 0.5) % 1 - 0.5) * 1000 for i in onsets]
print(round(picture), round(statistics.median(offsets)) if offsets else 0, len(onsets))
