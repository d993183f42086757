#!/usr/bin/python3
"""A camera by ONVIF, with WS-Discovery on loopback: device.py [OPTION=VALUE…]

port=PORT   user=NAME   password=SECRET   way=digest|http|text   ahead=SECONDS   uri=RTSP-URI   name=NAME

`way` is the only login that it believes; `ahead` is by how much its clock is ahead. The addresses that it gives name a host that nobody has, as those of
a camera behind a router. Prints "ready PORT" when it serves.
"""
import base64
import calendar
import hashlib
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

options = {"port": "0", "user": "admin", "password": "", "way": "digest", "ahead": "0", "uri": "rtsp://10.255.255.1:554/{}", "name": "Test%20camera"}
options.update(word.split("=", 1) for word in sys.argv[1:])
ENVELOPE = '<?xml version="1.0" encoding="UTF-8"?>\n<S:Envelope xmlns:S="http://www.w3.org/2003/05/soap-envelope"><S:Body>%s</S:Body></S:Envelope>'
DENIED = ENVELOPE % (
    '<S:Fault><S:Code><S:Value>S:Sender</S:Value><S:Subcode><S:Value xmlns:ter="http://www.onvif.org/ver10/error">ter:NotAuthorized</S:Value>'
    '</S:Subcode></S:Code><S:Reason><S:Text xml:lang="en">Sender not authorized</S:Text></S:Reason></S:Fault>'
)
PROFILES = [("sub", "Sub stream", "H264", 320, 180, 15), ("main", "Main stream", "H264", 1280, 720, 25), ("still", "Stills", "JPEG", 1920, 1080, 5)]


def now():
    return time.time() + float(options["ahead"])


def value(body, tag):
    found = re.search(r"<(?:\w+:)?%s\b[^>]*>([^<]*)<" % tag, body)
    return found and found.group(1)


def security(body):
    """The login of a header of SOAP: what it is, and whether it is right."""
    if "UsernameToken" not in body:
        return None, False
    password, user = value(body, "Password"), value(body, "Username")
    if "#PasswordText" in body:
        return "text", (user, password) == (options["user"], options["password"])
    created = value(body, "Created")
    nonce = base64.b64decode(value(body, "Nonce"))
    right = base64.b64encode(hashlib.sha1(nonce + (created + options["password"]).encode()).digest()).decode()
    age = abs(now() - calendar.timegm(time.strptime(created, "%Y-%m-%dT%H:%M:%SZ")))
    return "digest", user == options["user"] and password == right and age < 10


def http_digest(line):
    if not line or not line.startswith("Digest "):
        return False
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', line))
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
    ha1 = md5("%s:camera:%s" % (options["user"], options["password"]))
    ha2 = md5("POST:" + given.get("uri", ""))
    middle = ":".join([given.get("nonce", ""), given.get("nc", ""), given.get("cnonce", ""), given.get("qop", "")])
    return given.get("nonce") == "abc" and given.get("response") == md5("%s:%s:%s" % (ha1, middle, ha2))


def answer(body):
    if "GetSystemDateAndTime" in body:
        t = time.gmtime(now())
        return (
            "<R><T><UTCDateTime><Time><Hour>%d</Hour><Minute>%d</Minute><Second>%d</Second></Time><Date><Year>%d</Year><Month>%d</Month><Day>%d</Day></Date>"
            "</UTCDateTime></T></R>" % (t.tm_hour, t.tm_min, t.tm_sec, t.tm_year, t.tm_mon, t.tm_mday)
        )
    if "GetCapabilities" in body:
        return "<R><Capabilities><Media><XAddr>http://10.255.255.1:%d/onvif/media</XAddr></Media></Capabilities></R>" % server.server_port
    if "GetProfiles" in body:
        one = (
            '<p:Profiles xmlns:p="p" token="%s"><Name>%s</Name><VideoEncoderConfiguration><Name>x</Name><Encoding>%s</Encoding><Resolution><Width>%d</Width>'
            "<Height>%d</Height></Resolution><RateControl><FrameRateLimit>%d</FrameRateLimit></RateControl></VideoEncoderConfiguration></p:Profiles>"
        )
        return "<R>%s</R>" % "".join(one % profile for profile in PROFILES)
    if "GetStreamUri" in body:
        return "<R><MediaUri><Uri>%s</Uri></MediaUri></R>" % options["uri"].format(value(body, "ProfileToken"))
    return None


class Service(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind, right = security(body)
        if http_digest(self.headers.get("Authorization")):
            kind, right = "http", True
        if "GetSystemDateAndTime" in body or (right and kind == options["way"]):
            text = answer(body)
            return self.reply(200, ENVELOPE % text) if text else self.reply(500, DENIED)
        self.reply(401 if options["way"] == "http" else 400, DENIED)

    def reply(self, status, text):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="abc", qop="auth"')
        self.send_header("Content-Type", "application/soap+xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def discovery():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 3702))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4s", socket.inet_aton("239.255.255.250"), socket.inet_aton("127.0.0.1")))
    listening.set()
    while True:
        probe, sender = s.recvfrom(65536)
        if b"Probe>" not in probe:
            continue
        match = (
            "<ProbeMatches><ProbeMatch><EndpointReference><Address>urn:uuid:%d</Address></EndpointReference><Scopes>onvif://www.onvif.org/name/%s "
            "onvif://www.onvif.org/hardware/T-1000</Scopes><XAddrs>http://10.255.255.1/ http://127.0.0.1:%d/onvif/device_service</XAddrs></ProbeMatch></ProbeMatches>"
        )
        s.sendto((ENVELOPE % match % (server.server_port, options["name"], server.server_port)).encode(), sender)


server = ThreadingHTTPServer(("127.0.0.1", int(options["port"])), Service)
listening = threading.Event()
threading.Thread(target=discovery, daemon=True).start()
listening.wait()
print("ready", server.server_port, flush=True)
server.serve_forever()
