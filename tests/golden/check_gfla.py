"""Checks gfla_ref.py: the published parameter counts and names, and, given a folder, a case that somebody else computed.

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
    for name, (have, want) in found.items():
        print(f"{name:14} {have:10} {'ok' if have == want else f'EXPECTED {want}'}")
    return all(have == want for have, want in found.values())


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
    results = [check_counts()] + [check_case(folder) for folder in sys.argv[1:]]
    sys.exit(0 if all(results) else 1)
