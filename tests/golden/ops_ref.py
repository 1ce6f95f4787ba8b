"""The ops PyTorch does not have, written out with plain indexing from the formulas in README.md.

Autograd differentiates them. Slow on purpose: patches are stored, similarity matrices too. Maps are [N,C,H,W]; flow
[N,2,H,W] is in pixels, plane 0 along W.
"""

import math

import torch
import torch.nn.functional as F


def gather(s, y, x):
    """s [N,C,Hs,Ws] at whole positions y, x [N,h,w], indices clamped -> [N,C,h,w]."""
    n, _, hs, ws = s.shape
    y, x = y.clamp(0, hs - 1).long(), x.clamp(0, ws - 1).long()
    batch = torch.arange(n)[:, None, None].expand_as(y)
    return s[batch, :, y, x].permute(0, 3, 1, 2)


def inside(s, y, x):
    return ((y >= 0) & (y < s.shape[2]) & (x >= 0) & (x < s.shape[3]))[:, None].to(s.dtype)


def tap(s, y, x, border):
    value = gather(s, y, x)
    return value * inside(s, y, x) if border == "zero" else value


def bilinear_at(s, v, u, border):
    """s at real positions v (rows), u (columns), each [N,h,w]."""
    v0, u0 = v.detach().floor(), u.detach().floor()
    b, a = (v - v0)[:, None], (u - u0)[:, None]
    return ((1 - a) * (1 - b) * tap(s, v0, u0, border) + a * (1 - b) * tap(s, v0, u0 + 1, border)
            + (1 - a) * b * tap(s, v0 + 1, u0, border) + a * b * tap(s, v0 + 1, u0 + 1, border))


def positions(flow):
    h, w = flow.shape[2:]
    y = torch.arange(h, dtype=flow.dtype)[None, :, None]
    x = torch.arange(w, dtype=flow.dtype)[None, None, :]
    return flow[:, 1] + y, flow[:, 0] + x


def flow_sample(s, flow, border):
    return bilinear_at(s, *positions(flow), border)


def gauss_sample(s, flow, border, radius=2, sigma=2.0):
    v, u = positions(flow)
    v0, u0 = v.detach().floor(), u.detach().floor()
    b, a = (v - v0)[:, None], (u - u0)[:, None]
    total, norm = 0, 0
    for dy in range(1 - radius, radius + 1):
        for dx in range(1 - radius, radius + 1):
            w = torch.exp(-((a - dx) ** 2 + (b - dy) ** 2) / (2 * sigma ** 2))
            total = total + w * tap(s, v0 + dy, u0 + dx, border)
            norm = norm + w
    return total / norm


def block_extract(s, flow, k):
    """Each flow position becomes a k x k block of samples around its source: [N,C,kH,kW]."""
    h, w = flow.shape[2:]
    row, col = torch.arange(k * h), torch.arange(k * w)
    y, x = row // k, col // k
    at = flow[:, :, y][:, :, :, x]
    v = (at[:, 1] + (row % k - k // 2).to(s.dtype)[:, None]) + y.to(s.dtype)[:, None]
    u = (at[:, 0] + (col % k - k // 2).to(s.dtype)[None, :]) + x.to(s.dtype)[None, :]
    return bilinear_at(s, v, u, "replicate")


def local_attention(source, target, flow, w0, b0, w1, b1):
    """-> the attended source, the softmax weights [N,k*k,H,W], the hidden layer before its leaky relu."""
    k = w0.shape[2]
    p_s = block_extract(source, flow, k)
    p_t = block_extract(target, torch.zeros_like(flow), k)
    hidden = F.conv2d(torch.cat([p_t, p_s], 1), w0, b0, stride=k)
    a = torch.softmax(F.conv2d(F.leaky_relu(hidden, 0.1), w1, b1), 1)
    return F.avg_pool2d(F.pixel_shuffle(a, k) * p_s, k, k), a, hidden


def correctness(source, target, flow, mask=None):
    """mask [N,1,h,w]: where it counts"""
    flow = F.interpolate(flow, size=source.shape[2:], mode="nearest")
    s = source.flatten(2) / (source.flatten(2).norm(dim=1, keepdim=True) + 1e-8)
    t = target.flatten(2) / (target.flatten(2).norm(dim=1, keepdim=True) + 1e-8)
    best = torch.bmm(s.transpose(1, 2), t).max(dim=1).values                            # [N, HW]
    sampled = gauss_sample(source, flow, "replicate").flatten(2)
    c = cosine(sampled, target.flatten(2))[:, 0]
    if mask is None:
        return torch.exp(-c / (best + 1e-8)).mean() - math.exp(-1)
    mask = F.interpolate(mask, size=source.shape[2:], mode="nearest").flatten(1)
    return (mask * (torch.exp(-c / (best + 1e-8)) - math.exp(-1))).sum() / (mask.sum() + 1e-8)


def cosine(a, b):
    size = a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True)
    return (a * b).sum(1, keepdim=True) / size.clamp(min=1e-8)


def regularisation(flow, k):
    a = torch.tensor([[r, c, 1.0] for r in range(k) for c in range(k)], dtype=flow.dtype)
    q = torch.eye(k * k, dtype=flow.dtype) - a @ torch.linalg.inv(a.T @ a) @ a.T
    n, _, h, w = flow.shape
    y, x = positions(flow)
    loss = 0
    for field in (x, y):
        p = F.unfold(field[:, None], k)                                                 # [N, k*k, patches]
        loss = loss + (p * torch.einsum("ts,nsp->ntp", q, p)).sum(1).mean()
    return loss


def spectral_norm(w, u, v, train):
    """-> w / sigma, u and v as a forward leaves them (moved by one power iteration when training), sigma."""
    m = w.flatten(1)
    with torch.no_grad():
        if train:
            v = F.normalize(m.T @ u, dim=0, eps=1e-12)
            u = F.normalize(m @ v, dim=0, eps=1e-12)
    sigma = u @ m @ v
    return w / sigma, u, v, sigma


def gram(x):
    f = x.flatten(2)
    return f @ f.transpose(1, 2) / (x.shape[1] * x.shape[2] * x.shape[3])


def channel_attention(q, k, v, alpha, eps):
    """Per head, channels attend to channels: cosines over the positions, scaled by alpha. -> y, weights, cosines, lengths"""
    n, c, h, w = q.shape
    heads = alpha.numel()
    q, k, v = (x.reshape(n, heads, c // heads, h * w) for x in (q, k, v))
    length = [x.pow(2).sum(-1, keepdim=True).sqrt() for x in (q, k)]
    cosine = (q / (length[0] + eps)) @ (k / (length[1] + eps)).transpose(2, 3)
    a = torch.softmax(alpha[:, None, None] * cosine, -1)
    return (a @ v).reshape(n, c, h, w), a.flatten(1, 2), cosine.flatten(1, 2), torch.stack([x.reshape(n, c) for x in length], 1)


def token_attention(q, k, v, prior=None):
    """-> y and the logits."""
    e = torch.einsum("nchw,nkc->nkhw", q, k) / math.sqrt(q.shape[1])
    if prior is not None:
        e = e + prior
    return torch.einsum("nkhw,nkd->ndhw", torch.softmax(e, 1), v), e


def contextual(a, b, bandwidth):
    """-> the loss; and of each target position the largest weight and the generated position that has it."""
    a, b = a.flatten(2), b.flatten(2)
    mean = b.mean(2, keepdim=True)
    a, b = ((x - mean) / ((x - mean).norm(dim=1, keepdim=True) + 1e-6) for x in (a, b))
    d = (1 - a.transpose(1, 2) @ b) / 2                         # [N, generated, target]
    d = d / (d.min(2, keepdim=True)[0] + 1e-5)
    w = torch.exp((1 - d) / bandwidth)
    w = w / w.sum(2, keepdim=True)
    weight, best = w.max(1)
    return -weight.mean(1).log().mean(), weight, best
