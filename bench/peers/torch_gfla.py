"""The peer for GFLA's speed: the same network and training step in PyTorch on the CPU, as fast as eager PyTorch allows.

    python3 bench/peers/torch_gfla.py forward|step|flow|discriminator --size 256x256 --batch 1 --threads 2 --iters 5 --layout nchw|nhwc
                                      --widths full|tiny [--interactive] [--check]

Prints a line of JSON per turn; turns.py describes the options. forward: the generator alone, inference mode. step: one stage-2 step:
generator forward, discriminator step (real, fake), generator losses with VGG19, generator backward, Adam for both.
flow: one stage-1 step, of the flow estimator alone. discriminator: its part of a stage-2 step, on pictures that are there.

The blocks are those of tests/golden/gfla_ref.py, with the same parameter names. Replaced by what is faster here:
  instance norm       GroupNorm with one channel per group (1.5 to 5 times faster on CPU, and it keeps channels_last)
  activations         in place where the input is not needed again
  local attention     grid_sample for the k^2 samples, the target's half as a plain convolution, the source's as a 1x1
  correctness         similarities by a 1x1 convolution (oneDNN), Gaussian sampling by embedding rows, flow gradient only
  VGG19               target and source in one batch without gradient, once per step; source no further than flows are judged
Weights are random, VGG19's too; the flow heads are set so that flows spread over some pixels.
"""

import math
import os
import sys

import turns

if __name__ == "__main__":
    OPT = turns.options("GFLA in PyTorch, for timing", ["forward", "step", "flow", "discriminator"], "256x256", 32, ["full", "tiny"],
                        variant=["fashion", "market"])

import torch                                                                                            # noqa: E402
import torch.nn as nn                                                                                   # noqa: E402
import torch.nn.functional as F                                                                         # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden"))
import gfla_ref                                                                                         # noqa: E402
from make_gfla import WIDTHS                                                                            # noqa: E402

FLOW_SPREAD = 0.5           # deviation of the random weights of the flow heads


# ---- the faster pieces -----------------------------------------------------------------------------------------------

def local_attention(source, target, flow, w0, b0, w1, b1):
    """gfla_ref's local attention with the k^2 samples from grid_sample."""
    n, c, h, w = source.shape
    k = w0.shape[2]
    hidden = F.conv2d(F.pad(target, [k // 2] * 4, mode="replicate"), w0[:, :c], b0)
    offset = torch.arange(k, dtype=flow.dtype) - k // 2
    y = torch.arange(h, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(w, dtype=flow.dtype) + flow[:, 0]
    gy = (y[:, None, None] + offset[:, None, None, None]) * (2 / (h - 1)) - 1               # [N,k,1,H,W]
    gx = (x[:, None, None] + offset[:, None, None]) * (2 / (w - 1)) - 1                     # [N,1,k,H,W]
    grid = torch.stack([gx.expand(n, k, k, h, w), gy.expand(n, k, k, h, w)], -1).reshape(n, k * k * h, w, 2)
    samples = F.grid_sample(source, grid, padding_mode="border", align_corners=True)
    taps = samples.reshape(n, c * k * k, h, w)
    hidden = F.leaky_relu(hidden + F.conv2d(taps, w0[:, c:].reshape(-1, c * k * k, 1, 1)), gfla_ref.SLOPE)
    a = torch.softmax(F.conv2d(hidden, w1, b1), 1)
    return (taps.reshape(n, c, k * k, h, w) * a[:, None]).sum(2) / (k * k)


class LocalAttention(gfla_ref.LocalAttention):
    def forward(self, source, target, flow):
        first, second = self.fully_connect_layer[0], self.fully_connect_layer[2]
        return local_attention(source, target, flow, first.weight, first.bias, second.weight, second.bias)


def best_similarity(source, target):
    """max over q of cos(source(q), target(p)) -> [N,HW]; constants. The source's pixels are the filters."""
    s = F.normalize(source.flatten(2), dim=1, eps=1e-8).transpose(1, 2)[..., None, None].contiguous()
    t = F.normalize(target, dim=1, eps=1e-8)
    return torch.cat([F.conv2d(t[i:i + 1], s[i]).flatten(2).amax(1) for i in range(len(t))])


def gauss_sample(source, flow, radius=2, sigma=2.0):
    """source [N,C,H,W] constant -> [N,HW,C]"""
    n, c, h, w = source.shape
    tap = torch.arange(1 - radius, radius + 1)
    y = torch.arange(h, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(w, dtype=flow.dtype) + flow[:, 0]
    y0, x0 = y.detach().floor(), x.detach().floor()
    wy = torch.exp(((y - y0)[..., None] - tap).square() * (-0.5 / sigma ** 2))
    wx = torch.exp(((x - x0)[..., None] - tap).square() * (-0.5 / sigma ** 2))
    wy, wx = wy / wy.sum(-1, keepdim=True), wx / wx.sum(-1, keepdim=True)
    weight = (wy[..., :, None] * wx[..., None, :]).reshape(n * h * w, 1, -1)
    rows = (y0.long()[..., None] + tap).clamp(0, h - 1)
    cols = (x0.long()[..., None] + tap).clamp(0, w - 1)
    index = rows[..., :, None] * w + cols[..., None, :] + (torch.arange(n) * (h * w))[:, None, None, None, None]
    values = F.embedding(index.reshape(n * h * w, -1), source.permute(0, 2, 3, 1).reshape(-1, c))       # [NHW,taps,C]
    return torch.bmm(weight, values).reshape(n, h * w, c)


def correctness(source, target, flow, best):
    flow = F.interpolate(flow, size=source.shape[2:], mode="nearest") if flow.shape[2:] != source.shape[2:] else flow
    c = F.cosine_similarity(gauss_sample(source, flow), target.flatten(2).transpose(1, 2), 2, 1e-8)
    return torch.exp(-c / (best + 1e-8)).mean() - math.exp(-1)


def regularisation(flow, k):
    """The residual p^T Q p as |p|^2 - |B p|^2, B an orthonormal basis of the affine fields."""
    a = torch.tensor([[1.0, r - k // 2, c - k // 2] for r in range(k) for c in range(k)], dtype=flow.dtype)
    basis = (a / a.norm(dim=0)).T.reshape(3, 1, k, k)               # centred: the columns are orthogonal
    n, _, h, w = flow.shape
    planes = flow.reshape(2 * n, 1, h, w)
    energy = F.avg_pool2d(planes.square(), k, 1) * (k * k) - F.conv2d(planes, basis).square().sum(1, keepdim=True)
    return 2 * energy.mean()


RELU4_1 = 20                # of VGG19's features: the last that judges a flow


def vgg_taps(vgg, x, first=0, last=None):
    """What vgg(x) gives, of the layers first .. last, and what comes out of the last."""
    taps = {}
    for i, layer in enumerate(vgg.features):
        if i >= first and (last is None or i <= last):
            x = layer(x)
            if i in vgg.TAPS:
                taps[vgg.TAPS[i]] = x
    return taps, x


def faster(module):
    """Replaces the slow pieces of a reference network, in place; parameters and their names stay."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.InstanceNorm2d):
                norm = nn.GroupNorm(child.num_features, child.num_features, eps=child.eps)
                norm.weight, norm.bias = child.weight, child.bias
                setattr(parent, name, norm)
            elif type(child) is gfla_ref.LocalAttention:
                child.__class__ = LocalAttention
            elif isinstance(child, nn.ReLU):
                child.inplace = True
            elif isinstance(child, nn.LeakyReLU):
                before = parent[int(name) - 1] if isinstance(parent, nn.Sequential) and name != "0" else None
                child.inplace = isinstance(before, (nn.GroupNorm, nn.Conv2d, gfla_ref.SpectralConv))
    return module


# ---- the step --------------------------------------------------------------------------------------------------------

class Trainer:
    """The networks, and what they learn with. what: the work they are for; a process that generates holds no VGG19."""

    def __init__(self, config, what="step"):
        self.config = config
        self.g, self.d, self.vgg = faster(gfla_ref.Generator(config)), None, None
        for name, p in self.g.named_parameters():
            if name.startswith("flow_net.output") and name.endswith("weight"):
                nn.init.normal_(p, std=FLOW_SPREAD)
        if what in ("step", "discriminator"):
            self.d = faster(gfla_ref.Discriminator(config))
            self.adam_d = torch.optim.Adam(self.d.parameters(), lr=1e-5, betas=(0.0, 0.999))
        if what in ("step", "flow"):
            self.vgg = faster(gfla_ref.Vgg19(config.vgg_divisor)).eval()
            for layer in self.vgg.features:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight)
            self.adam_g = torch.optim.Adam(self.g.parameters(), lr=1e-4, betas=(0.0, 0.999))

    def modules(self):
        return [m for m in (self.g, self.d, self.vgg) if m is not None]

    def compile(self):
        global vgg_taps
        for module in [self.g.flow_net] + self.modules():
            module.forward = torch.compile(module.forward)
        vgg_taps = torch.compile(vgg_taps)

    def judged(self, source, target):
        """Features of both up to where flows are judged, constants; and the last of the target's."""
        with torch.no_grad():
            both, end = vgg_taps(self.vgg, torch.cat([target, source]), last=RELU4_1)
        n = len(target)
        return {k: v[n:] for k, v in both.items()}, {k: v[:n] for k, v in both.items()}, end[:n]

    def flow_terms(self, flows, source_taps, target_taps):
        correct = regular = 0
        for level, flow in zip(self.config.levels(), flows):
            s, t = (taps[f"{level + 1}_1"] for taps in (source_taps, target_taps))
            correct = correct + correctness(s, t, flow, best_similarity(s, t))
            regular = regular + regularisation(flow, self.config.kernels[level])
        return correct, regular

    def loss_g(self, image, flows, source, target):
        source_taps, target_taps, end = self.judged(source, target)
        with torch.no_grad():
            target_taps.update(vgg_taps(self.vgg, end, first=RELU4_1 + 1)[0])
        image_taps = self.vgg(image)
        correct, regular = self.flow_terms(flows, source_taps, target_taps)
        return gfla_ref.weighted(gfla_ref.STAGE2, {
            "app_gen": F.l1_loss(image, target), "correctness_gen": correct,
            "content_gen": gfla_ref.content(image_taps, target_taps),
            "style_gen": gfla_ref.style(image_taps, target_taps), "regularization": regular,
            "ad_gen": gfla_ref.gan_g(self.d(image))})

    def discriminator_step(self, target, image):
        self.adam_d.zero_grad(set_to_none=True)
        loss_d = gfla_ref.gan_d(self.d(target), self.d(image))
        loss_d.backward()
        self.adam_d.step()
        return loss_d.item()

    def flow(self, source, target, source_pose, target_pose):
        flows, _ = self.g.flow_net(source, source_pose, target_pose)
        source_taps, target_taps, _ = self.judged(source, target)
        self.adam_g.zero_grad(set_to_none=True)
        correct, regular = self.flow_terms(flows, source_taps, target_taps)
        loss = gfla_ref.weighted(gfla_ref.STAGE1, {"correctness": correct, "regularization": regular})
        loss.backward()
        self.adam_g.step()
        return loss.item()

    def step(self, source, target, source_pose, target_pose):
        image, flows, _ = self.g(source, source_pose, target_pose)
        self.d.requires_grad_(True)
        self.discriminator_step(target, image.detach())
        self.d.requires_grad_(False)
        self.adam_g.zero_grad(set_to_none=True)
        loss_g = self.loss_g(image, flows, source, target)
        loss_g.backward()
        self.adam_g.step()
        return loss_g.item()

    def discriminator(self, source, target, *_):
        return self.discriminator_step(target, source)

    @torch.inference_mode()
    def forward(self, source, _, source_pose, target_pose):
        return self.g(source, source_pose, target_pose)[0].abs().mean().item()


def batch_of(config, n, h, w):
    """Noise pictures and heat maps of random joints."""
    def pose():
        points = torch.stack([torch.randint(w, (n, config.structure)), torch.randint(h, (n, config.structure))], -1)
        return torch.stack([gfla_ref.heat_maps(p.tolist(), h, w, dtype=torch.float32) for p in points])
    return torch.rand(n, 3, h, w) * 2 - 1, torch.rand(n, 3, h, w) * 2 - 1, pose(), pose()


# ---- programs --------------------------------------------------------------------------------------------------------

def check(layout):
    """Against the reference in double: the loss and every gradient of one step's generator half."""
    config = gfla_ref.Config(**WIDTHS)
    trainer = Trainer(config)
    g, vgg, d = gfla_ref.Generator(config), gfla_ref.Vgg19(config.vgg_divisor), gfla_ref.Discriminator(config)
    for slow, fast in zip((g, d, vgg), trainer.modules()):
        slow.load_state_dict(fast.state_dict())
        slow.double()
        fast.double().to(memory_format=layout)
    source, target, source_pose, target_pose = (x.double() for x in batch_of(config, 2, 96, 64))
    image, flows, _ = g(source, source_pose, target_pose)
    taps = [vgg(x) for x in (image, target, source)]
    correct, regular = gfla_ref.flow_terms(config, flows, taps[1], taps[2])
    loss = gfla_ref.weighted(gfla_ref.STAGE2, {
        "app_gen": F.l1_loss(image, target), "correctness_gen": sum(correct),
        "content_gen": gfla_ref.content(*taps[:2]), "style_gen": gfla_ref.style(*taps[:2]),
        "regularization": sum(regular), "ad_gen": gfla_ref.gan_g(d(image))})
    loss.backward()
    fast_image, fast_flows, _ = trainer.g(*(x.to(memory_format=layout) for x in (source, source_pose, target_pose)))
    fast_loss = trainer.loss_g(fast_image, fast_flows, source.to(memory_format=layout), target.to(memory_format=layout))
    fast_loss.backward()
    errors = [(image - fast_image).abs().max().item(), abs(loss.item() - fast_loss.item())]
    size = max(p.grad.norm().item() for p in g.parameters())
    errors.append(max((p.grad - q.grad).norm().item() for p, q in zip(g.parameters(), trainer.g.parameters())) / size)
    print(f"image {errors[0]:.1e}  loss {errors[1]:.1e}  gradients {errors[2]:.1e} of the largest")
    return errors[0] < 1e-10 and errors[1] < 1e-6 and errors[2] < 1e-8       # the loss: its 1e-8 stands elsewhere


def start(opt, layout):
    make = gfla_ref.market if opt.variant == "market" else gfla_ref.Config
    config = make(**(WIDTHS if opt.widths == "tiny" else {}))
    h, w = (int(x) for x in opt.size.split("x"))
    trainer = Trainer(config, opt.what)
    for module in trainer.modules():
        module.to(memory_format=layout)
    batch = [x.to(memory_format=layout) for x in batch_of(config, opt.batch, h, w)]
    if opt.compile:
        trainer.compile()
    run = getattr(trainer, opt.what)
    return lambda: run(*batch)


if __name__ == "__main__":
    turns.run(OPT, start, check)
