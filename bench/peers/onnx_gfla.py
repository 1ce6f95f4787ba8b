"""The peers for generation alone: GFLA's generator, exported by PyTorch, in ONNX Runtime or OpenVINO.

    python3 bench/peers/onnx_gfla.py --runtime onnxruntime|openvino --size 256x256 --batch 1 --threads 2

The network is that of torch_gfla.py, with the same random weights. Warms up twice, then waits for a line "go" on stdin,
makes one batch of pictures and prints {"seconds": S}; end of input ends it. Both runtimes take and give planar arrays and
choose their own layouts inside; export and optimisation happen before the first turn.
"""

import argparse
import json
import os
import sys
import tempfile
import time

import numpy as np
import torch

import torch_gfla
import gfla_ref                         # torch_gfla knows where it lies


def options():
    parser = argparse.ArgumentParser(description="GFLA's generator in an inference runtime, for timing")
    parser.add_argument("--runtime", choices=["onnxruntime", "openvino"], required=True)
    parser.add_argument("--size", default="256x256", help="HxW, multiples of 32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


class Picture(torch.nn.Module):
    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def forward(self, source, source_pose, target_pose):
        return self.generator(source, source_pose, target_pose)[0]


def export(opt, path):
    """-> the inputs' arrays by name"""
    torch.manual_seed(1)
    config = gfla_ref.Config()
    h, w = (int(x) for x in opt.size.split("x"))
    source, _, source_pose, target_pose = torch_gfla.batch_of(config, opt.batch, h, w)
    names = ["source", "source_pose", "target_pose"]
    network = Picture(torch_gfla.Trainer(config, "forward").g).eval()
    torch.onnx.export(network, (source, source_pose, target_pose), path, input_names=names, output_names=["image"],
                      opset_version=16)
    return {name: np.ascontiguousarray(x.numpy()) for name, x in zip(names, (source, source_pose, target_pose))}


def onnxruntime_session(path, threads):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return (lambda inputs: session.run(None, inputs)), onnxruntime.__version__


def openvino_session(path, threads):
    import openvino
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return (lambda inputs: request.infer(inputs)), openvino.__version__


def main(opt):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "generator.onnx")
        inputs = export(opt, path)
        make = onnxruntime_session if opt.runtime == "onnxruntime" else openvino_session
        run, version = make(path, opt.threads)
    for _ in range(2):
        run(inputs)
    while sys.stdin.readline().strip() == "go":
        start = time.perf_counter()
        run(inputs)
        print(json.dumps({"peer": opt.runtime, "version": version, "seconds": time.perf_counter() - start,
                          "threads": opt.threads}), flush=True)


if __name__ == "__main__":
    main(options())
