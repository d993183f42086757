#!/usr/bin/env python3
"""Prints a camera's pictures with the edges drawn in, as JPEGs one after the other: that is all h5cap and h5enc need.

    python3 edges.py 0 | h5enc --live | h5mux | h5serve          camera 0
    python3 edges.py film.mp4 | h5enc --live | h5mux | h5serve   a file

Needs OpenCV: pip install opencv-python-headless
"""
import sys
import time

import cv2

name = sys.argv[1] if len(sys.argv) > 1 else "0"
camera = cv2.VideoCapture(int(name) if name.isdigit() else name)
if not camera.isOpened():
    sys.exit(f"edges.py: cannot open {name}")
# A camera paces itself; a file would be over in no time.
pause = 0 if name.isdigit() else 1 / (camera.get(cv2.CAP_PROP_FPS) or 25)

try:
    while True:
        due = time.monotonic() + pause
        ok, picture = camera.read()
        if not ok:
            break
        edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 80, 160)
        picture[edges > 0] = (0, 255, 0)
        sys.stdout.buffer.write(cv2.imencode(".jpg", picture)[1].tobytes())
        sys.stdout.buffer.flush()
        time.sleep(max(0, due - time.monotonic()))
except BrokenPipeError:
    # The reader has gone: a normal end. Python would complain once more when it closes stdout.
    sys.stderr.close()
