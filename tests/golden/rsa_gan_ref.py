"""RSA-GAN in PyTorch: inputs, generator, discriminators, losses and one training step, for golden numbers.

Liu, Weng, Zhu, "Precise region semantics-assisted GAN for pose-guided person image generation", CAAI Trans. 2023. Only the
abstract names the modules; the networks below are our reconstruction, and the C code is written from the same description,
not from this file. Written to be read beside that description, not to be fast. Maps are [N,C,H,W]; "cells" are the grid at 1/4.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

import glocal_ref
import ops_ref
from gfla_ref import Vgg19, heat_maps
from glocal_ref import PLAIN, SLOPE, Chain, Down, Norm, Res, Up, area4, imagenet, unit

# ---- inputs ----------------------------------------------------------------------------------------------------------

JOINTS = 18
LIMBS = (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)
MERGE = {"lip": [0, 2, 2, 6, 4, 5, 5, 5, 7, 1, 5, 5, 3, 4, 6, 6, 7, 7, 7, 7],        # 20 labels -> 8 classes
         "cihp": [0, 2, 2, 6, 4, 5, 5, 5, 7, 1, 6, 5, 3, 4, 6, 6, 7, 7, 7, 7],
         "merged": list(range(8)), "none": list(range(20))}
HEAD, LEGS, TRUNK = (0, 14, 15, 16, 17), (8, 9, 10, 11, 12, 13), (1, 2, 3, 5, 6, 8, 11)
ALL = tuple(range(JOINTS))
# the joints of each class; background, class 0 of more than one, is what no joint claims
JOINTS_OF = {1: [ALL],
             8: [(), LEGS, HEAD, (8, 9, 11, 12), (0, 1, 14, 15, 16, 17), TRUNK, (2, 3, 4, 5, 6, 7), LEGS],
             20: [(), HEAD, HEAD, (4, 7), (0, 14, 15), TRUNK, TRUNK + (9, 12), TRUNK, (10, 13), LEGS, TRUNK[:5] + LEGS,
                  (0, 1, 2, 5), (8, 9, 11, 12), (0, 1, 14, 15, 16, 17), (5, 6, 7), (2, 3, 4), (11, 12, 13), (8, 9, 10),
                  (12, 13), (9, 10)]}


def scaled(points, picture, size):
    """points: (x, y) in a picture of H x W = picture -> whole pixels of size; (-1, -1) where missing"""
    return [(-1, -1) if x == -1 or y == -1 else (int(x * size[1] / picture[1]), int(y * size[0] / picture[0])) for x, y in points]


def limb_map(a, b, height, width, line):
    """exp(-0.1 distance) to the segment from a to b or to the infinite line through them -> [height,width]"""
    if min(*a, *b) < 0:
        return torch.zeros(height, width, dtype=torch.float64)
    y, x = torch.arange(height, dtype=torch.float64)[:, None], torch.arange(width, dtype=torch.float64)[None, :]
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = ((x - a[0]) * dx + (y - a[1]) * dy) / max(dx * dx + dy * dy, 1)
    if line == "segment":
        t = t.clamp(0, 1)
    return torch.exp(-0.1 * ((x - a[0] - t * dx) ** 2 + (y - a[1] - t * dy) ** 2).sqrt())


def pose_maps(points, height, width, line="segment"):
    """points: whole pixels (x, y), negative where missing -> float32 [30,height,width]"""
    limbs = [limb_map(points[i], points[j], height, width, line) for i, j in LIMBS]
    return torch.cat([heat_maps(points, height, width, 6.0), torch.stack(limbs)]).float()


def classes(labels, merge, K):
    """A parser's labels -> classes; merge: lip, cihp, merged (K = 8), none (K = 20). Labels of no table are background."""
    if K == 1:
        return torch.zeros_like(labels)
    table = torch.tensor(MERGE[merge if K == 8 else "none"] + [0])
    return table[torch.where((labels >= 0) & (labels < len(table) - 1), labels, torch.full_like(labels, len(table) - 1))]


def one_hot(labels, K, dtype=torch.float32):
    """[N,H,W] -> [N,K,H,W]"""
    return F.one_hot(labels.long(), K).permute(0, 3, 1, 2).to(dtype)


@dataclass
class Sample:
    """A batch. Source: picture, parsing (one-hot), pose maps. Target: pose maps, picture, parsing."""
    source: torch.Tensor
    parsing: torch.Tensor
    pose_s: torch.Tensor
    pose_t: torch.Tensor
    target: torch.Tensor = None
    target_parsing: torch.Tensor = None

    def to(self, dtype):
        return Sample(**{k: v if v is None else v.to(dtype) for k, v in self.__dict__.items()})


# ---- configuration ---------------------------------------------------------------------------------------------------

@dataclass
class Config:
    """Widths, then the switches of the ablations: what is on or off is a bool."""
    c: int = 256
    key: int = 128
    mod: int = 128
    d: int = 64
    rpsf: bool = True
    rpsf_gate: bool = True
    rpsf_joints: str = "regional"       # regional, all
    code_sa: int = 0
    style_enc: str = "plain"            # plain, vgg
    pcgsi: bool = True
    inject: str = "mod"                 # mod, adain, concat
    corr_shared: int = 1
    corr_feat: str = "pose"             # pose, pose+sem
    gdcca: bool = True
    gdcca_attn: str = "both"            # both, channel, token, spatial
    gdcca_gate: str = "learned"         # learned, open, closed
    gdcca_dw: bool = True
    gdcca_blocks: int = 2
    up_k: int = 3
    out_colours: bool = False           # the last sum reads the carried colours, too
    d_head: int = 1
    d_blocks: int = 0
    d_limbs: int = 0
    limb_line: str = "segment"          # segment, infinite; the pose maps' alone
    K: int = 8
    vgg_divisor: int = 1

    @property
    def a(self):
        return -(-self.c // (2 * self.K))

    @property
    def b(self):
        return -(-self.c // self.K)

    @property
    def m(self):
        """Channels of F_sem and Z."""
        return self.K * self.b

    @property
    def heads(self):
        return self.c // HEAD_WIDTH


HEAD_WIDTH = 32


def small(**switches):
    return Config(**{"c": 128, "key": 64, **switches})


def tiny(**switches):
    return Config(**{"c": 64, "key": 32, "d": 16, **switches})


# ---- layers ----------------------------------------------------------------------------------------------------------

class Conv(glocal_ref.Conv):
    """With groups; the border is zero or reflected."""

    def __init__(self, cin, cout, k, stride=1, padding=None, groups=1, reflect=False, bias=True):
        super().__init__(cin // groups, cout, k, stride, padding, bias=bias)
        self.groups, self.reflect = groups, reflect

    def forward(self, x):
        if self.reflect:
            return F.conv2d(F.pad(x, [self.padding] * 4, "reflect"), self.weight, self.bias, self.stride, 0, 1, self.groups)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)


def plain_norm(x):
    return F.instance_norm(x, eps=1e-5)


class LayerNorm(Norm):
    """Over the channels of each position, or (whole) over a sample; gain and bias per channel."""

    def __init__(self, c, whole=False):
        super().__init__(c)
        self.axes = (1, 2, 3) if whole else (1,)

    def forward(self, x):
        variance, mean = torch.var_mean(x, self.axes, unbiased=False, keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt() * self.weight[:, None, None] + self.bias[:, None, None]


def act(x):
    return F.leaky_relu(x, SLOPE)


@torch.no_grad()
def zero(*layers):
    for layer in layers:
        layer.weight.zero_()
        layer.bias.zero_()


def initialise(net, discriminator=False):
    """Fresh values: N(0, 1 / fan_in), in discriminators N(0, 0.02^2); biases 0. What starts elsewhere is set by its block."""
    for layer in net.modules():
        if isinstance(layer, glocal_ref.Conv):
            fan_in = layer.weight[0].numel() if not layer.up else layer.weight.shape[0] * layer.weight[0, 0].numel() / 4
            nn.init.normal_(layer.weight, 0, 0.02 if discriminator else fan_in ** -0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


# ---- style -----------------------------------------------------------------------------------------------------------

class Style(Chain):
    def __init__(self, c):
        super().__init__(down0=Down(3, c // 2, PLAIN, first=True), down1=Down(c // 2, c, PLAIN), res0=Res(c), res1=Res(c))

    def forward(self, image, _):
        return super().forward(image)


class StyleVgg(nn.Module):
    """Frozen VGG19 features join at every stage; the map at 1/8 is doubled."""
    TAPS = "1_1", "2_1", "3_1", "4_1"

    def __init__(self, config):
        super().__init__()
        c, seen = config.c, [n // config.vgg_divisor for n in (64, 128, 256, 512)]
        self.conv0 = Conv(3, c // 4, 7, padding=3, reflect=True)
        for i in range(3):
            self.add_module(f"conv{i + 1}", Conv(c // 4 * 2 ** i + seen[i], c // 2 * 2 ** i, 4, 2, 1, reflect=True))
        self.reduce = Conv(2 * c + seen[3], c, 1)

    def forward(self, image, vgg):
        taps = vgg_taps(vgg, image)
        y = F.relu(self.conv0(image))
        for tap, conv in zip(self.TAPS, (self.conv1, self.conv2, self.conv3)):
            y = F.relu(conv(torch.cat([y, taps[tap]], 1)))
        return larger(self.reduce(torch.cat([y, taps[self.TAPS[3]]], 1)), 2)


def larger(x, times):
    return F.interpolate(x, scale_factor=times, mode="bilinear", align_corners=False)


# ---- RPSF ------------------------------------------------------------------------------------------------------------

def most(maps, chosen):
    """The largest of the chosen maps, 0 if there are none -> [N,1,H,W]"""
    return maps[:, list(chosen)].amax(1, keepdim=True) if chosen else torch.zeros_like(maps[:, :1])


def regions(parsing, pose, K, which="regional"):
    """Class by class: its mask, its joints, its limbs -> [N,3K,H,W]"""
    joints, limbs = pose[:, :JOINTS], pose[:, JOINTS:]
    everything = tuple(range(len(LIMBS)))
    stack = []
    for k in range(K):
        chosen = ALL if which == "all" or K > 1 and k == 0 else JOINTS_OF[K][k]
        bones = [i for i in everything if LIMBS[i][0] in chosen and LIMBS[i][1] in chosen]
        maps = [most(joints, chosen), most(limbs, bones)]
        stack += [parsing[:, k:k + 1]] + ([1 - x for x in maps] if K > 1 and k == 0 else maps)
    return torch.cat(stack, 1)


class Rpsf(nn.Module):
    def __init__(self, config):
        super().__init__()
        K, a, b, m = config.K, config.a, config.b, config.m
        self.config = config
        groups = K if config.rpsf else 1
        self.conv0, self.norm0 = Conv(3 * K if config.rpsf else K, K * a, 4, 2, 1, groups), Norm(K * a)
        self.conv1, self.norm1 = Conv(K * a, m, 4, 2, 1, groups), Norm(m)
        if not config.rpsf:
            return
        self.value = Conv(m, m, 3, groups=K)
        if config.rpsf_gate:
            self.gate = Conv(m, m, 3, groups=K)
        self.mix, self.delta = Conv(m, m, 1), Conv(m, K, 1, groups=K)

    def fresh(self):
        if self.config.rpsf:
            zero(self.mix, self.delta)
            if self.config.rpsf_gate:
                nn.init.constant_(self.gate.bias, 2)

    def forward(self, parsing, pose):
        """-> soft masks [N,K,h,w] that sum to 1, F_sem [N,M,h,w]"""
        config, soft = self.config, area4(parsing)
        x = regions(parsing, pose, config.K, config.rpsf_joints) if config.rpsf else parsing
        u = act(self.norm1(self.conv1(act(self.norm0(self.conv0(x))))))
        if not config.rpsf:
            return soft, u
        r = self.value(u)
        if config.rpsf_gate:
            r = r * torch.sigmoid(self.gate(u))
        return torch.softmax((soft + 1e-3).log() + self.delta(r), 1), u + self.mix(r)


class CodeAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.value, self.gain = nn.Parameter(torch.randn(c, c) / math.sqrt(c)), nn.Parameter(torch.zeros(1))

    def forward(self, s):
        weights = torch.softmax(s @ s.transpose(1, 2) / math.sqrt(s.shape[2]), -1)
        return s + self.gain * (weights @ (s @ self.value.T))


def pool_regions(f, soft, parsing):
    """-> codes [N,K,C]; a class under one cell of the parsing has the mean of f"""
    pooled = torch.einsum("nkyx,ncyx->nkc", soft, f) / soft.sum((2, 3)).clamp(min=1e-6)[..., None]
    absent = area4(parsing).sum((2, 3)) < 1
    return torch.where(absent[..., None], f.mean((2, 3))[:, None], pooled)


# ---- pose, correspondence, injection ---------------------------------------------------------------------------------

class Pose(Chain):
    def __init__(self, c):
        super().__init__(down0=Down(30, c // 4, PLAIN, first=True), down1=Down(c // 4, c // 2, PLAIN),
                         down2=Down(c // 2, c, PLAIN), down3=Down(c, c, PLAIN), up0=Up(c, c, PLAIN), up1=Up(c, c, PLAIN))


def coordinates(like):
    """x and y from -1 to 1 at the outermost cells, radius -> [N,3,h,w]"""
    n, _, h, w = like.shape
    y = (-1 + 2 * torch.arange(h, dtype=like.dtype) / (h - 1))[:, None].expand(h, w)
    x = (-1 + 2 * torch.arange(w, dtype=like.dtype) / (w - 1))[None, :].expand(h, w)
    return torch.stack([x, y, (x * x + y * y).sqrt()])[None].expand(n, 3, h, w)


def tau_at(step, steps):
    """The temperature of training: 0.1 to 0.01 within `steps`."""
    return 0.1 * 0.1 ** min(step / steps, 1)


class Corr(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.register_buffer("tau", torch.full((1,), 0.01))
        self.proj = Conv(config.c + 3, config.key, 1)
        if not config.corr_shared:
            self.proj_t = Conv(config.c + 3, config.key, 1)
        if config.corr_feat == "pose+sem":
            self.proj_sem = Conv(config.c + 3 + config.K, config.key, 1)

    def describe(self, proj, e, *more):
        d = proj(torch.cat([e, coordinates(e), *more], 1))
        return unit(d - d.mean(1, keepdim=True)).flatten(2)

    def attend(self, target, source):
        """-> [N,target cells,source cells], rows sum to 1"""
        return torch.softmax(target.transpose(1, 2) @ source / self.tau, -1)

    def forward(self, e_t, e_s, soft):
        proj_t = self.proj if self.config.corr_shared else self.proj_t
        cor = self.attend(self.describe(proj_t, e_t), self.describe(self.proj, e_s))
        if self.config.corr_feat == "pose":
            return cor
        first = carry(cor, soft)
        return self.attend(self.describe(self.proj_sem, e_t, first), self.describe(self.proj_sem, e_s, soft))


def carry(cor, x):
    """sum over p of Cor(q,p) x(p)"""
    return (x.flatten(2) @ cor.transpose(1, 2)).reshape(x.shape)


class Mod(nn.Module):
    def __init__(self, config, kind):
        super().__init__()
        c, self.kind = config.c, kind
        if kind == "mod":
            self.shared = Conv(c, config.mod, 3)
        self.affine = Conv(config.mod, 2 * c, 3) if kind == "mod" else Conv(c, 2 * c, 1)

    def forward(self, x, t):
        u = F.relu(plain_norm(self.shared(t))) if self.kind == "mod" else t.mean((2, 3), keepdim=True)
        gamma, beta = self.affine(u).chunk(2, 1)
        return plain_norm(x) * (1 + gamma) + beta


class Mrb(nn.Module):
    def __init__(self, config, kind="mod"):
        super().__init__()
        c, self.kind = config.c, kind
        if kind != "concat":
            self.mod1, self.mod2 = Mod(config, kind), Mod(config, kind)
        self.conv1, self.conv2 = Conv(2 * c if kind == "concat" else c, c, 3), Conv(c, c, 3)

    def forward(self, x, t):
        if self.kind == "concat":
            return x + self.conv2(act(plain_norm(self.conv1(torch.cat([act(plain_norm(x)), t], 1)))))
        return x + self.conv2(act(self.mod2(self.conv1(act(self.mod1(x, t))), t)))


class Pair(nn.Module):
    """Two modulated blocks, both told the same."""

    def __init__(self, config, kind="mod"):
        super().__init__()
        self.mrb0, self.mrb1 = Mrb(config, kind), Mrb(config, kind)

    def forward(self, x, t):
        return self.mrb1(self.mrb0(x, t), t)


# ---- GDCCA -----------------------------------------------------------------------------------------------------------

class Pd(nn.Module):
    """1x1, then depth-wise 3x3."""

    def __init__(self, config, cin, cout):
        super().__init__()
        self.pw, self.dw = Conv(cin, cout, 1), Conv(cout, cout, 3, groups=cout) if config.gdcca_dw else None

    def forward(self, x):
        return self.pw(x) if self.dw is None else self.dw(self.pw(x))


def channel_attention(q, k, v, alpha):
    """[N,h,32,positions], alpha [h]: channels attend to channels -> the same shape"""
    q, k = (x / (torch.linalg.vector_norm(x, dim=3, keepdim=True) + 1e-6) for x in (q, k))
    return torch.softmax(alpha[:, None, None] * (q @ k.transpose(2, 3)), -1) @ v


def spatial_attention(q, k, v):
    """The same shapes: positions attend to positions"""
    return (torch.softmax(q.transpose(2, 3) @ k / math.sqrt(q.shape[2]), -1) @ v.transpose(2, 3)).transpose(2, 3)


class Token(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.q = Conv(c, c, 1)
        self.k, self.v = (nn.Parameter(torch.randn(c, c) / math.sqrt(c)) for _ in "kv")

    def forward(self, x, s, prior):
        """-> O_t, logits e [N,K,h,w]"""
        keys = s @ self.k.T
        e = torch.einsum("nkc,ncyx->nkyx", keys, self.q(x)) / math.sqrt(s.shape[2]) + (prior + 1e-3).log()
        return torch.einsum("nkyx,nkc->ncyx", torch.softmax(e, 1), s @ self.v.T), e


class Feed(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = config.c
        self.norm, self.out = LayerNorm(c), Conv(2 * c, c, 1)
        self.add_module("in", Pd(config, c, 4 * c))

    def forward(self, x):
        u1, u2 = getattr(self, "in")(self.norm(x)).chunk(2, 1)
        return x + self.out(F.gelu(u1) * u2)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, self.config = config.c, config
        self.norm = LayerNorm(c)
        if config.gdcca_attn != "token":
            self.q, self.kv, self.out = Pd(config, c, c), Pd(config, c + config.m, 2 * c), Conv(c, c, 1)
        if config.gdcca_attn in ("both", "channel"):
            self.alpha = nn.Parameter(torch.full((config.heads,), 10.0))
        if config.gdcca_attn in ("both", "token"):
            self.token = Token(c)
        if config.gdcca_gate == "learned":
            self.gate = Pd(config, 3 * c, c)
        self.ff = Feed(config)

    def fresh(self):
        zero(self.ff.out)
        if self.config.gdcca_gate == "learned":
            nn.init.constant_((self.gate.dw or self.gate.pw).bias, -2)

    def across(self, x, t, z):
        """O_c: between channels, or (spatial) between positions"""
        q, k, v = (y.unflatten(1, (self.config.heads, HEAD_WIDTH)).flatten(3)
                   for y in (self.q(x), *self.kv(torch.cat([t, z], 1)).chunk(2, 1)))
        o = spatial_attention(q, k, v) if self.config.gdcca_attn == "spatial" else channel_attention(q, k, v, self.alpha)
        return self.out(o.reshape(x.shape))

    def forward(self, x, t, z, s, prior):
        """-> X'', logits of the token attention or None"""
        xn, e = self.norm(x), None
        o_c = o_t = torch.zeros_like(x)
        if self.config.gdcca_attn != "token":
            o_c = self.across(xn, t, z)
        if self.config.gdcca_attn in ("both", "token"):
            o_t, e = self.token(xn, s, prior)
        if self.config.gdcca_gate == "learned":
            x = x + torch.sigmoid(self.gate(torch.cat([xn, o_c, o_t], 1))) * (o_c + o_t)
        elif self.config.gdcca_gate == "open":
            x = x + o_c + o_t
        return self.ff(x), e


# ---- output, generator, discriminators -------------------------------------------------------------------------------

class Output(Pair):
    def __init__(self, config):
        super().__init__(config)
        c, k = config.c, config.up_k
        self.up0, self.norm0 = Conv(c, c // 2, k), LayerNorm(c // 2, whole=True)
        self.up1, self.norm1 = Conv(c // 2, c // 4, k), LayerNorm(c // 4, whole=True)
        self.rgb = Conv(c // 4, 3, 7, reflect=True)
        if config.out_colours and config.pcgsi:
            self.colour = Conv(3, 3, 3, reflect=True, bias=False)

    def forward(self, e_t, y, warped):
        x = super().forward(e_t, y)
        for conv, norm in ((self.up0, self.norm0), (self.up1, self.norm1)):
            x = F.relu(norm(conv(F.interpolate(x, scale_factor=2, mode="nearest"))))
        return torch.tanh(self.rgb(x) + self.coloured(warped))

    def fresh(self):
        if hasattr(self, "colour"):
            nn.init.zeros_(self.colour.weight)

    def coloured(self, warped):
        """What the carried colours add, 0 where they are not read."""
        if not hasattr(self, "colour"):
            return 0
        return self.colour(F.interpolate(warped, scale_factor=4, mode="bilinear", align_corners=False))


class Generator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.style = Style(config.c) if config.style_enc == "plain" else StyleVgg(config)
        self.rpsf = Rpsf(config)
        if config.code_sa:
            self.code_sa = CodeAttention(config.c)
        self.pose = Pose(config.c)
        if config.pcgsi:
            self.corr = Corr(config)
        self.inject = Pair(config, config.inject if config.pcgsi else "adain")
        if config.gdcca:
            self.gdcca = Chain(**{f"block{i}": Block(config) for i in range(config.gdcca_blocks)})
        self.output = Output(config)
        initialise(self)
        zero(self.inject.mrb0.conv2)
        for part in self.modules():
            if hasattr(part, "fresh"):
                part.fresh()

    def align(self, out, source):
        """T, Z, Q0 and the warped picture (None without correspondence), added to out."""
        if self.config.pcgsi:
            cor = self.corr(out["e_t"], out["e_s"], out["soft"])
            out["T"], out["Z"], out["Q0"], out["warp"] = (carry(cor, x) for x in (out["F"], out["sem"], out["soft"], area4(source)))
            out["peak"] = cor.amax(2).reshape(out["soft"][:, :1].shape)
        else:
            out["T"] = out["codes"].mean(1)[..., None, None].expand(out["F"].shape)
            out["Z"] = out["sem"].mean((2, 3), keepdim=True).expand(out["sem"].shape)
            out["Q0"] = torch.full_like(out["soft"], 1 / self.config.K)
            out["warp"] = None

    def forward(self, x, vgg=None):
        """-> every stage by name; what does not apply is None"""
        out = {"F": self.style(x.source, vgg)}
        out["soft"], out["sem"] = self.rpsf(x.parsing, x.pose_s)
        out["codes"] = pool_regions(out["F"], out["soft"], x.parsing)
        if self.config.code_sa:
            out["codes"] = self.code_sa(out["codes"])
        out["e_s"], out["e_t"] = self.pose(x.pose_s), self.pose(x.pose_t)
        self.align(out, x.source)
        out["X"] = y = self.inject(out["e_t"], out["T"])
        out["att"] = []
        if self.config.gdcca:
            for block in self.gdcca.children():
                y, e = block(y, out["T"], out["Z"], out["codes"], out["Q0"])
                out["att"] += [] if e is None else [e]
        else:
            y = y + out["T"]
        out["Y"] = y
        out["image"] = self.output(out["e_t"], y, out["warp"])
        return out


class Discriminator(nn.Module):
    def __init__(self, config, cin):
        super().__init__()
        d = config.d
        self.conv0, self.norm0 = Conv(cin, d, 7, reflect=True), Norm(d)
        self.conv1, self.norm1 = Conv(d, 2 * d, 3, 2), Norm(2 * d)
        self.conv2, self.norm2 = Conv(2 * d, 4 * d, 3, 2), Norm(4 * d)
        self.res = Chain(**{f"block{i}": Res(4 * d) for i in range(config.d_blocks)})
        self.head = Conv(4 * d, 1, 1) if config.d_head else None
        initialise(self, discriminator=True)

    def forward(self, x):
        """-> scores, outputs of the three relus"""
        maps = []
        for conv, norm in ((self.conv0, self.norm0), (self.conv1, self.norm1), (self.conv2, self.norm2)):
            x = F.relu(norm(conv(x)))
            maps.append(x)
        x = self.res(x)
        return (x if self.head is None else self.head(x)), maps


class Judges(nn.Module):
    """Both discriminators: does the picture fit the pose, and the source?"""

    def __init__(self, config):
        super().__init__()
        self.limbs = len(LIMBS) if config.d_limbs else 0
        self.d_pose, self.d_pair = Discriminator(config, 3 + JOINTS + self.limbs), Discriminator(config, 6)

    def forward(self, image, x):
        """-> [(scores, maps) of d_pose, of d_pair]"""
        pose = x.pose_t[:, :JOINTS + self.limbs]
        return [self.d_pose(torch.cat([image, pose], 1)), self.d_pair(torch.cat([image, x.source], 1))]


# ---- losses ----------------------------------------------------------------------------------------------------------

WEIGHTS = {"l1": 5.0, "warp": 1.0, "par": 0.1, "sem": 0.1, "att": 0.1, "adv": 5.0, "fm": 10.0}
WEIGHTS_VGG = {**WEIGHTS, "l1": 1.0, "per": 1.0, "content": 0.5, "style": 200.0, "cx": 0.1}
WEIGHT_D = 5.0
CONTEXT = "3_2", "4_2"


def vgg_taps(vgg, x):
    return vgg(imagenet(x))


def contextual(a, b, width=0.5):
    """How well the positions of b are matched by those of a; [N,C,h,w] each"""
    a, b = a.flatten(2), b.flatten(2)
    middle = b.mean(2, keepdim=True)
    a, b = unit(a - middle), unit(b - middle)
    d = (1 - a.transpose(1, 2) @ b) / 2                             # [N,positions of a,of b]
    relative = d / (d.amin(2, keepdim=True) + 1e-5)
    w = torch.softmax((1 - relative) / width, 2)
    return -w.amax(1).mean(1).log().mean()


def seen_terms(vgg, image, target):
    with torch.no_grad():
        b = vgg_taps(vgg, target)
    a = vgg_taps(vgg, image)
    return {"per": F.l1_loss(a["1_2"], b["1_2"]), "content": glocal_ref.content_loss(a, b),
            "style": glocal_ref.style_loss(a, b), "cx": sum(contextual(a[tap], b[tap]) for tap in CONTEXT)}


def soft_cross_entropy(labels, probabilities):
    """Both [N,K,h,w]"""
    return -(labels * (probabilities + 1e-6).log()).sum(1).mean()


def attention_loss(e, labels):
    """e at 1/4, labels one-hot at full size"""
    return F.cross_entropy(larger(e, 4), labels.argmax(1))


def d_loss(on_real, on_fake):
    return 0.5 * (((on_real - 1) ** 2).mean() + (on_fake ** 2).mean())


def total(terms, weights):
    return sum(weights[name] * value for name, value in terms.items())


class Step:
    """The parts of a step, in the order of calls: forward, terms (G's turn), judge (D's turn, on the picture of forward)."""

    def __init__(self, g, judges, vgg=None):
        """vgg: for style_enc = vgg and for the losses"""
        self.g, self.judges, self.vgg, self.config = g, judges, vgg, g.config
        self.weights = WEIGHTS_VGG if vgg else WEIGHTS

    def forward(self, x):
        self.x = x
        self.out = self.g(x, self.vgg)
        return self.out

    def region_terms(self):
        """Those whose ingredient no switch removed."""
        x, out, config, terms = self.x, self.out, self.config, {}
        if config.pcgsi:
            terms["warp"] = F.l1_loss(out["warp"], area4(x.target))
        if config.K == 1:
            return terms
        if config.pcgsi:
            terms["par"] = soft_cross_entropy(area4(x.target_parsing), out["Q0"])
        if config.rpsf:
            terms["sem"] = soft_cross_entropy(area4(x.parsing), out["soft"])
        if out["att"]:
            terms["att"] = sum(attention_loss(e, x.target_parsing) for e in out["att"])
        return terms

    def terms(self):
        """-> {name: unweighted loss}"""
        image, target = self.out["image"], self.x.target
        self.judges.requires_grad_(False)
        terms = {"l1": F.l1_loss(image, target), **self.region_terms()}
        self.fake_in_g = self.judges(image, self.x)
        terms["adv"] = sum(0.5 * ((scores - 1) ** 2).mean() for scores, _ in self.fake_in_g)
        if self.vgg:
            terms.update(seen_terms(self.vgg, image, target))
        else:
            with torch.no_grad():
                real = self.judges(target, self.x)
            terms["fm"] = sum(F.l1_loss(a, b) for fake, true in zip(self.fake_in_g, real) for a, b in zip(fake[1], true[1])) / 6
        self.judges.requires_grad_(True)
        return terms

    def judge(self):
        """-> unweighted losses of d_pose and d_pair"""
        self.on_real, self.on_fake = ([scores for scores, _ in self.judges(y, self.x)]
                                      for y in (self.x.target, self.out["image"].detach()))
        return [d_loss(*pair) for pair in zip(self.on_real, self.on_fake)]


# ---- cost ------------------------------------------------------------------------------------------------------------

def count_macs(config, height, width):
    """-> {part: multiply-adds of one picture}: convolutions and matrix products"""
    g, judges = Generator(config), Judges(config)
    found = {}

    def add(part, n):
        found[part] = found.get(part, 0) + n

    def hook(part):
        def count(layer, inputs, output):
            x = inputs[0] if layer.up else output
            add(part, x.shape[2] * x.shape[3] * layer.weight.numel())
        return count

    for part, net in [*g.named_children(), ("judges", judges)]:
        for layer in net.modules():
            if isinstance(layer, glocal_ref.Conv):
                layer.register_forward_hook(hook(part))
    cells, c, K = height * width // 16, config.c, config.K
    x = Sample(*(torch.zeros(1, n, height, width) for n in (3, K, 30, 30)))
    with torch.no_grad():
        g(x)
        judges(x.source, x)
    add("pose", cells * K * c)                                              # pooling of the codes; nearest to it in the figure
    add("corr", cells * cells * (config.key + c + config.m + K + 3))
    add("gdcca", config.gdcca_blocks * (2 * cells * c * HEAD_WIDTH + 2 * K * c * c + 2 * cells * K * c))
    return found
