"""GFLA in PyTorch: generators of pose, dance, face and views, discriminators, VGG19 and every loss, for golden numbers.

Ren et al., "Deep Image Spatial Transformation for Person Image Generation", CVPR 2020. Written to be checked against the
paper and the released parameter names line by line, not to be fast. Level L is a map of 1/2^L of the image's sides.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn as nn
import torch.nn.functional as F

import ops_ref

SLOPE = 0.1
LAYERS = 3                  # source and target encoders end at this level


@dataclass
class Config:
    """The published widths; kernels maps an attention level to its patch side."""
    base: int = 64
    cap: int = 512
    flow_base: int = 32
    flow_cap: int = 256
    hidden: int = 128
    kernels: dict = field(default_factory=lambda: {2: 5, 3: 3})
    ndf: int = 32
    d_cap: int = 128
    d_layers: int = 4
    vgg_divisor: int = 1
    structure: int = 18     # channels of a structure: heat maps; dance 17 + 3 colours, face 16, of a view 21
    window: int = 6         # frames the temporal discriminator sees

    def width(self, level):
        """Channels of the source and target encoders at a level (1, 2, 3)."""
        return min(self.base * 2 ** max(level - 1, 0), self.cap)

    def flow_width(self, level):
        return min(self.flow_base * 2 ** (level - 1), self.flow_cap)

    def levels(self):
        """Attention levels, coarse to fine: the order of flows and masks."""
        return sorted(self.kernels, reverse=True)


def market(**widths):
    return Config(kernels={2: 3}, d_layers=3, **widths)


# ---- blocks: norm, leaky relu, convolution ---------------------------------------------------------------------------

def norm(channels):
    return nn.InstanceNorm2d(channels, eps=1e-5, affine=True)


def act():
    return nn.LeakyReLU(SLOPE)


def up_conv(cin, cout):
    return nn.ConvTranspose2d(cin, cout, 3, stride=2, padding=1, output_padding=1)


class Down(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.model = nn.Sequential(norm(cin), act(), nn.Conv2d(cin, cout, 4, 2, 1),
                                   norm(cout), act(), nn.Conv2d(cout, cout, 3, 1, 1))

    def forward(self, x):
        return self.model(x)


class Res(nn.Module):
    def __init__(self, c, cout=None):
        super().__init__()
        cout = cout or c
        self.model = nn.Sequential(norm(c), act(), nn.Conv2d(c, c, 3, 1, 1), norm(c), act(), nn.Conv2d(c, cout, 3, 1, 1))
        self.shortcut = nn.Sequential(nn.Conv2d(c, cout, 1)) if cout != c else nn.Identity()

    def forward(self, x):
        return self.model(x) + self.shortcut(x)


class Chain(nn.Module):
    """A sequence of residual blocks under the name `model`; the published networks have one."""

    def __init__(self, c, cout=None):
        super().__init__()
        self.model = nn.Sequential(Res(c, cout))

    def forward(self, x):
        return self.model(x)


class Up(nn.Module):
    def __init__(self, cin, cout, hidden):
        super().__init__()
        self.model = nn.Sequential(norm(cin), act(), nn.Conv2d(cin, hidden, 3, 1, 1),
                                   norm(hidden), act(), up_conv(hidden, cout))
        self.shortcut = nn.Sequential(up_conv(cin, cout))

    def forward(self, x):
        return self.model(x) + self.shortcut(x)


class ReflConv(nn.Module):
    """The same convolution appears under two names, conv1 and model.2."""

    def __init__(self, cin, cout, tanh=False):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3)
        self.model = nn.Sequential(act(), nn.ReflectionPad2d(1), self.conv1, *([nn.Tanh()] if tanh else []))

    def forward(self, x):
        return self.model(x)


# ---- generator -------------------------------------------------------------------------------------------------------

class Encoder(nn.Module):
    def __init__(self, config, cin):
        super().__init__()
        self.block0 = Down(cin, config.width(1))
        self.encoder0 = Down(config.width(1), config.width(2))
        self.encoder1 = Down(config.width(2), config.width(3))

    def encode(self, x):
        """-> {level: features}"""
        one = self.block0(x)
        two = self.encoder0(one)
        return {1: one, 2: two, 3: self.encoder1(two)}


class FlowNet(nn.Module):
    """sources: how many maps flow comes from; 2 for the face, whose heads give flows and masks of both."""
    DEPTH = 5

    def __init__(self, config, cin=None, sources=1):
        super().__init__()
        w = config.flow_width
        self.config = config
        self.block0 = Down(cin or 3 + 2 * config.structure, w(1))
        for i in range(self.DEPTH - 1):
            setattr(self, f"encoder{i}", Down(w(i + 1), w(i + 2)))
        for i in range(self.DEPTH - min(config.kernels)):
            level = self.DEPTH - 1 - i                                    # of this decoder's output
            setattr(self, f"decoder{i}", Up(w(level + 1), w(level), w(level)))
            setattr(self, f"jump{i}", ReflConv(w(level), w(level)))
            if level in config.kernels:
                setattr(self, f"output{i}", nn.Conv2d(w(level), 2 * sources, 3, 1, 1))
                setattr(self, f"mask{i}", nn.Sequential(nn.Conv2d(w(level), sources, 3, 1, 1), nn.Sigmoid()))

    def at_bottom(self, x, *given):
        return x

    def forward(self, *given):
        """source, source pose, target pose -> flows, masks, coarse to fine; of each level one after the other source"""
        return self.estimate(torch.cat(given, 1))

    def estimate(self, x, *at_bottom):
        x = self.block0(x)
        features = {1: x}
        for i in range(self.DEPTH - 1):
            x = features[i + 2] = getattr(self, f"encoder{i}")(x)
        x = self.at_bottom(x, *at_bottom)
        flows, masks = [], []
        for i in range(self.DEPTH - min(self.config.kernels)):
            level = self.DEPTH - 1 - i
            x = getattr(self, f"decoder{i}")(x) + getattr(self, f"jump{i}")(features[level])
            if level in self.config.kernels:
                flows += getattr(self, f"output{i}")(x).split(2, 1)
                masks += getattr(self, f"mask{i}")(x).split(1, 1)
        return flows, masks


class LocalAttention(nn.Module):
    def __init__(self, channels, hidden, k):
        super().__init__()
        self.fully_connect_layer = nn.Sequential(nn.Conv2d(2 * channels, hidden, k, stride=k), act(),
                                                 nn.Conv2d(hidden, k * k, 1), nn.Softmax(1))

    def forward(self, source, target, flow):
        first, second = self.fully_connect_layer[0], self.fully_connect_layer[2]
        return ops_ref.local_attention(source, target, flow, first.weight, first.bias, second.weight, second.bias)[0]


class Decoder(nn.Module):
    def add_decoders(self, config, attentions=("attn",)):
        """attentions: beginnings of their names, one per source"""
        self.config, self.attentions = config, attentions
        for i in range(LAYERS):
            level = LAYERS - i
            c = config.width(level)
            setattr(self, f"decoder{i}", nn.Sequential(Chain(c), Up(c, config.width(level - 1), c)))
            if level in config.kernels:
                for attention in attentions:
                    setattr(self, f"{attention}{i}", LocalAttention(c, config.hidden, config.kernels[level]))
        self.outconv = ReflConv(config.width(0), 3, tanh=True)

    def decode(self, x, sources, flows, masks):
        """sources: features of each by level; flows and masks: of each level, one after the other source"""
        given = iter(zip(flows, masks))
        for i in range(LAYERS):
            level = LAYERS - i
            if level in self.config.kernels:
                mixed = []
                for attention, features in zip(self.attentions, sources):
                    flow, mask = next(given)
                    warped = getattr(self, f"{attention}{i}")(features[level], x, flow)
                    mixed.append(x * (1 - mask) + warped * mask)
                x = sum(mixed[1:], mixed[0])
            x = getattr(self, f"decoder{i}")(x)
        return self.outconv(x)


class Target(Encoder, Decoder):
    def __init__(self, config, attentions=("attn",)):
        super().__init__(config, config.structure)
        self.add_decoders(config, attentions)

    def forward(self, target_pose, sources, flows, masks):
        return self.decode(self.encode(target_pose)[LAYERS], sources, flows, masks)


class Generator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.source = Encoder(config, 3)
        self.target = Target(config)
        self.flow_net = FlowNet(config)

    def forward(self, source, source_pose, target_pose):
        """-> image in [-1, 1], flows and masks coarse to fine"""
        flows, masks = self.flow_net(source, source_pose, target_pose)
        return self.target(target_pose, [self.source.encode(source)], flows, masks), flows, masks


# ---- generators of frames: from the one before, and from a reference ---------------------------------------------------

@dataclass
class Frame:
    image: torch.Tensor
    flows: list             # of each level, coarse to fine: from the previous frame, from the reference
    masks: list
    fed: torch.Tensor       # the picture that was the previous one, detached


class Animation(nn.Module):
    """flow(structure, previous, previous_structure, reference, reference_structure) -> flows, masks"""

    def __init__(self, config):
        super().__init__()
        self.source_previous, self.source_reference = Encoder(config, 3), Encoder(config, 3)
        self.target = Target(config, ("attn_p", "attn_r"))

    def forward(self, structures, reference, reference_structure, previous=None, previous_structure=None):
        """structures [N,T,C,H,W] -> T frames. What is made is the next frame's previous one, and gradients pass."""
        before = (reference, reference_structure) if previous is None else (previous, previous_structure)
        after = reference, reference_structure
        frames = []
        for structure in structures.unbind(1):
            flows, masks = self.flow(structure, *before, *after)
            sources = self.source_previous.encode(before[0]), self.source_reference.encode(reference)
            image = self.target(structure, sources, flows, masks)
            frames.append(Frame(image, flows, masks, before[0].detach()))
            before = image, structure
        return frames


class FaceGenerator(Animation):
    def __init__(self, config):
        super().__init__(config)
        self.flow_net = FlowNet(config, 2 * 3 + 3 * config.structure, sources=2)

    def flow(self, *given):
        return self.flow_net(*given)


class DanceGenerator(Animation):
    def __init__(self, config):
        super().__init__(config)
        self.flow_net_previous, self.flow_net_reference = FlowNet(config), FlowNet(config)

    def flow(self, structure, previous, previous_structure, reference, reference_structure):
        both = (self.flow_net_previous(previous, previous_structure, structure),
                self.flow_net_reference(reference, reference_structure, structure))
        return [[x for level in zip(*lists) for x in level] for lists in zip(*both)]


# ---- generator of views ----------------------------------------------------------------------------------------------

def tiled(code, like):
    """A view's code [N,C] everywhere, as large as the map"""
    return code[:, :, None, None].expand(-1, -1, *like)


class ViewFlowNet(FlowNet):
    def __init__(self, config):
        super().__init__(config, 3)
        bottom = config.flow_width(self.DEPTH)
        self.cat = Chain(bottom + config.structure, bottom)

    def at_bottom(self, x, turn):
        return self.cat(torch.cat([x, tiled(turn, x.shape[2:])], 1))

    def forward(self, source, source_view, target_view):
        return self.estimate(source, source_view - target_view)


class ViewTarget(Decoder):
    def __init__(self, config):
        super().__init__()
        self.block0 = Up(config.structure, config.width(1), config.structure)
        self.block1 = Up(config.width(1), config.width(LAYERS), config.width(1))
        self.add_decoders(config)

    def forward(self, target_view, size, sources, flows, masks):
        """size: height and width of the picture"""
        x = tiled(target_view, [side // 2 ** (LAYERS + 2) for side in size])
        return self.decode(self.block1(self.block0(x)), sources, flows, masks)


class ViewGenerator(nn.Module):
    """Views are codes [N,21]: 18 azimuths, then 3 elevations, a 1 for each of the two"""

    def __init__(self, config):
        super().__init__()
        self.source, self.target, self.flow_net = Encoder(config, 3), ViewTarget(config), ViewFlowNet(config)

    def forward(self, source, source_view, target_view):
        flows, masks = self.flow_net(source, source_view, target_view)
        return self.target(target_view, source.shape[2:], [self.source.encode(source)], flows, masks), flows, masks


# ---- discriminators --------------------------------------------------------------------------------------------------

class SpectralConv(nn.Module):
    """A convolution by weight_orig / sigma. Every training forward moves the buffers by one power iteration."""

    def __init__(self, cin, cout, k, stride=1, padding=0):
        """k: one number for two axes, or three"""
        super().__init__()
        self.stride, self.padding = stride, padding
        shape = (cout, cin, *(k if isinstance(k, tuple) else (k, k)))
        fan_in = math.prod(shape[1:])
        self.bias = nn.Parameter(torch.zeros(cout))
        self.weight_orig = nn.Parameter(torch.randn(shape) / math.sqrt(fan_in))
        self.register_buffer("weight_u", F.normalize(torch.randn(cout), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(fan_in), dim=0))

    def forward(self, x):
        weight, self.weight_u, self.weight_v, _ = ops_ref.spectral_norm(self.weight_orig, self.weight_u, self.weight_v,
                                                                        self.training)
        convolve = F.conv3d if weight.dim() == 5 else F.conv2d
        return convolve(x, weight, self.bias, self.stride, self.padding)


class DBlock(nn.Module):
    def __init__(self, cin, cout, hidden):
        super().__init__()
        self.model = nn.Sequential(act(), SpectralConv(cin, hidden, 3, 1, 1), act(), SpectralConv(hidden, cout, 4, 2, 1))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), SpectralConv(cin, cout, 1))

    def forward(self, x):
        return self.model(x) + self.shortcut(x)


class DBlock3d(DBlock):
    """Two frames fewer, sides halved"""

    def __init__(self, cin, cout, hidden):
        nn.Module.__init__(self)
        self.model = nn.Sequential(act(), SpectralConv(cin, hidden, (3, 3, 3), 1, 1),
                                   act(), SpectralConv(hidden, cout, (3, 4, 4), (1, 2, 2), (0, 1, 1)))
        self.shortcut = nn.Sequential(nn.AvgPool3d((3, 2, 2), (1, 2, 2)), SpectralConv(cin, cout, (1, 1, 1)))


class Discriminator(nn.Module):
    """cin: 3, or 6 for two differences of frames (face)"""

    def __init__(self, config, cin=3):
        super().__init__()
        w = [min(config.ndf * 2 ** i, config.d_cap) for i in range(config.d_layers)]
        self.blocks = ["block0"] + [f"encoder{i}" for i in range(config.d_layers - 1)]
        self.block0 = DBlock(cin, w[0], w[0])
        for i in range(config.d_layers - 1):
            setattr(self, f"encoder{i}", DBlock(w[i], w[i + 1], w[i]))
        self.conv = SpectralConv(w[-1], 1, 1)

    def forward(self, image):
        """-> logits [N,1,H / 2^layers,W / 2^layers]"""
        for name in self.blocks:
            image = getattr(self, name)(image)
        return self.conv(F.leaky_relu(image, SLOPE))


class TemporalDiscriminator(nn.Module):
    def __init__(self, config):
        super().__init__()
        first, second = config.ndf, min(2 * config.ndf, config.d_cap)
        flat = second * (config.window - 4)
        self.block0, self.block1 = DBlock3d(3, first, first), DBlock3d(first, second, first)
        self.encoder0, self.encoder1 = DBlock(flat, config.d_cap, flat), DBlock(config.d_cap, config.d_cap, config.d_cap)
        self.conv = SpectralConv(config.d_cap, 1, 1)

    def forward(self, frames):
        """[N,3,window,H,W] -> logits [N,1,H / 16,W / 16]"""
        x = self.block1(self.block0(frames)).flatten(1, 2)
        return self.conv(F.leaky_relu(self.encoder1(self.encoder0(x)), SLOPE))


def stacked(frames):
    """What the dance's video discriminator sees: frames in depth"""
    return torch.stack(frames, 2)


def differences(frames):
    """What the face's sees: each frame less the next, side by side"""
    return torch.cat([a - b for a, b in zip(frames, frames[1:])], 1)


# ---- key points, cleaned ---------------------------------------------------------------------------------------------

class AdaptiveNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.shared = nn.Linear(channels, channels // 2)
        self.gamma, self.beta = nn.Linear(channels // 2, channels), nn.Linear(channels // 2, channels)

    def forward(self, x, feature):
        h = F.relu(self.shared(feature))
        return F.layer_norm(x, x.shape[1:]) * (1 + self.gamma(h)[:, :, None]) + self.beta(h)[:, :, None]


class KeypointNet(nn.Module):
    """[N,34,T + 80] -> [N,34,T]. The published names are not known to us; these are ours."""
    DILATIONS = 3, 9, 27
    DROP = 0.15

    def __init__(self, channels=256, points=34):
        super().__init__()
        self.feature = nn.ModuleList(nn.Conv1d(c, channels, 3, 2, bias=False) for c in (points, channels, channels))
        self.expand_conv = nn.Conv1d(points, channels, 3, bias=False)
        self.expand_norm = nn.GroupNorm(1, channels)            # over channels and time, then a weight and bias per channel
        self.layers_conv = nn.ModuleList(nn.Conv1d(channels, channels, k, dilation=d, bias=False)
                                         for dilation in self.DILATIONS for k, d in ((3, dilation), (1, 1)))
        self.layers_norm = nn.ModuleList(AdaptiveNorm(channels) for _ in self.layers_conv)
        self.shrink = nn.Conv1d(channels, points, 1)

    def encode(self, x):
        for conv in self.feature:
            x = F.leaky_relu(conv(x), SLOPE)
        return x.mean(2)

    def forward(self, x, kept=None):
        """kept: of each of the 7 dropouts what is multiplied, 0 or 1 / (1 - DROP); None: not training"""
        kept = iter(kept or [1.0] * (1 + len(self.layers_conv)))
        feature = self.encode(x)
        x = F.leaky_relu(self.expand_norm(self.expand_conv(x)), SLOPE) * next(kept)
        for i, dilation in enumerate(self.DILATIONS):
            skip = x[:, :, dilation:-dilation]
            for j in (2 * i, 2 * i + 1):
                x = F.leaky_relu(self.layers_norm[j](self.layers_conv[j](x), feature), SLOPE) * next(kept)
            x = x + skip
        return self.shrink(x)


# ---- VGG19 -----------------------------------------------------------------------------------------------------------

class Vgg19(nn.Module):
    """torchvision's feature indices, up to relu5_2; no ImageNet normalisation. Frozen."""
    WIDTHS = 64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512, 512
    TAPS = {1: "1_1", 3: "1_2", 6: "2_1", 8: "2_2", 11: "3_1", 13: "3_2", 17: "3_4", 20: "4_1", 22: "4_2", 26: "4_4", 29: "5_1",
            31: "5_2"}

    def __init__(self, divisor=1):
        super().__init__()
        layers, cin = [], 3
        for width in self.WIDTHS:
            if width == "pool":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(cin, width // divisor, 3, 1, 1), nn.ReLU()]
                cin = width // divisor
        self.features = nn.Sequential(*layers)
        self.requires_grad_(False)

    def forward(self, image):
        """-> {"1_1": relu1_1, ...}"""
        taps = {}
        for i, layer in enumerate(self.features):
            image = layer(image)
            if i in self.TAPS:
                taps[self.TAPS[i]] = image
        return taps


# ---- losses ----------------------------------------------------------------------------------------------------------

CONTENT = "1_1", "2_1", "3_1", "4_1", "5_1"
STYLE = "2_2", "3_4", "4_4", "5_2"
STAGE1 = {"correctness": 20.0, "regularization": 0.01}
STAGE2 = {"app_gen": 5.0, "correctness_gen": 5.0, "content_gen": 0.5, "style_gen": 500.0, "regularization": 0.0025,
          "ad_gen": 2.0}


def flow_terms(config, flows, target_taps, source_taps, mask=None):
    """-> correctness, regularisation; each a list, one per level, coarse to fine"""
    correct = [ops_ref.correctness(source_taps[f"{level + 1}_1"], target_taps[f"{level + 1}_1"], flow, mask)
               for level, flow in zip(config.levels(), flows)]
    regular = [ops_ref.regularisation(flow, config.kernels[level]) for level, flow in zip(config.levels(), flows)]
    return correct, regular


def content(a, b):
    return sum(F.l1_loss(a[tap], b[tap]) for tap in CONTENT)


def style(a, b):
    return sum(F.l1_loss(ops_ref.gram(a[tap]), ops_ref.gram(b[tap])) for tap in STYLE)


def gan_g(on_fake, mode="lsgan"):
    return ((on_fake - 1) ** 2).mean() if mode == "lsgan" else -on_fake.mean()


def gan_d(on_real, on_fake, mode="lsgan"):
    if mode == "lsgan":
        return 0.5 * (((on_real - 1) ** 2).mean() + (on_fake ** 2).mean())
    return 0.5 * (F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean())


def weighted(weights, terms):
    return sum(weights[name] * terms[name] for name in weights)


def heat_maps(points, height, width, sigma=6.0, dtype=torch.float64):
    """points: (x, y) in pixels, a negative coordinate meaning missing -> [len(points),height,width]"""
    y, x = torch.arange(height, dtype=dtype)[:, None], torch.arange(width, dtype=dtype)[None, :]
    return torch.stack([torch.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * sigma ** 2)) if min(px, py) >= 0
                        else torch.zeros(height, width, dtype=dtype) for px, py in points])
