/* bench/models/models.c - every model of the registry: its generator and the step of each stage, at its own size
 *
 * model/generator/HxW/bN; model/picture/HxW/b1, as a program for one picture generates; model/step/HxW/bN for the last
 * stage, whose step learns most; model/STAGE-step/HxW/bN; model/recomputing-step/HxW/bN where time is traded for memory.
 */
#define _POSIX_C_SOURCE 200809L
#include "support/pnbench.h"
#include "posenet/data.h"
#include "posenet/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARRAYS = 7 };
typedef struct {
    bench_work base;
    pn_ctx *ctx;
    pn_model *model;
    pn_training *training;
    pn_generation *generation;
    pn_model_input in;
    pn_real *array[ARRAYS]; /* the pictures, heat maps and label maps of in, and the picture made */
} model_work;

static pn_status once(bench_work *base, bench_timer *t)
{
    model_work *w = (model_work *)base;
    bench_start(t);
    const pn_status status = w->training ? pn_training_step(w->training, &w->in, NULL)
                                         : pn_generation_run(w->generation, &w->in, w->array[4]);
    bench_stop(t);
    return status;
}

static void end(bench_work *base)
{
    model_work *w = (model_work *)base;
    pn_ctx *ctx = w->ctx;
    pn_training_free(w->training);
    pn_generation_free(w->generation);
    pn_model_free(w->model);
    for (int i = 0; i < ARRAYS; i++) pn_ctx_release(ctx, w->array[i]);
    pn_ctx_release(ctx, w);
}

/* Bands of the classes from top to bottom, as many as the model has. */
static pn_status make_label_maps(model_work *w, const bench_model *m)
{
    const ptrdiff_t classes = pn_model_needs_at(w->model, m->height).classes, plane = m->height * m->width;
    for (int i = 5; classes && i < ARRAYS; i++) {
        pn_real *v = w->array[i] = pn_ctx_alloc(w->ctx, (size_t)(m->batch * classes * plane) * sizeof *v);
        if (!v) return PN_ERR_NOMEM;
        for (ptrdiff_t p = 0; p < m->batch * plane; p++)
            v[(p / plane * classes + p % plane * classes / plane) * plane + p % plane] = 1;
    }
    w->in.parsing_source = w->array[5];
    w->in.parsing_target = w->array[6];
    return PN_OK;
}

/* Noise: convolutions take as long on it as on people. Heat maps of random joints, which are mostly zero. */
static pn_status make_inputs(model_work *w, const bench_model *m)
{
    pn_rng rng = pn_rng_named(1, "bench");
    const pn_model_needs needs = pn_model_needs_at(w->model, m->height);
    const ptrdiff_t plane = m->height * m->width;
    for (int i = 0; i < 5; i++) {
        const ptrdiff_t channels = i == 2 || i == 3 ? pn_pose_channels(needs.limbs) : 3, n = m->batch * channels * plane;
        pn_real *v = w->array[i] = pn_ctx_alloc(w->ctx, (size_t)n * sizeof *v);
        if (!v) return PN_ERR_NOMEM;
        if (channels == 3) {
            for (ptrdiff_t k = 0; k < n; k++) v[k] = (pn_real)(2 * pn_rng_uniform(&rng) - 1);
            continue;
        }
        for (ptrdiff_t b = 0; b < m->batch; b++) {
            pn_pose pose;
            for (int j = 0; j < PN_JOINTS; j++) {
                pose.x[j] = (double)pn_rng_below(&rng, m->width);
                pose.y[j] = (double)pn_rng_below(&rng, m->height);
            }
            pn_pose_maps(&pose, m->height, m->width, 6, needs.limbs, v + b * channels * plane);
        }
    }
    w->in = (pn_model_input){ .source = w->array[0], .target = w->array[1], .pose_source = w->array[2],
                              .pose_target = w->array[3] };
    return make_label_maps(w, m);
}

static const char *weights_path(void)
{
    const char *path = getenv(BENCH_WEIGHTS);
    return path && *path ? path : NULL;
}

/* With weights from a file, where one is named; it is written when it is not there. */
static pn_status make_model(model_work *w, const bench_model *m)
{
    const char *path = m->once ? weights_path() : NULL;
    const bool written = path && access(path, R_OK) == 0;
    pn_weights *weights = written ? pn_weights_open(w->ctx, path) : NULL;
    if (written && !weights) return pn_ctx_status(w->ctx);
    w->model = pn_model_new(w->ctx, &(pn_model_opt){ .name = m->name, .seed = 1, .weights = weights });
    pn_status status = w->model ? PN_OK : pn_ctx_status(w->ctx);
    if (!status && weights) status = pn_model_load(w->model, weights);
    pn_weights_free(weights);
    return status;
}

static pn_status write_weights(const model_work *w, const char *path)
{
    pn_part parts[4];
    pn_note notes[PN_MODEL_NOTES];
    if (!path || access(path, R_OK) == 0) return PN_OK;
    pn_model_parts(w->model, parts);
    return pn_checkpoint_save(w->ctx, path, parts, 1, notes, pn_model_notes(w->model, notes));
}

/* ---- VGG19: losses look through a file of it, as in a real training; its filters are random ------------------------- */

enum { PATH = 64 };

static pn_status write_vgg19(pn_ctx *ctx, const char *path)
{
    pn_vgg19 vgg;
    pn_params *p = pn_vgg19_fixed_seed(ctx, 1, &vgg);
    if (!p) return pn_ctx_status(ctx);
    const pn_part part = { "", p, NULL };
    const pn_status status = pn_checkpoint_save(ctx, path, &part, 1, NULL, 0);
    pn_params_free(p);
    return status;
}

/* The file is read when the training begins, and lives no longer. */
static void begin_training(model_work *w, const bench_model *m)
{
    char folder[PATH] = "/tmp/posenet-bench-XXXXXX", path[2 * PATH];
    if (!mkdtemp(folder)) {
        pn_ctx_fail(w->ctx, PN_ERR_IO, "cannot make %s for VGG19's weights: make /tmp writable", folder);
        return;
    }
    snprintf(path, sizeof path, "%s/vgg19.safetensors", folder);
    const pn_training_opt opt = {
        .stage = m->stage, .batch = m->batch, .height = m->height, .width = m->width, .vgg19 = path,
        .recompute = m->recompute
    };
    if (!write_vgg19(w->ctx, path)) w->training = pn_training_new(w->model, &opt);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* ---- A model's work ------------------------------------------------------------------------------------------------ */

static pn_status prepare(model_work *w, const bench_model *m)
{
    const pn_status made = make_model(w, m);
    if (made) return made;
    if (m->stage) {
        begin_training(w, m);
    } else {
        w->generation = (m->once ? pn_generation_once : pn_generation_new)(w->model, m->batch, m->height, m->width);
    }
    if (!w->training && !w->generation) return pn_ctx_status(w->ctx);
    if (m->once && write_weights(w, weights_path())) return pn_ctx_status(w->ctx);
    w->base.bytes = m->stage ? pn_training_bytes(w->training) : pn_generation_bytes(w->generation);
    w->base.flops = w->generation ? 2 * pn_generation_macs(w->generation) : (double)m->batch * bench_model_flops(m);
    w->base.items = (double)m->batch;
    w->base.item = "pictures";
    return make_inputs(w, m);
}

bench_work *bench_model_begin(pn_ctx *ctx, const bench_entry *e)
{
    model_work *w = pn_ctx_alloc(ctx, sizeof *w);
    if (!w) return NULL;
    *w = (model_work){ .base = { .once = once, .end = end }, .ctx = ctx };
    if (!prepare(w, &e->of->model)) return &w->base;
    end(&w->base);
    return NULL;
}

/* ---- The list ---------------------------------------------------------------------------------------------------- */

enum { NAMES = 64 };

static int add(pn_bench_case *out, int n, int room, bench_model m, const char *work)
{
    static char name[NAMES][PN_BENCH_NAME]; /* made once, as the cases are */
    if (n >= room || n >= NAMES) return n;
    snprintf(name[n], sizeof name[n], "%s/%s/%tdx%td/b%td", m.name, work, m.height, m.width, m.batch);
    out[n] = (pn_bench_case){
        .name = name[n],
        .begin = bench_model_begin,
        .model = m,
        .inside = m.stage ? "all networks of the stage: forward, losses, backward, Adam; packing of weights"
                : m.once ? "pictures and heat maps in, picture out; packing of weights"
                         : "pictures and heat maps in, picture out; weights packed before",
    };
    return n + 1;
}

/* The generator and the step of each stage. */
static int add_model(pn_bench_case *out, int n, int room, bench_model m, const pn_model_kind *kind)
{
    n = add(out, n, room, m, "generator");
    m.once = m.batch == 1;
    if (m.once) n = add(out, n, room, m, "picture");
    m.once = false;
    for (const pn_model_choice *s = kind->stages; s->name; s++) {
        char work[64];
        snprintf(work, sizeof work, "%s%s", s[1].name ? s->name : "", s[1].name ? "-step" : "step");
        m.stage = s->name;
        n = add(out, n, room, m, work);
    }
    return n;
}

int bench_models(pn_bench_case *out, int room)
{
    static const ptrdiff_t batches[] = { 1, 4 };
    int n = 0;
    for (int i = 0; pn_model_kind_at(i); i++) {
        const pn_model_kind *kind = pn_model_kind_at(i);
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            const bench_model m = { .name = kind->name, .batch = batches[b], .height = kind->height, .width = kind->width };
            n = add_model(out, n, room, m, kind);
        }
        if (kind->height == kind->width) continue;      /* else at the square size of the published data, too */
        n = add_model(out, n, room, (bench_model){ .name = kind->name, .batch = 1, .height = kind->height, .width = kind->height }, kind);
    }
    const bench_model less_memory = { .name = "glocal", .stage = "joint", .recompute = "decoder,content", .batch = 1,
                                      .height = 256, .width = 176 };
    return add(out, n, room, less_memory, "recomputing-step");
}
