"""A camera by HTTP with many faces, one for each path, and a hostile one for others. Says `ready PORT`, then a line for each request.

server.py PICTURES [port=N] [user=NAME password=WORD auth=basic|md5|small|sha256] [cert=FILE key=FILE] [away=HOST:PORT] [address=IP] [file=FILE] [y4m=FILE]

PICTURES has JPEGs one after the other. A nonce of digest (RFC 7616) is too old after three requests."""

import base64
import hashlib
import re
import socket
import socketserver
import ssl
import sys
import threading
import time

options = dict(arg.split("=", 1) for arg in sys.argv[2:])
data = open(sys.argv[1], "rb").read()
pictures = [b"\xff\xd8" + part for part in data.split(b"\xff\xd8")[1:]]
nonces = {}
lock = threading.Lock()
asked = {}


def say(text):
    with lock:
        print(text, flush=True)


def authorised(line, path):
    kind = options.get("auth")
    if not kind:
        return True, ""
    user, password = options["user"], options["password"]
    if kind == "basic":
        expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return line == expected, 'Basic realm="camera"'
    # Cameras write md5.
    name, make = {"md5": ("MD5", hashlib.md5), "small": ("md5", hashlib.md5), "sha256": ("SHA-256", hashlib.sha256)}[kind]
    digest = lambda text: make(text.encode()).hexdigest()
    given = dict(re.findall(r'(\w+)="?((?<=")[^"]*|[^",\s]+)"?', line.partition(" ")[2]))
    nonce = given.get("nonce", "")
    secret = digest(f"{user}:camera:{password}")
    request = digest(f"GET:{path}")
    expected = digest(f"{secret}:{nonce}:{given.get('nc')}:{given.get('cnonce')}:{given.get('qop')}:{request}")
    right = given.get("response") == expected and given.get("uri") == path and given.get("username") == user
    with lock:
        fresh = nonce in nonces and int(given.get("nc", "0"), 16) == nonces[nonce] + 1 <= 3
        if right and fresh:
            nonces[nonce] += 1
            return True, ""
        new = hashlib.sha1(str(time.time()).encode()).hexdigest()
        nonces[new] = 0
    stale = ", stale=true" if right else ""
    return False, f'Digest realm="camera", nonce="{new}", qop="auth", algorithm={name}, opaque="x"{stale}'


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.answer():
                pass
        except (OSError, ValueError):
            pass

    def write(self, *parts):
        for part in parts:
            self.wfile.write(part if isinstance(part, bytes) else part.encode())
        self.wfile.flush()

    def head(self, status, *headers):
        lines = [f"HTTP/1.1 {status} x", *headers]
        self.write("\r\n".join(lines) + "\r\n\r\n")

    def answer(self):
        line = self.rfile.readline()
        if line and not line.startswith(b"GET "):
            self.head(400, "Connection: close", "Content-Length: 0")
            return False
        line = line.decode()
        if not line:
            return False
        path = line.split(" ")[1]
        headers = {}
        while (header := self.rfile.readline().decode().strip()):
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        allowed, challenge = authorised(headers.get("authorization", ""), path)
        say(f"{path} {'login' if 'authorization' in headers else '-'} {headers.get('if-none-match', '-')} {self.client_address[1]}")
        if not allowed:
            self.head(401, f"WWW-Authenticate: {challenge}", "Content-Length: 5")
            self.write("sorry")
            return True
        name, _, rest = path.partition("?")[0][1:].partition("/")
        return getattr(self, "do_" + name.partition(".")[0].replace("-", "_"), self.missing)(rest, headers)

    def missing(self, *_):
        self.head(404, "Content-Length: 0")
        return True

    # One picture, which is another one at every third request.
    def do_still(self, rest, headers):
        with lock:
            asked["still"] = asked.get("still", -1) + 1
            number = asked["still"] // 3
        tag = f'"picture-{number}"'
        if headers.get("if-none-match") == tag:
            self.head(304, f"ETag: {tag}")
            return True
        picture = pictures[number % len(pictures)]
        if rest == "close":
            self.head(200, "Content-Type: text/plain", "Connection: close")
            self.write(picture)
            return False
        if rest == "chunked":
            self.head(200, "Transfer-Encoding: chunked")
            for at in range(0, len(picture), 1000):
                piece = picture[at : at + 1000]
                self.write(f"{len(piece):x};a=b\r\n", piece, "\r\n")
            self.write("0\r\nA: b\r\n\r\n")
            return True
        self.head(200, "Content-Type: image/jpeg", f"ETag: {tag}", f"Content-Length: {len(picture)}")
        self.write(picture)
        return True

    # Parts in the dialects of cameras, 25 a second.
    def do_mjpeg(self, dialect, headers):
        kind = 'multipart/x-mixed-replace; boundary="frame"'
        if dialect == "lf":
            self.write(f"HTTP/1.0 200\nServer : tiny\nnonsense\nContent-type: {kind}\n\n")
        elif dialect == "chunked":
            self.head(200, f"Content-Type: {kind}", "Transfer-Encoding: chunked")
        elif dialect == "bare":
            self.head(200, "Content-Type: text/html")
        elif dialect == "dashes":
            self.head(200, "Content-Type: multipart/x-mixed-replace; boundary=--frame")
        else:
            self.head(200, f"Content-Type: {kind}")
        for number in range(10**6):
            picture = pictures[number % len(pictures)]
            length = {"none": "", "wrong": "Content-Length: 17\r\n"}.get(dialect, f"Content-Length: {len(picture)}\r\n")
            part = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + picture + b"\r\n"
            if dialect == "bare":
                part = picture
            if dialect == "chunked":
                half = len(part) // 2
                part = b"".join(f"{len(p):X}\r\n".encode() + p + b"\r\n" for p in (part[:half], part[half:]))
            self.write(part)
            time.sleep(0.04)

    # Any file, and then nothing.
    def do_file(self, rest, headers):
        self.head(200)
        with open(options["file"], "rb") as file:
            self.write(file.read())
        time.sleep(600)

    # Raw pictures, 25 a second.
    def do_y4m(self, rest, headers):
        with open(options["y4m"], "rb") as file:
            head, *frames = file.read().split(b"FRAME")
        self.head(200, "Content-Type: video/x-raw")
        self.write(head)
        for frame in frames:
            self.write(b"FRAME" + frame)
            time.sleep(0.04)
        return False

    # A stream that soon ends.
    def do_brief(self, rest, headers):
        self.head(200)
        self.write(*pictures[:3])
        return False

    def do_redirect(self, rest, headers):
        left = int(rest) - 1
        self.head(302, f"Location: /redirect/{left}" if left else "Location: ../still.jpg", "Content-Length: 2")
        self.write("go")
        return True

    def do_loop(self, rest, headers):
        self.head(301, f"Location: http://nobody:s3cret@127.0.0.1:{port}/loop", "Content-Length: 0")
        return True

    def do_away(self, rest, headers):
        self.head(307, f"Location: http://{options['away']}/{rest}", "Content-Length: 0")
        return True

    def do_ftp(self, rest, headers):
        self.head(302, "Location: file:///etc/passwd", "Content-Length: 0")
        return True

    # Hostile ones.
    def do_endless_head(self, rest, headers):
        self.write("HTTP/1.1 200 OK\r\n")
        while True:
            self.write("X-Header: " + "x" * 1000 + "\r\n")

    def do_slow_head(self, rest, headers):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            self.write(bytes([byte]))
            time.sleep(0.2)

    def do_slow_body(self, rest, headers):
        self.head(200)
        for byte in pictures[0]:
            self.write(bytes([byte]))
            time.sleep(0.2)

    def do_gzip(self, rest, headers):
        self.head(200, "Content-Encoding: gzip", "Content-Length: 1000")
        self.write(b"\x1f\x8b" + bytes(998))

    def do_huge(self, rest, headers):
        self.head(200, f"Content-Length: {2**63}")
        while True:
            self.write(bytes(65536))

    def do_huge_chunk(self, rest, headers):
        self.head(200, "Transfer-Encoding: chunked")
        self.write("FFFFFFFFFFFFFFFF\r\n", pictures[0])
        time.sleep(600)

    def do_no_chunk(self, rest, headers):
        self.head(200, "Transfer-Encoding: chunked")
        self.write("nonsense\r\n")

    def do_lengths(self, rest, headers):
        self.head(200, "Content-Length: 5", "Content-Length: 6")

    def do_short(self, rest, headers):
        self.head(200, f"Content-Length: {len(pictures[0])}")
        self.write(pictures[0][:-100])

    def do_empty(self, rest, headers):
        self.head(200, "Content-Length: 0")
        return True

    def do_page(self, rest, headers):
        self.head(200, "Content-Type: image/jpeg", "Content-Length: 15")
        self.write("<html>no</html>")
        return True

    def do_linked(self, rest, headers):
        link = f'Link: <http://{options["away"]}/api/ws?src=live>; rel="alternate"; upgrade="websocket"'
        self.head(200, link, "Content-Type: text/html", "Content-Length: 15")
        self.write("<html>no</html>")
        return True

    def do_nothing(self, rest, headers):
        return False

    def do_ssh(self, rest, headers):
        self.write("SSH-2.0-dropbear\r\n")
        time.sleep(600)

    def do_silent(self, rest, headers):
        time.sleep(600)

    def do_full(self, rest, headers):
        self.head(503, "Content-Length: 0")
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        if "cert" in options:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options["cert"], options["key"])
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass


address = options.get("address", "127.0.0.1")
Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
with Server((address, int(options.get("port", "0"))), Handler) as server:
    port = server.server_address[1]
    say(f"ready {port}")
    server.serve_forever()
