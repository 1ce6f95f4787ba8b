"""What the scripts that write golden files of whole networks share: networks filled from the formula, numbers of which only
sums are stored, and the agreement of a second run."""

import numpy as np
import torch

import formula

SMALL = 512                 # elements up to which a gradient is stored whole


def fill(module, prefix, dtype, gains, near_one=(), noise=lambda x: x):
    """Every parameter and buffer by the formula of its name; near_one: ends of names that get a norm weight's values."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        sibling = getattr(module.get_submodule(name.rsplit(".", 1)[0]), "weight", None)
        is_norm = sibling is not None and sibling.dim() == 1 or value.dim() == 1 and name.endswith(near_one)
        value.data = noise(torch.tensor(formula.parameter(prefix + name, tuple(value.shape), is_norm, gains)).to(dtype))
    return module.to(dtype)


def gradients(net, prefix, watch=("",)):
    return {f"{prefix}/{name}": p.grad for name, p in net.named_parameters() if p.grad is not None and name.startswith(watch)}


def length_of_gradients(net):
    return sum((p.grad ** 2).sum() for p in net.parameters() if p.grad is not None).sqrt()


def numbers(found):
    return {k: v.detach().reshape(v.shape or (1,)).double().numpy() for k, v in found.items() if v is not None}


# ---- what is stored --------------------------------------------------------------------------------------------------

def zero_gradients(found):
    """Biases of convolutions that an instance norm follows: their true gradient is 0, what is computed is rounding."""
    def weight(name):
        return next((found[k] for k in (name[:-4] + "weight", name[:-4] + "weight_orig") if k in found), None)
    return [name for name in found if name.startswith("grad.") and name.endswith(".bias") and weight(name) is not None
            and np.abs(found[name]).max() < 1e-9 * np.abs(weight(name)).max()]


def summed(name, value):
    """L2 norm and the dot products with three vectors made from the name"""
    return np.array([np.linalg.norm(value)] + [(formula.uniform(f"probe{i}:{name}", value.shape) * value).sum() for i in range(3)])


def reduced(found, whole, skip=(), small=SMALL):
    """-> what goes into the file: whole arrays where asked or small, sums of the others. skip: kinds (what is before the /)"""
    out, zeros = {}, zero_gradients(found)
    for name, value in found.items():
        kind, _, rest = name.partition("/")
        if kind.startswith(tuple(skip)):
            continue
        if name in zeros:
            value = np.zeros_like(value)
        if kind.startswith("grad."):
            if value.size <= small:
                out[name] = value
            else:
                out[f"sum.{kind[5:]}/{rest}"] = summed(rest, value)
        elif name in whole or value.size <= 1 or kind.startswith("state."):
            out[name] = value
        else:
            out[f"sum/{name}"] = summed(name, value)
    return out


# ---- agreement -------------------------------------------------------------------------------------------------------

def compare(found, others):
    """-> [(relative difference, name)] of gradients (L2), and of the rest (largest over largest)"""
    zeros, far, rest = zero_gradients(found), [], []
    for name, value in found.items():
        difference = others[name] - value
        if name.startswith(("grad.", "seen/")):
            if name not in zeros and np.linalg.norm(value) > 0:
                far.append((np.linalg.norm(difference) / np.linalg.norm(value), name))
        else:
            rest.append((np.abs(difference).max() / max(np.abs(value).max(), 1e-12), name))
    return sorted(far, reverse=True), sorted(rest, reverse=True)


def report(name, found, others):
    far, rest = compare(found, others)
    print(f"  {name}: float32 against float64: values {rest[0][0]:.1e} ({rest[0][1]})", end="")
    if far:
        print(f"; gradients median {far[len(far) // 2][0]:.1e}, worst {', '.join(f'{e:.1e} {n}' for e, n in far[:3])}", end="")
    print()
