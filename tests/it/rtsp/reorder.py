#!/usr/bin/python3
"""A line to an RTSP camera by UDP on which each twelfth packet comes after the one behind it: reorder.py CAMERA-PORT

Prints "ready PORT". It stands between camera and client by the ports of each SETUP, which it puts its own in place of."""
import re
import select
import socket
import sys
import threading

camera = ("127.0.0.1", int(sys.argv[1]))


def pair():
    """Two sockets, on a port that is even and the one after it (RFC 3550, section 11)."""
    while True:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            two.bind(("127.0.0.1", port ^ 1))
        except OSError:
            continue
        return (one, two) if port % 2 == 0 else (two, one)


class Stream:
    """The datagrams of one SETUP."""

    def __init__(self, client):
        self.client, self.server = client, None
        self.far, self.near = pair(), pair()

    def run(self):
        count, held = 0, None
        while True:
            for ready in select.select([*self.far, *self.near], [], [])[0]:
                packet, sender = ready.recvfrom(65536)
                if ready in self.near:
                    index = self.near.index(ready)
                    self.far[index].sendto(packet, ("127.0.0.1", self.server + index))
                    continue
                index = self.far.index(ready)
                if index == 1:
                    self.near[1].sendto(packet, ("127.0.0.1", self.client + 1))
                    continue
                count += 1
                if count % 12 == 0:
                    held = packet
                    continue
                self.near[0].sendto(packet, ("127.0.0.1", self.client))
                if held:
                    self.near[0].sendto(held, ("127.0.0.1", self.client))
                    held = None


def serve(near):
    far = socket.create_connection(camera)
    last = None
    while True:
        for ready in select.select([near, far], [], [])[0]:
            message = ready.recv(65536)
            if not message:
                near.close()
                far.close()
                return
            if ready is near:
                found = re.search(rb"client_port=(\d+)-\d+", message)
                if found:
                    last = Stream(int(found[1]))
                    port = last.far[0].getsockname()[1]
                    message = message.replace(found[0], b"client_port=%d-%d" % (port, port + 1))
                far.sendall(message)
            else:
                found = re.search(rb"server_port=(\d+)-\d+", message)
                if found:
                    last.server = int(found[1])
                    port = last.near[0].getsockname()[1]
                    message = message.replace(found[0], b"server_port=%d-%d" % (port, port + 1))
                    message = re.sub(rb"client_port=\d+-\d+", b"client_port=%d-%d" % (last.client, last.client + 1), message)
                    threading.Thread(target=last.run, daemon=True).start()
                near.sendall(message)


listener = socket.create_server(("127.0.0.1", 0))
print("ready", listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
