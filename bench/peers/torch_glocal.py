"""The peer for GLocal's speed: the same network and training step in PyTorch on the CPU, as fast as eager PyTorch allows.

    python3 bench/peers/torch_glocal.py forward|step --size 256x176 --batch 1 --threads 2 --iters 5 --layout nchw|nhwc
                                        --widths full|small|tiny [--interactive] [--check]

Prints a line of JSON per turn; turns.py describes the options. forward: a picture in a new pose, label map and poses in, picture
out: parsing network, the hard layout, generator; inference mode, weights normalised before. step: one step of the stage
joint: power iterations, parsing network and generator forward, discriminator step (real, fake), generator losses with
VGG19, one backward, Adam for both.

The networks are those of tests/golden/glocal_ref.py, with the same parameter names. Poses only: nothing is missing in the
source, so masks are not computed with. Replaced by what is faster here:
  instance norm       GroupNorm with one channel per group, and the leaky relu after it in place
  spectral norm       once per step and layer, its gradient by hand; the style encoder's two calls and real and fake share it
  discriminator       real and fake in one batch; VGG19's and the style encoder's look at the target without gradient
  pooling of regions  one matrix product for all regions and the whole picture
  transposed convs    a convolution's backward by oneDNN, which leaves output padding to a slower kernel
  weights             of inference packed for oneDNN before, in nchw
  correspondence      dense: products as 1x1 convolutions (oneDNN), queries scaled by 1/tau, the mean taken off the filters
                      instead of maps; in inference in blocks of rows, which stay in the cache
  local structure     half of the window's offsets, the other half is the same products shifted; the gradient by hand
  modulation          one pass
Weights are random, VGG19's too.
"""

import turns

if __name__ == "__main__":
    OPT = turns.options("GLocal in PyTorch, for timing", ["forward", "step"], "256x176", 16, ["full", "small", "tiny"])

import torch                                                                                            # noqa: E402
import torch.nn as nn                                                                                   # noqa: E402
import torch.nn.functional as F                                                                         # noqa: E402

from fast import Vgg, adam, apart, correspond, embed, faster, forget, gain_of, like, modulate, norm_act, pack      # noqa: E402
from fast import PIECES, prepare, product, relaid, scaled_unit                                          # noqa: E402
import gfla_ref                         # fast knows where it lies                                      # noqa: E402
import glocal_ref                                                                                       # noqa: E402
import ops_ref                                                                                          # noqa: E402

CONFIGS = {"full": glocal_ref.Config, "small": lambda: glocal_ref.Config(w=16), "tiny": glocal_ref.tiny}
TAU, DROP = 0.1, 0.3        # of the first step
WINDOW = 5                  # of the structure loss


# ---- blocks ----------------------------------------------------------------------------------------------------------

class Gated(glocal_ref.Gated):
    def forward(self, x):
        h = F.leaky_relu_(self.conv(x), 0.2) * torch.sigmoid_(self.gate(x))
        return F.group_norm(h, h.shape[1])


class Out(glocal_ref.Out):
    def forward(self, x):
        return self.conv(F.pad(norm_act(self.norm, self.look, x), [1] * 4, "reflect"))


class Region(glocal_ref.Region):
    def forward(self, x, codes, pi4):
        m = F.relu(torch.baddbmm(self.code.bias[:, None], codes.transpose(0, 1), self.code.weight.transpose(1, 2)))
        laid = product(m.permute(1, 2, 0), pi4.flatten(2), x)
        return self.res(modulate(F.group_norm(x, x.shape[1]), gain_of(self.gamma, laid), self.beta(laid)))


# ---- correspondence and local structure ----------------------------------------------------------------------------------

class Match(glocal_ref.Match):
    rows = 512                                          # cells, of a block in inference

    def forward(self, source, target, tau, values):
        """-> the values, carried"""
        where = like(glocal_ref.coordinates(source[0]), source[0])
        key, query = embed(self.key, 1, *source, where), embed(self.query, 1 / tau, *target, where)
        h, w = query.shape[2:]
        rows = h if torch.is_grad_enabled() else max(1, self.rows // w)
        samples = [torch.cat(correspond(*one, rows), 2) for one in zip(query.split(1), key.split(1), values.split(1))]
        return like(torch.cat(samples), query)


class LocalStructure(torch.autograd.Function):
    """glocal_ref.local_structure of a map that is of unit length and has k // 2 more cells, copies of its border, all round"""

    @staticmethod
    def half(k):
        """The offsets that come after the centre; each stands for its opposite, too."""
        return [(dy, dx) for dy, dx in glocal_ref.offsets(k, False) if (dy, dx) > (0, 0)]

    @staticmethod
    def pairs(f, dy, dx):
        """The cells (y, x) and (y + dy, x + dx) for all y and x where both exist."""
        h, w = f.shape[2:]
        left, right = max(-dx, 0), w - max(dx, 0)
        return f[:, :, :h - dy, left:right], f[:, :, dy:, left + dx:right + dx]

    @staticmethod
    def places(like, k, dy, dx):
        """Where S(p, d) and S(p, -d) are among the products of pairs()."""
        r, (h, w) = k // 2, (like[0] - k + 1, like[1] - k + 1)
        y, x = r, r - max(-dx, 0)
        return (slice(y, y + h), slice(x, x + w)), (slice(y - dy, y - dy + h), slice(x - dx, x - dx + w))

    @staticmethod
    def forward(ctx, f, k):
        ctx.save_for_backward(f)
        ctx.k, size = k, f.shape[2:]
        n, h, w = len(f), size[0] - k + 1, size[1] - k + 1
        out = f.new_empty(n, k * k - 1, h, w)
        middle = (k * k - 1) // 2
        for i, (dy, dx) in enumerate(LocalStructure.half(k)):
            a, b = LocalStructure.pairs(f, dy, dx)
            s = (a * b).sum(1)
            there, back = LocalStructure.places(size, k, dy, dx)
            out[:, middle + i] = s[(slice(None), *there)]
            out[:, middle - 1 - i] = s[(slice(None), *back)]
        return out

    @staticmethod
    def backward(ctx, grad):
        f, = ctx.saved_tensors
        k, size = ctx.k, f.shape[2:]
        df = torch.zeros_like(f)
        middle = (k * k - 1) // 2
        for i, (dy, dx) in enumerate(LocalStructure.half(k)):
            a, b = LocalStructure.pairs(f, dy, dx)
            da, db = LocalStructure.pairs(df, dy, dx)
            g = f.new_zeros(len(f), 1, *a.shape[2:])
            there, back = LocalStructure.places(size, k, dy, dx)
            g[(slice(None), 0, *there)] += grad[:, middle + i]
            g[(slice(None), 0, *back)] += grad[:, middle - 1 - i]
            da.addcmul_(g, b)
            db.addcmul_(g, a)
        return df, None


def local_structure(f, k):
    return LocalStructure.apply(F.pad(scaled_unit(f, 1), [k // 2] * 4, "replicate"), k)


class Lst(glocal_ref.Lst):
    def forward(self, x, structure, colours):
        z = F.relu_(self.hidden(structure) + self.colour(colours))
        return self.res(modulate(x, gain_of(self.gamma, z), self.beta(z)))


# ---- the generator of poses ----------------------------------------------------------------------------------------------

def area4(x):
    return F.avg_pool2d(x, 4)


class Generator(glocal_ref.Generator):
    """forward and codes: without holes"""

    def codes(self, image, layout):
        """-> s [N,8,C], v [N,8], the whole picture's code [N,C]"""
        x = torch.cat([image, torch.ones_like(image[:, :1])], 1)
        for layer in self.style.children():
            x = layer(x)
        code = torch.tanh_(x).flatten(2)
        near = glocal_ref.near4(layout).flatten(2)
        near = torch.cat([near, torch.ones_like(near[:, :1])], 1)
        size = near.sum(2)
        s = (near @ code.transpose(1, 2)) / size.clamp(min=1)[..., None]
        return s[:, :-1], (size[:, :-1] >= self.config.a_min).to(code.dtype), s[:, -1]

    def forward(self, x, pi, tau, drop=None):
        """-> the stages that losses and the picture need"""
        s, v, whole = self.codes(x.image, x.layout)
        out = {"v": v}
        if drop is not None:
            kept = 1 - torch.stack([torch.arange(glocal_ref.REGIONS) == k for k in drop]).to(v.dtype)
            s, v = s * kept[..., None], v * kept
        filled, out["r"] = self.ggr(s, v, whole)
        content = torch.cat([x.layout, pi, x.target_pose, x.image, torch.zeros_like(x.image[:, :1])], 1)
        pi4 = area4(pi)
        x1 = self.region(self.content(content), filled, pi4)
        f = self.structure(x.image)
        values = torch.cat([local_structure(f, self.config.lst_k), area4(x.image)], 1)
        carried = self.match((f, area4(x.layout), area4(x.pose)), (x1, pi4, area4(x.target_pose)), tau, values)
        out["warped"] = carried[:, -3:]
        out["image"] = torch.tanh_(self.decoder_out(self.lst(x1, carried[:, :-3], out["warped"]), out["warped"]))
        return out

    def decoder_out(self, x, colours):
        d = self.decoder
        for layer in (d.up0, d.res0, d.up1, d.res1, d.out):
            x = layer(x)
        return x + d.coloured(colours)


FASTER = {**PIECES, glocal_ref.Gated: Gated, glocal_ref.Out: Out, glocal_ref.Region: Region, glocal_ref.Match: Match,
          glocal_ref.Lst: Lst, glocal_ref.Generator: Generator}


# ---- the step --------------------------------------------------------------------------------------------------------

class Trainer:
    """The networks, and what they learn with. what: the work they are for; a process that generates holds no more."""

    def __init__(self, config, what="step", layout=torch.contiguous_format):
        self.config, self.layout, self.tau = config, layout, TAU
        self.g, self.d, self.vgg = faster(glocal_ref.Generator(config), FASTER), None, None
        if what == "step":
            self.d = faster(glocal_ref.Discriminator(config.w), FASTER)
            self.vgg = Vgg(config.vgg_divisor)
        for module in self.modules():
            relaid(module, layout)
        if what == "step":
            self.adam_g, self.adam_d = adam(self.g, 1e-4), adam(self.d, 1e-5)
        else:
            self.g.requires_grad_(False)
            prepare(self.g, iterate=False)
            pack(self.g, layout)
            self.tau = config.tau

    def modules(self):
        return [m for m in (self.g, self.d, self.vgg) if m is not None]

    def compile(self):
        parts = [self.g.parsing, self.g.content, self.g.region, self.g.structure, self.g.match, self.g.lst]
        for layer in self.g.modules():
            layer.packs = False
        for module in parts + self.modules()[1:]:
            module.forward = torch.compile(module.forward)
        self.g.codes, self.g.decoder_out = torch.compile(self.g.codes), torch.compile(self.g.decoder_out)

    def parse(self, x):
        return self.g.parsing(torch.cat([x.layout, x.pose, x.target_pose], 1))

    def dropped(self, x, v, probability):
        """The region hidden from the graph, per sample, or -1."""
        both = (v * (glocal_ref.near4(x.target_layout).sum((2, 3)) >= self.config.a_min))[:, 1:]
        drop = []
        for sample in both:
            regions = sample.nonzero().flatten() + 1
            hide = len(regions) and torch.rand(()) < probability
            drop.append(int(regions[torch.randint(len(regions), ())]) if hide else -1)
        return drop

    @torch.no_grad()
    def judged(self, x):
        """What the target is to the losses: constants."""
        taps = self.vgg(x.target)
        grams = {tap: ops_ref.gram(taps[tap]) for tap in glocal_ref.STYLE}
        structure = {tap: local_structure(taps[tap], WINDOW) for tap in ("2_1", "3_1")}
        return {tap: taps[tap] for tap in glocal_ref.CONTENT}, grams, structure, self.g.codes(x.target, x.target_layout)

    def seen_terms(self, image, taps, grams, structure):
        made = self.vgg(image)
        return {"content": sum(F.l1_loss(made[tap], taps[tap]) for tap in glocal_ref.CONTENT),
                "style": sum(F.l1_loss(ops_ref.gram(made[tap]), grams[tap]) for tap in glocal_ref.STYLE),
                "ls": sum(F.l1_loss(local_structure(made[tap], WINDOW), s) for tap, s in structure.items())}

    def generate(self, x, drop=None):
        """-> logits and softmax of the layout, and the generator's stages"""
        prepare(self.g)
        z = self.parse(x)
        pi = torch.softmax(z, 1)
        return z, pi, self.g(x, pi, self.tau, drop)

    def discriminator_step(self, target, image):
        prepare(self.d)
        self.adam_d.zero_grad(set_to_none=True)
        on_real, on_fake = self.d(torch.cat([target, image]))[0].chunk(2)
        loss = glocal_ref.d_loss(on_real, on_fake)
        loss.backward()
        return loss.item()

    def terms(self, x, z, pi, out):
        """Call after the discriminator's update."""
        taps, grams, structure, (s_target, v_target, _) = self.judged(x)
        with torch.no_grad():
            prepare(self.d)
        on_fake = self.d(out["image"])[0]
        terms = self.seen_terms(out["image"], taps, grams, structure)
        terms["rec"] = F.l1_loss(out["image"], x.target)
        terms["par"] = F.cross_entropy(z, x.target_layout.argmax(1)) + 10 * F.l1_loss(pi, x.target_layout)
        terms["adv"] = (on_fake - 1).square().mean()
        terms["code"] = glocal_ref.code_loss(out["r"], s_target, v_target)
        terms["warp"] = glocal_ref.warp_loss(out["warped"], x.target, x.target_layout, out["v"])
        return terms

    def step(self, x):
        v = (glocal_ref.near4(x.layout).sum((2, 3)) >= self.config.a_min).to(x.layout.dtype)
        z, pi, out = self.generate(x, self.dropped(x, v, DROP))
        self.discriminator_step(x.target, out["image"].detach())
        self.adam_d.step()
        self.d.requires_grad_(False)
        self.adam_g.zero_grad(set_to_none=True)
        loss = glocal_ref.total(self.terms(x, z, pi, out))
        del z, pi, out
        for net in (self.g, self.d):
            forget(net)
        loss.backward()
        self.adam_g.step()
        self.d.requires_grad_(True)
        return loss.item()

    @torch.inference_mode()
    def forward(self, x):
        z = self.parse(x)
        pi = (z.argmax(1, keepdim=True) == torch.arange(glocal_ref.REGIONS)[:, None, None]).to(z.dtype)
        out = self.g(x, pi.contiguous(memory_format=self.layout), self.tau)
        return out["image"].abs().mean().item()


def batch_of(n, h, w, layout=torch.contiguous_format, dtype=torch.float32):
    """Noise pictures, heat maps of random joints, and bands of regions from top to bottom."""
    def pose():
        points = torch.stack([torch.randint(w, (n, glocal_ref.JOINTS)), torch.randint(h, (n, glocal_ref.JOINTS))], -1)
        return torch.stack([gfla_ref.heat_maps(p.tolist(), h, w, 6 * h / 256, dtype) for p in points])

    bands = glocal_ref.one_hot((torch.arange(h * w) * glocal_ref.REGIONS // (h * w)).reshape(1, h, w).expand(n, h, w), dtype)
    sample = glocal_ref.Sample(torch.rand(n, 3, h, w) * 2 - 1, bands, pose(), torch.zeros(n, 1, h, w), pose(),
                               torch.rand(n, 3, h, w) * 2 - 1, bands.clone())
    for name, value in sample.__dict__.items():
        setattr(sample, name, value.to(dtype).contiguous(memory_format=layout))
    return sample


# ---- programs --------------------------------------------------------------------------------------------------------

def check(layout):
    """Against the reference in double: pictures, losses and every gradient of a step."""
    config = glocal_ref.tiny(lst_k=5, vgg_divisor=4)
    slow = [m.double() for m in (glocal_ref.Generator(config), glocal_ref.Discriminator(config.w), gfla_ref.Vgg19(4))]
    for p in slow[0].parameters():                  # gains, shifts and layers that start at 0 take part
        p.data += 0.05 * torch.randn_like(p)
    torch.set_default_dtype(torch.float64)
    trainer, maker = Trainer(config, "step"), Trainer(config, "forward")
    slow[2].load_state_dict(trainer.vgg.state_dict())
    for module, fast in zip(slow[:2], trainer.modules()):
        fast.load_state_dict(module.state_dict())
    maker.g.load_state_dict(slow[0].state_dict())
    for module in trainer.modules() + [maker.g]:
        relaid(module, layout)
    maker.layout = layout
    prepare(maker.g, iterate=False)
    x, plain = (batch_of(2, 64, 48, kind, torch.float64) for kind in (layout, torch.contiguous_format))
    for name, value in x.__dict__.items():
        setattr(plain, name, value.contiguous())

    with torch.no_grad():
        pi = glocal_ref.one_hot(slow[0].parse(plain).argmax(1), torch.float64)
        errors = {"forward": abs(slow[0](plain, pi)["image"].abs().mean().item() - maker.forward(x))}
    drop = [-1, 3]
    reference = glocal_ref.Step(slow[0], slow[1], "joint", slow[2], TAU, drop)
    image = reference.forward(plain)["image"]
    judged = reference.judge()
    judged.backward()
    z, pi, out = trainer.generate(x, drop)
    errors["image"] = (image - out["image"]).abs().max().item()
    errors["discriminator"] = abs(trainer.discriminator_step(x.target, out["image"].detach()) - judged.item())
    errors["its gradients"] = apart(slow[1], trainer.d)
    trainer.d.requires_grad_(False)
    wanted, terms = reference.terms(), trainer.terms(x, z, pi, out)
    errors.update((name, abs(wanted[name].item() - terms[name].item())) for name in wanted)
    glocal_ref.total(wanted).backward()
    glocal_ref.total(terms).backward()
    errors["gradients"] = apart(slow[0], trainer.g)
    print("  ".join(f"{name} {value:.1e}" for name, value in errors.items()))
    return set(wanted) == set(terms) and max(errors.values()) < 1e-9


def start(opt, layout):
    config = CONFIGS[opt.widths]()
    h, w = (int(x) for x in opt.size.split("x"))
    trainer = Trainer(config, opt.what, layout)
    batch = batch_of(opt.batch, h, w, layout)
    if opt.compile:
        trainer.compile()
    run = getattr(trainer, opt.what)
    return lambda: run(batch)


if __name__ == "__main__":
    turns.run(OPT, start, check)
