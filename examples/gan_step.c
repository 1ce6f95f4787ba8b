/* examples/gan_step.c - the hardest step there is, on the smallest networks: a GAN step as three graphs
 *
 * A toy generator learns to paint a disc where a blurred spot says. Describe once, plan once, run: the generator's own
 * forward serves the discriminator's step and its own, and nothing is recomputed.
 *
 *   gan_step [steps]     prints the losses now and then; exit 0 when the picture came closer to the disc
 */
#include "posenet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4, SIDE = 16, WIDTH = 16 };

/* ---- Two networks ----------------------------------------------------------------------------------------------------- */

typedef struct { pn_conv_layer in, middle, out; } generator;
typedef struct { pn_conv_layer in, out; } discriminator;

static const pn_conv_opt same = { .pad = { 1, 1 } }, halve = { .stride = { 2, 2 }, .pad = { 1, 1 } };

static generator generator_make(const pn_scope *top)
{
    const pn_scope in = pn_scope_in(top, "in"), middle = pn_scope_in(top, "middle"), out = pn_scope_in(top, "out");
    return (generator){ pn_conv_layer_make(&in, 1, WIDTH, 3, same), pn_conv_layer_make(&middle, WIDTH, WIDTH, 3, same),
                        pn_conv_layer_make(&out, WIDTH, 1, 3, same) };
}

static discriminator discriminator_make(const pn_scope *top)
{
    const pn_scope in = pn_scope_in(top, "in"), out = pn_scope_in(top, "out");
    return (discriminator){ pn_spectral_conv_layer_make(&in, 1, WIDTH, 4, halve),
                            pn_spectral_conv_layer_make(&out, WIDTH, 1, 3, same) };
}

static pn_tensor *paint(pn_graph *g, const generator *net, pn_tensor *spot)
{
    pn_tensor *x = pn_conv_layer_call(g, &net->in, spot);
    x = pn_leaky_relu(g, x, 0.1);
    x = pn_conv_layer_call(g, &net->middle, x);
    x = pn_leaky_relu(g, x, 0.1);
    x = pn_conv_layer_call(g, &net->out, x);
    return pn_tanh(g, x);
}

static pn_tensor *judge(pn_graph *g, const discriminator *net, pn_tensor *image)
{
    pn_tensor *x = pn_conv_layer_call(g, &net->in, image);
    x = pn_leaky_relu(g, x, 0.1);
    return pn_conv_layer_call(g, &net->out, x);
}

/* ---- Data: a spot, and the disc it stands for ---------------------------------------------------------------------------- */

static void draw(pn_rng *rng, pn_real *spot, pn_real *disc)
{
    for (int n = 0; n < BATCH; n++) {
        const double cy = 4 + 8 * pn_rng_uniform(rng), cx = 4 + 8 * pn_rng_uniform(rng);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                const double d2 = (y - cy) * (y - cy) + (x - cx) * (x - cx);
                *spot++ = (pn_real)exp(-d2 / 8);
                *disc++ = d2 < 10 ? 1 : -1;
            }
    }
}

/* ---- Three graphs, three plans, one step ------------------------------------------------------------------------------------ */

typedef struct {
    pn_params *G, *D;
    pn_adam *adam_g, *adam_d;
    pn_graph *gen_graph, *dis_graph, *crit_graph;
    pn_plan *gen, *dis, *crit;
    pn_tensor *spot, *image;                            /* of gen */
    pn_tensor *real, *fake, *d_loss;                    /* of dis */
    pn_tensor *judged, *target, *l1, *g_loss;           /* of crit */
} gan;

static void describe(gan *t, const generator *g, const discriminator *d)
{
    const pn_shape image = pn_shape4(BATCH, 1, SIDE, SIDE);
    t->spot = pn_input(t->gen_graph, "spot", image, PN_CONST);
    t->image = paint(t->gen_graph, g, t->spot);
    pn_output(t->gen_graph, t->image, PN_GRAD);         /* the picture is read, and will take gradient */

    t->real = pn_input(t->dis_graph, "real", image, PN_CONST);
    t->fake = pn_input(t->dis_graph, "fake", image, PN_CONST);
    pn_tensor *on_real = judge(t->dis_graph, d, t->real);       /* two statements: this order is the order */
    pn_tensor *on_fake = judge(t->dis_graph, d, t->fake);       /* of spectral norm's power iterations */
    t->d_loss = pn_gan_d_loss(t->dis_graph, PN_GAN_LSGAN, on_real, on_fake);
    pn_loss(t->dis_graph, t->d_loss);

    t->judged = pn_input(t->crit_graph, "judged", image, PN_GRAD);
    t->target = pn_input(t->crit_graph, "target", image, PN_CONST);
    pn_tensor *on_judged = judge(t->crit_graph, d, t->judged);
    pn_tensor *adversarial = pn_gan_g_loss(t->crit_graph, PN_GAN_LSGAN, on_judged);
    t->l1 = pn_l1_loss(t->crit_graph, t->judged, t->target);
    pn_output(t->crit_graph, t->l1, PN_CONST);
    t->g_loss = pn_weighted_sum(t->crit_graph, (pn_tensor *[]){ adversarial, t->l1 }, (double[]){ 0.2, 5 }, 2);
    pn_loss(t->crit_graph, t->g_loss);
}

static pn_status step(gan *t, const pn_real *spot, const pn_real *disc)
{
    pn_set(t->gen, t->spot, spot);
    pn_forward(t->gen);

    pn_set(t->dis, t->real, disc);
    pn_copy(t->dis, t->fake, t->gen, t->image);
    pn_forward(t->dis);
    pn_backward(t->dis);
    pn_status status = pn_adam_step(t->adam_d);
    if (status) return status;

    pn_set(t->crit, t->target, disc);
    pn_copy(t->crit, t->judged, t->gen, t->image);
    pn_forward(t->crit);
    pn_backward(t->crit);                               /* judged by the D just updated */

    pn_copy_grad(t->gen, t->image, t->crit, t->judged); /* its gradient seeds the generator's backward */
    pn_backward(t->gen);
    return pn_adam_step(t->adam_g);
}

static bool make(pn_ctx *ctx, gan *t)
{
    const pn_init orthogonal = { PN_INIT_ORTHOGONAL, 1 };
    t->G = pn_params_new(ctx);
    t->D = pn_params_new(ctx);
    if (!t->G || !t->D) return false;
    const pn_scope top_g = pn_scope_top(t->G, orthogonal), top_d = pn_scope_top(t->D, orthogonal);
    const generator g = generator_make(&top_g);
    const discriminator d = discriminator_make(&top_d);
    if (pn_params_init(t->G, 1) || pn_params_init(t->D, 1)) return false;
    t->gen_graph = pn_graph_new(ctx);
    t->dis_graph = pn_graph_new(ctx);
    t->crit_graph = pn_graph_new(ctx);
    describe(t, &g, &d);
    t->gen = pn_plan_new(t->gen_graph, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = t->G });
    t->dis = pn_plan_new(t->dis_graph, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = t->D });
    t->crit = pn_plan_new(t->crit_graph, &(pn_plan_opt){ .mode = PN_TRAIN });  /* learns nothing: D is frozen */
    const pn_adam_opt adam = { .lr = 2e-3, .beta1 = 0, .beta2 = 0.99, .eps = 1e-8 };
    t->adam_g = pn_adam_new(t->G, adam);
    t->adam_d = pn_adam_new(t->D, adam);
    return t->gen && t->dis && t->crit && t->adam_g && t->adam_d;
}

static void release(gan *t)
{
    pn_plan *const plans[] = { t->gen, t->dis, t->crit };
    pn_graph *const graphs[] = { t->gen_graph, t->dis_graph, t->crit_graph };
    for (int i = 0; i < 3; i++) pn_plan_free(plans[i]);
    for (int i = 0; i < 3; i++) pn_graph_free(graphs[i]);
    pn_adam_free(t->adam_g);
    pn_adam_free(t->adam_d);
    pn_params_free(t->G);
    pn_params_free(t->D);
}

/* Mean |picture - disc| of the first steps and of the last. */
static pn_status run(gan *t, int steps, double *first, double *last)
{
    static pn_real spot[BATCH * SIDE * SIDE], disc[BATCH * SIDE * SIDE];
    const int some = steps < 10 ? 1 : steps / 10;
    pn_rng rng = pn_rng_named(7, "discs");
    for (int i = 0; i < steps; i++) {
        draw(&rng, spot, disc);
        const pn_status status = step(t, spot, disc);
        if (status) return status;
        pn_real l1, d_loss;
        pn_get(t->crit, t->l1, &l1);
        pn_get(t->dis, t->d_loss, &d_loss);
        if (i < some) *first += (double)l1 / some;
        if (i >= steps - some) *last += (double)l1 / some;
        if (i % (steps < 8 ? 1 : steps / 8) == 0) printf("step %4d   l1 %.4f   discriminator %.4f\n", i, (double)l1, (double)d_loss);
    }
    return PN_OK;
}

int main(int argc, char **argv)
{
    char why[256];
    const int steps = argc > 1 ? atoi(argv[1]) : 200;
    pn_ctx *ctx = pn_ctx_new(NULL, why);
    if (!ctx || steps < 1) {
        fprintf(stderr, "gan_step: %s\n", ctx ? "steps is a whole number from 1" : why);
        pn_ctx_free(ctx);
        return 2;
    }
    gan t = { 0 };
    double first = 0, last = 0;
    if (!make(ctx, &t) || run(&t, steps, &first, &last)) {
        fprintf(stderr, "gan_step: %s\n", pn_ctx_message(ctx));
        first = -1;
    } else {
        printf("mean |picture - disc| went from %.4f to %.4f\n", first, last);
    }
    release(&t);
    pn_ctx_free(ctx);
    return last < first ? 0 : 1;
}
