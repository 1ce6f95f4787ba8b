"""GLocal in PyTorch: the generator with its parsing network, the discriminator, losses and one training step, for golden numbers.

Ma et al., "GLocal: Global Graph Reasoning and Local Structure Transfer for Person Image Generation", arXiv 2112.00263. Only the
abstract names the parts; the networks below are our reconstruction, and the C code is written from the same description, not from
this file. Written to be read beside that description, not to be fast. Maps are [N,C,H,W]; "cells" are the grid at 1/4.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

import ops_ref

REGIONS, JOINTS = 8, 18
SLOPE = 0.1                 # of leaky relus, but for the parsing network and gated convolutions (0.2)


@dataclass
class Config:
    """Widths are multiples of w: 32 full, 16 small, 8 tiny. The others are the switches of the ablations."""
    w: int = 32
    task: str = "pose"                  # pose, inpaint (no parsing network) or both
    occl_rule: str = "ggr"              # zero, global, ggr: the code of a region that the source does not show
    ggr_graph: str = "attn"             # none, static, glore, attn
    ggr_layers: int = 2
    lst_mode: str = "mod"               # none, point, mod, assemble
    lst_k: int = 5
    lst_colours: bool = True            # LST and the decoder's last sum read the carried colours, too
    match_kernel: int = 1
    ran_spade_mix: bool = False
    ls_feat: str = "own"                # own, vgg31: what the structure is read from
    g_sn: bool = True
    par_head: str = "logits"            # logits, pise
    ls_strict: bool = True              # with holes: keys whose whole window is seen
    a_min: float = 1
    tau: float = 0.01
    vgg_divisor: int = 1

    @property
    def c(self):
        return 8 * self.w

    @property
    def colours(self):
        return self.lst_colours and self.lst_mode != "none"

    @property
    def structure(self):
        return 256 // self.vgg_divisor if self.ls_feat == "vgg31" else 4 * self.w


def tiny(**switches):
    return Config(**{"w": 8, "lst_k": 3, **switches})


# ---- layers ----------------------------------------------------------------------------------------------------------

class Conv(nn.Module):
    """Convolution, zero padding; up: transposed 3/2/1 that doubles the size; sn: by weight_orig / sigma, see power_iteration."""

    def __init__(self, cin, cout, k, stride=1, padding=None, sn=False, up=False, bias=True):
        super().__init__()
        self.stride, self.padding, self.up, self.sn = stride, k // 2 if padding is None else padding, up, sn
        weight = nn.Parameter(torch.empty(*((cin, cout) if up else (cout, cin)), k, k))
        nn.init.normal_(weight, 0, math.sqrt(2 / (1.01 * cin * k * k / (4 if up else 1))))
        self.register_parameter("weight_orig" if sn else "weight", weight)
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        if sn:
            self.register_buffer("weight_u", F.normalize(torch.randn(cout), dim=0))
            self.register_buffer("weight_v", F.normalize(torch.randn(cin * k * k), dim=0))
            self.power_iteration(15)

    def matrix(self):
        """One row per output channel."""
        return (self.weight_orig.transpose(0, 1) if self.up else self.weight_orig).flatten(1)

    @torch.no_grad()
    def power_iteration(self, times=1):
        for _ in range(times):
            self.weight_v = F.normalize(self.matrix().T @ self.weight_u, dim=0, eps=1e-12)
            self.weight_u = F.normalize(self.matrix() @ self.weight_v, dim=0, eps=1e-12)

    def forward(self, x):
        weight = self.weight_orig / (self.weight_u @ self.matrix() @ self.weight_v) if self.sn else self.weight
        if self.up:
            return F.conv_transpose2d(x, weight, self.bias, 2, 1, 1)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def power_iteration(net, times=1):
    for layer in net.modules():
        if isinstance(layer, Conv) and layer.sn:
            layer.power_iteration(times)


class Norm(nn.Module):
    def __init__(self, c, affine=True):
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))) if affine else (None, None)

    def forward(self, x):
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=1e-5)


class Matrix(nn.Module):
    """[..., in] -> [..., out]"""

    def __init__(self, cin, cout, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin) / math.sqrt(cin))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


# ---- blocks ----------------------------------------------------------------------------------------------------------

@dataclass
class Look:
    """What differs between the networks' blocks."""
    sn: bool = False
    affine: bool = True
    slope: float = SLOPE

    def act(self, x):
        return F.leaky_relu(x, self.slope)


PLAIN = Look()
PARSING = Look(affine=False, slope=0.2)


class Down(nn.Module):
    """EB: half the size. The first of an encoder has no leading norm."""

    def __init__(self, cin, cout, look, first=False, hidden=None):
        super().__init__()
        self.look, self.first, hidden = look, first, hidden or cout
        if not first:
            self.norm1 = Norm(cin, look.affine)
        self.conv1 = Conv(cin, hidden, 4, 2, 1, look.sn)
        self.norm2 = Norm(hidden, look.affine)
        self.conv2 = Conv(hidden, cout, 3, sn=look.sn)

    def forward(self, x):
        if not self.first:
            x = self.look.act(self.norm1(x))
        return self.conv2(self.look.act(self.norm2(self.conv1(x))))


class Res(nn.Module):
    def __init__(self, c, look=PLAIN):
        super().__init__()
        self.look = look
        self.norm1, self.conv1 = Norm(c), Conv(c, c, 3, sn=look.sn)
        self.norm2, self.conv2 = Norm(c), Conv(c, c, 3, sn=look.sn)

    def forward(self, x):
        return x + self.conv2(self.look.act(self.norm2(self.conv1(self.look.act(self.norm1(x))))))


class Up(nn.Module):
    """RBD: twice the size."""

    def __init__(self, cin, cout, look, hidden=None):
        super().__init__()
        self.look, hidden = look, hidden or cout
        self.norm1, self.conv1 = Norm(cin, look.affine), Conv(cin, hidden, 3, sn=look.sn)
        self.norm2, self.up = Norm(hidden, look.affine), Conv(hidden, cout, 3, sn=look.sn, up=True)
        self.skip = Conv(cin, cout, 3, sn=look.sn, up=True)

    def forward(self, x):
        return self.up(self.look.act(self.norm2(self.conv1(self.look.act(self.norm1(x)))))) + self.skip(x)


class Gated(nn.Module):
    def __init__(self, c, look):
        super().__init__()
        self.conv, self.gate = Conv(c, c, 3, sn=look.sn), Conv(c, c, 3, sn=look.sn)

    def forward(self, x):
        return F.instance_norm(F.leaky_relu(self.conv(x), 0.2) * torch.sigmoid(self.gate(x)), eps=1e-5)


class Out(nn.Module):
    def __init__(self, cin, cout, look):
        super().__init__()
        self.look = look
        self.norm, self.conv = Norm(cin, look.affine), Conv(cin, cout, 3, padding=0, sn=look.sn)

    def forward(self, x):
        return self.conv(F.pad(self.look.act(self.norm(x)), [1] * 4, "reflect"))


class Chain(nn.Module):
    """Named layers, one after the other."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


# ---- maps at 1/4 and windows -----------------------------------------------------------------------------------------

def area(x, n):
    return F.avg_pool2d(x, n)


def area4(x):
    return area(x, 4)


def near4(x):
    return x[:, :, 2::4, 2::4]


def valid_cells(mask):
    """val: 1 where at least half of the cell is seen, its middle pixel too."""
    return ((area4(1 - mask) >= 0.5) & (near4(mask) == 0)).to(mask.dtype)


def strict_cells(val, k):
    """Cells whose whole window (clamped at the border) is valid; a sample without one keeps its plain rule."""
    strict = torch.stack([shifted(val, dy, dx) for dy, dx in offsets(k, True)]).min(0).values
    return torch.where(strict.sum((1, 2, 3), keepdim=True) > 0, strict, val)


def down4(image, mask):
    """The mean of a cell's seen pixels."""
    return area4(image * (1 - mask)) / area4(1 - mask).clamp(min=1 / 16)


def offsets(k, centre):
    r = k // 2
    return [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1) if centre or (dy, dx) != (0, 0)]


def shifted(x, dy, dx):
    """x(clamp(p + (dy, dx))) at every p."""
    h, w = x.shape[2:]
    rows, cols = (torch.arange(h) + dy).clamp(0, h - 1), (torch.arange(w) + dx).clamp(0, w - 1)
    return x[:, :, rows][..., cols]


def unit(x):
    """x / (norm + 1e-6) over channels; autograd takes slope 0 of the norm at 0."""
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-6)


def local_structure(f, k):
    """-> [N,k*k-1,h,w], in [-1, 1]: cosines with the window's other cells, row by row"""
    f = unit(f)
    return torch.cat([(f * shifted(f, dy, dx)).sum(1, keepdim=True) for dy, dx in offsets(k, False)], 1)


def coordinates(like):
    """x, y and radius of the cell centres, in [-1, 1] -> [N,3,h,w]"""
    n, _, h, w = like.shape
    y = ((2 * torch.arange(h, dtype=like.dtype) + 1) / h - 1)[:, None].expand(h, w)
    x = ((2 * torch.arange(w, dtype=like.dtype) + 1) / w - 1)[None, :].expand(h, w)
    return torch.stack([x, y, (x * x + y * y).sqrt()])[None].expand(n, 3, h, w)


def one_hot(labels, dtype):
    """[N,H,W] whole numbers -> [N,8,H,W]"""
    return F.one_hot(labels.long(), REGIONS).permute(0, 3, 1, 2).to(dtype)


# ---- codes and the graph ---------------------------------------------------------------------------------------------

class Style(Chain):
    def __init__(self, w, look):
        super().__init__(down0=Down(4, 4 * w, look, first=True), down1=Down(4 * w, 8 * w, look),
                         down2=Down(8 * w, 8 * w, look), down3=Down(8 * w, 8 * w, look),
                         up0=Up(8 * w, 8 * w, look), up1=Up(8 * w, 8 * w, look), code=Conv(8 * w, 8 * w, 1, sn=look.sn))

    def forward(self, image, mask):
        return torch.tanh(super().forward(torch.cat([image * (1 - mask), 1 - mask], 1)))


def pool_regions(code, layout, mask, a_min):
    """-> s [N,8,C], v [N,8], global code [N,C]"""
    val = valid_cells(mask)
    weights = near4(layout) * val
    size = weights.sum((2, 3))
    v = (size >= a_min).to(code.dtype)
    s = torch.einsum("nkyx,ncyx->nkc", weights, code) / size.clamp(min=1)[..., None]
    whole = (code * val).sum((2, 3)) / val.sum((2, 3)).clamp(min=1)
    return s * v[..., None], v, whole


class Ggr(nn.Module):
    """Reasoning over the regions' codes and the whole picture's, which is node 8."""

    def __init__(self, config):
        super().__init__()
        c = config.c
        self.graph, self.layers = config.ggr_graph, config.ggr_layers
        self.embed = nn.Parameter(0.02 * torch.randn(REGIONS + 1, c))
        self.prior = nn.Parameter(torch.zeros(REGIONS + 1, REGIONS + 1))
        self.mix = nn.Parameter(torch.zeros(1))
        self.style, self.out = Matrix(c, c), Matrix(c, c)
        self.query, self.key = Matrix(c, c // 4, bias=False), Matrix(c, c // 4, bias=False)
        for i in range(self.layers):
            self.add_module(f"layer{i}", Matrix(c, c))
            norm = nn.Module()
            norm.weight, norm.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))
            self.add_module(f"norm{i}", norm)

    def adjacency(self, h, v):
        """-> [N,9,9], row i says what node i listens to"""
        if self.graph == "none":
            return torch.eye(REGIONS + 1, dtype=h.dtype).expand(len(h), -1, -1)
        if self.graph == "attn":
            e = self.query(h) @ self.key(h).transpose(1, 2) / math.sqrt(self.query.weight.shape[0]) + self.prior
            return torch.softmax(e.masked_fill(v[:, None, :] == 0, -math.inf), -1)
        if self.graph == "glore":
            return self.prior * v[:, None, :]
        a = F.softplus((self.prior + self.prior.T) / 2) + torch.eye(REGIONS + 1, dtype=h.dtype)
        a = a * v[:, None, :]
        degree = a.sum(2)
        return a / (degree[:, :, None] * degree[:, None, :]).sqrt()

    def forward(self, s, v, whole):
        """-> new codes, proposals r, each [N,8,C]"""
        seen = torch.cat([v, torch.ones_like(v[:, :1])], 1)
        h = self.embed + seen[..., None] * self.style(torch.cat([s, whole[:, None]], 1))
        for i in range(self.layers):
            layer, norm = getattr(self, f"layer{i}"), getattr(self, f"norm{i}")
            mixed = self.adjacency(h, seen) @ h
            message = layer(F.relu(h + mixed)) if self.graph == "glore" else F.relu(layer(mixed))
            h = F.layer_norm(h + message, h.shape[-1:], norm.weight, norm.bias, 1e-5)
        r = torch.tanh(self.out(h))[:, :REGIONS]
        v = v[..., None]
        return v * (s + self.mix * r) + (1 - v) * r, r


# ---- layout, content, correspondence ---------------------------------------------------------------------------------

class Parsing(Chain):
    def __init__(self, w):
        super().__init__(down0=Down(REGIONS + 2 * JOINTS, 2 * w, PARSING, first=True, hidden=w),
                         down1=Down(2 * w, 4 * w, PARSING), down2=Down(4 * w, 8 * w, PARSING),
                         down3=Down(8 * w, 16 * w, PARSING), gate0=Gated(16 * w, PARSING), gate1=Gated(16 * w, PARSING),
                         up0=Up(16 * w, 8 * w, PARSING), up1=Up(8 * w, 4 * w, PARSING), up2=Up(4 * w, 2 * w, PARSING),
                         up3=Up(2 * w, w, PARSING), out=Out(w, REGIONS, PARSING))


def layout_of(z, par_head):
    return torch.softmax(z, 1) if par_head == "logits" else (torch.tanh(z) + 1) / 2


class Content(Chain):
    def __init__(self, w, look):
        super().__init__(down0=Down(2 * REGIONS + JOINTS + 4, 4 * w, look, first=True), down1=Down(4 * w, 8 * w, look),
                         down2=Down(8 * w, 8 * w, look), down3=Down(8 * w, 8 * w, look), gate0=Gated(8 * w, look),
                         gate1=Gated(8 * w, look), up0=Up(8 * w, 8 * w, look), up1=Up(8 * w, 8 * w, look))


class Region(nn.Module):
    """Normalisation whose gain and shift come from the codes, laid out by pi."""

    def __init__(self, config):
        super().__init__()
        c = config.c
        self.code = nn.Module()
        self.code.weight = nn.Parameter(torch.randn(REGIONS, c, c) * math.sqrt(2 / c))
        self.code.bias = nn.Parameter(torch.zeros(REGIONS, c))
        self.gamma, self.beta, self.res = Conv(c, c, 3), Conv(c, c, 3), Res(c)
        self.spade = None
        if config.ran_spade_mix:
            self.spade = nn.Module()
            self.spade.hidden = Conv(REGIONS, c // 2, 3)
            self.spade.gamma, self.spade.beta = Conv(c // 2, c, 3), Conv(c // 2, c, 3)
            self.mix = nn.Parameter(torch.zeros(2))

    def forward(self, x, codes, pi4):
        m = F.relu(torch.einsum("koi,nki->nko", self.code.weight, codes) + self.code.bias)
        laid = torch.einsum("nkyx,nkc->ncyx", pi4, m)
        gamma, beta = self.gamma(laid), self.beta(laid)
        if self.spade is not None:
            z, (t0, t1) = F.relu(self.spade.hidden(pi4)), torch.sigmoid(self.mix)
            gamma = t0 * gamma + (1 - t0) * self.spade.gamma(z)
            beta = t1 * beta + (1 - t1) * self.spade.beta(z)
        return self.res(F.instance_norm(x, eps=1e-5) * (1 + gamma) + beta)


class Match(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.kernel, more = config.match_kernel, REGIONS + JOINTS + 3
        self.key = Conv(config.structure + more, 4 * config.w, 1)
        self.query = Conv(config.c + more, 4 * config.w, 1)

    def embed(self, conv, *maps):
        x = conv(torch.cat([*maps, coordinates(maps[0])], 1))
        x = F.unfold(x, self.kernel, padding=self.kernel // 2) if self.kernel > 1 else x.flatten(2)
        return unit(x - x.mean(1, keepdim=True))

    def forward(self, source, target, valid, tau):
        """maps of keys and of queries, valid [N,1,h,w] -> A [N,target cells,source cells]"""
        key, query = self.embed(self.key, *source), self.embed(self.query, *target)
        logits = query.transpose(1, 2) @ key / tau
        valid = valid.flatten(2)
        some = valid.sum(2, keepdim=True) > 0                       # no valid cell: uniform rows
        hidden = (valid == 0) & some
        return torch.softmax(torch.where(some, logits, torch.zeros_like(logits)).masked_fill(hidden, -math.inf), -1)


def carry(a, x):
    """sum over p of A(q,p) x(p)"""
    return (x.flatten(2) @ a.transpose(1, 2)).reshape(x.shape)


# ---- local structure transfer ----------------------------------------------------------------------------------------

class Lst(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, w, self.k, self.mode = config.c, config.w, config.lst_k, config.lst_mode
        if self.mode in ("mod", "assemble"):
            self.hidden = Conv(self.k ** 2 - 1, 2 * w, 3)
            if config.colours:
                self.colour = Conv(3, 2 * w, 3, bias=False)
        if self.mode == "mod":
            self.gamma, self.beta = Conv(2 * w, c, 3), Conv(2 * w, c, 3)
        elif self.mode == "assemble":
            self.gate = Conv(2 * w, 1, 1)
        elif self.mode == "point":
            self.gamma = Conv(config.structure, 1, 1, bias=False)
            self.beta = Conv(config.structure, 1, 1, bias=False)
        self.res = Res(c)

    def forward(self, x, f, a, gain, warped):
        """X1, structure features, A, gain [N,1,1,1], carried colours -> X2, transferred structure or None"""
        if self.mode == "none":
            return self.res(x), None
        structure = carry(a, local_structure(f, self.k))
        if self.mode == "point":
            gamma, beta = carry(a, self.gamma(f)), carry(a, self.beta(f))
            return self.res(x * (1 + gain * gamma) + gain * beta), structure
        z = self.hidden(structure)
        if hasattr(self, "colour"):
            z = z + self.colour(warped)
        z = F.relu(z)
        if self.mode == "mod":
            return self.res(x * (1 + gain * self.gamma(z)) + gain * self.beta(z)), structure
        m = gain * torch.sigmoid(self.gate(z))
        half = structure.shape[1] // 2
        logits = torch.cat([structure[:, :half], torch.ones_like(structure[:, :1]), structure[:, half:]], 1) / 0.1
        weights = torch.softmax(logits, 1)
        mean = sum(weights[:, i:i + 1] * shifted(x, dy, dx) for i, (dy, dx) in enumerate(offsets(self.k, True)))
        return self.res((1 - m) * x + m * mean), structure


class Decoder(Chain):
    def __init__(self, w, look, colours):
        super().__init__(up0=Up(8 * w, 4 * w, look, hidden=8 * w), res0=Res(4 * w, look),
                         up1=Up(4 * w, 2 * w, look, hidden=4 * w), res1=Res(2 * w, look), out=Out(2 * w, 3, look))
        if colours:
            self.colour = Conv(3, 3, 3, padding=0, bias=False)

    def forward(self, x, colours):
        """X2, carried colours at 1/4 times their gain"""
        for layer in (self.up0, self.res0, self.up1, self.res1, self.out):
            x = layer(x)
        return torch.tanh(x + self.coloured(colours) if hasattr(self, "colour") else x)

    def coloured(self, colours):
        full = F.interpolate(colours, scale_factor=4, mode="bilinear", align_corners=False)
        return self.colour(F.pad(full, [1] * 4, mode="reflect"))


# ---- generator and discriminator -------------------------------------------------------------------------------------

@dataclass
class Sample:
    """A batch. Source: picture, layout (one-hot), pose; mask is 1 where the picture is missing. Target: pose, picture, layout."""
    image: torch.Tensor
    layout: torch.Tensor
    pose: torch.Tensor
    mask: torch.Tensor
    target_pose: torch.Tensor
    target: torch.Tensor = None
    target_layout: torch.Tensor = None

    def to(self, dtype):
        return Sample(**{k: v if v is None else v.to(dtype) for k, v in self.__dict__.items()})


class Generator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, w, look = config, config.w, Look(sn=config.g_sn)
        self.parsing = Parsing(w) if config.task != "inpaint" else None
        self.style = Style(w, look)
        self.content = Content(w, look)
        self.ggr = Ggr(config)
        self.region = Region(config)
        if config.lst_mode != "none":
            if config.ls_feat == "own":
                self.structure = Chain(down0=Down(3, 2 * w, PLAIN, first=True), down1=Down(2 * w, 4 * w, PLAIN))
            self.match = Match(config)
        self.lst = Lst(config)
        self.decoder = Decoder(w, look, config.colours)

    def parse(self, x):
        """-> logits z [N,8,H,W]"""
        return self.parsing(torch.cat([x.layout, x.pose, x.target_pose], 1))

    def codes(self, image, layout, mask):
        return pool_regions(self.style(image, mask), layout, mask, self.config.a_min)

    def fill_in(self, s, v, whole):
        """-> the codes used, proposals or None"""
        if self.config.occl_rule == "ggr":
            return self.ggr(s, v, whole)
        missing = whole[:, None] if self.config.occl_rule == "global" else 0
        return v[..., None] * s + (1 - v[..., None]) * missing, None

    def correspond(self, x, pi4, x1, tau, vgg):
        """-> structure features, A, gain; the gain is 0 where nothing of the source is seen"""
        seen = x.image * (1 - x.mask)
        f = self.structure(seen) if self.config.ls_feat == "own" else vgg_taps(vgg, seen)["3_1"]
        valid = valid_cells(x.mask)
        gain = (valid.sum((1, 2, 3), keepdim=True) > 0).to(f.dtype)
        if self.config.ls_strict:
            valid = strict_cells(valid, self.config.lst_k)
        a = self.match((f, area4(x.layout), area4(x.pose)), (x1, pi4, area4(x.target_pose)), valid, tau)
        return f, a, gain

    def forward(self, x, pi, tau=None, drop=None, ls_gain=1.0, vgg=None):
        """drop: per sample, the region hidden from the graph, or -1. -> every stage by name; what does not apply is None"""
        s, v, whole = self.codes(x.image, x.layout, x.mask)
        out = {"s": s, "v": v, "global": whole}
        if drop is not None:
            kept = 1 - torch.stack([torch.arange(REGIONS) == k for k in drop]).to(v.dtype)
            s, v = s * kept[..., None], v * kept
        out["s_hat"], out["r"] = self.fill_in(s, v, whole)
        out["x0"] = self.content(torch.cat([x.layout, pi, x.target_pose, x.image * (1 - x.mask), x.mask], 1))
        pi4 = area4(pi)
        out["x1"] = self.region(out["x0"], out["s_hat"], pi4)
        f = a = gain = None
        if self.config.lst_mode != "none":
            f, a, gain = self.correspond(x, pi4, out["x1"], tau or self.config.tau, vgg)
            gain = gain * ls_gain
            out["warped"] = carry(a, down4(x.image, x.mask))
        out["f"], out["a"] = f, a
        out["x2"], out["structure"] = self.lst(out["x1"], f, a, gain, out.get("warped"))
        out["image"] = self.decoder(out["x2"], out["warped"] * gain if self.config.colours else None)
        return out


class DBlock(nn.Module):
    def __init__(self, cin, cout, hidden, first=False):
        super().__init__()
        self.first = first
        self.conv1, self.conv2 = Conv(cin, hidden, 3, sn=True), Conv(hidden, cout, 4, 2, 1, sn=True)
        self.skip = Conv(cin, cout, 1, sn=True)

    def forward(self, x):
        main = x if self.first else F.leaky_relu(x, SLOPE)
        return self.conv2(F.leaky_relu(self.conv1(main), SLOPE)) + self.skip(F.avg_pool2d(x, 2))


class Discriminator(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.down0, self.down1 = DBlock(3, w, w, first=True), DBlock(w, 2 * w, w)
        self.down2, self.down3 = DBlock(2 * w, 4 * w, 2 * w), DBlock(4 * w, 4 * w, 4 * w)
        self.out = Conv(4 * w, 1, 1, sn=True)

    def forward(self, x):
        """-> scores [N,1,H/16,W/16], outputs of the four blocks"""
        blocks = []
        for block in (self.down0, self.down1, self.down2, self.down3):
            x = block(x)
            blocks.append(x)
        return self.out(F.leaky_relu(x, SLOPE)), blocks


# ---- losses ----------------------------------------------------------------------------------------------------------

CONTENT = "1_1", "2_1", "3_1", "4_1", "5_1"
STYLE = "2_2", "3_4", "4_4", "5_2"
CONV3_1 = 10                # its index among VGG19's layers; the tap 3_1 is the relu after it
WEIGHTS = {"rec": 5.0, "adv": 2.0, "content": 0.5, "style": 200.0, "par": 1.0, "code": 1.0, "warp": 1.0, "ls": 1.0,
           "fm": 10.0, "ms": 5.0, "hole": 6.0, "outside": 1.0, "reg": 30.0}


def imagenet(x):
    mean, deviation = (torch.tensor(v, dtype=x.dtype)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return ((x + 1) / 2 - mean) / deviation


def vgg_taps(vgg, x):
    return vgg(imagenet(x))


def parsing_loss(z, target, par_head):
    """target one-hot; cross-entropy on z (pise: on pi) and L1 on pi"""
    pi = layout_of(z, par_head)
    logits, weight = (z, 10) if par_head == "logits" else (pi, 100)
    return F.cross_entropy(logits, target.argmax(1)) + weight * F.l1_loss(pi, target)


def code_loss(r, s_target, v_target):
    per_region = (r - s_target).abs().mean(2)
    return ((v_target * per_region).sum(1) / v_target.sum(1).clamp(min=1)).mean()


def warp_loss(warped, target, target_layout, v):
    m = torch.einsum("nkyx,nk->nyx", area4(target_layout), v)
    off = (warped - area4(target)).abs().sum(1)
    return ((m * off).sum((1, 2)) / (3 * m.sum((1, 2)).clamp(min=1))).mean()


def fixed_structure(image, n):
    """[N,24,h,w]: how alike the 3x3 patches of n x n means are in a 5x5 window, in (0, 1]"""
    x = area(image, n)
    u = torch.cat([shifted(x, dy, dx) for dy, dx in offsets(3, True)], 1)
    return torch.stack([torch.exp(-((u - shifted(u, dy, dx)) ** 2).sum(1) / (2 * 27 * 0.1 ** 2))
                        for dy, dx in offsets(5, False)], 1)


def structure_loss(a, b):
    return sum(F.l1_loss(fixed_structure(a, n), fixed_structure(b, n)) for n in (2, 4))


def structure_loss_vgg(a, b):
    return sum(F.l1_loss(local_structure(a[tap], 5), local_structure(b[tap], 5)) for tap in ("2_1", "3_1"))


def scales_loss(a, b):
    return sum(F.l1_loss(area(a, n), area(b, n)) for n in (2, 4)) / 2


def hole_losses(image, target, mask):
    """-> mean difference inside the hole, outside; per sample, then over the batch"""
    off = (image - target).abs()
    return [((m * off).sum((1, 2, 3)) / (3 * m.sum((1, 2, 3)).clamp(min=1))).mean() for m in (mask, 1 - mask)]


def content_loss(a, b):
    return sum(F.l1_loss(a[tap], b[tap]) for tap in CONTENT)


def style_loss(a, b):
    return sum(F.l1_loss(ops_ref.gram(a[tap]), ops_ref.gram(b[tap])) for tap in STYLE)


def reg_loss(x1, target, vgg):
    """Optional: PISE has the weight, but leaves it out of its total."""
    y = imagenet(target)
    for layer in vgg.features[:CONV3_1 + 1]:
        y = layer(y)
    return ((x1 - y) ** 2).mean()


def d_loss(on_real, on_fake):
    return 0.5 * (((on_real - 1) ** 2).mean() + (on_fake ** 2).mean())


def total(terms):
    return sum(WEIGHTS[name] * value for name, value in terms.items() if name in WEIGHTS)


# ---- one training step -----------------------------------------------------------------------------------------------

class Step:
    """The parts of a step, in the order of calls: forward, judge (D's turn), terms (G's turn).

    stage: `true` (pi is the target's layout), `joint` (pi is predicted, gradients reach the parsing network), `inpaint`.
    """

    def __init__(self, g, d, stage, vgg=None, tau=None, drop=None, reg=False):
        self.g, self.d, self.stage, self.vgg, self.tau, self.drop, self.reg = g, d, stage, vgg, tau, drop, reg

    def forward(self, x):
        power_iteration(self.g)
        self.x = x
        self.z = None if self.stage == "inpaint" else self.g.parse(x)
        pi = layout_of(self.z, self.g.config.par_head) if self.stage == "joint" else x.target_layout
        self.out = self.g(x, pi, self.tau, self.drop, vgg=self.vgg)
        self.out["pi"] = pi
        return self.out

    def judge(self):
        """-> L_D"""
        power_iteration(self.d)
        self.on_real, self.on_fake = (self.d(y)[0] for y in (self.x.target, self.out["image"].detach()))
        return d_loss(self.on_real, self.on_fake)

    def terms(self):
        """Call after D's update -> {name: unweighted loss}"""
        power_iteration(self.d)
        self.d.requires_grad_(False)
        x, out, image = self.x, self.out, self.out["image"]
        terms = {}
        if self.stage == "inpaint":
            terms["hole"], terms["outside"] = hole_losses(image, x.target, x.mask)
        else:
            terms["rec"] = F.l1_loss(image, x.target)
            terms["par"] = parsing_loss(self.z, x.target_layout, self.g.config.par_head)
        self.on_fake_g, fake_blocks = self.d(image)
        terms["adv"] = ((self.on_fake_g - 1) ** 2).mean()
        if out["r"] is not None:
            with torch.no_grad():
                self.s_target, self.v_target, _ = self.g.codes(x.target, x.target_layout, torch.zeros_like(x.mask))
            terms["code"] = code_loss(out["r"], self.s_target, self.v_target)
        if out["a"] is not None:
            terms["warp"] = warp_loss(out["warped"], x.target, x.target_layout, out["v"])
        terms.update(self.seen_terms(image, x.target, fake_blocks))
        if self.reg:
            terms["reg"] = reg_loss(out["x1"], x.target, self.vgg)
        self.d.requires_grad_(True)
        return terms

    def seen_terms(self, image, target, fake_blocks):
        """Those that differ with and without VGG19."""
        if self.vgg is not None:
            a, b = vgg_taps(self.vgg, image), vgg_taps(self.vgg, target)
            return {"content": content_loss(a, b), "style": style_loss(a, b), "ls": structure_loss_vgg(a, b)}
        with torch.no_grad():
            real_blocks = self.d(target)[1]
        return {"ls": structure_loss(image, target), "ms": scales_loss(image, target),
                "fm": sum(F.l1_loss(a, b) for a, b in zip(fake_blocks, real_blocks)) / 4}


# ---- cost ------------------------------------------------------------------------------------------------------------

def count_macs(config, height, width):
    """-> {part: multiply-adds of one picture}: convolutions, matrices, the correspondence and what it carries"""
    g, d = Generator(config), Discriminator(config.w)
    found = {}

    def add(part, n):
        found[part] = found.get(part, 0) + n

    def hook(part):
        def count(layer, inputs, output):
            x = inputs[0]
            if isinstance(layer, Conv):
                weight = layer.weight_orig if layer.sn else layer.weight
                pixels = x.shape[2] * x.shape[3] if layer.up else output.shape[2] * output.shape[3]
                add(part, pixels * weight.numel())
            else:
                add(part, math.prod(x.shape[1:-1]) * layer.weight.numel())
        return count

    for part, net in [*g.named_children(), ("disc", d)]:
        for layer in net.modules():
            if isinstance(layer, (Conv, Matrix)):
                layer.register_forward_hook(hook(part))
    cells, nodes, c = height * width // 16, REGIONS + 1, config.c
    zeros = [torch.zeros(1, n, height, width) for n in (3, REGIONS, JOINTS, 1)]
    x = Sample(*zeros, target_pose=zeros[2])
    with torch.no_grad():
        g(x, torch.softmax(g.parse(x), 1))
        d(x.image)
    add("style", cells * nodes * c)                                 # pooling
    add("ggr", config.ggr_layers * nodes * nodes * (c + c // 4))
    add("region", REGIONS * c * c + cells * REGIONS * c)
    add("match", cells * cells * 4 * config.w)
    add("lst", cells * cells * (config.lst_k ** 2 - 1 + 3) + cells * (config.lst_k ** 2 - 1) * config.structure)
    return found
