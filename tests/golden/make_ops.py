"""Golden numbers for the ops: inputs, outputs and gradients, computed by PyTorch in float64 from float32 inputs.

    python3 tests/golden/make_ops.py           writes ops.safetensors beside this file
    python3 tests/golden/make_ops.py --list    prints the table of README.md

Where PyTorch has the op, PyTorch computes it; the rest comes from ops_ref.py.
"""

import math
import os
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F

import match_ref
import st
from ops_ref import (channel_attention, contextual, correctness, cosine, flow_sample, gauss_sample, gram, local_attention,
                     regularisation, spectral_norm, token_attention)

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
tensors, table = {}, []


# ---- making numbers ------------------------------------------------------------------------------------------------

class Numbers:
    """Random inputs of one case, seeded by its name, rounded to float32."""

    def __init__(self, name):
        self.rng = np.random.RandomState(zlib.crc32(name.encode()))

    def normal(self, *shape, scale=1.0):
        return np.float32(scale * self.rng.standard_normal(shape))

    def uniform(self, *shape, low=0.0, high=1.0):
        return np.float32(self.rng.uniform(low, high, shape))

    def off_zero(self, *shape):
        """Normal, pushed away from 0 by 0.06, so that no kink at 0 is near."""
        x = self.rng.standard_normal(shape)
        return np.float32(x + 0.06 * np.sign(x))

    def distinct(self, *shape):
        """No two values closer than 1/100: a maximum is a clear one."""
        n = int(np.prod(shape))
        return np.float32((self.rng.permutation(n) - n / 2) / 100).reshape(shape)

    def flow(self, n, h, w, reach=2, far=()):
        """Fractional parts in [0.1, 0.9], whole parts in -reach .. reach - 1; `far` replaces those of the first pixels."""
        whole = self.rng.randint(-reach, reach, (n, 2, h, w)).astype(float)
        for i, (dx, dy) in enumerate(far):
            whole[i % n, :, i // n % h, (3 * i) % w] = dx, dy
        return np.float32(whole + self.rng.uniform(0.1, 0.9, whole.shape))


def case(name, call, f, *inputs, const=(), extra=None):
    """Runs f on float64 copies and records in*, out, seed, grad*; inputs listed in const get no gradient.
    f returns out, or (out, {name: value to store})."""
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=i not in const) for i, x in enumerate(inputs)]
    result = f(*leaves)
    out, more = result if isinstance(result, tuple) else (result, {})
    if out.dim() == 0:
        out = out.reshape(1)
    seed = Numbers(name + "/seed").off_zero(*out.shape)
    out.backward(torch.tensor(seed, dtype=torch.float64))
    for i, x in enumerate(inputs):
        tensors[f"{name}/in{i}"] = x
    for key, value in {**(extra or {}), **more}.items():
        tensors[f"{name}/{key}"] = value.detach().numpy() if torch.is_tensor(value) else value
    tensors[f"{name}/out"] = out.detach().numpy()
    tensors[f"{name}/seed"] = seed
    for i, leaf in enumerate(leaves):
        if leaf.requires_grad:
            tensors[f"{name}/grad{i}"] = leaf.grad.numpy()
    keys = sorted({**(extra or {}), **more})
    shapes = ", ".join("x".join(map(str, x.shape)) for x in inputs) + " -> " + "x".join(map(str, out.shape))
    no_grad = "" if not const else "; no gradient for " + ", ".join(f"in{i}" for i in const)
    table.append((name, call, shapes, (", ".join(f"`{k}`" for k in keys)) + no_grad))


# ---- the cases -----------------------------------------------------------------------------------------------------

def convolutions():
    def conv(name, call, x, w, f):
        n = Numbers(name)
        out_channels = w[1] * 2 if "transpose" in name and "_g2" in name else w[1] if "transpose" in name else w[0]
        case(name, call, f, n.normal(*x), n.normal(*w, scale=1 / math.sqrt(np.prod(w[1:]))), n.normal(out_channels))

    def plain(name, x, w, **opt):
        text = "".join(f", {k}={v}" for k, v in opt.items())
        conv("conv2d/" + name, f"F.conv2d(in0, in1, in2{text})", x, w, lambda x, w, b: F.conv2d(x, w, b, **opt))

    def padded(name, x, w, pad, mode):
        conv("conv2d/" + name, f"F.conv2d(F.pad(in0, [{pad}]*4, '{mode}'), in1, in2)", x, w,
             lambda x, w, b: F.conv2d(F.pad(x, [pad] * 4, mode), w, b))

    def transposed(name, x, w, **opt):
        text = "".join(f", {k}={v}" for k, v in opt.items())
        conv("conv_transpose2d/" + name, f"F.conv_transpose2d(in0, in1, in2{text})", x, w,
             lambda x, w, b: F.conv_transpose2d(x, w, b, **opt))

    plain("k3s1p1", (2, 3, 5, 7), (4, 3, 3, 3), padding=1)
    plain("k4s2p1", (2, 3, 6, 9), (5, 3, 4, 4), stride=2, padding=1)
    plain("k1s1p0", (2, 5, 3, 7), (3, 5, 1, 1))
    padded("k5s1_replicate2", (2, 3, 5, 7), (4, 3, 5, 5), 2, "replicate")
    padded("k3s1_reflect1", (2, 3, 5, 7), (4, 3, 3, 3), 1, "reflect")
    plain("k3s1p2d2", (1, 3, 7, 6), (4, 3, 3, 3), padding=2, dilation=2)
    plain("k3s2p1g2", (2, 4, 7, 5), (6, 2, 3, 3), stride=2, padding=1, groups=2)
    plain("depthwise_k3s1p1", (2, 5, 5, 7), (5, 1, 3, 3), padding=1, groups=5)
    plain("k3x5_s2x1_p1x2", (2, 3, 7, 6), (4, 3, 3, 5), stride=(2, 1), padding=(1, 2))
    plain("c39o32_k4s2p1", (1, 39, 8, 6), (32, 39, 4, 4), stride=2, padding=1)
    plain("c64o64_k3s1p1", (1, 64, 5, 4), (64, 64, 3, 3), padding=1)
    transposed("k3s2p1op1", (2, 3, 4, 5), (3, 5, 3, 3), stride=2, padding=1, output_padding=1)
    transposed("k4s2p1", (2, 3, 4, 5), (3, 5, 4, 4), stride=2, padding=1)
    transposed("k3s1p1_g2", (2, 4, 5, 3), (4, 3, 3, 3), padding=1, groups=2)


def products():
    n = Numbers("products")
    case("linear/basic", "F.linear(in0, in1, in2)", F.linear, n.normal(7, 5), n.normal(6, 5), n.normal(6))
    case("matmul/batched", "in0 @ in1", torch.bmm, n.normal(3, 5, 7), n.normal(3, 7, 4))
    case("matmul/trans_b", "in0 @ in1.transpose(1, 2)", lambda a, b: a @ b.transpose(1, 2),
         n.normal(3, 5, 7), n.normal(3, 4, 7))


def attention():
    def attend(q, k, v, bias=None, scale=None):
        s = (1 / math.sqrt(q.shape[2]) if scale is None else scale) * (q @ k.transpose(1, 2))
        if bias is not None:
            s = s + bias
        top = s.max(-1)[0]
        return torch.softmax(s, -1) @ v, {"top": top, "log_sum": torch.logsumexp(s - top[:, :, None], -1)}

    def inputs(n, batch, queries, keys, features, values):
        return n.normal(batch, queries, features), n.normal(batch, keys, features), n.normal(batch, keys, values)

    formula = "torch.softmax(scale * in0 @ in1.transpose(1, 2){}, -1) @ in2, scale {}"
    n = Numbers("attention/plain")
    case("attention/plain", formula.format("", "1 / sqrt(5)"), attend, *inputs(n, 2, 7, 9, 5, 3))
    n = Numbers("attention/prior")
    prior = np.float32(np.log(n.uniform(2, 7, 9, low=1e-3)))
    prior[:, :, 4] = prior[0, 2, 1:] = -1e30                    # columns without weight, and a row with one column
    case("attention/prior", formula.format(" + in3", "1.5"), lambda *x: attend(*x, scale=1.5),
         *inputs(n, 2, 7, 9, 5, 3), prior)
    n = Numbers("attention/mask")
    mask = np.float32([[[0, -1e30, 0.5, 0, 0, -1e30, 0, 0, -2]]])
    case("attention/mask", formula.format(" + in3", "1 / sqrt(5)"), attend, *inputs(n, 2, 7, 9, 5, 3), mask)


def norms():
    n = Numbers("norms")

    def affine(*shape):
        return n.uniform(*shape, low=0.5, high=1.5), n.normal(*shape, scale=0.3)

    def x(*shape):
        return np.float32(0.7 + 1.6 * n.normal(*shape))

    case("instance_norm/affine", "F.instance_norm(in0, weight=in1, bias=in2, eps=1e-5)",
         lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-5), x(2, 5, 4, 7), *affine(5))
    case("instance_norm/plain", "F.instance_norm(in0, eps=1e-5)", lambda x: F.instance_norm(x, eps=1e-5), x(2, 3, 5, 7))

    def train(x, w, b):
        mean, var = torch.zeros(5, dtype=x.dtype), torch.ones(5, dtype=x.dtype)
        out = F.batch_norm(x, mean, var, w, b, training=True, momentum=0.1, eps=1e-5)
        return out, {"new_running_mean": mean, "new_running_var": var}
    case("batch_norm/train", "F.batch_norm(in0, running_mean, running_var, in1, in2, True, 0.1, 1e-5)", train,
         x(3, 5, 4, 3), *affine(5), extra={"running_mean": np.zeros(5, np.float32), "running_var": np.ones(5, np.float32)})
    mean, var = n.normal(5), n.uniform(5, low=0.5, high=2.0)
    case("batch_norm/eval", "F.batch_norm(in0, running_mean, running_var, in1, in2, False, eps=1e-5)",
         lambda x, w, b: F.batch_norm(x, torch.tensor(mean).double(), torch.tensor(var).double(), w, b, eps=1e-5),
         x(3, 5, 4, 3), *affine(5), extra={"running_mean": mean, "running_var": var})

    case("layer_norm/last1", "F.layer_norm(in0, (6,), in1, in2, 1e-5)",
         lambda x, w, b: F.layer_norm(x, (6,), w, b, 1e-5), x(2, 5, 6), *affine(6))
    case("layer_norm/chw", "F.layer_norm(in0, (3, 4, 5), in1, in2, 1e-5)",
         lambda x, w, b: F.layer_norm(x, (3, 4, 5), w, b, 1e-5), x(2, 3, 4, 5), *affine(3, 4, 5))
    case("group_norm/g4", "F.group_norm(in0, 4, in1, in2, 1e-5)",
         lambda x, w, b: F.group_norm(x, 4, w, b, 1e-5), x(2, 8, 3, 5), *affine(8))


def pointwise():
    n = Numbers("pointwise")
    case("relu", "F.relu(in0)", F.relu, n.off_zero(2, 3, 4, 5))
    case("leaky_relu/0.1", "F.leaky_relu(in0, 0.1)", lambda x: F.leaky_relu(x, 0.1), n.off_zero(2, 3, 4, 5))
    case("tanh", "torch.tanh(in0)", torch.tanh, n.normal(2, 3, 4, 5, scale=2))
    case("sigmoid", "torch.sigmoid(in0)", torch.sigmoid, n.normal(2, 3, 4, 5, scale=3))
    case("gelu", "F.gelu(in0), the exact one (erf)", F.gelu, n.normal(2, 3, 4, 5, scale=2))
    case("softmax/axis1", "torch.softmax(in0, 1)", lambda x: torch.softmax(x, 1), n.normal(2, 9, 3, 5, scale=2))
    case("softmax/last", "torch.softmax(in0, -1)", lambda x: torch.softmax(x, -1), n.normal(2, 5, 7, scale=2))
    shape = 2, 3, 4, 5
    case("add", "in0 + in1", torch.add, n.normal(*shape), n.normal(*shape))
    case("mul", "in0 * in1", torch.mul, n.normal(*shape), n.normal(*shape))
    case("mul_bcast", "in0 * in1", torch.mul, n.normal(*shape), n.normal(2, 1, 4, 5))
    case("lerp", "(1 - in2) * in0 + in2 * in1", lambda a, b, m: (1 - m) * a + m * b, n.normal(*shape), n.normal(*shape),
         n.uniform(2, 1, 4, 5))


def shaping():
    n = Numbers("shaping")
    case("concat/channels", "torch.cat([in0, in1, in2], 1)", lambda *x: torch.cat(x, 1), n.normal(2, 3, 3, 5),
         n.normal(2, 5, 3, 5), n.normal(2, 16, 3, 5))
    case("slice/channels", "in0[:, 2:7]", lambda x: x[:, 2:7], n.normal(2, 9, 3, 5))
    case("slice/rows", "in0[:, :, 2:5]", lambda x: x[:, :, 2:5], n.normal(2, 3, 7, 5))
    left_right_top_bottom = 2, 1, 3, 2
    for mode, name in (("constant", "zero"), ("reflect",) * 2, ("replicate",) * 2):
        case(f"pad/{name}", f"F.pad(in0, {left_right_top_bottom}, '{mode}')",
             lambda x, mode=mode: F.pad(x, left_right_top_bottom, mode), n.normal(2, 3, 4, 5))
    case("pad/constant", f"F.pad(in0, {left_right_top_bottom}, value=0.5)",
         lambda x: F.pad(x, left_right_top_bottom, value=0.5), n.normal(2, 3, 4, 5))
    case("transpose/0213", "in0.permute(0, 2, 1, 3)", lambda x: x.permute(0, 2, 1, 3), n.normal(2, 3, 4, 5))
    case("reshape", "in0.reshape(2, 12, 5)", lambda x: x.reshape(2, 12, 5), n.normal(2, 3, 4, 5))
    case("sum/axis23", "in0.sum((2, 3), keepdim=True)", lambda x: x.sum((2, 3), keepdim=True), n.normal(2, 3, 4, 5))
    case("mean/axis23", "in0.mean((2, 3), keepdim=True)", lambda x: x.mean((2, 3), keepdim=True), n.normal(2, 3, 4, 5))
    case("mean/all", "in0.mean()", torch.mean, n.normal(2, 3, 4, 5))


def pooling_and_resizing():
    n = Numbers("pooling")
    case("avg_pool/k2s2", "F.avg_pool2d(in0, 2, 2)", lambda x: F.avg_pool2d(x, 2, 2), n.normal(2, 3, 6, 7))
    case("avg_pool/k3s2p1_count_include_pad", "F.avg_pool2d(in0, 3, 2, 1): the divisor is 9 everywhere",
         lambda x: F.avg_pool2d(x, 3, 2, 1), n.normal(2, 3, 6, 7))
    case("max_pool/k2s2", "F.max_pool2d(in0, 2, 2)", lambda x: F.max_pool2d(x, 2, 2), n.distinct(2, 3, 6, 7))
    case("max_pool/k3s2p1", "F.max_pool2d(in0, 3, 2, 1)", lambda x: F.max_pool2d(x, 3, 2, 1), n.distinct(2, 3, 6, 7))
    nearest = {"mode": "nearest"}
    half, corners = ({"mode": "bilinear", "align_corners": a} for a in (False, True))
    for name, x, size, opt in (("nearest_up2", (2, 3, 3, 4), (6, 8), nearest),
                               ("nearest_down", (2, 3, 7, 9), (3, 4), nearest),
                               ("bilinear_up_half", (2, 3, 5, 6), (8, 11), half),
                               ("bilinear_corners", (2, 3, 5, 6), (8, 11), corners),
                               ("bilinear_down", (2, 3, 9, 11), (4, 5), half)):
        text = "".join(f", {k}={v!r}" for k, v in opt.items())
        case("resize/" + name, f"F.interpolate(in0, size={size}{text})",
             lambda x, size=size, opt=opt: F.interpolate(x, size=size, **opt), n.normal(*x))


FAR = (40, -30), (-50, 2), (3, 60), (-3, -4), (4, 1)      # whole parts of flows that leave the map


def flows():
    n = Numbers("flows")
    for border in "replicate", "zero":
        case(f"flow_sample/{border}", f"flow_sample(in0, in1), border {border}", lambda s, f: flow_sample(s, f, border),
             n.normal(2, 3, 5, 7), n.flow(2, 5, 7, far=FAR))
    for border in "replicate", "zero":
        case(f"gauss_sample/{border}", f"gauss_sample(in0, in1), r 2, sigma 2, border {border}",
             lambda s, f: gauss_sample(s, f, border), n.normal(2, 3, 6, 7), n.flow(2, 6, 7, far=FAR))

    def attention(*x):
        out, a, hidden = local_attention(*x)
        if hidden.detach().abs().min() < 1e-3:
            raise ValueError("a hidden value sits on the kink of the leaky relu: take another seed")
        return out, {"attention": a}
    for k, (batch, c, hidden, h, w) in ((3, (2, 3, 5, 4, 5)), (5, (1, 3, 8, 5, 6))):
        name = f"local_attention/k{k}"
        n = Numbers(name)
        case(name, f"local_attention(...), k = {k}", attention, n.normal(batch, c, h, w), n.normal(batch, c, h, w),
             n.flow(batch, h, w, far=FAR), n.normal(hidden, 2 * c, k, k, scale=1.5 / math.sqrt(2 * c * k * k)),
             n.normal(hidden, scale=0.3), n.normal(k * k, hidden, 1, 1, scale=1.5 / math.sqrt(hidden)),
             n.normal(k * k, scale=0.3))


def matching():
    n = Numbers("matching")
    case("unit_channels/raw", "unit(in0, 1e-6)", lambda x: match_ref.unit(x, 1e-6), n.normal(2, 5, 3, 4))
    case("unit_channels/centred", "unit(in0, 0.1, centred)", lambda x: match_ref.unit(x, 0.1, True),
         np.float32(0.5 + n.normal(2, 5, 3, 4)))
    for k, shape in (3, (2, 5, 4, 6)), (5, (1, 18, 7, 6)), (7, (1, 3, 2, 4)):
        case(f"self_correlation/k{k}", f"self_correlation(in0, {k})", lambda f, k=k: match_ref.self_correlation(f, k),
             n.normal(*shape))
        case(f"window_sum/k{k}", "window_sum(in0, in1)", match_ref.window_sum, n.normal(*shape),
             n.normal(shape[0], k * k, *shape[2:]))
    case("patch_similarity/p3k5", "patch_similarity(in0, 3, 5, 1.5)",
         lambda x: match_ref.patch_similarity(x, 3, 5, 1.5), n.normal(2, 3, 6, 7))
    case("patch_similarity/p5k3", "patch_similarity(in0, 5, 3, 1)",
         lambda x: match_ref.patch_similarity(x, 5, 3, 1), n.normal(1, 2, 3, 4))
    case("unfold/k3", "F.unfold(in0, 3, padding=1) as a map", lambda x: match_ref.unfold(x, 3), n.normal(2, 3, 4, 5))
    case("unfold/k5", "F.unfold(in0, 5, padding=2) as a map", lambda x: match_ref.unfold(x, 5), n.normal(1, 2, 3, 2))

    sizes = (2, 5, 3, 4), (2, 5, 2, 7), (2, 3, 2, 7)
    temperature = np.float32([0.5])
    case("correspondence/plain", "correspondence(in0, in1, in2, in3)", match_ref.correspondence,
         *(n.normal(*s) for s in sizes), temperature, const=(3,))
    valid = np.float32(n.rng.randint(0, 3, (2, 1, 2, 7)) > 0)
    valid[1] = 0                                                # a sample without a valid cell
    case("correspondence/valid", "correspondence(in0, in1, in2, in3, in4)", match_ref.correspondence,
         *(n.normal(*s) for s in sizes), temperature, valid, const=(3, 4))


def spectral():
    n = Numbers("spectral")

    def run(w, u, v, train):
        out, u, v, sigma = spectral_norm(w, torch.tensor(u).double(), torch.tensor(v).double(), train)
        return out, {"u_after": u, "v_after": v, "sigma": sigma.reshape(1)}
    for name, train in ("conv", True), ("eval", False):
        u, v = (F.normalize(torch.tensor(n.normal(size)), dim=0).numpy() for size in (5, 27))
        case(f"spectral_norm/{name}",
             "spectral_norm(in0, u_before, v_before), " + ("one power iteration" if train else "none"),
             lambda w: run(w, u, v, train), n.normal(5, 3, 3, 3),
             extra={"u_before": u, "v_before": v})


def losses():
    n = Numbers("losses")
    shape = 2, 3, 4, 5
    a = n.normal(*shape)
    case("l1", "F.l1_loss(in0, in1)", F.l1_loss, a, np.float32(a + n.off_zero(*shape)))
    case("mse", "F.mse_loss(in0, in1)", F.mse_loss, n.normal(*shape), n.normal(*shape))
    target = np.float32(n.rng.randint(0, 7, (2, 4, 5)))
    case("cross_entropy/logits_axis1", "F.cross_entropy(in0, target)",
         lambda x: F.cross_entropy(x, torch.tensor(target).long()), n.normal(2, 7, 4, 5, scale=2),
         extra={"target": target})

    def checked_cosine(a, b):
        assert torch.allclose(cosine(a, b)[:, 0], F.cosine_similarity(a, b, 1, 1e-8), rtol=0, atol=1e-14)
        return cosine(a, b)
    case("cosine/axis1", "F.cosine_similarity(in0, in1, 1, 1e-8), the axis kept as 1", checked_cosine,
         n.normal(2, 5, 3, 4), n.normal(2, 5, 3, 4))

    case("gram", "f = in0.flatten(2); f @ f.transpose(1, 2) / (C H W)", gram, n.normal(2, 5, 3, 4))

    # features like those after a relu: no value below 0
    features = [np.float32(np.abs(n.normal(2, 6, 6, 8))) for _ in range(4)]
    case("correctness", "correctness(in0, in1, in2)", correctness, features[0], features[1],
         n.flow(2, 6, 8, far=FAR[3:]), const=(0, 1))
    case("correctness/other_size", "correctness(in0, in1, in2), the flow first repeated to 6x8 (nearest, values kept)",
         correctness, features[2], features[3], n.flow(2, 3, 4), const=(0, 1))
    for k in 3, 5:
        case(f"regularisation/k{k}", f"regularisation(in0, {k})", lambda f, k=k: regularisation(f, k),
             n.normal(2, 2, 6, 7, scale=2))


def regions():
    """What RSA-GAN is made of."""
    n = Numbers("regions")
    shape = 2, 3, 4, 5
    case("log", "torch.log(in0 + 1e-3)", lambda x: torch.log(x + 1e-3), n.uniform(*shape, low=0.001))
    case("modulate", "in0 * (1 + in1) + in2", lambda x, gamma, beta: x * (1 + gamma) + beta, n.normal(*shape), n.normal(*shape),
         n.normal(*shape))
    for c in 3, 16:
        case(f"modulate/halves{c}", f"in0 * (1 + in1[:, :{c}]) + in1[:, {c}:]", lambda x, both: x * (1 + both[:, :c]) + both[:, c:],
             n.normal(2, c, 3, 4), n.normal(2, 2 * c, 3, 4))
        case(f"gelu_gate/{c}", f"F.gelu(in0[:, :{c}]) * in0[:, {c}:]", lambda u: F.gelu(u[:, :c]) * u[:, c:],
             n.normal(2, 2 * c, 3, 4, scale=2))
    case("region_match", "torch.einsum('nkc,nchw->nkhw', in0, in1)", lambda s, x: torch.einsum("nkc,nchw->nkhw", s, x),
         n.normal(2, 4, 5), n.normal(2, 5, 3, 4))

    def attend(*x):
        y, logits = token_attention(*x)
        return y, {"logits": logits}
    case("token_attention/plain", "token_attention(in0, in1, in2)", attend, n.normal(2, 5, 3, 4), n.normal(2, 4, 5),
         n.normal(2, 4, 7))
    case("token_attention/prior", "token_attention(in0, in1, in2, in3)", attend, n.normal(2, 5, 3, 4), n.normal(2, 4, 5),
         n.normal(2, 4, 7), n.normal(2, 4, 3, 4))

    def channels(*x):
        y, a, cosine, length = channel_attention(*x, 1e-6)
        return y, {"weights": a, "cosines": cosine, "lengths": length}
    for heads, c in (2, 6), (2, 32), (1, 5):
        case(f"channel_attention/{heads}x{c // heads}", "channel_attention(in0, in1, in2, in3, 1e-6)", channels,
             *(n.normal(2, c, 3, 5) for _ in range(3)), np.float32(3 + n.normal(heads)))

    def look(a, b):
        loss, weight, best = contextual(a, b, 0.5)
        return loss, {"weight": weight, "best": best.double()}
    for name, size in ("small", (2, 5, 3, 4)), ("wide", (1, 20, 9, 11)):
        case("contextual_loss/" + name, "contextual(in0, in1, 0.5)", look, n.normal(*size), n.normal(*size), const=(1,))


def main():
    for group in (convolutions, products, attention, norms, pointwise, shaping, pooling_and_resizing, flows, matching, spectral,
                  losses, regions):
        group()
    if "--list" in sys.argv[1:]:
        for row in table:
            print("| `{}` | `{}` | {} | {} |".format(*row))
        return
    path = os.path.join(HERE, "ops.safetensors")
    st.write(path, tensors)
    print(f"{len(table)} cases, {len(tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
