"""The peer for single ops: what PyTorch takes for the work of one entry of posenet-bench.

    python3 bench/peers/torch_ops.py conv N C H W O K STRIDE PAD [GROUPS] --pass forward|backward-data|backward-weights|backward|train
    python3 bench/peers/torch_ops.py norm_act N C H W            --pass forward|train
    python3 bench/peers/torch_ops.py flow_sample N C H W         --pass forward|backward
    python3 bench/peers/torch_ops.py adam COUNT                  --pass forward
    python3 bench/peers/torch_ops.py correspondence N C H W V    --pass forward|train
    python3 bench/peers/torch_ops.py attention N T D             --pass forward
    python3 bench/peers/torch_ops.py channel_attention N C H W HEADS     --pass forward|train
    python3 bench/peers/torch_ops.py contextual N C H W          --pass forward|train
            [--threads N] [--layout nchw|nhwc|mkldnn] [--compile]

Warms up, then waits for a line "go" on stdin, repeats the work for at least 15 ms and prints {"seconds": S}, those of one
time; end of input ends it. Convolutions are called without autograd, so that none of its cost is in the time. mkldnn:
oneDNN's own blocked layout with weights packed before; inference only, and what posenet-bench's forward is like.
"""

import argparse
import json
import os
import sys
import time

LEAST = 0.015               # seconds of a sample
WARMUP = 0.3


def options():
    parser = argparse.ArgumentParser(description="one op in PyTorch, for timing")
    parser.add_argument("op", choices=["conv", "norm_act", "flow_sample", "adam", "correspondence", "attention",
                                       "channel_attention", "contextual"])
    parser.add_argument("size", type=int, nargs="+")
    parser.add_argument("--pass", dest="what", default="forward")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layout", choices=["nchw", "nhwc", "mkldnn"], default="nchw")
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":                  # before torch is loaded: its OpenBLAS does not listen to set_num_threads
    OPT = options()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(OPT.threads))

import torch                                                                                            # noqa: E402
import torch.nn as nn                                                                                   # noqa: E402
import torch.nn.functional as F                                                                         # noqa: E402


def nothing():
    return None


def conv(opt):
    """-> before, timed: the second is the work, on what the first returns."""
    n, c, h, w, o, k, stride, pad = opt.size[:8]
    groups = opt.size[8] if len(opt.size) > 8 else 1
    layer = nn.Conv2d(c, o, k, stride, pad, groups=groups).requires_grad_(False)
    x = torch.randn(n, c, h, w)
    if opt.layout == "mkldnn":
        from torch.utils import mkldnn
        layer, x = mkldnn.to_mkldnn(layer.eval()), x.to_mkldnn()
        return nothing, lambda _: layer(x)
    memory = torch.channels_last if opt.layout == "nhwc" else torch.contiguous_format
    layer, x = layer.to(memory_format=memory), x.to(memory_format=memory)
    dy = torch.randn_like(layer(x))
    masks = {"backward-data": [True, False, False], "backward-weights": [False, True, True]}

    def forward(_):
        return layer(x)

    def backward(_):
        return torch.ops.aten.convolution_backward(dy, x, layer.weight, [o], [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups,
                                                   masks.get(opt.what, [True] * 3))

    def train(_):
        return forward(None), backward(None)

    return nothing, {"forward": forward, "train": train}.get(opt.what, backward)


def channels_last(opt, x):
    return x.to(memory_format=torch.channels_last) if opt.layout == "nhwc" else x


def norm_act(opt):
    """GroupNorm with one channel per group: the faster instance norm on CPU."""
    n, c, h, w = opt.size
    x = channels_last(opt, torch.randn(n, c, h, w)).requires_grad_(opt.what == "train")
    weight, bias = (torch.randn(c).requires_grad_(opt.what == "train") for _ in range(2))
    dy = torch.randn_like(x)

    def forward(_):
        return F.leaky_relu_(F.group_norm(x, c, weight, bias, 1e-5), 0.1)

    def train(_):
        return torch.autograd.grad(forward(None), (x, weight, bias), dy)

    return nothing, train if opt.what == "train" else forward


def flow_sample(opt):
    n, c, h, w = opt.size
    grad = opt.what == "backward"
    x = channels_last(opt, torch.randn(n, c, h, w)).requires_grad_(grad)
    flow = (torch.randn(n, 2, h, w) * 4).requires_grad_(grad)
    rows, cols = torch.arange(h, dtype=torch.float32)[:, None], torch.arange(w, dtype=torch.float32)
    dy = torch.randn_like(x)

    def forward(_=None):
        grid = torch.stack([(cols + flow[:, 0]) * (2 / (w - 1)) - 1, (rows + flow[:, 1]) * (2 / (h - 1)) - 1], -1)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=True)

    if grad:
        return forward, lambda y: torch.autograd.grad(y, (x, flow), dy)
    return nothing, forward


def adam(opt):
    p = torch.randn(opt.size[0]).requires_grad_()
    p.grad = torch.randn(opt.size[0])
    try:
        step = torch.optim.Adam([p], lr=1e-4, betas=(0.0, 0.999), fused=True)
        step.step()
    except (RuntimeError, TypeError):                   # fused on the CPU came with PyTorch 2.4
        step = torch.optim.Adam([p], lr=1e-4, betas=(0.0, 0.999))
    return nothing, lambda _: step.step()


def correspondence(opt):
    """Every target cell's softmax over all source cells, and the values it carries. nhwc: as 1x1 convolutions (oneDNN)."""
    n, c, h, w, v = opt.size
    grad = opt.what == "train"
    query, key, values = (torch.randn(n, h * w, k).requires_grad_(grad) for k in (c, c, v))
    dy = torch.randn(n, h * w, v)

    def matrices():
        return torch.softmax(query @ key.transpose(1, 2), -1) @ values

    def convolutions():
        out = []
        for q, k, x in zip(query, key, values):
            filters, carried = k[..., None, None], x.t()[..., None, None]
            for block in q.reshape(1, h, w, c).permute(0, 3, 1, 2).split(h if grad else max(1, 512 // w), 2):
                a = torch.softmax(F.conv2d(block, filters).permute(0, 2, 3, 1), -1)
                out.append(F.conv2d(a.permute(0, 3, 1, 2), carried).permute(0, 2, 3, 1).reshape(-1, v))
        return torch.cat(out).reshape(n, h * w, v)

    forward = convolutions if opt.layout == "nhwc" else matrices
    return nothing, lambda _: torch.autograd.grad(forward(), (query, key, values), dy) if grad else forward()


def attention(opt):
    """softmax(q k^T / sqrt(d)) v. nhwc: by PyTorch's own fused attention where there is one, else in blocks of queries."""
    n, t, d = opt.size
    query, key, value = (torch.randn(n, t, d) for _ in range(3))

    def whole(q=query):
        return torch.softmax(q @ key.transpose(1, 2) * d ** -0.5, -1) @ value

    def blocks():
        return torch.cat([whole(q) for q in query.split(512, 1)], 1)

    fused = getattr(F, "scaled_dot_product_attention", None)
    other = (lambda: fused(query, key, value)) if fused else blocks
    return nothing, lambda _: (other if opt.layout == "nhwc" else whole)()


def channel_attention(opt):
    """Channels attend to channels, per head, by cosines over the positions. nhwc: maps in that order in memory."""
    n, c, h, w, heads = opt.size
    grad = opt.what == "train"
    q, k, v = (channels_last(opt, torch.randn(n, c, h, w)).requires_grad_(grad) for _ in range(3))
    alpha = torch.full((heads, 1, 1), 10.0).requires_grad_(grad)
    dy = torch.randn(n, c, h, w)

    def forward():
        rows = [x.reshape(n, heads, c // heads, h * w) for x in (q, k, v)]
        unit = [x / (x.norm(dim=-1, keepdim=True) + 1e-6) for x in rows[:2]]
        return (torch.softmax(alpha * (unit[0] @ unit[1].transpose(2, 3)), -1) @ rows[2]).reshape(n, c, h, w)
    return nothing, lambda _: torch.autograd.grad(forward(), (q, k, v, alpha), dy) if grad else forward()


def contextual(opt):
    n, c, h, w = opt.size
    grad = opt.what == "train"
    a, b = (channels_last(opt, torch.randn(n, c, h, w)) for _ in range(2))
    a.requires_grad_(grad)

    def forward():
        target = b.flatten(2)
        mean = target.mean(2, keepdim=True)
        x, y = ((t - mean) / ((t - mean).norm(dim=1, keepdim=True) + 1e-6) for t in (a.flatten(2), target))
        d = (1 - x.transpose(1, 2) @ y) / 2
        d = d / (d.min(2, keepdim=True)[0] + 1e-5)
        return -torch.softmax((1 - d) / 0.5, 2).max(1)[0].mean(1).log().mean()
    return nothing, lambda _: torch.autograd.grad(forward(), a) if grad else forward()


def sample(before, work, least):
    """Seconds of one time, from as many as take `least` together."""
    spent, times = 0.0, 0
    while spent < least:
        ready = before()
        start = time.perf_counter()
        work(ready)
        spent += time.perf_counter() - start
        times += 1
    return spent / times


def main(opt):
    torch.set_num_threads(opt.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    before, work = {"conv": conv, "norm_act": norm_act, "flow_sample": flow_sample, "adam": adam,
                    "correspondence": correspondence, "attention": attention, "channel_attention": channel_attention,
                    "contextual": contextual}[opt.op](opt)
    if opt.compile:
        work = torch.compile(work)
    with torch.inference_mode(opt.what == "forward" and opt.op != "adam"):
        sample(before, work, WARMUP)
        while sys.stdin.readline().strip() == "go":
            seconds = sample(before, work, LEAST)
            print(json.dumps({"peer": "torch", "torch": torch.__version__, "seconds": seconds,
                              "threads": torch.get_num_threads(), "layout": opt.layout}), flush=True)


if __name__ == "__main__":
    main(OPT)
