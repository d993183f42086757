"""A TCP relay to 127.0.0.1:PORT that passes no more than so many bytes a second from there, all connections together, and holds as little as a router
does. (Node cannot say how much the kernel is to take in, and it takes megabytes.) Prints its own port; a line of its input is the rate from then on."""

import asyncio
import socket
import sys
import time

HELD = 4096
PIECE = 1024
MANY = 1e12


class Line:
    """What is narrow: a byte goes when those before it have gone."""

    def __init__(self):
        self.rate = MANY
        self.free = 0.0

    async def carry(self, count):
        now = time.monotonic()
        # Who is woken late has not lost the time.
        self.free = max(self.free, now - 0.05) + count / self.rate
        if self.free > now:
            await asyncio.sleep(self.free - now)


async def copy(reader, writer, line):
    try:
        while data := await reader.read(PIECE):
            await line.carry(len(data))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def join(near_in, near_out, port, line):
    far = socket.socket()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
    far.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", port))
        far_in, far_out = await asyncio.open_connection(sock=far, limit=PIECE)
    except OSError:
        near_out.close()
        return
    for writer in (near_out, far_out):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.gather(copy(near_in, far_out, Line()), copy(far_in, near_out, line))


async def main(port):
    line = Line()
    server = await asyncio.start_server(lambda near_in, near_out: join(near_in, near_out, port, line), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while rate := await loop.run_in_executor(None, sys.stdin.readline):
        line.rate = float(rate) or MANY


asyncio.run(main(int(sys.argv[1])))
