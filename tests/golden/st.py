"""Read and write safetensors with numpy alone: 8 bytes of header length, a JSON header, raw little-endian numbers."""

import json
import struct

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def write(path, tensors, metadata=None):
    """All values as float32, in the order given; the header is padded so that the data begins at a multiple of 8."""
    header = {"__metadata__": metadata} if metadata else {}
    blobs, at = [], 0
    for name, value in tensors.items():
        value = np.asarray(value, dtype="<f4")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds NaN or Inf")
        blob = value.tobytes(order="C")
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    """name -> array, in the file's order."""
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + n]), data[8 + n:]
    header.pop("__metadata__", None)
    return {k: np.frombuffer(body[v["data_offsets"][0]:v["data_offsets"][1]], TYPES[v["dtype"]]).reshape(v["shape"])
            for k, v in header.items()}
