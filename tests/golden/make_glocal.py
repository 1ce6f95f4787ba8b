"""Golden numbers for GLocal: stages, losses, gradients and power iterations of one training step, and every switch.

    python3 tests/golden/make_glocal.py          writes glocal_tiny, glocal_inpaint and glocal_variants (.safetensors)
    python3 tests/golden/make_glocal.py --check  writes nothing; prints how far a float32 run of the same program is

Computed in float64 by glocal_ref.py from weights and pictures that formula.py makes, which are not in the files. README.md
lists the keys.
"""

import dataclasses
import json
import os
import sys

import numpy as np
import torch

import formula
import glocal_ref
import record
import st
from gfla_ref import Vgg19, heat_maps
from glocal_ref import REGIONS, Sample, Step
from make_gfla import REACHING, STANDING, points
from record import gradients, length_of_gradients, numbers, report

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
N, H, W = 2, 64, 48
PICTURES = "glocal6"        # begins the names of the pictures; the number was picked for the agreement --check prints
VGG_DIVISOR = 4
GAINS = {"region.code": 8.0}                # its fan_in by the formula counts the regions' rows too
RATES = {"g": 1e-3, "d": 1e-4}              # of the walk


@dataclasses.dataclass
class Case:
    stage: str = "joint"
    switches: dict = dataclasses.field(default_factory=dict)
    tau: float = 0.1
    drop: tuple = (-1, -1)
    vgg: bool = False
    reg: bool = False                       # with the optional loss
    mask: str = "none"                      # none, region, all
    watch: tuple = ("",)                    # prefixes of the parameters whose gradients are stored
    whole: tuple = ()                       # stages stored number by number; of the others, sums


PICTURE = "image", "s", "v", "s_hat", "d.real", "d.fake", "d.fake_in_g"
MAPS = "global", "r", "structure", "warped", "peak", "s_target", "v_target"
ALL = PICTURE + MAPS + ("x1", "f", "x2", "seen/image", "seen/warped", "seen/r")

TINY = {"true": Case("true", drop=(-1, 5), whole=PICTURE + ("structure", "warped", "peak")),
        "joint": Case(tau=0.03, drop=(4, -1), whole=ALL),
        "joint_vgg": Case(vgg=True, whole=("image", "seen/image"))}
INPAINT = {"inpaint": Case("inpaint", mask="region", drop=(1, -1), whole=PICTURE + MAPS),
           "unseen": Case("inpaint", mask="all", whole=PICTURE + ("warped", "structure", "peak"), watch=("ggr.", "match.", "lst."))}
VARIANTS = {
    "graph_none": Case(switches={"ggr_graph": "none"}, watch=("ggr.",)),
    "graph_static": Case(switches={"ggr_graph": "static"}, watch=("ggr.",)),
    "graph_glore": Case(switches={"ggr_graph": "glore"}, watch=("ggr.",)),
    "layers1": Case(switches={"ggr_layers": 1}, watch=("ggr.",)),
    "layers3": Case(switches={"ggr_layers": 3}, watch=("ggr.",)),
    "occl_zero": Case(switches={"occl_rule": "zero"}, watch=("style.code", "region.code")),
    "occl_global": Case(switches={"occl_rule": "global"}, watch=("style.code", "region.code")),
    "lst_none": Case(switches={"lst_mode": "none"}, watch=("lst.",)),
    "lst_point": Case(switches={"lst_mode": "point"}, watch=("lst.", "match.", "structure.down1.conv2")),
    "lst_assemble": Case(switches={"lst_mode": "assemble"}, watch=("lst.", "match.", "structure.down1.conv2")),
    "lst_k5": Case(switches={"lst_k": 5}, watch=("lst.", "match.", "structure.down1.conv2")),
    "colours": Case(switches={"lst_colours": True}, watch=("lst.", "match.", "decoder.out", "decoder.colour")),
    "point_colours": Case(switches={"lst_colours": True, "lst_mode": "point"}, watch=("lst.", "match.", "decoder.colour")),
    "assemble_colours": Case(switches={"lst_colours": True, "lst_mode": "assemble"}, watch=("lst.", "match.", "decoder.colour")),
    "match3": Case(switches={"match_kernel": 3}, watch=("match.", "structure.down1.conv2")),
    "spade": Case(switches={"ran_spade_mix": True}, watch=("region.",)),
    "pise": Case(switches={"par_head": "pise"}, watch=("parsing.out", "parsing.up3")),
    "plain": Case(switches={"g_sn": False}, watch=("style.code", "content.down0", "decoder.out")),
    "vgg31": Case(switches={"ls_feat": "vgg31", "vgg_divisor": VGG_DIVISOR}, vgg=True, watch=("match.", "lst.hidden")),
    "reg": Case(vgg=True, reg=True, watch=("region.", "content.up1", "style.code")),
    "assemble_holes": Case("inpaint", {"lst_mode": "assemble"}, mask="region", watch=("lst.", "match.")),
    "colours_holes": Case("inpaint", {"lst_colours": True}, mask="region", watch=("lst.", "match.", "decoder.colour")),
    "point_holes": Case("inpaint", {"lst_mode": "point"}, mask="region", watch=("lst.", "match.")),
    "loose": Case("inpaint", {"ls_strict": False}, mask="region", watch=("lst.", "match.")),
}
VARIANTS = {name: dataclasses.replace(case, whole=("image0", "s_hat")) for name, case in VARIANTS.items()}


# ---- inputs ----------------------------------------------------------------------------------------------------------

def labels(which, absent):
    """[N,H,W]: pixels take the region of the nearest of 12 sites; absent: a region no pixel has, per sample."""
    sites = (formula.uniform(f"{PICTURES}.{which}.sites", (N, 12, 2)) + 1) / 2 * (H, W)
    y, x = np.arange(H)[:, None, None], np.arange(W)[None, :, None]
    out = []
    for n in range(N):
        region = np.array([5 if j % REGIONS == absent[n] else j % REGIONS for j in range(12)])
        out.append(region[((y - sites[n, :, 0]) ** 2 + (x - sites[n, :, 1]) ** 2).argmin(2)])
    return torch.tensor(np.stack(out))


def holes(kind, source_labels):
    """[N,1,H,W]. region: a whole region and a rectangle. all: everything; every second cell, so that no window is whole."""
    mask = torch.zeros(N, 1, H, W)
    if kind == "region":
        mask[0, 0] = (source_labels[0] == 2).float()
        mask[0, 0, 5:30, 6:21] = 1
        mask[1, 0, 18:51, 13:34] = 1
    elif kind == "all":
        y, x = torch.arange(H)[:, None] // 4, torch.arange(W)[None, :] // 4
        mask[0] = 1
        mask[1, 0] = ((y + x) % 2).float()
    return mask


def fixed_inputs():
    return {"source_labels": labels("source", (3, -1)), "target_labels": labels("target", (-1, 6)),
            "source_points": [points(STANDING, 3 * i, H, W) for i in range(N)],
            "target_points": [points(REACHING, -2 * i, H, W) for i in range(N)]}


def pictures():
    return (make(f"{PICTURES}.{which}", N, H, W) for which, make in (("source", formula.image), ("target", formula.far_image)))


def inputs():
    """What every case is made of, for the file."""
    given = fixed_inputs()
    masks = {f"mask_{kind}": holes(kind, given["source_labels"]).numpy() for kind in ("region", "all")}
    return {**{k: np.asarray(v) for k, v in given.items()}, **dict(zip(("source", "target"), pictures())), **masks}


def sample(case, dtype):
    given = fixed_inputs()
    source, target = (torch.tensor(x) for x in pictures())
    pose_s, pose_t = (torch.stack([heat_maps(p, H, W, 6 * H / 256) for p in given[which]]).float()
                      for which in ("source_points", "target_points"))
    layout_s, layout_t = (glocal_ref.one_hot(given[which], dtype) for which in ("source_labels", "target_labels"))
    mask = holes(case.mask, given["source_labels"])
    if case.stage == "inpaint":
        return Sample(target, layout_s, pose_s, mask, pose_s, target, layout_s).to(dtype)
    return Sample(source, layout_s, pose_s, mask, pose_t, target, layout_t).to(dtype)


def fill(module, prefix, dtype):
    return record.fill(module, prefix, dtype, GAINS, (".mix",))


def networks(case, dtype):
    switches = {"lst_colours": False, **case.switches}
    config = glocal_ref.tiny(task="inpaint" if case.stage == "inpaint" else "pose", **switches)
    vgg = fill(Vgg19(VGG_DIVISOR), "", dtype) if case.vgg else None
    return fill(glocal_ref.Generator(config), "", dtype), fill(glocal_ref.Discriminator(config.w), "disc.", dtype), vgg


# ---- one step, without optimiser -------------------------------------------------------------------------------------

def state(net, prefix):
    return {f"{prefix}/{name}": b.clone() for name, b in net.named_buffers()}


def run(case, dtype):
    """-> every number of the case by name, float64"""
    g, d, vgg = networks(case, dtype)
    x = sample(case, dtype)
    step = Step(g, d, case.stage, vgg, case.tau, case.drop, case.reg)
    found = dict(step.forward(x))
    states = state(g, "state.g")
    for name in ("image", "warped"):
        if found.get(name) is not None:
            found[name].retain_grad()
    if found["a"] is not None:
        found["peak"] = found["a"].max(2).values.reshape(N, 1, H // 4, W // 4)
    del found["a"]
    loss_d = step.judge()
    states.update(state(d, "state.d1"))
    loss_d.backward()
    terms = step.terms()
    states.update(state(d, "state.d2"))
    loss_g = glocal_ref.total(terms)
    if "code" in terms:
        found["seen/r"], = torch.autograd.grad(terms["code"], found["r"], retain_graph=True)
        found.update(s_target=step.s_target, v_target=step.v_target)
    if step.z is not None:
        found["seen/z"], = torch.autograd.grad(terms["par"], step.z, retain_graph=True)
        found["z"] = step.z
    loss_g.backward()
    found["seen/image"] = found["image"].grad
    if found.get("warped") is not None:
        found["seen/warped"] = found["warped"].grad
    found.update({"d.real": step.on_real, "d.fake": step.on_fake, "d.fake_in_g": step.on_fake_g})
    found.update((f"loss/{name}", value) for name, value in terms.items())
    if case.vgg and not case.reg:
        found["loss/reg"] = glocal_ref.reg_loss(found["x1"], x.target, vgg)
    found.update({"total/g": loss_g, "total/d": loss_d, **states})
    found.update(gradients(g, "grad.g", case.watch))
    found["image0"] = found["image"][:1]
    found["norm.g"] = length_of_gradients(g)
    found.update(gradients(d, "grad.d", ("",)))
    return numbers(found)


def walk(dtype, steps=3):
    """Whole steps with Adam, joint -> {term: its value before each update}"""
    case = Case()
    g, d, _ = networks(case, dtype)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), RATES[name], (0.5, 0.999)) for name, net in (("g", g), ("d", d)))
    x = sample(case, dtype)
    history = []
    for _ in range(steps):
        step = Step(g, d, case.stage, tau=case.tau)
        step.forward(x)
        adam_d.zero_grad()
        loss_d = step.judge()
        loss_d.backward()
        adam_d.step()
        terms = step.terms()
        adam_g.zero_grad()
        glocal_ref.total(terms).backward()
        adam_g.step()
        history.append({"d": loss_d, **terms, "g": glocal_ref.total(terms)})
    return {f"walk/{name}": np.array([float(h[name]) for h in history]) for name in history[0]}


@torch.no_grad()
def generate(dtype):
    """At tau 0.01, without power iteration: sigma by the vectors the step left behind -> pictures of soft and hard layout"""
    case = Case()
    g, _, _ = networks(case, dtype)
    glocal_ref.power_iteration(g)
    x = sample(case, dtype)
    pi = torch.softmax(g.parse(x), 1)
    hard = glocal_ref.one_hot(pi.argmax(1), dtype)
    top = pi.topk(2, 1).values
    return numbers({"generate/soft": g(x, pi)["image"], "generate/hard": g(x, hard)["image"],
                    "generate/labels": pi.argmax(1), "generate/lead": top[:, 0] - top[:, 1]})


# ---- files -----------------------------------------------------------------------------------------------------------

def reduced(case, found, with_states):
    """-> what goes into the file"""
    skip = (() if with_states else ("state.",)) + (("grad.d",) if case.watch[0] else ())
    return record.reduced({k: v for k, v in found.items() if k != "image0" or "image" not in case.whole}, case.whole, skip)


def describe(name, found):
    def text(value):
        return f"{value.min():.3g}..{value.max():.3g}"
    print(f"{name}: " + ", ".join(f"{k[5:]} {v[0]:.4g}" for k, v in found.items() if k.startswith("loss/"))
          + f", total {found['total/g'][0]:.5g}")
    print("    " + ", ".join(f"{k} {text(found[k])}" for k in ("image", "x1", "structure", "peak", "s_hat", "d.fake") if k in found)
          + f"; v {found['v'].astype(int).tolist()}")


def make(file, cases, check, more=None):
    stored = {}
    for name, case in cases.items():
        found = run(case, torch.float64)
        describe(name, found)
        if check:
            report(name, found, run(case, torch.float32))
        stored.update((f"{name}/{k}", v) for k, v in reduced(case, found, name == "true").items())
    if more:
        stored.update(more)
    path = os.path.join(HERE, f"glocal_{file}.safetensors")
    given = fixed_inputs()
    metadata = {"what": f"GLocal {file}", "source_points": json.dumps(given["source_points"]),
                "target_points": json.dumps(given["target_points"]),
                "switches": json.dumps({name: case.switches for name, case in cases.items()})}
    if not check:
        st.write(path, {**(inputs() if file == "tiny" else {}), **stored}, metadata)
        print(f"  {os.path.basename(path)}: {len(stored)} tensors, {os.path.getsize(path)} bytes")


def main(check):
    extra = {**walk(torch.float64), **generate(torch.float64)}
    for name in ("walk/d", "walk/adv", "walk/g"):
        print(f"{name}: {extra[name].tolist()}")
    print(f"generate: smallest lead of the first label {extra.pop('generate/lead').min():.1e}")
    if check:
        report("walk, generate", extra, {**walk(torch.float32), **generate(torch.float32)})
    make("tiny", TINY, check, extra)
    make("inpaint", INPAINT, check)
    make("variants", VARIANTS, check)


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
