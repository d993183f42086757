"""Reads the clock of the test picture from the pixels of an X server, about 250 times a second.

    screen.py DISPLAY WIDTH ROW

WIDTH of the picture on the screen, and height of a row of its clock, in pixels. Where the picture is, is searched for: near the upper left corner. Prints a line
for each picture that is new on the screen: when it was seen and when it was captured, Unix ms, and its number. Prints `-` for each look that found no whole
picture. What the clock looks like is said in page.mjs.
"""

import ctypes
import sys
import time

LOOK_S = 0.004
# The picture is at most so far from the corner: a window's bars are above it.
SEARCH = (64, 160)
# A clock that is off by more was no clock.
LATEST_MS = 20_000
Z_PIXMAP, ALL_PLANES = 2, 0xFFFFFFFF


class XImage(ctypes.Structure):
    """The public part of Xlib's structure of this name."""

    _fields_ = [(name, ctypes.c_int) for name in ("width", "height", "xoffset", "format")]
    _fields_ += [("data", ctypes.POINTER(ctypes.c_ubyte))]
    _fields_ += [(name, ctypes.c_int) for name in ("byte_order", "bitmap_unit", "bitmap_bit_order", "bitmap_pad", "depth", "bytes_per_line", "bits_per_pixel")]


class Screen:
    """The upper left corner of an X server's screen."""

    def __init__(self, display, width, height):
        self.x = ctypes.CDLL("libX11.so.6")
        self.x.XOpenDisplay.restype = self.x.XDefaultRootWindow.restype = ctypes.c_void_p
        self.x.XOpenDisplay.argtypes = [ctypes.c_char_p]
        self.x.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
        size = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_ulong, ctypes.c_int]
        self.x.XGetImage.restype = ctypes.POINTER(XImage)
        self.x.XGetImage.argtypes = size
        self.x.XGetSubImage.argtypes = [*size, ctypes.POINTER(XImage), ctypes.c_int, ctypes.c_int]
        self.display = self.x.XOpenDisplay(display.encode())
        if not self.display:
            sys.exit(f"screen.py: there is no X server {display}")
        self.root = self.x.XDefaultRootWindow(self.display)
        self.image = self.x.XGetImage(self.display, self.root, 0, 0, width, height, ALL_PLANES, Z_PIXMAP)

    def look(self, x, y, width, height):
        """Takes these pixels, and tells when, Unix ms: in the middle of the taking."""
        begun = time.time()
        self.x.XGetSubImage(self.display, self.root, x, y, width, height, ALL_PLANES, Z_PIXMAP, self.image, x, y)
        return 500 * (begun + time.time())

    def is_bright(self, x, y):
        pixels = self.image.contents
        return pixels.data[y * pixels.bytes_per_line + x * pixels.bits_per_pixel // 8 + 1] > 128


def crc8(data):
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x07 if crc & 0x80 else crc << 1
            crc &= 0xFF
    return crc


def clock(screen, left, top, width, row):
    """Capture time (ms modulo 2^32) and number of the picture there; None where there is none."""
    number = lambda line, begin, end: sum(
        screen.is_bright(left + (2 * column + 1) * width // 72, top + int((line + 0.5) * row)) << (end - 1 - column) for column in range(begin, end)
    )
    captured, frame = number(0, 0, 32), number(1, 0, 32)
    whole = crc8(captured.to_bytes(4, "big") + frame.to_bytes(4, "big")) == number(0, 32, 36) * 16 + number(1, 32, 36)
    return (captured, frame) if whole else None


def latency(captured, now):
    """Milliseconds from capture to now."""
    return (int(now) - captured + (1 << 31)) % (1 << 32) - (1 << 31)


def place(screen, width, row):
    """Where a whole picture of the last seconds is: left and top."""
    now = screen.look(0, 0, SEARCH[0] + width, SEARCH[1] + int(2 * row) + 1)
    for top in range(SEARCH[1]):
        for left in range(SEARCH[0]):
            read = clock(screen, left, top, width, row)
            if read and abs(latency(read[0], now)) < LATEST_MS:
                return left, top
    return None


def main(display, width, row):
    screen = Screen(display, SEARCH[0] + width, SEARCH[1] + int(2 * row) + 1)
    found, last = None, None
    while True:
        begun = time.time()
        found = found or place(screen, width, row)
        if found:
            now = screen.look(*found, width, int(2 * row) + 1)
            read = clock(screen, *found, width, row)
            if read is None:
                print("-", flush=True)
            elif read[1] != last:
                last = read[1]
                print(f"{now:.1f} {now - latency(read[0], now):.1f} {last}", flush=True)
        time.sleep(max(0, begun + LOOK_S - time.time()))


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
