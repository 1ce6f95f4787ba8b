"""Golden numbers for GFLA pose transfer: forward, losses and gradients of a small generator and discriminator.

    python3 tests/golden/make_gfla.py          writes gfla_tiny, gfla_tiny_stage1 and gfla_market (.safetensors)
    python3 tests/golden/make_gfla.py --check  writes nothing; also prints what a relative change of 3e-7 of all numbers does

Computed in float64 by gfla_ref.py; the agreement of a float32 run of the same program is printed. Weights and pictures come from
formula.py and are not in the files. README.md lists the keys.
"""

import json
import os
import sys

import numpy as np
import torch

import formula
import gfla_ref
import st
from record import fill, gradients, zero_gradients

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
LARGE = 20000               # elements from which the market file holds a gradient's norm only
WIDTHS = dict(base=16, cap=128, flow_base=8, flow_cap=64, hidden=32, ndf=8, d_cap=32, vgg_divisor=4)
GAINS = {"flow_net.output1": 1.5, "flow_net.output2": 1.5,       # flows of a few pixels
         "source.encoder0.model.5": 12.0, "source.encoder1.model.5": 6.0,   # against the 1/k^2 of the attention,
         "target.attn0.fully_connect_layer.0": 0.25, "target.attn1.fully_connect_layer.0": 0.25,    # its softmax kept soft
         "target.outconv.conv1": 0.25}                           # a picture within the target's 0.6

# nose, neck, right arm, left arm, right leg, left leg, eyes, ears: x, y in 64ths of the sides; two poses, some joints missing
STANDING = [(32, 9), (32, 16), (24, 17), (20, 27), (18, 36), (40, 17), (45, 27), (47, 37), (27, 36), (26, 48), (26, 60), (37, 36),
            (38, 48), (39, 60), (30, 7), (34, 7), (28, 9), None]
REACHING = [(36, 11), (35, 18), (28, 18), (18, 14), (9, 10), (43, 20), (52, 25), (59, 19), (30, 38), (24, 48), (20, 61), (38, 38),
            (44, 47), (42, 59), None, (37, 9), None, (39, 11)]


def points(pose, shift, h, w):
    """[18,2] whole pixels x, y; missing joints are -1, -1."""
    return [[-1, -1] if p is None else [(p[0] + shift) * w // 64, p[1] * h // 64] for p in pose]


class Variant:
    def __init__(self, pictures, config, n, h, w):
        """pictures begins the names of the generated pictures; its number was picked for the agreement the script prints."""
        self.pictures, self.config, self.n, self.h, self.w = pictures, config, n, h, w
        self.source_points = [points(STANDING, 3 * i, h, w) for i in range(n)]
        self.target_points = [points(REACHING, -2 * i, h, w) for i in range(n)]

    def inputs(self, dtype):
        """source and target picture, source and target heat maps"""
        pictures = [torch.tensor(make(f"{self.pictures}.{which}", self.n, self.h, self.w))
                    for which, make in (("source", formula.image), ("target", formula.far_image))]
        maps = [torch.stack([gfla_ref.heat_maps(p, self.h, self.w) for p in batch]).float()
                for batch in (self.source_points, self.target_points)]
        return [x.to(dtype) for x in pictures + maps]


VARIANTS = {"tiny": Variant("tiny1", gfla_ref.Config(**WIDTHS), 2, 64, 64),
            "market": Variant("market19", gfla_ref.market(**WIDTHS), 1, 64, 32)}


def state(d, prefix):
    return {f"{prefix}/{name}": b.clone() for name, b in d.named_buffers()}


def run(variant, dtype, noise=lambda x: x):
    """-> everything that is stored, in order, as tensors of dtype"""
    config = variant.config
    g, d, vgg = (fill(make, "", dtype, GAINS, noise=noise) for make in (gfla_ref.Generator(config), gfla_ref.Discriminator(config),
                                                       gfla_ref.Vgg19(config.vgg_divisor)))
    source, target, source_pose, target_pose = (noise(x) for x in variant.inputs(dtype))
    with torch.no_grad():
        source_taps, target_taps = vgg(source), vgg(target)
    out = {"source": source, "target": target}

    # stage 1: the flow estimator alone
    flows, _ = g.flow_net(source, source_pose, target_pose)
    correct, regular = gfla_ref.flow_terms(config, flows, target_taps, source_taps)
    stage1 = gfla_ref.weighted(gfla_ref.STAGE1, {"correctness": sum(correct), "regularization": sum(regular)})
    stage1.backward()
    grad_flow = gradients(g.flow_net, "grad.flow")
    g.zero_grad(set_to_none=True)

    # stage 2: one generator pass for both steps
    image, flows, masks = g(source, source_pose, target_pose)
    out["image"] = image
    out.update((f"flow{i}", x) for i, x in enumerate(flows))
    out.update((f"mask{i}", x) for i, x in enumerate(masks))

    on_real = d(target)
    states = state(d, "state.real")
    on_fake = d(image.detach())
    states.update(state(d, "state.fake"))
    loss_d = gfla_ref.gan_d(on_real, on_fake)
    loss_d.backward()
    grad_d = gradients(d, "grad.d")

    d.requires_grad_(False)                         # and not updated: no optimiser stands between the two steps here
    seen = [x.detach().requires_grad_() for x in (image, *flows)]
    on_fake_g = d(seen[0])
    states.update(state(d, "state.fake_in_g"))
    out.update({"d.real": on_real, "d.fake": on_fake, "d.fake_in_g": on_fake_g})
    image_taps = vgg(seen[0])
    correct, regular = gfla_ref.flow_terms(config, seen[1:], target_taps, source_taps)
    terms = {"app_gen": torch.nn.functional.l1_loss(seen[0], target), "correctness_gen": sum(correct),
             "content_gen": gfla_ref.content(image_taps, target_taps), "style_gen": gfla_ref.style(image_taps, target_taps),
             "regularization": sum(regular), "ad_gen": gfla_ref.gan_g(on_fake_g)}
    stage2 = gfla_ref.weighted(gfla_ref.STAGE2, terms)
    stage2.backward()
    torch.autograd.backward([image, *flows], [x.grad for x in seen])

    out.update(states)
    out.update((f"loss/{name}", value) for name, value in terms.items())
    for level, c, r in zip(config.levels(), correct, regular):
        out[f"loss/correctness_gen.{level}"], out[f"loss/regularization.{level}"] = c, r
    out["loss/dis_img_gen"] = loss_d
    out["loss/hinge_ad_gen"] = gfla_ref.gan_g(on_fake_g, "hinge")
    out["loss/hinge_dis_img_gen"] = gfla_ref.gan_d(on_real, on_fake, "hinge")
    out.update({"total/stage1": stage1, "total/stage2": stage2, "total/d": loss_d})
    out.update((f"grad.seen/{name}", x.grad) for name, x in zip(["image"] + [f"flow{i}" for i in range(len(flows))], seen))
    out.update(gradients(g, "grad.g"))
    out.update(grad_flow)
    out.update(grad_d)
    return {k: v.detach().reshape(v.shape or (1,)).double().numpy() for k, v in out.items()}


# ---- agreement -------------------------------------------------------------------------------------------------------

def compare(numbers, others, zeros):
    """-> [(relative L2 difference, name)] of gradients, and of the rest the largest difference over the largest value"""
    gradients, rest = [], []
    for name, value in numbers.items():
        if name in zeros:
            continue
        difference = others[name] - value
        if name.startswith("grad."):
            gradients.append((np.linalg.norm(difference) / np.linalg.norm(value), name))
        else:
            rest.append((np.abs(difference).max() / np.abs(value).max(), name))
    return sorted(gradients, reverse=True), sorted(rest, reverse=True)


def report(title, numbers, others, zeros, lines):
    gradients, rest = compare(numbers, others, zeros)
    print(f"  {title}: values {rest[0][0]:.1e} ({rest[0][1]}), image {dict((n, e) for e, n in rest)['image']:.1e}")
    bad = [error for error, _ in gradients if error > 2e-5]
    print(f"    gradients: median {gradients[len(gradients) // 2][0]:.1e}, {len(bad)} of {len(gradients)} above 2e-5")
    for error, name in gradients[:lines]:
        print(f"    {error:.1e} {name}")


def store(path, numbers, variant, what):
    metadata = {"what": what, "source_points": json.dumps(variant.source_points),
                "target_points": json.dumps(variant.target_points)}
    st.write(path, numbers, metadata)
    print(f"  {os.path.basename(path)}: {len(numbers)} tensors, {os.path.getsize(path)} bytes")


def make(name, check):
    variant = VARIANTS[name]
    numbers = run(variant, torch.float64)
    zeros = zero_gradients(numbers)
    print(f"{name}: {len(zeros)} gradients are zero in truth")
    for key in sorted(k for k in numbers if k.startswith(("loss/", "total/"))):
        print(f"    {key:28} {numbers[key][0]:.6f}")
    for key in ("flow0", "flow1", "image", "d.real", "d.fake"):
        if key in numbers:
            print(f"    {key:28} {numbers[key].min():.3f} .. {numbers[key].max():.3f}, deviation {numbers[key].std():.3f}")
    report("float32 against float64", numbers, run(variant, torch.float32), zeros, 12)
    if check:
        for seed in range(6):
            torch.manual_seed(seed)
            others = run(variant, torch.float64, lambda x: x * (1 + 3e-7 * torch.randn_like(x)))
            report(f"changed by 3e-7, seed {seed}", numbers, others, zeros, 4)
        return
    for key in zeros:
        numbers[key] = np.zeros_like(numbers[key])
    numbers = {"source_points": variant.source_points, "target_points": variant.target_points, **numbers}
    if name == "tiny":
        flow = {k: v for k, v in numbers.items() if k.startswith("grad.flow/")}
        store(os.path.join(HERE, "gfla_tiny_stage1.safetensors"), flow, variant, "GFLA tiny, gradients of stage 1")
        numbers = {k: v for k, v in numbers.items() if k not in flow}
    else:
        for key in [k for k in numbers if k.startswith("grad.") and np.size(numbers[k]) >= LARGE]:
            numbers["norm." + key[5:]] = [np.linalg.norm(numbers.pop(key))]
        unwanted = "grad.flow/", "norm.flow/", "grad.d/", "norm.d/"
        numbers = {k: v for k, v in numbers.items() if not k.startswith(unwanted)}
    store(os.path.join(HERE, f"gfla_{name}.safetensors"), numbers, variant, f"GFLA {name}")


if __name__ == "__main__":
    for name in VARIANTS:
        make(name, "--check" in sys.argv[1:])
