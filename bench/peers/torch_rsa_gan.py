"""The peer for RSA-GAN's speed: the same network and training step in PyTorch on the CPU, as fast as eager PyTorch allows.

    python3 bench/peers/torch_rsa_gan.py forward|step --size 256x176 --batch 1 --threads 2 --iters 5 --layout nchw|nhwc
                                         --widths full|small|tiny [--interactive] [--check]

Prints a line of JSON per turn; turns.py describes the options. forward: a picture in a new pose, from picture, parsing and pose
maps; inference mode. step: generator forward, its losses with VGG19 and both discriminators, one backward, Adam; then the
discriminators on the same picture, Adam for both.

The networks are those of tests/golden/rsa_gan_ref.py, with the same parameter names. Replaced by what is faster here:
  instance norm       GroupNorm with one channel per group, and the leaky relu after it in place; the decoder's norm is
                      GroupNorm with one group
  transposed convs    a convolution's backward by oneDNN, which leaves output padding to a slower kernel
  poses               both in one batch
  modulation          one pass
  correspondence      dense: products as 1x1 convolutions (oneDNN), queries scaled by 1/tau, the mean taken off the filters
                      instead of maps, all four products at once; in inference in blocks of rows, which stay in the cache
  channel attention   norms divide the 32x32 products instead of the maps; its weights and the projection after it are one matrix
  token attention     queries are not made: keys go through their layer's matrix
  discriminators      the generator's turn and theirs share the look at the picture
  contextual loss     one scaling of the cosines instead of the chain of steps on all pairs
  VGG19               the target without gradient; relus in place
  weights             of inference packed for oneDNN before, in nchw
Weights are random, VGG19's too; layers that begin at zero are not zero here.
"""

import turns

if __name__ == "__main__":
    OPT = turns.options("RSA-GAN in PyTorch, for timing", ["forward", "step"], "256x176", 16, ["full", "small", "tiny"])

import torch                                                                                            # noqa: E402
import torch.nn.functional as F                                                                         # noqa: E402

from fast import PIECES, Conv, Vgg, adam, apart, correspond, embed, faster, like, pack, product, relaid     # noqa: E402
import glocal_ref                       # fast knows where it lies                                      # noqa: E402
import ops_ref                                                                                          # noqa: E402
import rsa_gan_ref                                                                                      # noqa: E402
from rsa_gan_ref import HEAD_WIDTH, JOINTS, SLOPE, area4, larger                                        # noqa: E402

CONFIGS = {"full": rsa_gan_ref.Config, "small": rsa_gan_ref.small, "tiny": rsa_gan_ref.tiny}
TAU = 0.1                   # of the first step
RATE = 2e-4


def norm(x, layer=None, groups=None):
    return F.group_norm(x, groups or x.shape[1], *((layer.weight, layer.bias) if layer is not None else ()))


def act(x):
    return F.leaky_relu_(x, SLOPE)


# ---- RPSF and codes --------------------------------------------------------------------------------------------------

class Rpsf(rsa_gan_ref.Rpsf):
    def forward(self, parsing, pose):
        soft = area4(parsing)
        x = like(rsa_gan_ref.regions(parsing, pose, self.config.K), parsing)
        u = act(norm(self.conv1(act(norm(self.conv0(x), self.norm0))), self.norm1))
        r = self.value(u) * torch.sigmoid_(self.gate(u))
        return torch.softmax((soft + 1e-3).log() + self.delta(r), 1), self.mix(r).add_(u)


def pool_regions(f, soft, parsing):
    pooled = soft.flatten(2) @ f.flatten(2).transpose(1, 2) / soft.sum((2, 3))[..., None]
    absent = area4(parsing).sum((2, 3)) < 1
    return torch.where(absent[..., None], f.mean((2, 3))[:, None], pooled)


# ---- modulation ------------------------------------------------------------------------------------------------------

class Mod(rsa_gan_ref.Mod):
    def forward(self, x, t):
        c, u = x.shape[1], F.relu_(norm(self.shared(t)))
        bias = torch.cat([self.affine.bias[:c] + 1, self.affine.bias[c:]])
        gain, shift = F.conv2d(u, self.affine.weight, bias, 1, 1).chunk(2, 1)
        return torch.addcmul(shift, norm(x), gain)


class Mrb(rsa_gan_ref.Mrb):
    def forward(self, x, t):
        return self.conv2(act(self.mod2(self.conv1(act(self.mod1(x, t))), t))).add_(x)


class Output(rsa_gan_ref.Output):
    def forward(self, e_t, y, warped):
        x = self.mrb1(self.mrb0(e_t, y), y)
        for conv, layer in ((self.up0, self.norm0), (self.up1, self.norm1)):
            x = F.relu_(norm(conv(F.interpolate(x, scale_factor=2, mode="nearest")), layer, 1))
        return torch.tanh_(self.rgb(x) + self.coloured(warped))


# ---- attention -------------------------------------------------------------------------------------------------------

class LayerNorm(rsa_gan_ref.LayerNorm):
    """Over channels; the decoder's are group norms."""

    def forward(self, x):
        y = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], self.weight, self.bias)
        return like(y.permute(0, 3, 1, 2), x)


def channel_attention(q, k, v, alpha, out):
    """Maps [N,C,h,w] -> out(the attended v)"""
    n, c = q.shape[:2]
    rows = [x.flatten(2).reshape(n, c // HEAD_WIDTH, HEAD_WIDTH, -1) for x in (q, k)]
    size = [1 / (torch.linalg.vector_norm(x, dim=3) + 1e-6) for x in rows]
    logits = rows[0] @ rows[1].transpose(2, 3) * (size[0] * alpha[:, None])[..., None] * size[1][:, :, None]
    a = torch.softmax(logits, -1)
    heads = out.weight.flatten(1).unflatten(1, (-1, HEAD_WIDTH)).transpose(0, 1)            # [heads,C,32]
    both = (heads @ a).permute(0, 2, 1, 3).flatten(2)                                      # [N,C,C]
    return product(both, v.flatten(2), v) + out.bias[:, None, None]


class Token(rsa_gan_ref.Token):
    def forward(self, x, s, prior):
        scale = s.shape[2] ** -0.5
        keys = s @ self.k.T * scale
        e = product(keys @ self.q.weight.flatten(1), x.flatten(2), x) + (keys @ self.q.bias)[..., None, None]
        e = e + (prior + 1e-3).log()
        return product((s @ self.v.T).transpose(1, 2), torch.softmax(e, 1).flatten(2), x), e


class Feed(rsa_gan_ref.Feed):
    def forward(self, x):
        u1, u2 = getattr(self, "in")(self.norm(x)).chunk(2, 1)
        return self.out(F.gelu(u1) * u2).add_(x)


class Block(rsa_gan_ref.Block):
    def forward(self, x, aligned, s, prior):
        """aligned: T and Z in one map"""
        xn = self.norm(x)
        k, v = self.kv(aligned).chunk(2, 1)
        o_c = channel_attention(self.q(xn), k, v, self.alpha, self.out)
        o_t, e = self.token(xn, s, prior)
        gate = torch.sigmoid_(self.gate(torch.cat([xn, o_c, o_t], 1)))
        return self.ff(torch.addcmul(x, gate, o_c + o_t)), e


# ---- generator and discriminators ----------------------------------------------------------------------------------------

class Generator(rsa_gan_ref.Generator):
    rows = 512                                          # cells, of a block of the correspondence in inference

    def align(self, e_t, e_s, values, tau):
        where = like(rsa_gan_ref.coordinates(e_s), e_s)
        key, query = embed(self.corr.proj, 1, e_s, where), embed(self.corr.proj, 1 / tau, e_t, where)
        h, w = query.shape[2:]
        rows = h if torch.is_grad_enabled() else max(1, self.rows // w)
        samples = [torch.cat(correspond(*one, rows), 2) for one in zip(query.split(1), key.split(1), values.split(1))]
        return like(torch.cat(samples), query)

    def forward(self, x, tau):
        """-> the stages that losses and the picture need"""
        c, m, K = self.config.c, self.config.m, self.config.K
        f = self.style(x.source, None)
        soft, sem = self.rpsf(x.parsing, x.pose_s)
        codes = pool_regions(f, soft, x.parsing)
        e_s, e_t = self.pose(torch.cat([x.pose_s, x.pose_t])).chunk(2)
        carried = self.align(e_t, e_s, torch.cat([f, sem, soft, area4(x.source)], 1), tau)
        q0, att = carried[:, c + m:c + m + K], []
        y = self.inject(e_t, like(carried[:, :c], e_t))
        aligned = like(carried[:, :c + m], e_t)
        for block in self.gdcca.children():
            y, e = block(y, aligned, codes, q0)
            att.append(e)
        warped = carried[:, c + m + K:]
        return {"image": self.output(e_t, y, warped), "soft": soft, "Q0": q0, "warp": warped, "att": att}


class Discriminator(rsa_gan_ref.Discriminator):
    def forward(self, x):
        for conv, layer in ((self.conv0, self.norm0), (self.conv1, self.norm1), (self.conv2, self.norm2)):
            x = F.relu_(norm(conv(x), layer))
        return self.head(x)


FASTER = {**PIECES, rsa_gan_ref.Conv: Conv, rsa_gan_ref.Rpsf: Rpsf, rsa_gan_ref.Mod: Mod, rsa_gan_ref.Mrb: Mrb,
          rsa_gan_ref.Output: Output, rsa_gan_ref.LayerNorm: LayerNorm, rsa_gan_ref.Token: Token, rsa_gan_ref.Feed: Feed,
          rsa_gan_ref.Block: Block, rsa_gan_ref.Generator: Generator, rsa_gan_ref.Discriminator: Discriminator}


# ---- losses ----------------------------------------------------------------------------------------------------------

def similarities(a, b):
    """Cosines of all positions of a (rows) with all of b; constants: b"""
    def unit(x):
        return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-6)
    middle = b.mean((2, 3), keepdim=True)
    a, b = unit(a - middle).flatten(2), unit(b - middle).flatten(2)
    return a.transpose(1, 2) @ b


def contextual(a, b):
    """With d = (1 - cos) / 2 and m = min d + 1e-5 of a row: softmax((1 - d / m) / 0.5) is softmax(cos / m)."""
    cos = similarities(a, b)
    nearest = (1 - cos.amax(2, keepdim=True)) / 2 + 1e-5
    return -torch.softmax(cos / nearest, 2).amax(1).mean(1).log().mean()


class Trainer:
    """The networks, and what they learn with. what: the work they are for; a process that generates holds no more."""

    def __init__(self, config, what="step", layout=torch.contiguous_format):
        self.config, self.layout = config, layout
        self.g, self.judges, self.vgg = faster(rsa_gan_ref.Generator(config), FASTER), None, None
        self.tau = TAU if what == "step" else float(self.g.corr.tau)
        with torch.no_grad():
            for layer in self.g.modules():
                if isinstance(layer, Conv) and not layer.weight.any():
                    layer.weight.normal_(0, 0.01)
        if what == "step":
            self.judges, self.vgg = faster(rsa_gan_ref.Judges(config), FASTER), Vgg(config.vgg_divisor)
        for module in self.modules():
            relaid(module, layout)
        if what == "step":
            self.adam_g, self.adam_d = adam(self.g, RATE), adam(self.judges, RATE)
        else:
            self.g.requires_grad_(False)
            pack(self.g, layout)

    def modules(self):
        return [m for m in (self.g, self.judges, self.vgg) if m is not None]

    def compile(self):
        for layer in self.g.modules():
            layer.packs = False
        for module in (self.g.style, self.g.rpsf, self.g.pose, self.g.inject, *self.g.gdcca.children(), self.g.output,
                       self.judges, self.vgg):
            if module is not None:
                module.forward = torch.compile(module.forward)
        self.g.align = torch.compile(self.g.align)

    def judged(self, image, x):
        """-> scores of both discriminators"""
        pose = x.pose_t[:, :JOINTS]
        return [self.judges.d_pose(torch.cat([image, pose], 1)), self.judges.d_pair(torch.cat([image, x.source], 1))]

    @torch.no_grad()
    def seen(self, target):
        """What the target is to the losses: constants."""
        taps = self.vgg(target)
        grams = {tap: ops_ref.gram(taps[tap]) for tap in glocal_ref.STYLE}
        return {tap: taps[tap] for tap in (*glocal_ref.CONTENT, "1_2", *rsa_gan_ref.CONTEXT)}, grams

    def seen_terms(self, image, taps, grams):
        made = self.vgg(image)
        return {"per": F.l1_loss(made["1_2"], taps["1_2"]),
                "content": sum(F.l1_loss(made[tap], taps[tap]) for tap in glocal_ref.CONTENT),
                "style": sum(F.l1_loss(ops_ref.gram(made[tap]), grams[tap]) for tap in glocal_ref.STYLE),
                "cx": sum(contextual(made[tap], taps[tap]) for tap in rsa_gan_ref.CONTEXT)}

    def terms(self, x, out):
        """Without the discriminators'."""
        labels = x.target_parsing.argmax(1)
        return {"l1": F.l1_loss(out["image"], x.target), "warp": F.l1_loss(out["warp"], area4(x.target)),
                "par": rsa_gan_ref.soft_cross_entropy(area4(x.target_parsing), out["Q0"]),
                "sem": rsa_gan_ref.soft_cross_entropy(area4(x.parsing), out["soft"]),
                "att": sum(F.cross_entropy(larger(e, 4), labels) for e in out["att"]),
                **self.seen_terms(out["image"], *self.seen(x.target))}

    def generator_turn(self, x):
        """Gradients of G -> losses, and the scores of its picture with the graph that D's turn goes back through"""
        out = self.g(x, self.tau)
        shown = out["image"].detach().requires_grad_()
        scores = self.judged(shown, x)
        terms = self.terms(x, out)
        loss, weights = rsa_gan_ref.total(terms, rsa_gan_ref.WEIGHTS_VGG), rsa_gan_ref.WEIGHTS_VGG
        adv = sum(0.5 * (s - 1).square().mean() for s in scores)
        seed, = torch.autograd.grad(weights["adv"] * adv, shown, retain_graph=True)
        torch.autograd.backward([loss, out["image"]], [None, seed])
        return {**terms, "adv": adv}, scores

    def discriminator_turn(self, x, on_fake):
        on_real = self.judged(x.target, x)
        losses = [rsa_gan_ref.d_loss(*both) for both in zip(on_real, on_fake)]
        (rsa_gan_ref.WEIGHT_D * sum(losses)).backward(inputs=list(self.judges.parameters()))
        return losses

    def step(self, x):
        self.adam_g.zero_grad(set_to_none=True)
        terms, scores = self.generator_turn(x)
        self.adam_g.step()
        self.adam_d.zero_grad(set_to_none=True)
        self.discriminator_turn(x, scores)
        self.adam_d.step()
        return terms["l1"].item()

    @torch.inference_mode()
    def forward(self, x):
        return self.g(x, self.tau)["image"].abs().mean().item()


def batch_of(n, h, w, layout=torch.contiguous_format, dtype=torch.float32):
    """Noise pictures, maps of random joints, and bands of classes from top to bottom."""
    def pose():
        points = torch.stack([torch.randint(w, (n, JOINTS)), torch.randint(h, (n, JOINTS))], -1)
        return torch.stack([rsa_gan_ref.pose_maps(p.tolist(), h, w) for p in points])

    bands = rsa_gan_ref.one_hot((torch.arange(h * w) * 8 // (h * w)).reshape(1, h, w).expand(n, h, w), 8)
    source, target = (torch.rand(n, 3, h, w) * 2 - 1 for _ in range(2))
    maps = source, bands, pose(), pose(), target, bands.flip(2)
    return rsa_gan_ref.Sample(*(x.to(dtype).contiguous(memory_format=layout) for x in maps))


# ---- programs --------------------------------------------------------------------------------------------------------

def check(layout):
    """Against the reference in double: pictures, losses and every gradient of a step."""
    torch.set_default_dtype(torch.float64)
    config = rsa_gan_ref.tiny(vgg_divisor=4, out_colours=True)
    trainer, maker = Trainer(config, "step", layout), Trainer(config, "forward", layout)
    with torch.no_grad():
        for net in (trainer.g, trainer.judges):         # gains, shifts and layers that start at 0 take part
            for p in net.parameters():
                p += 0.05 * torch.randn_like(p)
    slow = [m.double() for m in (rsa_gan_ref.Generator(config), rsa_gan_ref.Judges(config), rsa_gan_ref.Vgg19(4))]
    for net, fast in zip(slow, trainer.modules()):
        net.load_state_dict(fast.state_dict())
    maker.g.load_state_dict(trainer.g.state_dict())
    x = batch_of(2, 64, 48, layout, torch.float64)
    plain = rsa_gan_ref.Sample(**{name: value.contiguous() for name, value in x.__dict__.items()})

    with torch.no_grad():
        errors = {"forward": abs(slow[0](plain)["image"].abs().mean().item() - maker.forward(x))}
        slow[0].corr.tau.fill_(TAU)
    reference = rsa_gan_ref.Step(*slow)
    reference.forward(plain)
    wanted = reference.terms()
    rsa_gan_ref.total(wanted, reference.weights).backward()
    terms, scores = trainer.generator_turn(x)
    errors.update((name, abs(wanted[name].item() - terms[name].item())) for name in wanted)
    errors["gradients"] = apart(slow[0], trainer.g)
    judged = reference.judge()
    (rsa_gan_ref.WEIGHT_D * sum(judged)).backward()
    errors["discriminators"] = abs(sum(judged) - sum(trainer.discriminator_turn(x, scores))).item()
    errors["their gradients"] = apart(slow[1], trainer.judges)
    print("  ".join(f"{name} {value:.1e}" for name, value in errors.items()))
    return set(wanted) == set(terms) and max(errors.values()) < 1e-9


def start(opt, layout):
    h, w = (int(x) for x in opt.size.split("x"))
    trainer = Trainer(CONFIGS[opt.widths](out_colours=True), opt.what, layout)
    batch = batch_of(opt.batch, h, w, layout)
    if opt.compile:
        trainer.compile()
    run = getattr(trainer, opt.what)
    return lambda: run(batch)


if __name__ == "__main__":
    turns.run(OPT, start, check)
