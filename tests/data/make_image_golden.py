"""Prints the bytes that test_image.c expects: a small pattern resized and moved by Pillow 10.4 (newer ones may resize
columns first, which rounds differently; the published loaders used older ones).

    python3 tests/data/make_image_golden.py
"""

import math

import numpy as np
from PIL import Image


def pattern(height, width):
    count = height * width * 3
    values = [(i * i * 31 + i * 7 + (i >> 2) * 101) % 256 for i in range(count)]
    return Image.fromarray(np.array(values, dtype=np.uint8).reshape(height, width, 3))


def show(name, image):
    print("/* %s */" % name)
    print("{ " + ", ".join(str(v) for v in np.asarray(image).reshape(-1)) + " },")


def inverse_affine(height, width, degrees, dx, dy, scale):
    """Output pixel to input pixel of p' = scale rot(angle) (p - c) + c + shift."""
    cx, cy = width * 0.5 + 0.5, height * 0.5 + 0.5
    c, s = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    return [c, s, c * (-cx - dx) + s * (-cy - dy) + cx, -s, c, -s * (-cx - dx) + c * (-cy - dy) + cy]


for name, filter in (("triangle", Image.BILINEAR), ("cubic", Image.BICUBIC)):
    for height, width in ((3, 4), (9, 2), (7, 8)):
        show("%s %dx%d" % (name, height, width), pattern(7, 5).resize((width, height), filter))
show("moved", pattern(9, 6).transform((6, 9), Image.AFFINE, inverse_affine(9, 6, 17.0, 1.3, -0.7, 1.1),
                                      resample=Image.NEAREST, fillcolor=(128, 128, 128)))
