/* tests/graph/test_fuse.c - lib/graph/fuse.c: what is folded is counted, and changes neither results nor gradients */
#include "support/pass.h"

enum { C = 19, H = 17, W = 16, MOST = 1 << 15 };        /* maps large enough for sums */
static const pn_shape shape = { 4, { 2, C, H, W } };
static const pn_conv_opt same = { .pad = { 1, 1 } }, mirror = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt halve = { .pad = { 1, 1 }, .stride = { 2, 2 } };
static const pn_conv_opt twice = { .pad = { 1, 1 }, .stride = { 2, 2 }, .output_pad = { 1, 1 } };

/* ---- Patterns ---------------------------------------------------------------------------------------------------- */

static pn_tensor *param(pn_graph *g, pn_shape s, double deviation)
{
    pn_params *p = pn_test_params(g);
    char name[16];
    snprintf(name, sizeof name, "p%d", pn_params_count(p));
    return pn_param(p, name, s, (pn_init){ PN_INIT_NORMAL, deviation });
}

static pn_tensor *conv(pn_graph *g, pn_tensor *x, ptrdiff_t to, const pn_conv_opt *opt)
{
    const ptrdiff_t c = x->shape.dim[1];
    pn_tensor *w = param(g, pn_shape4(to, c, 3, 3), 0.15), *b = param(g, pn_shape1(to), 0.3);
    return pn_conv2d(g, x, w, b, opt);
}

static pn_tensor *widen(pn_graph *g, pn_tensor *x, ptrdiff_t to)
{
    pn_tensor *w = param(g, pn_shape4(x->shape.dim[1], to, 3, 3), 0.15), *b = param(g, pn_shape1(to), 0.3);
    return pn_conv_transpose2d(g, x, w, b, &twice);
}

static pn_tensor *norm(pn_graph *g, pn_tensor *x)
{
    const pn_shape c = pn_shape1(x->shape.dim[1]);
    pn_tensor *w = param(g, c, 1), *b = param(g, c, 0.5);
    return pn_instance_norm(g, x, w, b, 1e-3);
}

static pn_tensor *norm_act(pn_graph *g, pn_tensor *x)
{
    pn_tensor *n = norm(g, x);
    return pn_leaky_relu(g, n, 0.1);
}

static pn_tensor *norm_then_conv(pn_graph *g, pn_tensor *const in[]) { return conv(g, norm(g, in[0]), 7, &same); }
static pn_tensor *norm_act_conv(pn_graph *g, pn_tensor *const in[]) { return conv(g, norm_act(g, in[0]), 7, &halve); }
static pn_tensor *norm_act_mirrored(pn_graph *g, pn_tensor *const in[]) { return conv(g, norm_act(g, in[0]), 7, &mirror); }
static pn_tensor *norm_act_widen(pn_graph *g, pn_tensor *const in[]) { return widen(g, norm_act(g, in[0]), 9); }

static pn_tensor *group_norm(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 20, &same);
    x = pn_group_norm(g, x, NULL, NULL, 4, 1e-3);
    return conv(g, pn_leaky_relu(g, x, 0.2), 3, &same);
}

static pn_tensor *conv_norm(pn_graph *g, pn_tensor *const in[]) { return norm(g, conv(g, in[0], 20, &same)); }

static pn_tensor *down_block(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, norm_act(g, in[0]), 17, &halve);
    return conv(g, norm_act(g, x), 8, &same);
}

static pn_tensor *residual_block(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, norm_act(g, in[0]), C, &same);
    x = conv(g, norm_act(g, x), C, &same);
    return pn_add(g, x, in[0]);
}

static pn_tensor *up_block(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *h = conv(g, norm_act(g, in[0]), 9, &same);
    h = widen(g, norm_act(g, h), 8);
    pn_tensor *sum = pn_add(g, h, widen(g, in[0], 8));
    return conv(g, norm_act(g, sum), 3, &same);
}

/* Both convolutions of a sum become one: the channels of the later one's source fill blocks. */
static pn_tensor *up_joined(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 32, &same), *h = conv(g, norm_act(g, x), 21, &same);
    h = widen(g, norm_act(g, h), 8);
    pn_tensor *sum = pn_add(g, h, widen(g, x, 8));
    return conv(g, norm_act(g, sum), 3, &same);
}

static pn_tensor *joined_act(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = pn_relu(g, conv(g, in[0], 16, &same)), *a = conv(g, conv(g, in[0], 6, &same), 17, &mirror);
    pn_tensor *b = conv(g, x, 17, &mirror);
    return pn_leaky_relu(g, pn_add(g, b, a), 0.3);
}

/* One map, read through a norm and as it is; a third summand is added to the two. */
static pn_tensor *three_summands(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 16, &same), *a = conv(g, norm(g, x), 5, &halve), *b = conv(g, x, 5, &halve);
    pn_tensor *sum = pn_add(g, a, b);
    return pn_add(g, sum, conv(g, x, 5, &halve));
}

/* A source that gets no gradient, under a weight that does. */
static pn_tensor *constant_source(pn_graph *g, pn_tensor *const in[])
{
    const ptrdiff_t *d = in[0]->shape.dim;
    pn_tensor *fixed = pn_state(pn_test_params(g), "fixed", pn_shape4(d[0], 3, d[2], d[3]), (pn_init){ PN_INIT_NORMAL, 1 });
    pn_tensor *x = conv(g, in[0], 16, &same), *a = conv(g, fixed, 5, &same), *b = conv(g, x, 5, &same);
    return pn_add(g, a, b);
}

/* Another geometry, an output, another reader, another block: these stay two. */
static pn_tensor *not_joined(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 16, &same), *a = conv(g, x, 5, &mirror), *b = conv(g, x, 5, &same);
    pn_tensor *y = pn_tanh(g, pn_add(g, a, b));
    a = conv(g, x, 5, &same);
    pn_output(g, a, PN_GRAD);
    b = conv(g, x, 5, &same);
    y = pn_mul(g, y, pn_tanh(g, pn_add(g, a, b)));
    a = conv(g, x, 5, &same);
    b = conv(g, x, 5, &same);
    pn_tensor *sum = pn_tanh(g, pn_add(g, a, b));
    y = pn_mul(g, y, pn_mul(g, pn_tanh(g, a), sum));
    a = conv(g, x, 5, &same);
    pn_block(g, "c");
    b = conv(g, x, 5, &same);
    return pn_mul(g, y, pn_tanh(g, pn_add(g, a, b)));
}

/* A ReLU that many read: the tap itself is stored. */
static pn_tensor *taps(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *tap = pn_relu(g, conv(g, in[0], 17, &same));
    pn_tensor *next = conv(g, tap, 17, &same);
    return pn_mul(g, next, tap);
}

/* The raw map goes on as well as the activated one. */
static pn_tensor *shortcut(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *h = conv(g, pn_leaky_relu(g, in[0], 0.1), C, &mirror);
    return pn_add(g, in[0], h);
}

static pn_tensor *two_heads(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = norm_act(g, in[0]), *a = conv(g, x, 5, &same), *b = conv(g, x, 5, &mirror);
    return pn_mul(g, a, b);
}

/* The residual is also what is convolved: two gradients meet in one step. */
static pn_tensor *onto_itself(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 17, &same);
    return pn_leaky_relu(g, pn_add(g, conv(g, x, 17, &same), x), 0.3);
}

static pn_tensor *other_reader(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = norm_act(g, conv(g, in[0], 5, &same)), *a = conv(g, x, 5, &same);
    return pn_mul(g, a, pn_tanh(g, x));
}

static pn_tensor *output_between(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = conv(g, in[0], 5, &same);
    pn_output(g, x, PN_CONST);
    pn_tensor *a = pn_leaky_relu(g, x, 0.1);
    pn_output(g, a, PN_CONST);
    return pn_tanh(g, pn_add(g, conv(g, a, 5, &same), x));
}

/* fused: nodes folded away; sums: norms that find theirs made; joined: convolutions computed with another. */
static const struct { pn_test_build *build; int fused, sums, joined; } patterns[] = {
    { norm_then_conv, 1, 0, 0 }, { norm_act_conv, 2, 0, 0 }, { norm_act_mirrored, 2, 0, 0 }, { norm_act_widen, 2, 0, 0 },
    { group_norm, 2, 0, 0 }, { conv_norm, 0, 1, 0 }, { down_block, 4, 0, 0 }, { residual_block, 5, 1, 0 }, { up_block, 7, 2, 0 },
    { taps, 1, 0, 0 }, { shortcut, 2, 0, 0 }, { two_heads, 2, 0, 0 }, { onto_itself, 2, 0, 0 }, { other_reader, 0, 1, 0 },
    { output_between, 1, 0, 0 }, { up_joined, 8, 3, 1 }, { joined_act, 4, 0, 1 }, { three_summands, 4, 1, 1 },
    { constant_source, 2, 0, 1 }, { not_joined, 4, 0, 0 },
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

/* ---- Running them ------------------------------------------------------------------------------------------------ */

typedef enum { UNFUSED, FUSED } fusing;
static pn_test_layout start = PN_TEST_BLOCKED;         /* of the map that a pattern begins with */
typedef struct { pn_real v[MOST]; ptrdiff_t count, result; int fused, sums, joined, kept, convolutions; size_t bytes; } numbers;   /* result first */

static void take(numbers *n, const pn_real *v, ptrdiff_t count)
{
    ck_assert_int_le(n->count + count, MOST);
    memcpy(n->v + n->count, v, (size_t)count * sizeof *v);
    n->count += count;
}

static void must(pn_status status) { ck_assert_int_eq(status, PN_OK); }

/* Whether the source of what a step was joined with lives on into backward. */
static bool keeps_source(const pn_plan *p, const pn_step *step)
{
    if (!step->joined) return false;
    const pn_value *v = &p->values[step->joined->in[0]];
    return p->buffers[v->raw < 0 ? v->buffer : p->values[v->raw].buffer].last >= p->n_forward;
}

/* One forward and, in training, one backward: result, gradients of the input and of the first numbers of each parameter. */
static numbers run(pn_test_build *build, pn_ctx *ctx, fusing how, pn_mode mode, const char *recompute)
{
    numbers n = { .count = 0 };
    pn_real v[MOST];
    ctx->fuse = how == FUSED;
    pn_graph *g = pn_graph_new(ctx);
    pn_params *params = pn_test_params(g);
    pn_tensor *x = pn_input(g, "x", shape, PN_GRAD);
    pn_block(g, "a");
    pn_tensor *in = pn_test_probe(g, x, start);
    pn_block(g, "b");
    pn_tensor *y = pn_test_probe(g, build(g, &in), PN_TEST_ANY);
    pn_output(g, y, PN_GRAD);
    must(pn_params_init(params, 3));
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = mode, .learn = params, .recompute = recompute });
    ck_assert_msg(p != NULL, "%s", pn_ctx_message(ctx));
    const ptrdiff_t of_x = pn_shape_count(shape), of_y = pn_shape_count(y->shape);
    pn_test_random("x", v, of_x);
    must(pn_set(p, x, v));
    must(pn_forward(p));
    must(pn_get(p, y, v));
    take(&n, v, n.result = of_y);
    if (mode == PN_TRAIN) {
        pn_test_random("dy", v, of_y);
        must(pn_set_grad(p, y, v));
        must(pn_backward(p));
        must(pn_get_grad(p, x, v));
        take(&n, v, of_x);
        for (int i = 0; i < pn_params_count(params); i++) {
            const pn_tensor *t = pn_params_at(params, i);
            if (t->kind != PN_TENSOR_PARAM) continue;
            ck_assert_ptr_nonnull(pn_param_grad(t));
            take(&n, pn_param_grad(t), pn_shape_count(t->shape) < 40 ? pn_shape_count(t->shape) : 40);
        }
    }
    n.fused = pn_plan_describe(p).fused;
    n.bytes = pn_plan_describe(p).arena_bytes;
    for (int s = 0; s < p->n_forward; s++) {
        n.sums += p->forward[s].sums_given >= 0;
        n.joined += p->forward[s].joined != NULL;
        n.kept += keeps_source(p, &p->forward[s]);
        n.convolutions += p->forward[s].node->op->joins != NULL;
    }
    pn_plan_free(p);
    pn_test_params_drop(g);             /* the next graph may lie where this one did */
    pn_graph_free(g);
    ctx->fuse = true;
    return n;
}

static void close_to(const numbers *is, const numbers *should, double tol, const char *where)
{
    ck_assert_int_eq(is->count, should->count);
    for (ptrdiff_t i = 0; i < is->count; i++) {
        const double a = (double)is->v[i], b = (double)should->v[i];
        if (!(fabs(a - b) <= tol * (1 + fabs(b))))
            ck_abort_msg("%s: number %td is %.9g, expected %.9g", where, i, a, b);
    }
}

/* Sums of some hundred products in another order, through two norms. */
static const double tolerance = sizeof(pn_real) == sizeof(double) ? 1e-11 : 2e-4;

START_TEST(fused_and_unfused_plans_agree_on_every_isa)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        pn_ctx *ctx = pn_test_ctx_new(isas[i], 2);
        const numbers fused = run(patterns[_i].build, ctx, FUSED, PN_TRAIN, NULL);
        const numbers plain = run(patterns[_i].build, ctx, UNFUSED, PN_TRAIN, NULL);
        close_to(&fused, &plain, tolerance, pn_isa_name(isas[i]));
        ck_assert_int_eq(plain.fused, 0);
        ck_assert_int_eq(fused.fused, patterns[_i].fused);
        ck_assert_int_eq(fused.sums, patterns[_i].sums);
        ck_assert_int_eq(fused.joined, patterns[_i].joined);
        ck_assert_int_eq(fused.convolutions + fused.joined, plain.convolutions);
        pn_ctx_free(ctx);
    }
}
END_TEST

/* As pictures and poses enter a network. */
START_TEST(planar_maps_are_converted_before_what_folds)
{
    start = PN_TEST_PLANAR;
    const numbers fused = run(norm_act_conv, pn_test_ctx(), FUSED, PN_TRAIN, NULL);
    const numbers plain = run(norm_act_conv, pn_test_ctx(), UNFUSED, PN_TRAIN, NULL);
    start = PN_TEST_BLOCKED;
    close_to(&fused, &plain, tolerance, "planar");
    ck_assert_int_eq(fused.fused, 2);
    ck_assert_uint_lt(fused.bytes, plain.bytes);
}
END_TEST

START_TEST(recomputing_inferring_and_threads_change_no_bit)
{
    pn_ctx *two = pn_test_ctx_new(PN_ISA_BEST, 2), *one = pn_test_ctx_new(PN_ISA_BEST, 1);
    const numbers should = run(patterns[_i].build, two, FUSED, PN_TRAIN, NULL);
    const numbers again = run(patterns[_i].build, two, FUSED, PN_TRAIN, "*"), alone = run(patterns[_i].build, one, FUSED, PN_TRAIN, "b");
    const numbers infer = run(patterns[_i].build, two, FUSED, PN_INFER, NULL);
    ck_assert_int_eq(again.count, should.count);
    ck_assert_mem_eq(again.v, should.v, (size_t)should.count * sizeof *should.v);
    ck_assert_mem_eq(alone.v, should.v, (size_t)should.count * sizeof *should.v);
    ck_assert_mem_eq(infer.v, should.v, (size_t)should.result * sizeof *should.v);
    ck_assert_int_eq(infer.fused, patterns[_i].fused);
    ck_assert_int_le(should.kept, patterns[_i].joined);         /* a slice of an input is made again */
    ck_assert_int_eq(again.kept, 0);                    /* made again */
    pn_ctx_free(one);
    pn_ctx_free(two);
}
END_TEST

START_TEST(normalised_maps_take_no_memory)
{
    const numbers fused = run(residual_block, pn_test_ctx(), FUSED, PN_TRAIN, NULL);
    const numbers plain = run(residual_block, pn_test_ctx(), UNFUSED, PN_TRAIN, NULL);
    const size_t map = 2 * 32 * H * W * sizeof(pn_real);
    ck_assert_uint_le(fused.bytes + map, plain.bytes);          /* of two; lines and sums take a little */
}
END_TEST

START_TEST(gradients_match_differences)
{
    static const pn_shape small = { 4, { 2, C, 4, 3 } };
    pn_test_gradients(patterns[_i].build, &small, 1, 0);
}
END_TEST

/* ---- Two convolutions as one --------------------------------------------------------------------------------------- */

typedef struct { pn_graph *g; pn_tensor *x[2], *y[2], *w[2]; } pair;

/* One pair of convolutions called twice. */
static pair pair_of(void)
{
    pair n = { .g = pn_test_graph() };
    pn_params *p = pn_test_params(n.g);
    for (int i = 0; i < 2; i++) n.w[i] = pn_param(p, i ? "w1" : "w0", pn_shape4(4, 16, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
    for (int i = 0; i < 2; i++) {
        n.x[i] = pn_input(n.g, i ? "x1" : "x0", pn_shape4(1, 16, 8, 8), PN_CONST);
        pn_tensor *a = pn_conv2d(n.g, pn_tanh(n.g, n.x[i]), n.w[0], NULL, &same);
        n.y[i] = pn_add(n.g, a, pn_conv2d(n.g, n.x[i], n.w[1], NULL, &same));
        pn_output(n.g, n.y[i], PN_CONST);
    }
    must(pn_params_init(p, 3));
    return n;
}

START_TEST(joined_weights_are_packed_once_and_again_when_either_changes)
{
    enum { IN = 16 * 64, OUT = 4 * 64, WEIGHTS = 16 * 4 * 9 };
    const pair n = pair_of();
    pn_plan *p = pn_plan_new(n.g, NULL);
    ck_assert_msg(p != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    pn_real v[IN], w[WEIGHTS], before[OUT], after[OUT];
    const pn_packed_slot *packed = NULL;
    for (int s = 0; s < p->n_forward; s++) {
        const pn_step *step = &p->forward[s];
        if (!step->joined) continue;
        ck_assert_ptr_null(p->values[step->joined->out].data);          /* never stored */
        if (packed) ck_assert_ptr_eq(step->packed, packed);
        packed = step->packed;
    }
    ck_assert_ptr_nonnull(packed);
    pn_test_random("x", v, IN);
    for (int i = 0; i < 2; i++) must(pn_set(p, n.x[i], v));
    for (int i = -1; i < 2; i++) {
        if (i >= 0) {
            pn_test_random("w", w, WEIGHTS);
            pn_param_set(n.w[i], w);
        }
        must(pn_forward(p));
        for (int k = 0; k < 2; k++) {
            must(pn_get(p, n.y[k], after));
            if (i >= 0 && k == 0) ck_assert_mem_ne(before, after, sizeof after);
            if (k == 1) ck_assert_mem_eq(before, after, sizeof after);
            memcpy(before, after, sizeof after);
        }
    }
    pn_plan_free(p);
}
END_TEST

/* ---- Numbers far from zero: the sums have lost their digits, the norm looks again ---------------------------------- */

static pn_tensor *far_from_zero(pn_graph *g, pn_tensor *const in[])
{
    pn_params *p = pn_test_params(g);
    pn_tensor *w = param(g, pn_shape4(17, C, 3, 3), 0.15), *b = pn_param(p, "far", pn_shape1(17), (pn_init){ PN_INIT_CONSTANT, 3000 });
    return conv(g, pn_instance_norm(g, pn_conv2d(g, in[0], w, b, &same), NULL, NULL, 1e-5), 3, &same);
}

START_TEST(a_mean_far_above_the_deviation_costs_no_digits)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        pn_ctx *ctx = pn_test_ctx_new(isas[i], 1);
        const numbers fused = run(far_from_zero, ctx, FUSED, PN_INFER, NULL), plain = run(far_from_zero, ctx, UNFUSED, PN_INFER, NULL);
        ck_assert_int_eq(fused.sums, 1);
        close_to(&fused, &plain, 3000 * 6e-8 * 20, pn_isa_name(isas[i]));      /* what x itself has lost, over 171 products */
        pn_ctx_free(ctx);
    }
}
END_TEST

TCase *fuse_cases(void)
{
    TCase *tc = tcase_create("fuse");
    tcase_add_loop_test(tc, fused_and_unfused_plans_agree_on_every_isa, 0, PATTERNS);
    tcase_add_loop_test(tc, recomputing_inferring_and_threads_change_no_bit, 0, PATTERNS);
    tcase_add_test(tc, planar_maps_are_converted_before_what_folds);
    tcase_add_test(tc, normalised_maps_take_no_memory);
    tcase_add_loop_test(tc, gradients_match_differences, 0, PATTERNS);
    tcase_add_test(tc, joined_weights_are_packed_once_and_again_when_either_changes);
    tcase_add_test(tc, a_mean_far_above_the_deviation_costs_no_digits);
    return tc;
}
