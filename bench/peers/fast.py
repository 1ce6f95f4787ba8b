"""The faster pieces that the peers of GLocal and of RSA-GAN share. Parameters and their names are those of tests/golden."""

import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden"))
import gfla_ref                                                                                         # noqa: E402
import glocal_ref                                                                                       # noqa: E402


# ---- layouts: channels_last maps are matrices [HW,C] without a copy -----------------------------------------------------

def is_last(x):
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def like(x, other):
    return x.contiguous(memory_format=torch.channels_last if is_last(other) else torch.contiguous_format)


def product(a, b, other):
    """[N,C,K], [N,K,HW] -> the map [N,C,h,w] of their product, in the layout of `other`"""
    h, w = other.shape[2:]
    if is_last(other):
        return (b.transpose(1, 2) @ a.transpose(1, 2)).transpose(1, 2).unflatten(2, (h, w))
    return (a @ b).unflatten(2, (h, w))


# ---- convolutions, with spectral norm or without ---------------------------------------------------------------------

class Normalised(torch.autograd.Function):
    """weight / sigma; u and v, shaped to multiply to a matrix like the weight, are constants"""

    @staticmethod
    def forward(ctx, weight, sigma, u, v):
        weight = weight / sigma
        ctx.save_for_backward(weight, u, v)
        ctx.sigma = sigma
        return weight

    @staticmethod
    def backward(ctx, grad):
        weight, u, v = ctx.saved_tensors
        return torch.addcmul(grad, u, v, value=-(grad * weight).sum().item()).div_(ctx.sigma), None, None, None


class Twice(torch.autograd.Function):
    """conv_transpose2d(x, weight, None, 2, 1, 1)"""

    @staticmethod
    def backward_of(grad, x, weight, mask):
        return torch.ops.aten.convolution_backward(grad, x, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        n, _, h, w = x.shape
        y = torch.empty(n, weight.shape[1], 2 * h, 2 * w, dtype=x.dtype,
                        memory_format=torch.channels_last if is_last(x) else torch.contiguous_format)
        return Twice.backward_of(x, y, weight, [True, False, False])[0]

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return F.conv2d(grad, weight, None, 2, 1), Twice.backward_of(x, grad, weight, [False, True, False])[1]


class Conv(glocal_ref.Conv):
    """Calls use `ready`, which prepare() makes. weight_v lies in the order of the weight's own memory. packs: in inference."""

    packs, packed = False, None
    groups, reflect = 1, False                          # where the network's own layers have none

    def memory(self):
        """-> the weight as a matrix with one row per output channel, a view where that can be"""
        w = self.weight_orig
        if self.up:
            return w.permute(0, 2, 3, 1).flatten(0, 2).t() if is_last(w) else w.transpose(0, 1).flatten(1)
        return w.permute(0, 2, 3, 1).flatten(1) if is_last(w) else w.flatten(1)

    def shaped(self):
        """-> u and v as they multiply to a weight"""
        w = self.weight_orig
        if self.up:
            return self.weight_u[None, :, None, None], self.weight_v.view(w.shape[0], 1, *w.shape[2:])
        v = self.weight_v
        v = v.view(*w.shape[2:], w.shape[1]).permute(2, 0, 1) if is_last(w) else v.view(w.shape[1:])
        return self.weight_u[:, None, None, None], v[None]

    def relaid(self):
        """After the weight became channels_last."""
        w = self.weight_orig
        if not self.up and is_last(w):
            self.weight_v = self.weight_v.view(w.shape[1:]).permute(1, 2, 0).flatten()

    def prepare(self, iterate=True):
        with torch.no_grad():
            m = self.memory()
            if iterate:
                self.weight_v = F.normalize(m.t() @ self.weight_u, dim=0, eps=1e-12)
            mv = m @ self.weight_v
            sigma = (mv.norm() if iterate else mv @ self.weight_u).item()
            if iterate:
                self.weight_u = mv / max(sigma, 1e-12)
        self.ready = Normalised.apply(self.weight_orig, sigma, *self.shaped())

    def filters(self):
        return self.ready if self.sn else self.weight

    def forward(self, x):
        if self.up:
            return Twice.apply(x, self.filters())       # without the bias
        padding = 0 if self.reflect else self.padding
        if self.reflect:
            x = F.pad(x, [self.padding] * 4, "reflect")
        if not self.packs:
            return F.conv2d(x, self.filters(), self.bias, self.stride, padding, 1, self.groups)
        ops = torch.ops.mkldnn_prepacked
        if self.packed is None:
            self.packed = ops.conv2d_prepack(self.filters(), self.bias, [self.stride] * 2, [padding] * 2, [1, 1], self.groups,
                                             list(x.shape), "none")
        return ops.conv2d_run(x, self.packed)


def prepare(net, iterate=True):
    for layer in net.modules():
        if isinstance(layer, Conv) and layer.sn:
            layer.prepare(iterate)


def pack(net, layout):
    """What a convolution packs at its first call is for that call's size."""
    for layer in net.modules():
        if isinstance(layer, Conv):
            layer.packs = layout == torch.contiguous_format and next(net.parameters()).dtype == torch.float32


def forget(net):
    for layer in net.modules():
        if isinstance(layer, Conv):
            layer.ready = None


# ---- blocks ----------------------------------------------------------------------------------------------------------

def norm_act(norm, look, x):
    return F.leaky_relu_(F.group_norm(x, x.shape[1], norm.weight, norm.bias, 1e-5), look.slope)


class Down(glocal_ref.Down):
    def forward(self, x):
        if not self.first:
            x = norm_act(self.norm1, self.look, x)
        return self.conv2(norm_act(self.norm2, self.look, self.conv1(x)))


class Res(glocal_ref.Res):
    def forward(self, x):
        return self.conv2(norm_act(self.norm2, self.look, self.conv1(norm_act(self.norm1, self.look, x)))).add_(x)


class Up(glocal_ref.Up):
    def forward(self, x):
        h = self.conv1(norm_act(self.norm1, self.look, x))
        y = self.up(norm_act(self.norm2, self.look, h)).add_(self.skip(x))
        return y.add_((self.up.bias + self.skip.bias)[:, None, None])


def modulate(x, gain, shift):
    """x gain + shift; the 1 of 1 + gamma is in the gain's bias"""
    return torch.addcmul(shift, x, gain)


def gain_of(conv, x):
    return F.conv2d(x, conv.weight, conv.bias + 1, conv.stride, conv.padding)


# ---- correspondence --------------------------------------------------------------------------------------------------

def scaled_unit(x, scale):
    return x * (scale / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-6))


def embed(conv, scale, *maps):
    """Of unit length times scale, each position's mean taken off; the mean comes off the filters."""
    weight, bias = conv.weight - conv.weight.mean(0, keepdim=True), conv.bias - conv.bias.mean()
    return scaled_unit(F.conv2d(torch.cat(maps, 1), weight, bias), scale)


def correspond(query, key, values, rows):
    """One sample's, in channels_last. rows: of queries that are done at once. The keys are the filters, then the values."""
    filters, carried = key[0].flatten(1).t()[..., None, None].contiguous(), values[0].flatten(1)[..., None, None].contiguous()
    query = query.contiguous(memory_format=torch.channels_last)
    return [F.conv2d(torch.softmax(F.conv2d(q, filters).permute(0, 2, 3, 1), -1).permute(0, 3, 1, 2), carried)
            for q in query.split(rows, 2)]


# ---- networks --------------------------------------------------------------------------------------------------------

PIECES = {glocal_ref.Conv: Conv, glocal_ref.Down: Down, glocal_ref.Res: Res, glocal_ref.Up: Up}


def faster(module, pieces):
    """pieces: {class: the faster one}. Replaces the slow pieces of a reference network, in place; parameters stay."""
    for m in module.modules():
        m.__class__ = pieces.get(type(m), type(m))
    return module


def relaid(module, layout):
    module.to(memory_format=layout)
    for m in module.modules():
        if isinstance(m, Conv) and m.sn:
            m.relaid()
    return module


class Vgg(gfla_ref.Vgg19):
    """With random weights; takes pictures in [-1, 1]."""

    def __init__(self, divisor):
        super().__init__(divisor)
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.ReLU):
                layer.inplace = True
        self.eval()

    def forward(self, x):
        deviation = torch.tensor((0.229, 0.224, 0.225), dtype=x.dtype)[:, None, None]
        mean = torch.tensor((0.485, 0.456, 0.406), dtype=x.dtype)[:, None, None]
        return super().forward(torch.addcmul((0.5 - mean) / deviation, x, 0.5 / deviation))


def adam(net, rate):
    parameters = list(net.parameters())
    try:
        return torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999), fused=True)
    except (RuntimeError, TypeError):                   # fused on the CPU came with PyTorch 2.4
        return torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999))


def apart(a, b):
    """The largest difference of two networks' gradients, in shares of the largest gradient."""
    size = max(p.grad.norm().item() for p in a.parameters() if p.grad is not None)
    return max((p.grad - q.grad).norm().item() if p.grad is not None else float(q.grad is not None and q.grad.norm() > 0)
               for p, q in zip(a.parameters(), b.parameters())) / size
