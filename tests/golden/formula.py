"""Numbers from a name: weights and inputs that any language can make again, so that no file has to carry them. See README.md."""

import math

import numpy as np

M64 = (1 << 64) - 1


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & M64
    return h


def uniform(name, shape):
    """float64 in [-1, 1): element i (row major) is the splitmix64 output for state fnv1a64(name) + (i + 1) * 0x9E37...15."""
    i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0 ** -53 * 2 - 1).reshape(shape)


def parameter(name, shape, is_norm, gains):
    """float32 values of the parameter or buffer with this name. gains: {module name: factor of its weight}."""
    u = uniform(name, shape)
    module, kind = name.rsplit(".", 1)
    if kind in ("weight_u", "weight_v"):
        return np.float32(u / math.sqrt((u * u).sum()))
    if kind == "bias":                                          # 1 to 2 times a number, either sign: activations keep
        return np.float32((0.7 if is_norm else 0.2) * (u + np.where(u < 0, -1, 1)))       # away from the kink at 0
    if is_norm:
        return np.float32(0.6 + 0.06 * u)
    limit = 6 if name.startswith("features.") else 3
    return np.float32(gains.get(module, 1.0) * math.sqrt(limit / np.prod(shape[1:])) * u)


def image(name, n, h, w, cell=8, channels=3):
    """float32 [n,channels,h,w] in [-1, 1]: 0.75 * (a grid every `cell` pixels, bilinear) + 0.25 * noise."""
    grid = uniform(name + ".smooth", (n, channels, h // cell + 1, w // cell + 1))
    y, x = np.arange(h), np.arange(w)
    b, a = (y % cell / cell)[:, None], x % cell / cell
    rows, cols = y // cell, x // cell
    top = (1 - a) * grid[:, :, rows][..., cols] + a * grid[:, :, rows][..., cols + 1]
    bottom = (1 - a) * grid[:, :, rows + 1][..., cols] + a * grid[:, :, rows + 1][..., cols + 1]
    return np.float32(0.75 * ((1 - b) * top + b * bottom) + 0.25 * uniform(name + ".noise", (n, channels, h, w)))


def far_image(name, n, h, w, cell=8):
    """float32 [n,3,h,w] of size 0.6 to 1 and the sign of its cell: nowhere near a generated picture of small contrast."""
    sign = np.where(uniform(name + ".sign", (n, 3, h // cell, w // cell)) < 0, -1.0, 1.0)
    sign = sign.repeat(cell, 2).repeat(cell, 3)
    return np.float32(sign * (0.8 + 0.2 * image(name, n, h, w, cell).astype(np.float64)))
