"""Golden numbers for GFLA's other tasks: person animation, face animation, view synthesis, key points cleaned.

    python3 tests/golden/make_gfla_variants.py          writes gfla_dance, gfla_face, gfla_view and gfla_keypoint (.safetensors)
    python3 tests/golden/make_gfla_variants.py --check  writes nothing; prints how far a float32 run of the same program is

Computed in float64 by gfla_ref.py from weights and inputs that formula.py makes, which are not in the files. README.md lists
the keys.
"""

import itertools
import os
import sys

import torch
import torch.nn.functional as F

import formula
import gfla_ref
import record
import st
from gfla_ref import Vgg19, content, flow_terms, gan_d, gan_g, style, weighted
from record import gradients, length_of_gradients, numbers

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
N, H, W = 2, 64, 64
SMALL = 16                  # elements up to which a gradient is stored whole
VGG_DIVISOR = 4
WIDTHS = dict(base=8, cap=32, flow_base=8, flow_cap=32, hidden=16, ndf=8, d_cap=32)
GAINS = {f"{net}.output{i}": 1.5 for net in ("flow_net", "flow_net_previous", "flow_net_reference") for i in (1, 2)}
GAINS.update({f"{net}.encoder{i}.model.5": gain for net in ("source", "source_previous", "source_reference")
              for i, gain in ((0, 12.0), (1, 6.0))})
GAINS.update({f"target.{attention}{i}.fully_connect_layer.0": 0.25 for attention in ("attn", "attn_p", "attn_r") for i in (0, 1)})
GAINS["target.outconv.conv1"] = 0.25
WEIGHTS = {"app_gen": 5.0, "correctness_p": 5.0, "correctness_r": 5.0, "content_gen": 0.5, "style_gen": 500.0,
           "regularization_p": 0.0025, "regularization_r": 0.0025, "ad_gen": 2.0, "ad_gen_v": 2.0}
MASKED = {**WEIGHTS, "correctness_p": 2.0, "correctness_r": 2.0}        # iPER's training


def filled(net, dtype, prefix=""):
    return record.fill(net, prefix, dtype, GAINS)


# ---- inputs ----------------------------------------------------------------------------------------------------------

def dance_structure(name, missing):
    """17 maps in [0, 1], one of them empty, then colours of 0 .. 255"""
    x = (1 + formula.image(name, N, H, W, channels=20).astype(float)) / 2
    x[:, 17:] *= 255
    x[:, missing] = 0
    return torch.tensor(x).float()


def face_structure(name, _):
    """edges of 0 or 1, 14 distances in [0, 1], parts 0 .. 6"""
    x = (1 + formula.image(name, N, H, W, channels=16).astype(float)) / 2
    x[:, 0] = x[:, 0] > 0.7
    x[:, 15] = (7 * x[:, 15]).astype(int)
    return torch.tensor(x).float()


class Clip:
    """What a chunk is made of, named P.reference, P.frame0, …"""

    def __init__(self, pictures, frames, structure, dtype):
        self.structures = torch.stack([structure(f"{pictures}.structure{t}", t) for t in range(frames)], 1).to(dtype)
        self.targets = [torch.tensor(formula.far_image(f"{pictures}.frame{t}", N, H, W)).to(dtype) for t in range(frames)]
        self.reference = torch.tensor(formula.image(f"{pictures}.reference", N, H, W)).to(dtype)
        self.reference_structure = structure(f"{pictures}.reference_structure", 11).to(dtype)
        self.masks = [cells(f"{pictures}.mask{t}").to(dtype) for t in range(frames)]


def cells(name):
    """[N,1,H,W]: 1 where u of the 4x4 cell is not negative"""
    u = torch.tensor(formula.uniform(name, (N, 1, H // 4, W // 4)) >= 0).float()
    return u.repeat_interleave(4, 2).repeat_interleave(4, 3)


# ---- frames: a chunk, one training step of it, and the chunk after ---------------------------------------------------

class Task:
    def __init__(self, name, pictures, structure, channels, frames, net, video, seen, windows, looked_at):
        """frames of a chunk; video: the second discriminator, which sees seen(frames); windows: which frames it sees in D's
        turn and in G's; looked_at: which one the first sees."""
        self.name, self.pictures, self.structure, self.frames = name, pictures, structure, frames
        self.config = gfla_ref.Config(structure=channels, vgg_divisor=VGG_DIVISOR, **WIDTHS)
        self.net, self.video, self.seen, self.windows, self.looked_at = net, video, seen, windows, looked_at


DANCE = Task("dance", "dance8", dance_structure, 20, 6, gfla_ref.DanceGenerator, gfla_ref.TemporalDiscriminator, gfla_ref.stacked,
             (range(6), range(6)), (1, 4))
FACE = Task("face", "face1", face_structure, 16, 4, gfla_ref.FaceGenerator, lambda c: gfla_ref.Discriminator(c, 6),
            gfla_ref.differences, (range(1, 4), range(3)), (2, 0))


def frame_numbers(frames):
    found = {}
    for t, frame in enumerate(frames):
        found[f"image{t}"] = frame.image
        for kind, values in (("flow", frame.flows), ("mask", frame.masks)):
            found.update((f"{kind}{t}.{which}{i}", x) for (i, which), x in
                         zip(itertools.product(range(len(values) // 2), "pr"), values))
    return found


def previous_of(task, clip, frames):
    """The pictures that flows from the previous frame are judged by: what was fed (face), the true one (dance)"""
    if task.name == "face":
        return [frame.fed for frame in frames]
    return [clip.reference, *clip.targets[:-1]]


def generator_terms(task, clip, seen, previous, vgg, masked):
    """seen: of each frame the picture and its flows -> terms, each summed over the frames; and of each frame what flows add"""
    names = "correctness_p", "regularization_p", "correctness_r", "regularization_r"
    terms = dict.fromkeys(("app_gen", "content_gen", "style_gen", *names), 0)
    each = {}
    reference = vgg(clip.reference)
    for t, (image, *flows) in enumerate(seen):
        taps, target = vgg(image), vgg(clip.targets[t])
        mask = clip.masks[t] if masked else None
        found = {"app_gen": F.l1_loss(image, clip.targets[t]), "content_gen": content(taps, target), "style_gen": style(taps, target)}
        for which, source, own in (("p", vgg(previous[t]), flows[0::2]), ("r", reference, flows[1::2])):
            correct, regular = flow_terms(task.config, own, target, source, mask)
            found[f"correctness_{which}"], found[f"regularization_{which}"] = sum(correct), sum(regular)
        for name, value in found.items():
            terms[name] = terms[name] + value
        each.update((f"frame{t}/{name}", found[name]) for name in names)
    return terms, each


class Judges:
    """Both discriminators, in training mode; every look moves their power iterations."""

    def __init__(self, task, dtype):
        self.task = task
        self.nets = {"d": filled(gfla_ref.Discriminator(task.config), dtype),
                     "d_v": filled(task.video(task.config), dtype, "d_v.")}

    def look(self, pictures, turn):
        """turn: 0 is D's, 1 is G's"""
        return (self.nets["d"](pictures[self.task.looked_at[turn]]),
                self.nets["d_v"](self.task.seen([pictures[t] for t in self.task.windows[turn]])))

    def states(self, when):
        return {f"state.{when}/{which}.{name}": b.clone() for which, net in self.nets.items() for name, b in net.named_buffers()}


def judge(judges, clip, images):
    """D's turn -> numbers, with gradients and what is left of the states"""
    on_real = judges.look(clip.targets, 0)
    on_fake = judges.look([x.detach() for x in images], 0)
    losses = [gan_d(real, fake) for real, fake in zip(on_real, on_fake)]
    sum(losses).backward()
    found = {}
    for which, real, fake, loss in zip(judges.nets, on_real, on_fake, losses):
        found.update({f"{which}.real": real, f"{which}.fake": fake, f"loss/{which}": loss,
                      f"norm.{which}": length_of_gradients(judges.nets[which])})
        found.update(gradients(judges.nets[which], f"grad.{which}"))
        judges.nets[which].requires_grad_(False)
    return {**found, "total/d": sum(losses)}


def step(task, dtype, masked=False):
    """-> a chunk and one GAN step on it without optimiser; masked: correctness where the person is, as for iPER"""
    clip = Clip(task.pictures, task.frames, task.structure, dtype)
    g, vgg, judges = filled(task.net(task.config), dtype), filled(Vgg19(VGG_DIVISOR), dtype), Judges(task, dtype)
    frames = g(clip.structures, clip.reference, clip.reference_structure)
    images = [frame.image for frame in frames]
    found = {**frame_numbers(frames), **judge(judges, clip, images)}

    seen = [[x.detach().requires_grad_() for x in (frame.image, *frame.flows)] for frame in frames]
    terms, each = generator_terms(task, clip, seen, previous_of(task, clip, frames), vgg, masked)
    in_g = judges.look([image for image, *_ in seen], 1)
    for (which, on_fake), name in zip(zip(judges.nets, in_g), ("ad_gen", "ad_gen_v")):
        found[f"{which}.fake_in_g"] = on_fake
        terms[name] = gan_g(on_fake)
    total = weighted(MASKED if masked else WEIGHTS, terms)
    total.backward()
    torch.autograd.backward([x for frame in frames for x in (frame.image, *frame.flows)],
                            [x.grad for own in seen for x in own])
    found.update(judges.states("fake_in_g"))
    found.update((f"loss/{name}", value) for name, value in {**terms, **each}.items())
    found.update({"total/g": total, "norm.g": length_of_gradients(g)})
    for t, (image, *flows) in enumerate(seen):
        found[f"seen/image{t}"] = image.grad
        found.update((f"seen/flow{t}.{'pr'[i % 2]}{i // 2}", x.grad) for i, x in enumerate(flows))
    found.update(gradients(g, "grad.g"))
    if masked:              # alters what flows get; the rest is the chunk's
        heads = tuple(f"grad.g/flow_net_{which}.{head}" for which in ("previous", "reference") for head in ("output", "decoder2"))
        changed = "loss/correctness", "loss/frame", "total/g", "norm.g", "seen/flow", *heads
        found = {k: v for k, v in found.items() if k.startswith(changed)}
    return numbers(found), [image.detach() for image in images], clip


def after(task, dtype, image, clip):
    """Three frames of the next chunk: its previous frame is given"""
    more = Clip(task.pictures + ".next", 3, task.structure, dtype)
    with torch.no_grad():
        frames = filled(task.net(task.config), dtype)(more.structures, clip.reference, clip.reference_structure, image,
                                                      clip.structures[:, -1])
    return numbers(frame_numbers(frames))


def chunks(task, dtype):
    found, images, clip = step(task, dtype)
    cases = {"chunk": found, "next": after(task, dtype, images[-1], clip)}
    if task.name == "dance":
        cases["masked"] = step(task, dtype, True)[0]
    return cases


# ---- views -----------------------------------------------------------------------------------------------------------

VIEW_SIZE = 64, 96
VIEWS = ((3, 0), (12, 2)), ((7, 0), (5, 2))         # of the two samples azimuth and elevation: from, to


def codes(views, dtype):
    x = torch.zeros(N, 21, dtype=dtype)
    for n, (azimuth, elevation) in enumerate(views):
        x[n, azimuth] = x[n, 18 + elevation] = 1
    return x


def views(dtype):
    """Both stages: the flow estimator alone, then all, one step without optimiser"""
    config = gfla_ref.Config(structure=21, vgg_divisor=VGG_DIVISOR, **WIDTHS)
    g, d, vgg = filled(gfla_ref.ViewGenerator(config), dtype), filled(gfla_ref.Discriminator(config), dtype), \
        filled(Vgg19(VGG_DIVISOR), dtype)
    source, target = (torch.tensor(make(f"view1.{which}", N, *VIEW_SIZE)).to(dtype)
                      for which, make in (("source", formula.image), ("target", formula.far_image)))
    from_, to = (codes(v, dtype) for v in VIEWS)
    source_taps, target_taps = vgg(source), vgg(target)

    flows, _ = g.flow_net(source, from_, to)
    correct, regular = flow_terms(config, flows, target_taps, source_taps)
    stage1 = weighted(gfla_ref.STAGE1, {"correctness": sum(correct), "regularization": sum(regular)})
    stage1.backward()
    found = {"total/stage1": stage1, "norm.flow": length_of_gradients(g.flow_net), **gradients(g.flow_net, "grad.flow")}
    g.zero_grad(set_to_none=True)

    image, flows, masks = g(source, from_, to)
    found.update({"image": image, **{f"flow{i}": x for i, x in enumerate(flows)}, **{f"mask{i}": x for i, x in enumerate(masks)}})
    on_real, on_fake = d(target), d(image.detach())
    loss_d = gan_d(on_real, on_fake)
    loss_d.backward()
    found.update({"d.real": on_real, "d.fake": on_fake, "total/d": loss_d, "norm.d": length_of_gradients(d)})

    d.requires_grad_(False)
    seen = [x.detach().requires_grad_() for x in (image, *flows)]
    on_fake_g, taps = d(seen[0]), vgg(seen[0])
    correct, regular = flow_terms(config, seen[1:], target_taps, source_taps)
    terms = {"app_gen": F.l1_loss(seen[0], target), "correctness_gen": sum(correct), "content_gen": content(taps, target_taps),
             "style_gen": style(taps, target_taps), "regularization": sum(regular), "ad_gen": gan_g(on_fake_g)}
    total = weighted(gfla_ref.STAGE2, terms)
    total.backward()
    torch.autograd.backward([image, *flows], [x.grad for x in seen])
    found.update({"d.fake_in_g": on_fake_g, "total/stage2": total, "norm.g": length_of_gradients(g)})
    found.update((f"loss/{name}", value) for name, value in terms.items())
    found.update((f"seen/{name}", x.grad) for name, x in zip(("image", "flow0", "flow1"), seen))
    found.update(gradients(g, "grad.g"))
    return {"step": numbers(found)}


# ---- key points ------------------------------------------------------------------------------------------------------

def key_points(dtype):
    """Two lengths without dropout, and one with; the loss is the mean square."""
    cases = {}
    for case, length, dropped in (("short", 83, False), ("long", 96, False), ("dropped", 91, True)):
        net = filled(gfla_ref.KeypointNet(channels=12), dtype)
        x, wanted = (torch.tensor(formula.uniform(f"points1.{case}.{name}", (N, 34, n))).float().to(dtype)
                     for name, n in (("noisy", length), ("clean", length - 80)))
        kept = dropouts(f"points1.{case}", net, length, dtype) if dropped else None
        x.requires_grad_()
        out = net(x, kept)
        loss = F.mse_loss(out, wanted)
        loss.backward()
        cases[case] = numbers({"out": out, "feature": net.encode(x), "loss": loss, "seen/x": x.grad,
                               "norm.g": length_of_gradients(net),
                               **gradients(net, "grad.g")})
    return cases


def dropouts(name, net, length, dtype):
    """Each of the 7: 1 / 0.85 where u of its name is -0.7 or more, else 0"""
    channels, shorter = net.expand_conv.out_channels, [2]
    for dilation in net.DILATIONS:
        shorter += [shorter[-1] + 2 * dilation] * 2
    return [torch.tensor((formula.uniform(f"{name}.kept{i}", (N, channels, length - less)) >= -0.7) / (1 - net.DROP)).to(dtype)
            for i, less in enumerate(shorter)]


# ---- files -----------------------------------------------------------------------------------------------------------

FILES = {"dance": lambda dtype: chunks(DANCE, dtype), "face": lambda dtype: chunks(FACE, dtype), "view": views,
         "keypoint": key_points}


def kept_whole(file, name):
    """Numbers stored one by one; of the others, sums: clips' pictures, what losses send back, frames after the third"""
    if file == "view":
        return not name.startswith("seen/")
    return not name.startswith(("image", "seen/")) and not (name.startswith(("flow", "mask")) and name[4] in "345")


def describe(name, found):
    print(f"{name}: {len(found)} numbers; " + ", ".join(f"{k} {v.flat[0]:.5g}" for k, v in found.items()
                                                       if k.startswith(("loss", "total/", "norm."))))
    for k, v in found.items():
        if k.startswith(("image", "flow", "mask", "d.", "d_v.", "out")):
            print(f"    {k:20} {v.min():8.3f} .. {v.max():8.3f}, deviation {v.std():.3f}")


def make(file, check):
    cases = FILES[file](torch.float64)
    others = FILES[file](torch.float32) if check else {}
    stored = {}
    for case, found in cases.items():
        describe(f"{file} {case}", found)
        if check:
            record.report(case, found, others[case])
        kept = record.reduced(found, [k for k in found if kept_whole(file, k)], small=SMALL)
        stored.update((f"{case}/{name}", value) for name, value in kept.items())
    if not check:
        path = os.path.join(HERE, f"gfla_{file}.safetensors")
        st.write(path, stored, {"what": f"GFLA {file}"})
        print(f"  {os.path.basename(path)}: {len(stored)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    for file in FILES:
        make(file, "--check" in sys.argv[1:])
