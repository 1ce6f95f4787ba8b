"""Prints what test_holes.c expects of pn_hole_draw: for some names, kinds and sizes how many pixels are missing and the FNV-1a 64
of the mask, a byte of 0 or 1 for each pixel. A second implementation, of whole arrays, from the written rules alone.

    python3 tests/data/make_holes_golden.py > tests/data/holes.def
"""

import math

import numpy as np

WORD = (1 << 64) - 1


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & WORD
    return h


class Uniforms:
    """splitmix64 from the FNV-1a of a name."""

    def __init__(self, name):
        self.state, self.used = fnv(name.encode()), 0

    def next(self):
        self.used += 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & WORD
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        return ((z ^ (z >> 31)) >> 11) * 2.0 ** -53

    def int(self, a, b):
        return a + math.floor(self.next() * (b - a + 1))

    def real(self, a, b):
        return a + (b - a) * self.next()

    def normal(self):
        u = self.next()
        v = self.next()
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def rect(u, h, w):
    n = h // 2
    y = u.int(0, h - n)
    x = u.int(0, max(w - n, 0))
    top, bottom, left, right = (u.int(0, h // 16) for _ in range(4))
    rows, columns = np.arange(h)[:, None], np.arange(w)[None]
    return (rows >= y + top) & (rows < y + n - bottom) & (columns >= x + left) & (columns < min(x + n, w) - right)


def near_segment(h, w, a, b, radius):
    px, py = np.meshgrid(np.arange(w) - a[0], np.arange(h) - a[1])
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    along = np.clip((px * dx + py * dy) / length2, 0, 1) if length2 > 0 else np.zeros((h, w))
    return (px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius


def strokes(u, h, w):
    mask = np.zeros((h, w), bool)
    mean = math.sqrt(h * h + w * w) / 8
    for _ in range(u.int(1, 3)):
        turns = u.int(4, 11)
        lo = 2 * math.pi / 5 - u.real(0, 2 * math.pi / 15)
        hi = 2 * math.pi / 5 + u.real(0, 2 * math.pi / 15)
        x = u.real(0, w)
        y = u.real(0, h)
        width = u.real(12, 40) * h / 256
        for t in range(turns):
            a = u.real(lo, hi)
            a = 2 * math.pi - a if t % 2 == 0 else a
            step = min(max(mean + mean / 2 * u.normal(), 0), 2 * mean)
            nx = min(max(x + step * math.cos(a), 0), w)
            ny = min(max(y + step * math.sin(a), 0), h)
            mask |= near_segment(h, w, (x, y), (nx, ny), width / 2)
            x, y = nx, ny
    if u.next() < 0.5:
        mask = mask[:, ::-1]
    if u.next() < 0.5:
        mask = mask[::-1]
    return mask


def regions(u, classes):
    left = sorted(set(classes.reshape(-1)) - {0})
    chosen = []
    for _ in range(min(u.int(1, 2), len(left))):
        chosen.append(left.pop(u.int(0, len(left) - 1)))
    return np.isin(classes, chosen)


def grown(person, radius):
    padded = np.pad(person, radius)
    h, w = person.shape
    result = np.zeros_like(person)
    for dy in range(2 * radius + 1):
        for dx in range(2 * radius + 1):
            result |= padded[dy:dy + h, dx:dx + w]
    return result


def draw(u, classes, kind, on_person):
    h, w = classes.shape
    for _ in range(8):
        now = kind
        if kind == "mixed":
            choice = u.next()
            now = "both" if choice < 0.5 else "stroke" if choice < 0.75 else "region"
        if now == "both":
            mask = rect(u, h, w)
            mask = mask | strokes(u, h, w)
        else:
            mask = {"rect": lambda: rect(u, h, w), "stroke": lambda: strokes(u, h, w), "region": lambda: regions(u, classes)}[now]()
        if on_person:
            mask = mask & grown(classes != 0, math.floor(8 * h / 256 + 0.5))
        if mask.any():
            break
    return mask


def person(h, w, what):
    """Bands of classes in the middle half of the columns; a strip of class 5 in a corner; nobody."""
    y, x = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    if what == "bands":
        return np.where((x >= w // 4) & (x < w - w // 4), 1 + y * 7 // h, 0)
    return np.where((y < h // 8) & (x < w // 8), 5, 0) if what == "corner" else np.zeros((h, w), int)


def main():
    print("/* holes.def - printed by make_holes_golden.py: name, kind, height, width, person, place, pixels missing, numbers used, "
          "FNV-1a 64 of the mask */")
    names = ("fashionWOMENDressesid0000262902_1front.jpg", "a.png", "synth_0007_view_2.png")
    for name in names:
        for kind in ("rect", "stroke", "region", "mixed"):
            for h, w, what, on in ((256, 176, "bands", 1), (256, 256, "bands", 0), (128, 96, "corner", 1), (33, 17, "corner", 1),
                                   (48, 32, "nobody", 1)):
                u = Uniforms(name)
                mask = draw(u, person(h, w, what), kind, on)
                count = mask.sum()
                print('HOLE("%s", PN_HOLE_%s, %d, %d, %s, %s, %d, %d, 0x%016xu)' % (
                    name, kind.upper(), h, w, what.upper(), "PN_HOLE_ON_PERSON" if on else "PN_HOLE_ANYWHERE", count, u.used,
                    fnv(mask.astype(np.uint8).tobytes())))


if __name__ == "__main__":
    main()
