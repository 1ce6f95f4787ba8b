"""Checks glocal_ref.py: parameters and multiply-adds of the presets, properties that hold whatever the weights are, and, given a
folder, a case that somebody else computed.

    python3 tests/golden/check_glocal.py [FOLDER]

FOLDER holds weights.safetensors, source.png, source_parsing.png (20 LIP labels), source_keypoints.json and target_keypoints.json
(OpenPose, in the picture's pixels), mask.png, stages.npz, expected.npy (hard layout), expected_soft.npy, expected_inpaint.npy.
Widths and switches are read from the weights. Exit status 1 if anything differs by 1e-4 or more in float64 (1e-3 in float32).
"""

import json
import os
import sys

import numpy as np
import torch

import glocal_ref
import png
import st
from gfla_ref import heat_maps

TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-3}
LIP = [0, 2, 2, 6, 4, 5, 5, 5, 7, 1, 5, 5, 3, 4, 6, 6, 7, 7, 7, 7]      # 20 labels -> 8 regions
torch.set_num_threads(1)

# parameters; GMAC at the preset's sizes
PARTS = "parsing", "style", "ggr", "content", "region", "structure", "match", "lst", "decoder", "disc"
PRESETS = {
    "full": (dict(w=32, lst_colours=False), [19251720, 8159744, 299346, 10523904, 2887680, 319360, 56832, 1490496, 1848515, 664577],
             {(256, 176): [6.66, 8.08, 0.0030, 9.09, 6.65, 1.23, 1.17, 4.41, 13.37, 0.78],
              (256, 256): [9.68, 11.75, 0.0030, 13.22, 9.67, 1.80, 2.38, 6.56, 19.44, 1.14]}),
    "small": (dict(w=16, lst_colours=False), [4820488, 2044160, 75986, 2652800, 722944, 80832, 16128, 376608, 463459, 166657],
              {(256, 176): [1.75, 2.04, 0.0008, 2.49, 1.66, 0.32, 0.55, 1.28, 3.36, 0.21]}),
    "tiny": (dict(w=8, lst_k=3, lst_colours=False), [1208904, 513152, 19602, 674112, 181248, 20704, 4992, 93840, 116531, 41921],
             {(128, 96): [0.13, 0.14, 0.0002, 0.20, 0.11, 0.023, 0.023, 0.078, 0.23, 0.015]}),
}


def check_counts():
    good = True
    for preset, (switches, wanted, sizes) in PRESETS.items():
        config = glocal_ref.Config(**switches)
        nets = {**dict(glocal_ref.Generator(config).named_children()), "disc": glocal_ref.Discriminator(config.w)}
        have = [sum(p.numel() for p in nets[part].parameters()) for part in PARTS]
        good &= have == wanted
        bad = [f"{part} {a} EXPECTED {b}" for part, a, b in zip(PARTS, have, wanted) if a != b]
        print(f"{preset:6} generator {sum(have[:-1])}, discriminator {have[-1]} parameters: {'; '.join(bad) or 'ok'}")
        for size, gmacs in sizes.items():
            found = glocal_ref.count_macs(config, *size)
            macs = [found[part] / 1e9 for part in PARTS]
            off = [f"{part} {a:.4f} against {b}" for part, a, b in zip(PARTS, macs, gmacs) if float(f"{a:.{digits(b)}f}") != b]
            print(f"       {size[0]}x{size[1]}: generator {sum(macs[:-1]):.2f} GMAC, {'; '.join(off) or 'every part ok'}")
    return good


def digits(number):
    return 4 if number < 0.01 else 3 if number < 0.1 else 2


# ---- properties ------------------------------------------------------------------------------------------------------

def graph(kind, c=16):
    torch.manual_seed(3)
    ggr = glocal_ref.Ggr(glocal_ref.Config(w=c // 8, ggr_graph=kind)).double()
    for p in (ggr.embed, ggr.prior, ggr.mix):
        p.data = torch.randn_like(p)
    v = torch.tensor([[1.0, 0, 1, 1, 0, 1, 1, 1]]).double()
    return ggr, torch.randn(1, 8, c).double() * v[..., None], v, torch.randn(1, c).double()


def graph_properties(kind):
    ggr, s, v, whole = graph(kind)
    before, _ = ggr(s, v, whole)
    garbage = s + (1 - v[..., None]) * 1e3
    yield f"{kind}: what an invisible code holds changes nothing", torch.equal(before, ggr(garbage, v, whole)[0])
    moved = ggr(s + (torch.arange(8) == 0)[:, None] * 0.1, v, whole)[0]
    yield f"{kind}: a visible code reaches an invisible one", (kind == "none") == torch.equal(before[:, 1], moved[:, 1])
    order = torch.tensor([3, 1, 7, 0, 2, 5, 6, 4, 8])
    ggr.embed.data, ggr.prior.data = ggr.embed.data[order], ggr.prior.data[order][:, order]
    far = (ggr(s[:, order[:8]], v[:, order[:8]], whole)[0] - before[:, order[:8]]).abs().max()
    yield f"{kind}: permuted regions give permuted codes", far < 1e-12
    ggr.mix.data.zero_()
    kept = ggr(s, v, whole)[0][0, v[0] == 1]
    yield f"{kind}: without a, visible codes stay", torch.equal(kept, s[0, v[0] == 1])
    seen = torch.cat([v, torch.ones(1, 1).double()], 1)
    a = ggr.adjacency(torch.randn(1, 9, 16).double(), seen)
    if kind == "attn":
        yield "attn: rows sum to 1", (a.sum(2) - 1).abs().max() < 1e-12
        yield "attn: invisible nodes send nothing", a[..., 1].abs().max() == 0
    if kind == "static":
        a = ggr.adjacency(torch.zeros(1, 9, 16).double(), torch.ones_like(seen))[0]
        yield "static: symmetric", (a - a.T).abs().max() < 1e-12
        yield "static: eigenvalues up to 1", torch.linalg.eigvalsh(a).max() < 1 + 1e-12


def hole_properties(mode):
    """Pixels under the mask do not matter, also where everything is masked; gradients are finite there."""
    torch.manual_seed(4)
    g = glocal_ref.Generator(glocal_ref.tiny(task="inpaint", lst_mode=mode)).double()
    image, pose = torch.rand(2, 3, 32, 32).double() * 2 - 1, torch.rand(2, 18, 32, 32).double()
    layout = glocal_ref.one_hot(torch.arange(8)[None, :, None].repeat(2, 4, 32).sort(1).values, torch.float64)
    mask = torch.zeros(2, 1, 32, 32).double()
    mask[0, 0, 3:20, 5:17] = 1
    mask[1] = 1
    other = image + mask * torch.randn_like(image)
    first, second = (g(glocal_ref.Sample(x, layout, pose, mask, pose), layout) for x in (image, other))
    yield f"{mode}: what is under the mask does not matter", torch.equal(first["image"], second["image"])
    first["image"].sum().backward()
    yield f"{mode}: finite gradients", all(p.grad is None or p.grad.isfinite().all() for p in g.parameters())
    if mode != "none":
        a = first["a"]
        hidden = glocal_ref.valid_cells(mask)[0].flatten() == 0
        yield f"{mode}: masked cells are not read, unseen pictures evenly", a[0][:, hidden].max() == 0 and (a[1] == 1 / 64).all()


def transfer_properties():
    torch.manual_seed(5)
    f = torch.randn(1, 6, 9, 7).double()
    s = glocal_ref.local_structure(f, 5)
    yield "structure: in [-1, 1] and free of scale", s.abs().max() <= 1 and \
        (glocal_ref.local_structure(f * (1 + torch.rand(1, 1, 9, 7).double()), 5) - s).abs().max() < 1e-5
    right, left = glocal_ref.offsets(5, False).index((0, 1)), glocal_ref.offsets(5, False).index((0, -1))
    yield "structure: S(p, d) = S(p + d, -d)", (s[:, right, :, :-1] - s[:, left, :, 1:]).abs().max() < 1e-12
    order = torch.randperm(63)
    yield "a permutation carries exactly", torch.equal(glocal_ref.carry(torch.eye(63).double()[order][None], s).flatten(2),
                                                       s.flatten(2)[..., order])
    layer = glocal_ref.Conv(5, 3, 3, sn=True, up=True).double()
    layer.power_iteration(200)
    m = layer.weight_orig.detach().permute(1, 0, 2, 3).reshape(3, -1)
    sigma = layer.weight_u @ m @ layer.weight_v
    yield "spectral norm of a transposed convolution", (sigma - torch.linalg.svdvals(m)[0]).abs() < 1e-9
    x = torch.rand(1, 3, 32, 32).double()
    yield "structure loss of a picture with itself", glocal_ref.structure_loss(x, x) == 0


def check_properties():
    found = [result for kind in ("none", "static", "glore", "attn") for result in graph_properties(kind)]
    found += [result for mode in ("none", "point", "mod", "assemble") for result in hole_properties(mode)]
    found += transfer_properties()
    bad = [name for name, holds in found if not bool(holds)]
    print(f"{len(found)} properties: {'; '.join('NOT ' + name for name in bad) or 'all hold'}")
    return not bad


# ---- a case from elsewhere -------------------------------------------------------------------------------------------

def config_of(weights, metadata):
    """Widths and switches from the tensors that are there."""
    def has(name):
        return name in weights
    mode = "none" if not has("match.key.weight") else "mod" if has("lst.hidden.weight") and has("lst.gamma.weight") else \
        "assemble" if has("lst.hidden.weight") else "point"
    k = round((weights["lst.hidden.weight"].shape[1] + 1) ** 0.5) if has("lst.hidden.weight") else int(metadata.get("lst_k", 5))
    return glocal_ref.Config(w=weights["ggr.embed"].shape[1] // 8, lst_mode=mode, lst_k=k,
                             lst_colours=has("decoder.colour.weight"), g_sn=has("style.code.weight_orig"),
                             ggr_layers=sum(has(f"ggr.layer{i}.weight") for i in range(9)), ran_spade_mix=has("region.mix"),
                             task="both" if has("parsing.out.conv.weight") else "inpaint",
                             tau=float(metadata.get("tau", 0.01)), ggr_graph=metadata.get("ggr_graph", "attn"),
                             occl_rule=metadata.get("occl_rule", "ggr"), par_head=metadata.get("par_head", "logits"),
                             match_kernel=int(metadata.get("match_kernel", 1)))


def metadata_of(path):
    with open(path, "rb") as f:
        return json.loads(f.read(int.from_bytes(f.read(8), "little"))).get("__metadata__", {})


def openpose(path):
    """-> 18 whole pixels (x, y), (-1, -1) where missing"""
    with open(path) as f:
        xyc = np.reshape(json.load(f)["people"][0]["pose_keypoints_2d"], (18, 3))
    return [(int(x), int(y)) if c > 0.1 else (-1, -1) for x, y, c in xyc]


def pose(path, h, w):
    """Sigma is 6 at 256 rows; maps are rounded to float32."""
    return heat_maps(openpose(path), h, w, 6 * h / 256)[None].float()


def inputs(folder):
    picture = png.read(os.path.join(folder, "source.png"))
    h, w = picture.shape[:2]
    image = torch.tensor(np.float32(picture / 127.5 - 1)).permute(2, 0, 1)[None]
    labels = torch.tensor(np.array(LIP)[png.read(os.path.join(folder, "source_parsing.png"))])[None]
    mask = torch.tensor(np.float32(png.read(os.path.join(folder, "mask.png")) >= 128))[None, None]
    poses = [pose(os.path.join(folder, f"{which}_keypoints.json"), h, w) for which in ("source", "target")]
    return image, glocal_ref.one_hot(labels, torch.float32), poses, mask


def outputs(g, folder, dtype):
    """-> {name: tensor} under the names of stages.npz and of the expected files"""
    image, layout, poses, mask = inputs(folder)
    pose_case = glocal_ref.Sample(image, layout, poses[0], torch.zeros_like(mask), poses[1]).to(dtype)
    hole_case = glocal_ref.Sample(image, layout, poses[0], mask, poses[0]).to(dtype)
    soft_pi = glocal_ref.layout_of(g.parse(pose_case), g.config.par_head)
    hard_pi = glocal_ref.one_hot(soft_pi.argmax(1), dtype)
    hard, soft, hole = g(pose_case, hard_pi), g(pose_case, soft_pi), g(hole_case, hole_case.layout)
    print(f"  visible regions with holes: {hole['v'][0].int().tolist()}")
    found = {"pi": soft_pi, "expected": hard["image"], "expected_soft": soft["image"], "expected_inpaint": hole["image"]}
    names = {"s": "s", "v": "v", "shat": "s_hat", "r": "r", "x1": "x1", "f": "f", "iw": "warped", "s_tgt": "structure"}
    found.update({f"{stage}": (hard[ours], soft[ours]) for stage, ours in names.items()})
    return found


def check_case(folder):
    path = os.path.join(folder, "weights.safetensors")
    weights = st.read(path)
    g = glocal_ref.Generator(config_of(weights, metadata_of(path)))
    g.load_state_dict({k: torch.tensor(v.copy()) for k, v in weights.items()}, strict=True)
    print(f"{folder}: {g.config}")
    stages = np.load(os.path.join(folder, "stages.npz"))
    expected = {k: stages[k] for k in stages.files}
    expected.update((k, np.load(os.path.join(folder, f"{k}.npy"))) for k in ("expected", "expected_soft", "expected_inpaint"))
    good = True
    for dtype, tolerance in TOLERANCE.items():
        with torch.no_grad():
            found = outputs(g.to(dtype), folder, dtype)
        for name, want in expected.items():
            have = found[name] if isinstance(found[name], tuple) else (found[name],)
            far = [np.abs(x[0].double().numpy() - want).max() for x in have]
            good &= bool(far[0] < tolerance)
            note = f" (hard layout; soft {far[1]:.2e})" if len(far) > 1 else ""
            print(f"  {str(dtype)[6:]} {name:16} largest difference {far[0]:.2e}, largest value {np.abs(want).max():.2f}{note}")
    return good


if __name__ == "__main__":
    results = [check_counts(), check_properties()] + [check_case(folder) for folder in sys.argv[1:]]
    sys.exit(0 if all(results) else 1)
