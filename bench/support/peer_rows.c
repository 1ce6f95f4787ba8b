/* bench/support/peer_rows.c - what is compared with whom, and the goals: ratios of the peer's time to ours */
#include "support/peers.h"

#define CONV_128 "conv2d/3x3/1x128x128x128/128"
#define CONV_256 "conv2d/3x3/1x256x64x64/256"
#define CONV_512 "conv2d/3x3/1x512x32x32/512"
#define CONV_64  "conv2d/3x3/1x64x256x256/64"
#define FORWARD  "3x3 s1 forward, 128+ channels, maps >= 32"
#define DATA     "3x3 s1 backward-data, maps >= 64"
#define WEIGHTS  "3x3 s1 backward-weights, maps >= 64"
#define DIRECT   "direct kernels, share of the peak"
#define OPS      "torch_ops.py "
#define GFLA     "torch_gfla.py --interactive --iters 1000 "
#define GLOCAL   "torch_glocal.py --interactive --iters 1000 "
#define ONNX     "onnx_gfla.py --runtime "

const peer_row peer_rows[] = {
    { FORWARD, PEER_TIME, CONV_128 "/forward", OPS "conv 1 128 128 128 128 3 1 1 --pass forward",
      .must = 2.75, .aim = 3.2 },
    { FORWARD, PEER_TIME, CONV_256 "/forward", OPS "conv 1 256 64 64 256 3 1 1 --pass forward",
      .must = 2.75, .aim = 3.2 },
    { FORWARD, PEER_TIME, CONV_512 "/forward", OPS "conv 1 512 32 32 512 3 1 1 --pass forward",
      .must = 2.75, .aim = 3.2 },
    { "3x3 s1 forward, 64 channels @256", PEER_TIME, CONV_64 "/forward",
      OPS "conv 1 64 256 256 64 3 1 1 --pass forward", .must = 2.4, .aim = 3.0 },
    { DATA, PEER_TIME, CONV_64 "/backward-data", OPS "conv 1 64 256 256 64 3 1 1 --pass backward-data",
      .must = 2.9, .aim = 3.3 },
    { DATA, PEER_TIME, CONV_128 "/backward-data", OPS "conv 1 128 128 128 128 3 1 1 --pass backward-data",
      .must = 2.9, .aim = 3.3 },
    { DATA, PEER_TIME, CONV_256 "/backward-data", OPS "conv 1 256 64 64 256 3 1 1 --pass backward-data",
      .must = 2.9, .aim = 3.3 },
    { WEIGHTS, PEER_TIME, CONV_64 "/backward-weights",
      OPS "conv 1 64 256 256 64 3 1 1 --pass backward-weights", .must = 3.3, .aim = 3.7 },
    { WEIGHTS, PEER_TIME, CONV_128 "/backward-weights",
      OPS "conv 1 128 128 128 128 3 1 1 --pass backward-weights", .must = 3.3, .aim = 3.7 },
    { WEIGHTS, PEER_TIME, CONV_256 "/backward-weights",
      OPS "conv 1 256 64 64 256 3 1 1 --pass backward-weights", .must = 3.3, .aim = 3.7 },
    { "512 channels at 8x8, inference", PEER_TIME, "conv2d/3x3/1x512x8x8/512/forward",
      OPS "conv 1 512 8 8 512 3 1 1 --pass forward", .must = 3.0, .aim = 3.3 },
    { "512 channels at 16x16, inference", PEER_TIME, "conv2d/3x3/1x512x16x16/512/forward",
      OPS "conv 1 512 16 16 512 3 1 1 --pass forward", .must = 3.0, .aim = 3.3 },
    { "512 channels at 8x8, training", PEER_TIME, "conv2d/3x3/1x512x8x8/512/train",
      OPS "conv 1 512 8 8 512 3 1 1 --pass train", .must = 1.6, .aim = 2.0 },
    { "512 channels at 16x16, training", PEER_TIME, "conv2d/3x3/1x512x16x16/512/train",
      OPS "conv 1 512 16 16 512 3 1 1 --pass train", .must = 1.6, .aim = 2.0 },
    { "64->3 heads", PEER_TIME, "conv2d/3x3/1x64x256x256/3/forward",
      OPS "conv 1 64 256 256 3 3 1 1 --pass forward", .must = 2.4, .aim = 3.2 },
    { "64->3 heads", PEER_TIME, "conv2d/7x7/1x64x256x256/3/forward",
      OPS "conv 1 64 256 256 3 7 1 3 --pass forward", .must = 2.4, .aim = 3.2 },
    { "norm + activation", PEER_TIME, "instance_norm+leaky_relu/1x64x256x256/forward",
      OPS "norm_act 1 64 256 256 --pass forward", .must = 6, .aim = 9 },
    { "norm + activation", PEER_TIME, "instance_norm+leaky_relu/1x64x256x256/train",
      OPS "norm_act 1 64 256 256 --pass train", .must = 6, .aim = 9 },
    { "flow sampling", PEER_TIME, "flow_sample/1x128x64x64/forward",
      OPS "flow_sample 1 128 64 64 --pass forward", .must = 4, .aim = 10 },
    { "flow sampling", PEER_TIME, "flow_sample/1x128x64x64/backward",
      OPS "flow_sample 1 128 64 64 --pass backward", .must = 4, .aim = 10 },
    { "Adam", PEER_TIME, "adam/14047395", OPS "adam 14047395 --pass forward", .must = 2.7, .aim = 3 },
    { DIRECT, PEER_CEILING, "conv2d/4x4s2/1x64x128x128/128/forward", NULL, .must = 0.91, .aim = 0.95 },
    { DIRECT, PEER_CEILING, "conv2d/7x7/1x3x256x256/64/forward", NULL, .must = 0.91, .aim = 0.95 },
    { DIRECT, PEER_CEILING, "conv2d/1x1/1x64x64x64/128/forward", NULL, .must = 0.91, .aim = 0.95 },

    { "GFLA generator forward, b1", PEER_TIME, "gfla/generator/256x256/b1", GFLA "forward --batch 1",
      .must = 5, .aim = 7, .tuned_must = 4, .tuned_aim = 6 },
    { "GFLA generator forward, b4", PEER_TIME, "gfla/generator/256x256/b4", GFLA "forward --batch 4",
      .must = 5, .aim = 7, .tuned_must = 4, .tuned_aim = 6 },
    { "GFLA stage-2 step, b1", PEER_TIME, "gfla/step/256x256/b1", GFLA "step --batch 1",
      .must = 4, .aim = 5.5, .tuned_must = 3, .tuned_aim = 4.5 },
    { "GFLA stage-2 step, b4", PEER_TIME, "gfla/step/256x256/b4", GFLA "step --batch 4",
      .must = 4, .aim = 5.5, .tuned_must = 3, .tuned_aim = 4.5 },
    { "GFLA stage-1 step, b4", PEER_TIME, "gfla/flow-step/256x256/b4", GFLA "flow --batch 4", .must = 3, .aim = 5 },
    { "GFLA discriminator step, b4", PEER_TIME, "gfla/discriminator/256x256/b4", GFLA "discriminator --batch 4",
      .must = 3, .aim = 5 },
    { "peak memory, stage-2 step b4", PEER_MEMORY, "gfla/step/256x256/b4", GFLA "step --batch 4",
      .must = 2, .aim = 3 },
    { "peak memory, generation b1", PEER_MEMORY, "gfla/picture/256x256/b1", GFLA "forward --batch 1",
      .most = 200e6, .hoped = 120e6 },
    { "first picture after process start", PEER_FIRST, "gfla/picture/256x256/b1",
      GFLA "forward --batch 1 --warmup 0", .most = 0.25, .hoped = 0.15 },
    { "all threads over one, generator b1", PEER_THREADS, "gfla/generator/256x256/b1",
      GFLA "forward --batch 1", .must = 0 },
    { "all threads over one, stage-2 step b1", PEER_THREADS, "gfla/step/256x256/b1", GFLA "step --batch 1",
      .must = 1.75, .aim = 1.9 },
    { "AVX2: GFLA generator forward, b1", PEER_TIME_AVX2, "gfla/generator/256x256/b1",
      GFLA "forward --batch 1", .must = 2, .aim = 2 },
    { "AVX2: GFLA stage-2 step, b1", PEER_TIME_AVX2, "gfla/step/256x256/b1", GFLA "step --batch 1",
      .must = 2, .aim = 2 },

    { "full attention, 4096 positions", PEER_TIME, "attention/1x4096x256/forward", OPS "attention 1 4096 256 --pass forward",
      .must = 1.9, .aim = 2.1 },
    { "full attention, 4096 positions", PEER_TIME, "attention/1x4096x64/forward", OPS "attention 1 4096 64 --pass forward",
      .must = 1.9, .aim = 2.1 },
    { "correspondence 64x64 positions, 128 channels, forward", PEER_TIME, "correspondence/1x128x64x64/forward",
      OPS "correspondence 1 128 64 64 27 --pass forward", .must = 1, .aim = 1 },
    { "correspondence 64x64 positions, 128 channels, train", PEER_TIME, "correspondence/1x128x64x64/train",
      OPS "correspondence 1 128 64 64 27 --pass train", .must = 1, .aim = 1 },
    { "GLocal generator forward, b1", PEER_TIME, "glocal/generator/256x176/b1", GLOCAL "forward --batch 1",
      .must = 4, .aim = 6 },
    { "GLocal training step, b1", PEER_TIME, "glocal/step/256x176/b1", GLOCAL "step --batch 1",
      .must = 3, .aim = 4.5 },
    { "peak memory: GLocal training step, b1", PEER_MEMORY, "glocal/step/256x176/b1", GLOCAL "step --batch 1",
      .must = 2, .aim = 3 },

    { "GFLA generator b1, ONNX Runtime", PEER_TIME, "gfla/generator/256x256/b1", ONNX "onnxruntime --batch 1",
      .must = 0 },
    { "GFLA generator b1, OpenVINO", PEER_TIME, "gfla/generator/256x256/b1", ONNX "openvino --batch 1", .must = 0 },
    { 0 },
};
