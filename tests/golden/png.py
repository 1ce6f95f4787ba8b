"""Read a PNG of 8 bits a channel, not interlaced: grey, palette (as indices) or RGB. With zlib and numpy alone."""

import struct
import zlib

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1}


def read(path):
    """-> uint8 [H,W] or [H,W,3]"""
    with open(path, "rb") as f:
        data = f.read()
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    if depth != 8 or interlaced or colour not in CHANNELS:
        raise ValueError(f"{path}: depth {depth}, colour type {colour}, interlaced {interlaced}; only plain 8-bit files are read")
    c = CHANNELS[colour]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * c)
    out = np.zeros((height + 1, width + 1, c), np.int64)            # a border of zeros above and to the left
    for y in range(height):
        out[y + 1] = unfilter(rows[y, 0], rows[y, 1:].reshape(width, c).astype(np.int64), out[y])
    return np.uint8(out[1:, 1:].squeeze(2) if c == 1 else out[1:, 1:])


def unfilter(kind, row, above):
    """One row's filter undone; row [W,C], above [W+1,C] with a leading zero -> [W+1,C]"""
    line = np.zeros_like(above)
    for x in range(len(row)):
        left, up, corner = line[x], above[x + 1], above[x]
        if kind == 4:
            p = left + up - corner
            pa, pb, pc = abs(p - left), abs(p - up), abs(p - corner)
            guess = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, up, corner))
        else:
            guess = (0, left, up, (left + up) // 2)[kind]
        line[x + 1] = (row[x] + guess) & 255
    return line
