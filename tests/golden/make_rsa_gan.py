"""Golden numbers for RSA-GAN: input maps, stages, losses and gradients of one training step, every switch, some steps with Adam.

    python3 tests/golden/make_rsa_gan.py          writes rsa_gan_inputs, rsa_gan_tiny and rsa_gan_variants (.safetensors)
    python3 tests/golden/make_rsa_gan.py --check  writes nothing; prints how far a float32 run of the same program is

Computed in float64 by rsa_gan_ref.py from weights and pictures that formula.py makes, which are not in the files. README.md
lists the keys.
"""

import dataclasses
import json
import os
import sys

import numpy as np
import torch

import formula
import record
import rsa_gan_ref
import st
from gfla_ref import Vgg19
from make_gfla import REACHING, STANDING, points
from record import gradients, length_of_gradients, numbers, report
from rsa_gan_ref import Sample, Step

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
N, H, W = 2, 64, 48
PICTURES = "rsa4"           # begins the names of the pictures; the number was picked for the agreement --check prints
SMALL = 64                  # elements up to which a gradient is stored whole
VGG_DIVISOR = 4
GAINS = {}
ALPHA = 10                  # times the formula's 0.6 + 0.06 u
RATE, STEPS = 5e-4, 3       # of the walk


@dataclasses.dataclass
class Case:
    switches: dict = dataclasses.field(default_factory=dict)
    tau: float = 0.1
    vgg: bool = False
    watch: tuple = ("",)                    # prefixes of G's parameters whose gradients are stored
    judges: bool = True                     # whether D's are
    whole: tuple = ()                       # stages stored number by number; of the others, sums


STAGES = "image", "soft", "codes", "Q0", "warp", "peak", "att0", "att1", "on_real.pose", "on_real.pair", "on_fake.pose", \
    "on_fake.pair", "in_g.pose", "in_g.pair"
TINY = {"plain": Case(whole=STAGES + ("seen/image", "seen/warp")), "sharp": Case(tau=0.03, whole=("codes", "peak"), judges=False),
        "vgg": Case({"vgg_divisor": VGG_DIVISOR}, vgg=True, judges=False)}


def variant(watch, vgg=False, judges=False, **switches):
    return Case(switches={**switches, **({"vgg_divisor": VGG_DIVISOR} if vgg else {})}, vgg=vgg, judges=judges, watch=watch,
                whole=("codes",))


VARIANTS = {
    "rpsf_off": variant(("rpsf.",), rpsf=False),
    "rpsf_gate_off": variant(("rpsf.",), rpsf_gate=False),
    "joints_all": variant(("rpsf.",), rpsf_joints="all"),
    "code_sa": variant(("code_sa.", "style.res1"), code_sa=1),
    "style_vgg": variant(("style.",), vgg=True, style_enc="vgg"),
    "pcgsi_off": variant(("inject.", "style.res1", "rpsf.mix"), pcgsi=False),
    "adain": variant(("inject.", "style.res1"), inject="adain"),
    "concat": variant(("inject.", "style.res1"), inject="concat"),
    "two_proj": variant(("corr.", "pose.up1"), corr_shared=0),
    "sem": variant(("corr.", "pose.up1", "rpsf.delta"), corr_feat="pose+sem"),
    "sem_two_proj": variant(("corr.",), corr_feat="pose+sem", corr_shared=0),
    "gdcca_off": variant(("style.res1", "rpsf.mix", "inject.mrb1"), gdcca=False),
    "channel": variant(("gdcca.",), gdcca_attn="channel"),
    "token": variant(("gdcca.",), gdcca_attn="token"),
    "spatial": variant(("gdcca.",), gdcca_attn="spatial"),
    "open": variant(("gdcca.",), gdcca_gate="open"),
    "closed": variant(("gdcca.",), gdcca_gate="closed"),
    "dw_off": variant(("gdcca.",), gdcca_dw=False),
    "blocks1": variant(("gdcca.",), gdcca_blocks=1),
    "blocks3": variant(("gdcca.",), gdcca_blocks=3),
    "up5": variant(("output.",), up_k=5),
    "colours": variant(("output.", "corr.", "pose.up1"), out_colours=True),
    "head_off": variant(("output.rgb",), judges=True, d_head=0),
    "d_blocks2": variant(("output.rgb",), judges=True, d_blocks=2),
    "d_limbs": variant(("output.rgb",), judges=True, d_limbs=1),
    "infinite": variant(("pose.down0", "rpsf."), limb_line="infinite"),
    "K1": variant(("rpsf.", "corr.", "gdcca.block0.token", "gdcca.block0.kv"), K=1),
    "K20": variant(("rpsf.", "corr.", "gdcca.block0.token", "gdcca.block0.kv"), K=20),
    "K20_sem": variant(("corr.",), K=20, corr_feat="pose+sem"),
    "K1_rpsf_off": variant(("rpsf.",), K=1, rpsf=False),
    "base": variant(("style.res1", "rpsf.", "inject.", "output.rgb"), rpsf=False, pcgsi=False, gdcca=False),
}


# ---- inputs ----------------------------------------------------------------------------------------------------------

def labels(which, absent):
    """[N,H,W] labels 0..19: pixels take that of the nearest of 30 sites; absent: labels no pixel has, per sample."""
    sites = (formula.uniform(f"{PICTURES}.{which}.sites", (N, 30, 2)) + 1) / 2 * (H, W)
    y, x = np.arange(H)[:, None, None], np.arange(W)[None, :, None]
    out = []
    for n in range(N):
        label = np.array([0 if j % 20 in absent[n] else j % 20 for j in range(30)])
        out.append(label[((y - sites[n, :, 0]) ** 2 + (x - sites[n, :, 1]) ** 2).argmin(2)])
    return torch.tensor(np.stack(out))


def fixed_inputs():
    return {"source_labels": labels("source", ((1, 2), ())), "target_labels": labels("target", ((), (4, 13))),
            "source_points": [points(STANDING, 3 * i, H, W) for i in range(N)],
            "target_points": [points(REACHING, -2 * i, H, W) for i in range(N)]}


def pictures():
    return (make(f"{PICTURES}.{which}", N, H, W) for which, make in (("source", formula.image), ("target", formula.far_image)))


def inputs():
    """What every case is made of, for the file."""
    return {**{k: np.asarray(v) for k, v in fixed_inputs().items()}, **dict(zip(("source", "target"), pictures()))}


def sample(config, dtype):
    given = fixed_inputs()
    source, target = (torch.tensor(x) for x in pictures())
    pose_s, pose_t = (torch.stack([rsa_gan_ref.pose_maps(p, H, W, config.limb_line) for p in given[which]])
                      for which in ("source_points", "target_points"))
    parsing_s, parsing_t = (rsa_gan_ref.one_hot(rsa_gan_ref.classes(given[which], "lip", config.K), config.K)
                            for which in ("source_labels", "target_labels"))
    return Sample(source, parsing_s, pose_s, pose_t, target, parsing_t).to(dtype)


def networks(case, dtype):
    config = rsa_gan_ref.tiny(**case.switches)
    vgg = record.fill(Vgg19(VGG_DIVISOR), "", dtype, GAINS) if case.vgg else None
    g, judges = rsa_gan_ref.Generator(config), rsa_gan_ref.Judges(config)
    for net in (g, judges):
        record.fill(net, "", dtype, GAINS, (".gain", ".alpha"))
    with torch.no_grad():
        for name, value in [*g.named_parameters(), *g.named_buffers()]:
            if name.endswith(".alpha"):
                value *= ALPHA
            elif name == "corr.tau":
                value.fill_(case.tau)
    return g, judges, vgg


# The maps themselves, from key points of a picture of another size; two ankles coincide, so that a limb has no length.
MAP_PICTURE, MAP_SIZE = (100, 75), (20, 14)
MAP_POINTS = [(38.5, 11.25), (40, 24.9), (27, 26), (20.2, 41), (-1, 30), (52, 27), (60, 44.4), (66.6, 60), (33, 58), (33, 76.5),
              (31.3, 95), (46, 58), (46, 58), (47, 93), (36, 9), (41, 9), (33, -1), (45.1, 11)]
MAP_LABELS = [[(5 * y + x) % 26 for x in range(9)] for y in range(7)]        # up to 25: some are in no table


def map_numbers():
    """-> rsa_gan_inputs"""
    h, w = MAP_SIZE
    at = rsa_gan_ref.scaled(MAP_POINTS, MAP_PICTURE, MAP_SIZE)
    given = torch.tensor(MAP_LABELS)
    rows, cols = (((torch.arange(n) + 0.5) * len_ / n).long() for n, len_ in ((h, 7), (w, 9)))
    out = {"points": torch.tensor(MAP_POINTS), "scaled": torch.tensor(at).float(), "labels": given,
           "resized": given[rows][:, cols]}
    for line in ("segment", "infinite"):
        out[f"pose/{line}"] = rsa_gan_ref.pose_maps(at, h, w, line)
    for kind, K in (("lip", 8), ("cihp", 8), ("merged", 8), ("none", 20)):
        out[f"classes/{kind}"] = rsa_gan_ref.classes(given, kind, K)
    for K, which in ((8, "regional"), (8, "all"), (20, "regional"), (1, "regional")):
        stack = rsa_gan_ref.regions(torch.zeros(1, K, h, w), out["pose/segment"][None], K, which)[0]
        out[f"joints/{K}_{which}"], out[f"limbs/{K}_{which}"] = stack[1::3], stack[2::3]
    return numbers(out)


# ---- one step, without optimiser -------------------------------------------------------------------------------------

def run(case, dtype):
    """-> every number of the case by name, float64"""
    g, judges, vgg = networks(case, dtype)
    step = Step(g, judges, vgg)
    found = dict(step.forward(sample(g.config, dtype)))
    found.update((f"att{i}", e) for i, e in enumerate(found.pop("att")))
    for name in ("image", "warp"):
        if found.get(name) is not None:
            found[name].retain_grad()
    terms = step.terms()
    loss_g = rsa_gan_ref.total(terms, step.weights)
    loss_g.backward()
    losses_d = step.judge()
    loss_d = rsa_gan_ref.WEIGHT_D * sum(losses_d)
    loss_d.backward()
    found.update((f"seen/{name}", found[name].grad) for name in ("image", "warp") if found.get(name) is not None)
    for kind, scores in (("on_real", step.on_real), ("on_fake", step.on_fake), ("in_g", [s for s, _ in step.fake_in_g])):
        found.update(zip((f"{kind}.pose", f"{kind}.pair"), scores))
    found.update((f"loss/{name}", value) for name, value in terms.items())
    found.update({"loss/d_pose": losses_d[0], "loss/d_pair": losses_d[1], "total/g": loss_g, "total/d": loss_d})
    found.update({"norm.g": length_of_gradients(g), "norm.d": length_of_gradients(judges)})
    found.update((name, grad) for name, grad in gradients(g, "grad.g", case.watch).items() if grad.any())
    found.update(gradients(judges, "grad.d", ("",) if case.judges else ("no",)))
    return numbers(found)


def walk(dtype):
    """Whole steps with Adam -> {term: its value before each update}, and some of the parameters they lead to"""
    case = Case()
    g, judges, _ = networks(case, dtype)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), RATE, (0.5, 0.999)) for net in (g, judges))
    x = sample(g.config, dtype)
    history = []
    for _ in range(STEPS):
        step = Step(g, judges)
        step.forward(x)
        terms = step.terms()
        adam_g.zero_grad()
        loss_g = rsa_gan_ref.total(terms, step.weights)
        loss_g.backward()
        adam_g.step()
        losses_d = step.judge()
        adam_d.zero_grad()
        (rsa_gan_ref.WEIGHT_D * sum(losses_d)).backward()
        adam_d.step()
        history.append({**terms, "g": loss_g, "d_pose": losses_d[0], "d_pair": losses_d[1]})
    out = {f"walk/{name}": np.array([float(h[name]) for h in history]) for name in history[0]}
    values = {**dict(g.named_parameters()), **dict(judges.named_parameters())}
    return {**out, **{f"walk/after/{name}": values[name].detach().double().numpy() for name in AFTER}}


AFTER = "output.rgb.bias", "output.norm1.weight", "gdcca.block0.alpha", "gdcca.block1.gate.dw.bias", "style.down0.norm2.weight", \
    "pose.up1.norm2.bias", "rpsf.delta.bias", "d_pose.head.weight", "d_pair.norm2.bias"


# ---- files -----------------------------------------------------------------------------------------------------------

def option(value):
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def described(cases):
    """Switches as the programs' options have them; vgg_divisor is vgg_narrow there."""
    return {name: {("vgg_narrow" if k == "vgg_divisor" else k): option(v) for k, v in case.switches.items()}
            for name, case in cases.items()}


def describe(name, found):
    def text(value):
        return f"{value.min():.3g}..{value.max():.3g}"
    print(f"{name}: " + ", ".join(f"{k[5:]} {v[0]:.4g}" for k, v in found.items() if k.startswith("loss/"))
          + f", total {found['total/g'][0]:.5g}")
    shown = "image", "F", "T", "X", "Y", "peak", "att0", "on_fake.pose"
    print("    " + ", ".join(f"{k} {text(found[k])}" for k in shown if k in found))


def make(file, cases, check, more=None):
    stored = {}
    for name, case in cases.items():
        found = run(case, torch.float64)
        describe(name, found)
        if check:
            report(name, found, run(case, torch.float32))
        stored.update((f"{name}/{k}", v) for k, v in record.reduced(found, case.whole, small=SMALL).items())
    store(file, {**(inputs() if file == "tiny" else {}), **stored, **(more or {})}, check,
          pictures=PICTURES, switches=json.dumps(described(cases)))


def store(file, stored, check, **metadata):
    if not check:
        path = os.path.join(HERE, f"rsa_gan_{file}.safetensors")
        st.write(path, stored, {"what": f"RSA-GAN {file}", **metadata})
        print(f"  {os.path.basename(path)}: {len(stored)} tensors, {os.path.getsize(path)} bytes")


def main(check):
    extra = walk(torch.float64)
    print(f"walk: g {extra['walk/g'].tolist()}, d_pose {extra['walk/d_pose'].tolist()}")
    if check:
        report("walk", extra, walk(torch.float32))
    store("inputs", map_numbers(), check)
    make("tiny", TINY, check, extra)
    make("variants", VARIANTS, check)


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
