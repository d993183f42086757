#!/usr/bin/python3
"""A network camera by GStreamer's RTSP server: camera.py PORT [OPTION=VALUE…]

auth=none|basic|digest   password=SECRET   tls=CERTIFICATE,KEY   size=WIDTHxHEIGHT   fps=N   bitrate=KBITS   timeout=SECONDS   serve=PATH   address=IP

With serve, every path gives what that one does. Prints "ready" when it serves. The user is cam. Paths are in STREAMS: pictures and sound, each with one encoder.
"""
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

options = {"auth": "digest", "password": "", "size": "160x120", "fps": "25", "bitrate": "600", "timeout": "60", "address": "127.0.0.1"}
options.update(word.split("=", 1) for word in sys.argv[2:])
Gst.init(None)

width, height = options["size"].split("x")
fps = int(options["fps"])
PICTURES = f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 ! "
SOUND = "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate={},channels={} ! "
X264 = PICTURES + f"x264enc speed-preset=ultrafast bitrate={options['bitrate']} key-int-max={fps} "
VIDEO = {
    "h264": X264 + "tune=zerolatency ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=-1 ",
    "bframes": X264 + "bframes=2 b-adapt=false ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1 ",
    "h265": PICTURES + f"x265enc speed-preset=ultrafast tune=zerolatency bitrate=500 key-int-max={fps} ! rtph265pay name=pay0 pt=96 config-interval=-1 ",
    "mjpeg": PICTURES + "jpegenc quality=70 ! rtpjpegpay name=pay0 pt=26 ",
    "vp8": PICTURES + "vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96 ",
}
AUDIO = {
    "": "",
    "aac": SOUND.format(48000, 2) + "avenc_aac ! aacparse ! rtpmp4gpay name=pay1 pt=97 ",
    "pcma": SOUND.format(8000, 1) + "alawenc ! rtppcmapay name=pay1 pt=8 ",
    "pcmu": SOUND.format(8000, 1) + "mulawenc ! rtppcmupay name=pay1 pt=0 ",
    "l16": SOUND.format(44100, 2) + "audioconvert ! rtpL16pay name=pay1 pt=98 ",
    "opus": SOUND.format(48000, 2) + "opusenc ! rtpopuspay name=pay1 pt=98 ",
}
STREAMS = {video + audio: VIDEO[video] + AUDIO[audio] for video in VIDEO for audio in AUDIO}

server = GstRtspServer.RTSPServer()
server.set_service(sys.argv[1])
server.set_address(options["address"])
pool = server.get_session_pool()
GLib.timeout_add_seconds(1, lambda: pool.cleanup() is not None)

user = Gst.Structure.new_from_string("user,media.factory.access=true,media.factory.construct=true")
user = user[0] if isinstance(user, tuple) else user
if options["auth"] != "none" or "tls" in options:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if options["auth"] == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("cam", options["password"], token)
    elif options["auth"] == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("cam", options["password"]), token)
    else:
        auth.set_default_token(token)
    if "tls" in options:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*options["tls"].split(",")))
    server.set_auth(auth)

for path, pipeline in STREAMS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {STREAMS[options['serve']] if 'serve' in options else pipeline})")
    factory.set_shared(True)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP)
    factory.add_role_from_structure(user)
    server.get_mount_points().add_factory("/" + path, factory)


def connected(_, client):
    client.connect("new-session", lambda _, session: session.set_timeout(int(options["timeout"])))


server.connect("client-connected", connected)
assert server.attach(None), "the port is taken"
loop = GLib.MainLoop()
for number in (signal.SIGTERM, signal.SIGINT):
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
print("ready", server.get_bound_port(), flush=True)
loop.run()
