"""Prints what test_face.c expects of pn_face_maps: for some landmarks in a drawn picture, of every channel the sum and the FNV-1a 64
of its whole numbers. A second implementation from the written rules: whole arrays, exact fractions, every distance by brute force.

    python3 tests/data/make_face_golden.py > tests/data/face.def
"""

import math
from fractions import Fraction

import numpy as np

WORD = (1 << 64) - 1
H, W = 56, 48


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & WORD
    return h


def picture():
    """A grey-coloured scene of whole numbers: a bowl, a disc, a block and a bar; test_face.c draws the same."""
    y, x = np.mgrid[:H, :W]
    v = (x * x + 3 * y * y + x * y) // 8 % 256
    v = np.where((x - 40) ** 2 + (y - 9) ** 2 < 30, 200, v)
    v = np.where((x > 2) & (x < 9) & (y > 30) & (y < 47), 20, v)
    v = np.where((2 * x - y > 55) & (2 * x - y < 62), 250, v)
    return np.stack([v, (v * 7) % 251, 255 - v], -1)


def face(cx, cy, size):
    """68 whole places, from a table of a face in hundredths of its size."""
    p = []
    for i in range(17):
        a = math.pi * i / 16
        p.append((-100 * math.cos(a), -10 + 105 * math.sin(a)))
    p += [(-80, -40), (-65, -52), (-50, -55), (-35, -52), (-20, -45), (20, -45), (35, -53), (50, -56), (65, -52), (80, -38)]
    p += [(0, -30), (1, -15), (0, 0), (0, 14), (-20, 24), (-10, 28), (0, 31), (10, 27), (20, 24)]
    p += [(-62, -25), (-48, -34), (-36, -33), (-25, -24), (-36, -19), (-49, -18)]
    p += [(25, -24), (36, -34), (49, -33), (62, -25), (49, -19), (36, -18)]
    p += [(-40, 52), (-26, 44), (-10, 40), (0, 43), (10, 40), (27, 44), (40, 51), (26, 66), (10, 74), (0, 75), (-10, 73), (-25, 65)]
    p += [(-30, 53), (-10, 50), (0, 52), (10, 50), (30, 52), (10, 61), (0, 63), (-10, 61)]
    return [(int(cx + size * x / 100), int(cy + size * y / 100)) for x, y in p]


def strokes_between(p, q):
    """Whole places on a straight line, along its longer axis; exact."""
    steep = abs(q[0] - p[0]) < abs(q[1] - p[1])
    (u, v), (s, t) = ((p[1], p[0]), (q[1], q[0])) if steep else (p, q)
    out = set()
    for x in range(min(u, s), max(u, s) + 1):
        y = Fraction(v) if s == u else v + Fraction((t - v) * (x - u), s - u)
        if y > -1:
            out.add((int(y), x) if steep else (x, int(y)))
    return out


def piece(points):
    if len(points) == 2:
        return strokes_between(*points)
    dx = max(abs(points[1][0] - points[0][0]), abs(points[2][0] - points[1][0]))
    dy = max(abs(points[1][1] - points[0][1]), abs(points[2][1] - points[1][1]))
    steep = dx < dy
    q = [(y, x) for x, y in points] if steep else points
    xs, ys = [Fraction(x) for x, _ in q], [Fraction(y) for _, y in q]
    if len(set(xs)) == 3:
        def lagrange(x):
            total = Fraction(0)
            for i in range(3):
                term = ys[i]
                for j in range(3):
                    if j != i:
                        term *= (x - xs[j]) / (xs[i] - xs[j])
                total += term
            return total
        bent = sum(ys[i] / math.prod(xs[i] - xs[j] for j in range(3) if j != i) for i in range(3))
        if abs(bent) <= 1:
            out = set()
            for x in range(int(min(xs[0], xs[2])), int(max(xs[0], xs[2])) + 1):
                y = lagrange(Fraction(x))
                if y > -1:
                    out.add((int(y), x) if steep else (x, int(y)))
            return out
    return strokes_between(points[0], points[1]) | strokes_between(points[1], points[2])


PARTS = [
    (1, [list(range(17)) + list(range(68, 83)) + [0]]),
    (2, [list(range(17, 22))]), (2, [list(range(22, 27))]),
    (3, [[28, 31], [31, 32, 33, 34, 35], [35, 28]]),
    (4, [[36, 37, 38, 39], [39, 40, 41, 36]]), (4, [[42, 43, 44, 45], [45, 46, 47, 42]]),
    (5, [list(range(48, 55)), [54, 55, 56, 57, 58, 59, 48]]),
    (6, [[60, 61, 62, 63, 64], [64, 65, 66, 67, 60]]),
]


def inside(polygon, h, w):
    """Pixels between pairs of crossings of their row, sorted as (rounded up, rounded down)."""
    out = np.zeros((h, w), bool)
    for y in range(h):
        crossings = []
        for p, q in zip(polygon, polygon[1:] + polygon[:1]):
            if (p[1] <= y) != (q[1] <= y):
                x = p[0] + Fraction((y - p[1]) * (q[0] - p[0]), q[1] - p[1])
                crossings.append((math.ceil(x), math.floor(x)))
        crossings.sort()
        for a, b in zip(crossings[::2], crossings[1::2]):
            for x in range(max(a[0], 0), min(b[1], w - 1) + 1):
                out[y, x] = True
    return out


def canny(rgb):
    grey = rgb @ np.array([0.2125, 0.7154, 0.0721]) / 255.0
    k = np.exp(-0.5 * np.arange(-3, 4) ** 2.0)
    k /= k.sum()
    padded = np.pad(grey, 3, mode="edge")
    blurred = np.zeros_like(grey)
    for i in range(7):
        for j in range(7):
            blurred += k[i] * k[j] * padded[i:i + grey.shape[0], j:j + grey.shape[1]]
    h, w = grey.shape
    g = np.zeros((h, w, 2))
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    for y in range(1, h - 1):
        for x in range(1, w - 1):
            n = blurred[y - 1:y + 2, x - 1:x + 2]
            g[y, x] = (n * sobel).sum(), (n * sobel.T).sum()
    size = np.hypot(g[..., 0], g[..., 1])
    crest = np.zeros((h, w), bool)
    for y in range(1, h - 1):
        for x in range(1, w - 1):
            angle = math.degrees(math.atan2(g[y, x, 1], g[y, x, 0])) % 180
            dy, dx = [(0, 1), (1, 1), (1, 0), (1, -1)][int((angle + 22.5) // 45) % 4]
            crest[y, x] = size[y, x] > size[y - dy, x - dx] and size[y, x] >= size[y + dy, x + dx]
    edge = crest & (size >= 0.2)
    while True:
        grown = np.zeros_like(edge)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                grown |= np.roll(np.roll(edge, dy, 0), dx, 1)
        grown = edge | (grown & crest & (size >= 0.1))
        if (grown == edge).all():
            return edge
        edge = grown


def maps(points):
    base = Fraction(points[0][1] + points[16][1], 2)
    points = points + [(points[i][0], int(base + math.floor((base - points[i][1]) * 2 / 3))) for i in range(15, 0, -1)]
    labels = np.zeros((H, W), int)
    yy, xx = np.mgrid[:H, :W]
    channels = []
    for label, curves in PARTS:
        ring = [points[i] for c in curves for i in c]
        labels[inside(ring, H, W)] = label
        for p, q in zip(ring, ring[1:] + ring[:1]):
            for x, y in strokes_between(p, q):
                if 0 <= x < W and 0 <= y < H:
                    labels[y, x] = label
        for c in curves:
            drawn = set()
            for i in range(0, len(c) - 1, 2):
                drawn |= piece([points[k] for k in c[i:i + 3]])
            drawn = [(x, y) for x, y in drawn if 0 <= x < W and 0 <= y < H]
            d = np.full((H, W), 10 ** 6)
            for x, y in drawn:
                d = np.minimum(d, abs(xx - x) + abs(yy - y))
            channels.append((np.minimum(d // 3, 255), drawn))
    edges = canny(picture()) & (labels == 0)
    for _, drawn in channels:
        for x, y in drawn:
            edges[y, x] = True
    return [edges.astype(int)] + [c for c, _ in channels] + [labels]


CASES = [("A_FACE", face(25, 27, 17)), ("A_FACE_THAT_LEAVES", face(40, 46, 22)), ("A_SMALL_FACE", face(20, 20, 6)),
         ("A_POINT", [(7, 9)] * 68), ("NO_FACE", [(-300, -200)] * 68)]

print("/* face.def - printed by make_face_golden.py: FACE(name, landmarks), then MAP(name, channel, sum, FNV-1a 64 of its bytes) */")
for name, points in CASES:
    print("FACE(%s, { %s }, { %s })" % (name, ", ".join(str(x) for x, _ in points), ", ".join(str(y) for _, y in points)))
for name, points in CASES:
    for i, m in enumerate(maps(points)):
        print("MAP(%s, %d, %d, 0x%016xu)" % (name, i, m.sum(), fnv(m.astype(np.uint8).tobytes())))
