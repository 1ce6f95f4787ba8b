"""Checks rsa_gan_ref.py: parameters and multiply-adds of the presets, properties that hold whatever the weights are, and, given a
folder, a case that somebody else computed.

    python3 tests/golden/check_rsa_gan.py [FOLDER]

FOLDER holds weights.safetensors (switches in its metadata), source.png, source_parsing.png (20 LIP labels), source_keypoints.json
and target_keypoints.json (OpenPose, in the picture's pixels), inner.safetensors, expected.npy. Exit status 1 if anything differs.
"""

import os
import sys

import numpy as np
import torch

import png
import rsa_gan_ref
import st
from check_glocal import metadata_of, openpose
from rsa_gan_ref import HEAD_WIDTH, JOINTS, LIMBS, Config, Sample, small, tiny

# what a case expects was computed in float32: 1 / tau magnifies that program's rounding in whatever is carried, and behind it
TOLERANCE = {"T": 2e-3, "Z": 2e-3, "expected": 5e-4, "att0": 5e-4, "att1": 5e-4}
REST = 2e-4
torch.set_num_threads(1)

PARTS = "style", "rpsf", "pose", "corr", "inject", "gdcca", "output", "judges"
PRESETS = {
    "full": (Config(), None, 25187099, 825154, {(256, 176): (72.48, 7.138), (256, 256): (108.84, 10.383)}),
    "small": (small(), [910720, 73800, 1670720, 8448, 2361344, 614152, 2458499], 8097683, 825154,
              {(256, 176): (24.81, 7.138), (256, 256): (37.82, 10.383)}),
    "tiny": (tiny(), [229056, 19496, 422432, 2176, 1033472, 159620, 1059011], 2925263, 68050, {(128, 96): (2.344, 0.317)}),
}
GMACS = {(256, 176): [11.51, 0.85, 8.36, 5.35, 16.61, 6.13, 23.68, 7.14],
         (256, 256): [16.74, 1.24, 12.16, 11.19, 24.16, 8.91, 34.44, 10.38]}          # of full


def count(net):
    return sum(p.numel() for p in net.parameters())


def check_counts():
    good = True
    for preset, (config, parts, wanted_g, wanted_d, sizes) in PRESETS.items():
        g, judges = rsa_gan_ref.Generator(config), rsa_gan_ref.Judges(config)
        have = [count(part) for _, part in g.named_children()]
        fits = (sum(have), count(judges)) == (wanted_g, wanted_d) and parts in (None, have)
        good &= fits
        verdict = "ok" if fits else f"NOT {have}"
        print(f"{preset:6} generator {sum(have)}, discriminators {count(judges)} parameters: {verdict}")
        for size, wanted in sizes.items():
            found = rsa_gan_ref.count_macs(config, *size)
            macs = [found[part] / 1e9 for part in PARTS]
            off = [abs(a / b - 1) for a, b in zip((sum(macs[:-1]), macs[-1]), wanted)]
            bad = [f"{part} {a:.4f} against {b}" for part, a, b in zip(PARTS, macs, GMACS.get(size, [])) if round(a, 2) != b]
            bad = bad if preset == "full" else []
            good &= max(off) < 1e-3 and not bad
            print(f"       {size[0]}x{size[1]}: generator {sum(macs[:-1]):.3f}, discriminators {macs[-1]:.3f} GMAC, off by "
                  f"{max(off):.1e}{'; '.join(['', *bad])}")
    return good


# ---- properties ------------------------------------------------------------------------------------------------------

def stirred(net):
    """In double, every number moved: a layer that is zero hides errors."""
    net.double()
    for p in net.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return net


def sample(K=8, h=64, w=48, n=2):
    points = torch.stack([torch.randint(w, (2 * n, JOINTS)), torch.randint(h, (2 * n, JOINTS))], -1).tolist()
    pose = torch.stack([rsa_gan_ref.pose_maps(p, h, w) for p in points])
    labels = torch.randint(K, (2 * n, h // 8, w // 8)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    parsing = rsa_gan_ref.one_hot(labels, K)
    return Sample(torch.rand(n, 3, h, w) * 2 - 1, parsing[:n], pose[:n], pose[n:], torch.rand(n, 3, h, w) * 2 - 1,
                  parsing[n:]).to(torch.float64)


def table_properties():
    classes = torch.arange(24)
    yield "label 10 is upper clothes in LIP, arm in CIHP", [int(rsa_gan_ref.classes(classes, kind, 8)[10]) for kind in
                                                            ("lip", "cihp")] == [5, 6]
    yield "labels outside the table are background", all(rsa_gan_ref.classes(classes, kind, K)[n:].max() == 0 for kind, K, n in
                                                         (("lip", 8, 20), ("merged", 8, 8), ("none", 20, 20)))
    limbs = {1: [(8, 9), (9, 10), (11, 12), (12, 13)], 2: [], 3: [(8, 9), (11, 12)], 4: [],
             5: [(1, 2), (1, 5), (1, 8), (1, 11), (2, 3), (5, 6)], 6: [(2, 3), (3, 4), (5, 6), (6, 7)],
             7: [(8, 9), (9, 10), (11, 12), (12, 13)]}
    found = {k: sorted(limb for limb in LIMBS if set(limb) <= set(rsa_gan_ref.JOINTS_OF[8][k])) for k in limbs}
    yield "limbs of the classes", found == limbs
    missing = rsa_gan_ref.pose_maps([(-1, -1)] * 4 + [(3, 4)] + [(-1, -1)] * 13, 32, 16)
    yield "missing joints give empty maps, their limbs too", missing[4].max() == 1 and missing.sum() == missing[4].sum()


def rpsf_properties():
    x = sample()
    fresh = rsa_gan_ref.Rpsf(tiny()).double()
    fresh.fresh()
    soft, sem = fresh(x.parsing, x.pose_s)
    yield "RPSF: near the parser at first", (soft - (rsa_gan_ref.area4(x.parsing) + 1e-3) / 1.008).abs().max() < 1e-12
    net = stirred(rsa_gan_ref.Rpsf(tiny()))
    soft, sem = net(x.parsing, x.pose_s)
    yield "RPSF: masks sum to 1", (soft.sum(1) - 1).abs().max() < 1e-12 and soft.min() > 0
    net.gate.weight.data.zero_()
    net.gate.bias.data.fill_(-200)
    for layer in (net.mix, net.delta):
        layer.bias.data.zero_()
    closed, _ = net(x.parsing, x.pose_s)
    yield "RPSF: closed gate", (closed - (rsa_gan_ref.area4(x.parsing) + 1e-3) / 1.008).abs().max() < 1e-12
    for which in ("regional", "all"):
        seen = rsa_gan_ref.regions(x.parsing, x.pose_s, 8, which)
        pose = x.pose_s.clone()
        pose[:, 9] = 1                                              # the right knee is everywhere
        moved = [k for k, maps in enumerate((rsa_gan_ref.regions(x.parsing, pose, 8, which) - seen).abs().amax((0, 2, 3)).split(3))
                 if maps.max() > 0]
        yield f"RPSF: a joint reaches its regions ({which})", moved == ([0, 1, 3, 7] if which == "regional" else list(range(8)))
    codes = rsa_gan_ref.pool_regions(torch.full((2, 5, 16, 12), 3.0).double(), soft, x.parsing)
    yield "pooling: a constant stays", (codes - 3).abs().max() < 1e-12


def attention_properties():
    q, k, v = torch.randn(3, 2, 2, HEAD_WIDTH, 40).double()
    alpha, order = torch.tensor([3.0, 10.0]).double(), torch.randperm(40)
    o = rsa_gan_ref.channel_attention(q, k, v, alpha)
    yield "channels: no scale of q", (rsa_gan_ref.channel_attention(7 * q, k, v, alpha) - o).abs().max() < 1e-6
    moved = rsa_gan_ref.channel_attention(*(x[..., order] for x in (q, k, v)), alpha)
    yield "channels: positions may be shuffled", (moved - o[..., order]).abs().max() < 1e-12
    token = stirred(rsa_gan_ref.Token(64))
    x, s = torch.randn(2, 64, 5, 6).double(), torch.randn(2, 8, 64).double()
    prior = torch.softmax(torch.randn(2, 8, 5, 6).double(), 1)
    o, order = token(x, s, prior)[0], torch.randperm(8)
    yield "tokens: codes may be shuffled", (token(x, s[:, order], prior[:, order])[0] - o).abs().max() < 1e-12
    closed, open_ = (rsa_gan_ref.Block(tiny(gdcca_gate=gate)).double() for gate in ("closed", "open"))
    for block in (closed, open_):
        block.fresh()
    z = torch.randn(2, 64, 5, 6).double()
    yield "closed gate: nothing changes", torch.equal(closed(x, z, z, s, prior)[0], x)
    xn = open_.norm(x)
    whole = x + open_.across(xn, z, z) + open_.token(xn, s, prior)[0]
    yield "open gate: the sum", (open_(x, z, z, s, prior)[0] - whole).abs().max() < 1e-12


def network_properties():
    torch.manual_seed(6)
    g, x = stirred(rsa_gan_ref.Generator(tiny())), sample()
    with torch.no_grad():
        x.pose_t = x.pose_s
        out = g(x)
        yield "equal poses, equal features", torch.equal(out["e_s"], out["e_t"])
        d = g.corr.describe(g.corr.proj, out["e_t"])
        cosines = d.transpose(1, 2) @ d
        yield "equal poses match themselves", (cosines.diagonal(0, 1, 2) - 1).abs().max() < 1e-5
        low, high = (getattr(out["F"], f)((2, 3), keepdim=True) for f in ("amin", "amax"))
        yield "T within F", (out["T"] >= low - 1e-9).all() and (out["T"] <= high + 1e-9).all()
        yield "Q0 sums to 1", (out["Q0"].sum(1) - 1).abs().max() < 1e-12
    uniform = torch.full((2, 8, 16, 12), 0.125).double()
    labels = x.target_parsing
    yield "uniform logits: ln 8", abs(rsa_gan_ref.attention_loss(uniform, labels) - 2.0794415) < 1e-5
    yield "uniform masks: ln 8", abs(rsa_gan_ref.soft_cross_entropy(rsa_gan_ref.area4(labels), uniform) - 2.0794415) < 2e-5
    a, b = torch.randn(2, 2, 9, 6, 5).double()
    yield "contextual: best with itself", rsa_gan_ref.contextual(a, a) < rsa_gan_ref.contextual(a, b)
    shuffled = a.flatten(2)[..., torch.randperm(30)].reshape(a.shape)
    moved = rsa_gan_ref.contextual(shuffled, b) - rsa_gan_ref.contextual(a, b)
    yield "contextual: positions may be shuffled", moved.abs() < 1e-12


def check_properties():
    torch.manual_seed(5)
    found = [result for make in (table_properties, rpsf_properties, attention_properties, network_properties) for result in make()]
    bad = [name for name, holds in found if not bool(holds)]
    print(f"{len(found)} properties: {'; '.join('NOT ' + name for name in bad) or 'all hold'}")
    return not bad


# ---- a case from elsewhere -------------------------------------------------------------------------------------------

def config_of(metadata):
    """The preset and the switches that differ from their default."""
    defaults, switches = Config(), {}
    for name, text in metadata.items():
        if name in defaults.__dict__:
            default = getattr(defaults, name)
            switches[name] = text in ("on", "1", "true") if isinstance(default, bool) else type(default)(text)
    return {"full": Config, "small": small, "tiny": tiny}[metadata["preset"]](**switches)


def inputs(folder, config):
    picture = png.read(os.path.join(folder, "source.png"))
    h, w = picture.shape[:2]
    labels = torch.tensor(png.read(os.path.join(folder, "source_parsing.png")).astype(np.int64))
    parsing = rsa_gan_ref.one_hot(rsa_gan_ref.classes(labels[None], "lip", config.K), config.K)
    poses = [rsa_gan_ref.pose_maps(openpose(os.path.join(folder, f"{which}_keypoints.json")), h, w, config.limb_line)[None]
             for which in ("source", "target")]
    return Sample(torch.tensor(np.float32(picture / 127.5 - 1)).permute(2, 0, 1)[None], parsing, *poses)


def check_case(folder):
    path = os.path.join(folder, "weights.safetensors")
    config = config_of(metadata_of(path))
    g = rsa_gan_ref.Generator(config)
    weights = {k: torch.tensor(v.copy()) for k, v in st.read(path).items()}
    g.load_state_dict(weights, strict=True)
    print(f"{folder}: {len(weights)} tensors, tau {float(g.corr.tau):.4g}, {config}")
    expected = {**st.read(os.path.join(folder, "inner.safetensors")), "expected": np.load(os.path.join(folder, "expected.npy"))}
    x, good = inputs(folder, config), True
    for dtype in (torch.float64, torch.float32):
        with torch.no_grad():
            out = g.to(dtype)(x.to(dtype))
        found = {**x.__dict__, **out, **{f"att{i}": e for i, e in enumerate(out["att"])}, "expected": out["image"]}
        for name, want in expected.items():
            far = np.abs(found[name][0].double().numpy() - want).max()
            good &= bool(far < TOLERANCE.get(name, REST))
            print(f"  {str(dtype)[6:]} {name:9} largest difference {far:.2e}, largest value {np.abs(want).max():.2f}")
    return good


if __name__ == "__main__":
    results = [check_counts(), check_properties()] + [check_case(folder) for folder in sys.argv[1:]]
    print("ok" if all(results) else "NOT ok")
    sys.exit(0 if all(results) else 1)
