/* examples/minimal.c - the shortest honest program that links the library: a person in a new pose
 *
 *   minimal WEIGHTS.safetensors PICTURE SOURCE_POSE TARGET_POSE OUT.png
 *
 * Poses are OpenPose JSON files in the picture's own pixels. cc minimal.c $(pkg-config --cflags --libs posenet)
 */
#include <posenet.h>
#include <posenet/data.h>
#include <posenet/model.h>

#include <stdio.h>
#include <stdlib.h>

enum { H = 128, W = 96 };

static bool read_pose(pn_ctx *ctx, const char *path, const pn_image *frame, float *heatmaps)
{
    pn_pose pose;
    ptrdiff_t grid[2];
    if (pn_pose_read(ctx, path, &pose, grid)) return false;
    pose = pn_pose_scale(&pose, (double)frame->height, (double)frame->width, H, W);
    pn_pose_heatmaps(&pose, H, W, 6, heatmaps);
    return true;
}

static bool generate(pn_ctx *ctx, char **arg)
{
    static float source[3 * H * W], made[3 * H * W], pose_source[PN_JOINTS * H * W], pose_target[PN_JOINTS * H * W];
    pn_image picture = { 0 }, small = { 0 };
    pn_weights *weights = pn_weights_open(ctx, arg[1]);
    pn_model *model = weights ? pn_model_new(ctx, &(pn_model_opt){ .weights = weights }) : NULL;
    pn_generation *gen = model && !pn_model_load(model, weights) ? pn_generation_once(model, 1, H, W) : NULL;
    bool ok = gen && !pn_image_read(ctx, arg[2], &picture) && read_pose(ctx, arg[3], &picture, pose_source) &&
              read_pose(ctx, arg[4], &picture, pose_target) &&
              !pn_image_resize(ctx, &picture, H, W, PN_FILTER_TRIANGLE, &small);
    if (ok) {
        pn_image_to_floats(&small, source);
        const pn_model_input in = { .source = source, .pose_source = pose_source, .pose_target = pose_target };
        ok = !pn_generation_run(gen, &in, made);
    }
    if (ok) {
        pn_image_from_floats(made, &small);
        ok = !pn_image_write(ctx, arg[5], &small);
    }
    pn_image_free(ctx, &small);
    pn_image_free(ctx, &picture);
    pn_generation_free(gen);
    pn_model_free(model);
    pn_weights_free(weights);
    return ok;
}

int main(int argc, char **argv)
{
    char why[256] = "usage: minimal WEIGHTS PICTURE SOURCE_POSE TARGET_POSE OUT.png";
    pn_ctx *ctx = argc == 6 ? pn_ctx_new(NULL, why) : NULL;
    const bool ok = ctx && generate(ctx, argv);
    if (!ok) fprintf(stderr, "minimal: %s\n", ctx ? pn_ctx_message(ctx) : why);
    pn_ctx_free(ctx);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
