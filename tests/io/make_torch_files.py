"""Weight files for test_torch_file.c: what torch.save writes, in both containers, and archives that lie.

    python3 tests/io/make_torch_files.py                  everything but torch2_*.pth; made with torch 1.13
    python3 tests/io/make_torch_files.py                  with torch 2 or newer: torch2_*.pth alone
    python3 tests/io/make_torch_files.py --gfla FOLDER    a full-width GFLA generator of random numbers, in both containers

Beside NAME.pth lies NAME.safetensors: the same tensors and types, contiguous, written here without the code under test.
A legacy file has addresses of memory for keys, so that other bytes come out each time.
Small files are also copied to tests/fuzz/corpus/torch_file, as seeds.
"""

import io
import json
import os
import pickle
import shutil
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
INTO = os.path.join(HERE, "torch")
SEEDS = os.path.join(HERE, "..", "fuzz", "corpus", "torch_file")
TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
MODERN = int(torch.__version__.split(".")[0]) >= 2


def raw(t):
    """A tensor's numbers, contiguous, as bytes: bfloat16 has no numpy type."""
    t = t.detach().contiguous()
    return (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes() if t.numel() else b""


def write_twin(path, tensors):
    header, blobs, at = {}, [], 0
    for name, t in tensors.items():
        blob = raw(t)
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def save(name, what, tensors, folder=INTO, **options):
    torch.save(what, os.path.join(folder, name + ".pth"), **options)
    write_twin(os.path.join(folder, name + ".safetensors"), tensors)


LEGACY = {"_use_new_zipfile_serialization": False}


# ---- What PyTorch writes ------------------------------------------------------------------------------------------------

def types():
    g = torch.Generator().manual_seed(1)
    some = torch.randn(2, 3, generator=g) * 3
    d = OrderedDict((TYPES[t].lower(), (some * 7).to(t)) for t in TYPES)
    d["special"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-42])
    d["scalar"] = torch.tensor(2.5, dtype=torch.float64)
    d["step"] = torch.tensor(-(1 << 40))
    d["empty"] = torch.zeros(0, 3)
    return d


def views():
    g = torch.Generator().manual_seed(2)
    base = torch.randn(4, 6, generator=g)
    long = torch.arange(24)
    return OrderedDict([
        ("doubled.conv1.weight", base), ("doubled.model.2.weight", base), ("transposed", base.t()), ("row", base[2]),
        ("column", base[:, 1]), ("stepped", base[1::2, ::3]), ("permuted", base.view(2, 2, 6).permute(2, 0, 1)),
        ("expanded", base[0, :1].expand(5)), ("long", long[5:9]), ("long.every.third", long[2::3]),
        ("nothing", base[4:]), ("half", base.half()[:, ::2]),
    ])


def net():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2, bias=False))


def wrapped(state):
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-3, "betas": (0.5, 0.999),
                 "params": [0, 1], "amsgrad": False, "maximize": None}]}
    return {"epoch": 12, "best": 0.75, "arch": "net", "optimizer": optimizer, "state_dict": state}


def write_good():
    if MODERN:
        save("torch2_types", types(), types())
        save("torch2_views", views(), views())
        save("torch2_legacy", views(), views(), **LEGACY)
        return
    for container, options in (("zip", {}), ("legacy", LEGACY)):
        save("types_" + container, types(), types(), **options)
        save("views_" + container, views(), views(), **options)
        state = net().state_dict()
        save("net_" + container, state, state, **options)
        save("nested_" + container, wrapped(state), state, **options)
        module = OrderedDict(("module." + k, v) for k, v in state.items())
        save("module_" + container, module, state, **options)
        parameters = dict(net().named_parameters())
        save("parameters_" + container, parameters, parameters, **options)
    state = net().state_dict()
    save("protocol4", state, state, pickle_protocol=4)
    with zipfile.ZipFile(os.path.join(INTO, "net_zip.pth")) as z, \
            zipfile.ZipFile(os.path.join(INTO, "deflated.pth"), "w", zipfile.ZIP_DEFLATED) as out:
        for name in z.namelist():
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), z.read(name), zipfile.ZIP_DEFLATED)
    write_twin(os.path.join(INTO, "deflated.safetensors"), state)
    write_python2()
    write_spectral()
    write_gfla()


def write_gfla():
    """A narrow generator as its authors' script saves it, and one of stage 1, trained on several GPUs."""
    torch.manual_seed(6)
    state = gfla_generator(2, 4, 2, 4, 2)
    torch.save(state, os.path.join(INTO, "gfla_net_G.pth"), **LEGACY)
    stage1 = OrderedDict(("module." + k, v) for k, v in state.items() if k.startswith("flow_net."))
    stage1["module.flow_net.unused.weight"] = torch.ones(3)
    torch.save(stage1, os.path.join(INTO, "gfla_stage1.pth"))


# ---- Pickles by hand -----------------------------------------------------------------------------------------------------

def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def short(s):
    return b"U" + bytes([len(s)]) + s.encode()


def whole(n):
    size = max(1, (n.bit_length() + 8) // 8)
    return b"\x8a" + bytes([size]) + n.to_bytes(size, "little", signed=True)


def tensor(key, numbers, size, stride, kind="FloatStorage", offset=0):
    """_rebuild_tensor_v2(('storage', kind, key, 'cpu', numbers), offset, size, stride, False, OrderedDict())"""
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) +
            text("cpu") + whole(numbers) + b"tQ" + whole(offset) + b"(" + b"".join(map(whole, size)) + b"t(" +
            b"".join(map(whole, stride)) + b"t\x89ccollections\nOrderedDict\n)RtR")


def state_dict(*items):
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in items) + b"u."


def legacy(pickled, storages, little=True):
    """storages: (key, count, bytes), in the order of the file"""
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + pickle.dumps(1001, 2) + pickle.dumps(system, 2) + pickled
    out += pickle.dumps([key for key, _, _ in storages], 2)
    return out + b"".join(struct.pack("<q", count) + data for _, count, data in storages)


def write_python2():
    """As the first LPIPS heads: byte strings for names, a list of lists in OrderedDict, four arguments, long sizes."""
    def one(name, key, shape, stride, numbers):
        return (b"](" + short(name) + b"ctorch._utils\n_rebuild_tensor\n((" + short("storage") + b"ctorch\nFloatStorage\n" + short(key) +
                short("cuda:0") + b"K" + bytes([numbers]) + b"NtQK\x00(" + b"".join(map(whole, shape)) + b"t(" +
                b"".join(map(whole, stride)) + b"ttRe")
    a, b = torch.arange(6.0).view(1, 6, 1, 1), torch.arange(4.0).view(1, 4, 1, 1) + 0.5
    pickled = (b"\x80\x02ccollections\nOrderedDict\n](" + one("lin0.model.1.weight", "94", (1, 6, 1, 1), (6, 1, 1, 1), 6) +
               one("lin1.model.1.weight", "93", (1, 4, 1, 1), (4, 1, 1, 1), 4) + b"e\x85R.")
    with open(os.path.join(INTO, "python2.pth"), "wb") as f:
        f.write(legacy(pickled, [("93", 4, raw(b)), ("94", 6, raw(a))]))
    write_twin(os.path.join(INTO, "python2.safetensors"), {"lin0.model.1.weight": a, "lin1.model.1.weight": b})


def write_spectral():
    """A layer of spectral norm as old torch saved it: the divided weight and no v. The twin has v = normalize(W^T u)."""
    torch.manual_seed(4)
    layer = torch.nn.utils.spectral_norm(torch.nn.Conv2d(3, 5, 2), eps=1e-12)
    layer(torch.randn(1, 3, 4, 4))
    state = layer.state_dict()
    rows = state["weight_orig"].double().view(5, -1)
    v = rows.t() @ state["weight_u"].double()
    old = OrderedDict((k, t) for k, t in state.items() if k != "weight_v")
    old["weight"] = layer.weight.detach()
    state = OrderedDict(state, weight_v=(v / v.norm()).float())
    save("spectral_old", OrderedDict(("conv." + k, t) for k, t in old.items()),
         OrderedDict(("conv." + k, t) for k, t in state.items()), **LEGACY)


# ---- Archives that lie ---------------------------------------------------------------------------------------------------

def entry(name, data, size=None, crc=None, method=0, packed=None):
    """Local header and bytes, and what the directory says but for the place."""
    packed = data if packed is None else packed
    fields = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, zlib.crc32(data) if crc is None else crc, len(packed),
                         len(data) if size is None else size, len(name), 0)
    return b"PK\3\4" + fields + name.encode() + packed, fields, name.encode()


def directory(entries, places, at, count=None):
    listed = b"".join(b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, place) + name
                      for (_, fields, name), place in zip(entries, places))
    n = len(entries) if count is None else count
    return listed + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, n, n, len(listed), at, 0)


def archive(entries):
    body, places = b"", []
    for e in entries:
        places.append(len(body))
        body += e[0]
    return body + directory(entries, places, len(body))


def deflated(data):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


def write_bad():
    numbers = struct.pack("<6f", *range(6))
    good = ("a/data.pkl", state_dict(("w", tensor("0", 6, (2, 3), (3, 1)))))

    def put(name, data):
        with open(os.path.join(INTO, "bad_" + name + ".pth"), "wb") as f:
            f.write(data)

    class Runs:
        def __reduce__(self):
            return os.system, ("echo this must never run > ran",)
    buffer = io.BytesIO()
    torch.save(OrderedDict(w=torch.ones(2), x=Runs()), buffer)
    put("runs_zip", buffer.getvalue())
    buffer = io.BytesIO()
    torch.save(OrderedDict(w=torch.ones(2), x=Runs()), buffer, **LEGACY)
    put("runs_legacy", buffer.getvalue())
    put("storage_larger", archive([entry("a/data.pkl", state_dict(("w", tensor("0", 10 ** 12, (2, 3), (3, 1))))), entry("a/data/0", numbers)]))
    put("storage_smaller", archive([entry("a/data.pkl", state_dict(("w", tensor("0", 5, (5,), (1,))))), entry("a/data/0", numbers)]))
    put("storage_missing", archive([entry(*good), entry("a/data/1", numbers)]))
    put("no_pickle", archive([entry("a/data/0", numbers)]))
    put("big_endian_zip", archive([entry(*good), entry("a/data/0", numbers), entry("a/byteorder", b"big")]))
    put("big_endian_legacy", legacy(good[1], [("0", 6, numbers)], little=False))
    put("entry_name", archive([entry(*good), entry("a/data/0", numbers), entry("a/two\nlines", b"clear")]))
    plain = archive([entry("weiss/data.pkl", good[1]), entry("weiss/data/0", numbers)])
    with open(os.path.join(INTO, "latin.pth"), "wb") as f:      # names in an old code page
        f.write(plain.replace(b"weiss", b"wei\xe1e"))
    write_twin(os.path.join(INTO, "latin.safetensors"), {"w": torch.arange(6.0).view(2, 3)})
    put("checksum", archive([entry(*good), entry("a/data/0", numbers, crc=7)]))
    put("entry_larger", archive([entry(*good), entry("a/data/0", numbers, size=1 << 31)]))
    bomb = bytes(1 << 20)
    put("inflates", archive([entry("a/data.pkl", state_dict(("w", tensor("0", 1 << 18, (1 << 18,), (1,))))),
                             entry("a/data/0", bomb, method=8, packed=deflated(bomb))]))
    put("method", archive([entry(*good), entry("a/data/0", numbers, method=12)]))
    inner = entry("a/data/1", numbers)
    outer = entry("a/data/0", inner[0])
    first = entry("a/data.pkl", state_dict(("w", tensor("0", len(inner[0]), (2, 3), (3, 1), "ByteStorage")), ("v", tensor("1", 6, (6,), (1,)))))
    body = first[0] + outer[0]
    put("overlap", body + directory([first, outer, inner], [0, len(first[0]), len(body) - len(inner[0])], len(body)))
    pair = [entry(*good), entry("a/data/0", numbers)]
    body = pair[0][0] + pair[1][0]
    put("same_place", body + directory(pair + [pair[1]], [0, len(pair[0][0]), len(pair[0][0])], len(body)))
    put("count", body + directory(pair, [0, len(pair[0][0])], len(body), count=65535))
    listed = directory(pair, [0, len(pair[0][0])], len(body))
    listed = listed[:listed.index(b"PK\5\6")]
    end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1 << 28, 1 << 28, len(listed), len(body))
    locator = b"PK\6\7" + struct.pack("<IQI", 0, len(body) + len(listed), 1)
    put("count64", body + listed + end64 + locator + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 0xffffffff, 0xffffffff, 0))
    put("legacy_count", legacy(good[1], [("0", 1 << 40, numbers)]))
    put("legacy_twice", legacy(good[1], [("0", 6, numbers), ("0", 6, numbers)]))
    put("legacy_unlisted", legacy(good[1], []))
    put("legacy_unused", legacy(good[1], [("0", 6, numbers), ("1", 6, numbers)]))


def copy_seeds():
    for name in os.listdir(INTO):
        if name.endswith(".pth") and os.path.getsize(os.path.join(INTO, name)) < 6000:
            shutil.copy(os.path.join(INTO, name), os.path.join(SEEDS, name[:-4]))


# ---- A full generator ----------------------------------------------------------------------------------------------------

def gfla_generator(base=64, cap=256, flow_base=32, flow_cap=256, hidden=128):
    """Published names and shapes; jump and outconv hold one convolution under two names."""
    state = OrderedDict()
    wide = [min(base << i, cap) for i in range(3)]
    flow = [min(flow_base << i, flow_cap) for i in range(5)]

    def conv(name, *shape, out=None):
        state[name + ".weight"] = torch.randn(*shape) * 0.02
        state[name + ".bias"] = torch.randn(out or shape[0]) * 0.02

    def norm(name, c):
        conv(name, c)

    def block(name, cin, hidden, cout, kernel=3, up=False):
        norm(name + ".model.0", cin)
        conv(name + ".model.2", hidden, cin, kernel, kernel)
        norm(name + ".model.3", hidden)
        conv(name + ".model.5", *((hidden, cout) if up else (cout, hidden)), 3, 3, out=cout)
        if up:
            conv(name + ".shortcut.0", cin, cout, 3, 3, out=cout)

    def twice(name, cin, cout, inner):
        conv(name + ".conv1", cout, cin, 3, 3)
        state[name + inner + ".weight"] = state[name + ".conv1.weight"]
        state[name + inner + ".bias"] = state[name + ".conv1.bias"]

    for part, first in (("source", 3), ("target", 18)):
        for at, cin, cout in zip(("block0", "encoder0", "encoder1"), [first] + wide, wide):
            block(f"{part}.{at}", cin, cout, cout, 4)
    for i, (cin, cout, kernel) in enumerate(((wide[2], wide[1], 3), (wide[1], wide[0], 5), (wide[0], wide[0], 0))):
        block(f"target.decoder{i}.0.model.0", cin, cin, cin)
        block(f"target.decoder{i}.1", cin, cin, cout, up=True)
        if kernel:
            conv(f"target.attn{i}.fully_connect_layer.0", hidden, 2 * cin, kernel, kernel)
            conv(f"target.attn{i}.fully_connect_layer.2", kernel * kernel, hidden, 1, 1)
    twice("target.outconv", wide[0], 3, ".model.2")
    for at, cin, cout in zip(("block0", "encoder0", "encoder1", "encoder2", "encoder3"), [39] + flow, flow):
        block(f"flow_net.{at}", cin, cout, cout, 4)
    for i in range(3):
        cin, cout = flow[4 - i], flow[3 - i]
        block(f"flow_net.decoder{i}", cin, cout, cout, up=True)
        twice(f"flow_net.jump{i}", cout, cout, ".model.2")
        if i:
            conv(f"flow_net.output{i}", 2, cout, 3, 3)
            conv(f"flow_net.mask{i}.0", 1, cout, 3, 3)
    return state


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--gfla":
        torch.manual_seed(5)
        full = gfla_generator()
        numbers = sum(t.numel() for t in {t.data_ptr(): t for t in full.values()}.values())
        print(f"{len(full)} tensors, {numbers} parameters")
        for container, options in (("zip", {}), ("legacy", LEGACY)):
            save("gfla_" + container, full, full, sys.argv[2], **options)
    else:
        os.makedirs(INTO, exist_ok=True)
        os.makedirs(SEEDS, exist_ok=True)
        write_good()
        if not MODERN:
            write_bad()
        copy_seeds()
