"""Checks gfla_ref.py: the published parameter counts and names, what must hold whatever the weights are, and, given a folder, a
case that somebody else computed.

    python3 tests/golden/check_gfla.py [FOLDER]

FOLDER holds weights.safetensors (published names), source.png, source_keypoints.json and target_keypoints.json (OpenPose, in
the picture's pixels), expected.npy [3,H,W] and inner.safetensors. Widths are read from the weights. Needs Pillow.
"""

import json
import os
import sys

import numpy as np
import torch

import gfla_ref
import st

TOLERANCE = 1e-4
torch.set_num_threads(1)


def count(module):
    return sum(p.numel() for p in module.parameters())


def check_counts():
    fashion, market = gfla_ref.Config(), gfla_ref.market()
    g, d, mg, md = (make(c) for c in (fashion, market) for make in (gfla_ref.Generator, gfla_ref.Discriminator))
    found = {"fashion G": (count(g), 14047395), "source": (count(g.source), 1434758), "target": (count(g.target), 6004425),
             "attn0": (count(g.target.attn0), 591113), "attn1": (count(g.target.attn1), 822553),
             "flow": (count(g.flow_net), 6608212), "fashion D": (count(d), 664577), "market G": (count(mg), 12926471),
             "market D": (count(md), 238209), "entries of G": (len(g.state_dict()), 204), "entries of D": (len(d.state_dict()), 52)}
    face, dance, view = (gfla_ref.Config(structure=c) for c in (16, 20, 21))
    views = gfla_ref.ViewGenerator(view)
    found.update({"face G": (count(gfla_ref.FaceGenerator(face)), 16906667),
                  "face video D": (count(gfla_ref.Discriminator(face, 6)), 665537),
                  "dance G": (count(gfla_ref.DanceGenerator(dance)), 23510195),
                  "dance video D": (count(gfla_ref.TemporalDiscriminator(dance)), 1032961),
                  "view G": (count(views), 14341323), "view flow": (count(views.flow_net), 7991286),
                  "key points": (count(gfla_ref.KeypointNet()), 1834786)})
    for name, (have, want) in found.items():
        print(f"{name:14} {have:10} {'ok' if have == want else f'EXPECTED {want}'}")
    return all(have == want for have, want in found.values())


def check_clips():
    """Frames one at a time, each given what the one before made, are those of one chunk; what comes later changes none before."""
    torch.manual_seed(0)
    widths = dict(base=4, cap=16, flow_base=4, flow_cap=16, hidden=4)
    good = True
    for name, make, channels in (("face", gfla_ref.FaceGenerator, 16), ("dance", gfla_ref.DanceGenerator, 20)):
        g = make(gfla_ref.Config(structure=channels, **widths)).double()
        structures, reference, own = (torch.rand(2, *s, dtype=torch.float64) for s in ((3, channels, 64, 32), (3, 64, 32),
                                                                                   (channels, 64, 32)))
        with torch.no_grad():
            chunk = g(structures, reference, own)
            before, single = (None, None), []
            for t in range(3):
                single += g(structures[:, t:t + 1], reference, own, *before)
                before = single[t].image, structures[:, t]
            structures[:, 2] += 1
            other = g(structures, reference, own)
        same = all(torch.equal(a.image, b.image) for a, b in zip(chunk, single))
        causal = [torch.equal(a.image, b.image) for a, b in zip(chunk, other)] == [True, True, False]
        print(f"{name:14} one at a time as in a chunk: {same}; the past stays: {causal}")
        good &= same and causal
    return good


def check_others():
    """The temporal discriminator sees the order of frames, the key-point net takes 80 instants off, a view is seen by its turn."""
    torch.manual_seed(0)
    d = gfla_ref.TemporalDiscriminator(gfla_ref.Config(ndf=4, d_cap=16)).double().eval()
    frames = torch.rand(1, 3, 6, 64, 32, dtype=torch.float64)
    net, x = gfla_ref.KeypointNet(8).double(), torch.rand(1, 34, 90, dtype=torch.float64)
    flow_net = gfla_ref.ViewFlowNet(gfla_ref.Config(structure=21, flow_base=4, flow_cap=16)).double()
    source, (a, b) = torch.rand(1, 3, 64, 32, dtype=torch.float64), torch.eye(21, dtype=torch.float64)[:2, None]
    with torch.no_grad():
        found = {"order of frames": d(frames).shape == (1, 1, 4, 2) and not torch.equal(d(frames), d(frames.flip(2))),
                 "80 instants": net(x).shape == (1, 34, 10),
                 "turn of a view": torch.equal(flow_net(source, a, a)[0][1], flow_net(source, b, b)[0][1])
                 and not torch.equal(flow_net(source, a, b)[0][1], flow_net(source, b, a)[0][1])}
    print(*(f"{name}: {good}" for name, good in found.items()), sep="; ")
    return all(found.values())


def config_of(weights):
    def out(name):
        return weights[name + ".weight"].shape
    kernels = {3 - i: out(f"target.attn{i}.fully_connect_layer.0")[2] for i in range(3)
               if f"target.attn{i}.fully_connect_layer.0.weight" in weights}
    return gfla_ref.Config(base=out("source.block0.model.2")[0], cap=out("source.encoder1.model.2")[0],
                           flow_base=out("flow_net.block0.model.2")[0], flow_cap=out("flow_net.encoder3.model.2")[0],
                           hidden=out("target.attn1.fully_connect_layer.0")[0], kernels=kernels)


def pose(path, h, w):
    with open(path) as f:
        xyc = np.reshape(json.load(f)["people"][0]["pose_keypoints_2d"], (18, 3))
    return gfla_ref.heat_maps([(int(x), int(y)) if c > 0 else (-1, -1) for x, y, c in xyc], h, w)[None]


def check_case(folder):
    from PIL import Image
    weights = st.read(os.path.join(folder, "weights.safetensors"))
    g = gfla_ref.Generator(config_of(weights))
    g.load_state_dict({k: torch.tensor(v.copy()) for k, v in weights.items()}, strict=True)
    image = np.asarray(Image.open(os.path.join(folder, "source.png")).convert("RGB"), np.float64) / 255 * 2 - 1
    image = torch.tensor(image).permute(2, 0, 1)[None]
    h, w = image.shape[2:]
    poses = [pose(os.path.join(folder, f"{which}_keypoints.json"), h, w) for which in ("source", "target")]
    inner = st.read(os.path.join(folder, "inner.safetensors"))
    expected = np.load(os.path.join(folder, "expected.npy"))
    good = True
    for dtype in (torch.float64, torch.float32):
        g.to(dtype)
        with torch.no_grad():
            out, flows, masks = g(image.to(dtype), *(p.to(dtype) for p in poses))
        found = {"image": (out, expected)}
        found.update((name, (given, inner[name])) for name, given in zip(("pose_source", "pose_target"), poses))
        for i in range(len(flows)):
            found[f"flow{i}"], found[f"mask{i}"] = (flows[i], inner[f"flow{i}"]), (masks[i], inner[f"mask{i}"])
        for name, (have, want) in found.items():
            difference = np.abs(have[0].double().numpy() - want).max()
            good &= bool(difference < TOLERANCE)
            print(f"{str(dtype)[6:]} {name:12} largest difference {difference:.2e}, largest value {np.abs(want).max():.2f}")
    return good


if __name__ == "__main__":
    results = [check_counts(), check_clips(), check_others()] + [check_case(folder) for folder in sys.argv[1:]]
    sys.exit(0 if all(results) else 1)
