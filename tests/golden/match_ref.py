"""Correspondence and local structure, written out with plain indexing and dense matrices from the formulas in README.md.

Autograd differentiates them.
"""

import torch
import torch.nn.functional as F

from ops_ref import gather


def unit(x, eps, centred=False):
    f = x - x.mean(1, keepdim=True) if centred else x
    return f / (f.square().sum(1, keepdim=True).sqrt() + eps)


def offsets(k):
    return [(dy, dx) for dy in range(-(k // 2), k // 2 + 1) for dx in range(-(k // 2), k // 2 + 1)]


def shifted(x, dy, dx):
    """x at clamp(p + d), for every p."""
    n, _, h, w = x.shape
    y, c = torch.meshgrid(torch.arange(h) + dy, torch.arange(w) + dx, indexing="ij")
    return gather(x, y.expand(n, h, w), c.expand(n, h, w))


def self_correlation(f, k):
    return torch.stack([(f * shifted(f, *d)).sum(1) for d in offsets(k) if d != (0, 0)], 1)


def window_sum(x, w):
    k = round(w.shape[1] ** 0.5)
    return sum(w[:, t:t + 1] * shifted(x, *d) for t, d in enumerate(offsets(k)))


def patch_similarity(x, patch, k, sigma):
    u = torch.cat([shifted(x, *d) for d in offsets(patch)], 1)
    square = torch.stack([(u - shifted(u, *d)).square().sum(1) for d in offsets(k) if d != (0, 0)], 1)
    return torch.exp(-square / (2 * u.shape[1] * sigma ** 2))


def correspondence(query, key, value, temperature, valid=None):
    """-> y, {top, log_sum, peak}"""
    s = query.flatten(2).transpose(1, 2) @ key.flatten(2) / temperature
    if valid is not None:
        v = valid.flatten(1)
        none = (v == 0).all(1)[:, None, None]
        s = torch.where(none, torch.zeros_like(s), torch.where((v == 0)[:, None], torch.full_like(s, -float("inf")), s))
    a = torch.softmax(s, -1)
    y = (a @ value.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(*value.shape[:2], *query.shape[2:])
    top = s.max(-1)[0]
    return y, {"top": top, "log_sum": torch.logsumexp(s - top[:, :, None], -1),
               "peak": a.max(-1)[0].reshape(query.shape[0], 1, *query.shape[2:])}


def unfold(x, k):
    return F.unfold(x, k, padding=k // 2).reshape(x.shape[0], x.shape[1] * k * k, *x.shape[2:])
