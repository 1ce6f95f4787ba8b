"""Golden numbers for the ops on regions and graphs: by PyTorch in float64 from float32 inputs, as make_ops.py makes its own.

    python3 tests/golden/make_graph.py           writes graph.safetensors beside this file
    python3 tests/golden/make_graph.py --list    prints the table of README.md
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import st
from make_ops import HERE, Numbers, case, table, tensors


def softly_assigned(n, *shape):
    """Weights of regions that sum to 1 at each pixel."""
    e = np.exp(n.normal(*shape))
    return np.float32(e / e.sum(1, keepdims=True))


def region_pool(x, w, least=1.0):
    return torch.einsum("nkhw,nchw->nkc", w, x) / w.sum((2, 3)).clamp(min=least)[:, :, None]


def regions():
    n = Numbers("graph/region_pool")
    case("graph/region_pool/soft", "einsum('nkhw,nchw->nkc', in1, in0) / in1.sum((2, 3)).clamp(min=1)", region_pool,
         n.normal(2, 5, 6, 7), softly_assigned(n, 2, 4, 6, 7))
    hard = np.zeros((1, 9, 5, 4), np.float32)
    labels = n.rng.randint(0, 8, (5, 4))                # the last region has no pixel
    for k in range(8):
        hard[0, k] = labels == k
    case("graph/region_pool/hard", "the same with one region for each pixel, one of them empty, and the divisor at least 4.5",
         lambda x, w: region_pool(x, w, 4.5), n.normal(1, 18, 5, 4), hard)
    n = Numbers("graph/region_spread")
    case("graph/region_spread", "einsum('nkc,nkhw->nchw', in0, in1)", lambda c, w: torch.einsum("nkc,nkhw->nchw", c, w),
         n.normal(2, 8, 19), softly_assigned(n, 2, 8, 4, 5))


def products():
    n = Numbers("graph/grouped_linear")
    case("graph/grouped_linear", "einsum('nkd,kod->nko', in0, in1) + in2",
         lambda x, w, b: torch.stack([F.linear(x[:, k], w[k], b[k]) for k in range(8)], 1),
         n.normal(3, 8, 13), n.normal(8, 11, 13), n.normal(8, 11))


def masked(x, mask):
    """Softmax over the last axis where mask is not 0; an empty row is all 0."""
    y = torch.softmax(x.masked_fill(mask == 0, -torch.inf), -1)
    return torch.where((mask != 0).any(-1, keepdim=True).expand_as(y), y, torch.zeros_like(y)).nan_to_num(0.0)


def visible_nodes(n, rows, nodes):
    v = np.float32(n.rng.uniform(size=(rows, nodes)) < 0.6)
    v[:, -1] = 1                                        # the global node
    v[0, 0] = 0
    return v


def graphs():
    n = Numbers("graph/masked_softmax")
    case("graph/masked_softmax/rows", "torch.softmax(in0.masked_fill(in1[:, None] == 0, -inf), -1)",
         lambda x, v: masked(x, v[:, None].expand_as(x)), n.normal(3, 4, 9, scale=2), visible_nodes(n, 3, 9), const=(1,))
    case("graph/masked_softmax/own", "the same with a mask for each number", masked, n.normal(2, 3, 5, scale=2),
         np.float32(n.rng.uniform(size=(2, 3, 5)) < 0.8), const=(1,))

    def normalised(prior, visible):
        s = (F.softplus((prior + prior.T) / 2) + torch.eye(9, dtype=prior.dtype)) * visible[:, None, :]
        degree = s.sum(2)
        return s / (degree[:, :, None] * degree[:, None, :]).sqrt()
    n = Numbers("graph/normalise")
    case("graph/normalise", "s = (softplus((in0 + in0.T) / 2) + I) * in1[:, None], d = s.sum(2); s / sqrt(d_i d_j)", normalised,
         n.normal(9, 9), visible_nodes(n, 3, 9), const=(1,))

    def attention(q, k, prior, visible):
        e = q @ k.transpose(1, 2) / q.shape[2] ** 0.5 + prior
        return masked(e, visible[:, None].expand_as(e))
    n = Numbers("graph/attention")
    case("graph/attention", "masked softmax of in0 @ in1.transpose(1, 2) / sqrt(6) + in2, in3 the mask", attention,
         n.normal(2, 9, 6), n.normal(2, 9, 6), n.normal(9, 9), visible_nodes(n, 2, 9), const=(3,))
    n = Numbers("graph/conv")
    case("graph/conv/each", "F.linear(in1 @ in0, in2, in3)", lambda h, a, w, b: F.linear(a @ h, w, b),
         n.normal(2, 9, 6), n.normal(2, 9, 9), n.normal(4, 6), n.normal(4))
    case("graph/conv/shared", "F.linear(in1 @ in0, in2, in3), one in1 for all", lambda h, a, w, b: F.linear(a @ h, w, b),
         n.normal(3, 5, 6), n.normal(5, 5), n.normal(4, 6), n.normal(4))


def main():
    for group in (regions, products, graphs):
        group()
    if "--list" in sys.argv[1:]:
        for row in table:
            print("| `{}` | `{}` | {} | {} |".format(*row))
        return
    path = os.path.join(HERE, "graph.safetensors")
    st.write(path, tensors)
    print(f"{len(table)} cases, {len(tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
