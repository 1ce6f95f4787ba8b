/* bench/peers/gfla_turns.c - our side of a comparison by turns: GFLA's forward or stage-2 step, one timed run per line of input
 *
 *   gfla_turns forward|step HEIGHT WIDTH BATCH THREADS [PRESET]
 *
 * Warms up twice, then waits for a line on stdin, runs once and prints {"seconds": S}; bench/peers/turns.py drives it beside a peer.
 */
#define _POSIX_C_SOURCE 200809L
#include "posenet.h"
#include "posenet/data.h"
#include "posenet/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_array(pn_rng *rng, ptrdiff_t n)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t i = 0; v && i < n; i++) v[i] = (float)(2 * pn_rng_uniform(rng) - 1);
    return v;
}

typedef struct { pn_training *training; pn_generation *generation; pn_model_input in; float *image; } work;

static pn_status once(const work *w)
{
    return w->training ? pn_training_step(w->training, &w->in, NULL) : pn_generation_run(w->generation, &w->in, w->image);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: gfla_turns forward|step HEIGHT WIDTH BATCH THREADS [PRESET]\n");
        return 2;
    }
    const ptrdiff_t h = atoi(argv[2]), w = atoi(argv[3]), n = atoi(argv[4]);
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = atoi(argv[5]) }, NULL);
    pn_model *model = ctx ? pn_model_new(ctx, &(pn_model_opt){ .name = "gfla", .preset = argc > 6 ? argv[6] : "full", .seed = 1 }) : NULL;
    if (!model) return 1;
    pn_rng rng = pn_rng_named(1, "turns");
    work job = { .image = random_array(&rng, n * 3 * h * w) };
    if (strcmp(argv[1], "step") == 0)
        job.training = pn_training_new(model, &(pn_training_opt){ .batch = n, .height = h, .width = w });
    else job.generation = pn_generation_new(model, n, h, w);
    job.in = (pn_model_input){ random_array(&rng, n * 3 * h * w), random_array(&rng, n * 3 * h * w),
                               random_array(&rng, n * PN_JOINTS * h * w), random_array(&rng, n * PN_JOINTS * h * w) };
    char line[64];
    for (int i = -2; i < 0 || fgets(line, sizeof line, stdin); i++) {
        const double from = seconds();
        if ((!job.training && !job.generation) || once(&job)) {
            fprintf(stderr, "gfla_turns: %s\n", pn_ctx_message(ctx));
            return 1;
        }
        if (i >= 0) printf("{\"seconds\": %.6f}\n", seconds() - from);
        fflush(stdout);
    }
    return 0;
}
