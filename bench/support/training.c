/* bench/support/training.c - the end of work that trains a graph of its own */
#include "support/pnbench.h"

void bench_training_end(bench_work *base)
{
    bench_training *w = (bench_training *)base;
    pn_ctx *ctx = w->ctx;
    pn_adam_free(w->adam);
    pn_plan_free(w->plan);
    pn_graph_free(w->graph);
    pn_params_free(w->params);
    pn_ctx_release(ctx, w);
}
