/* tests/graph/test_place.c - lib/graph/{lower,differentiate,place}.c: sharing memory, running in place, adding
 * gradients up and recomputing change nothing about the numbers. Over graphs drawn at random; PN_TEST_ROUNDS says
 * how many of each kind.
 */
#include "graph/random_graph.h"

enum { GROUPS = 8 };
static uint64_t rounds(void)
{
    const char *wanted = getenv("PN_TEST_ROUNDS");
    const uint64_t n = wanted ? strtoull(wanted, NULL, 10) / GROUPS : 6;
    return n ? n : 1;
}
static uint64_t seed_of(int group, uint64_t i) { return 1000003u * (uint64_t)group + i; }

static pn_plan *plan_of(const random_graph *r, pn_mode mode, const char *recompute)
{
    pn_plan *p = pn_plan_new(r->g, &(pn_plan_opt){ .mode = mode, .learn = r->learnt, .recompute = recompute });
    if (!p) ck_abort_msg("%s", pn_ctx_message(r->ctx));
    return p;
}

static void close_to(const random_numbers *is, const random_numbers *should, double tol, uint64_t seed)
{
    ck_assert_int_eq(is->count, should->count);
    for (ptrdiff_t i = 0; i < is->count; i++) {
        const double a = (double)is->values[i], b = (double)should->values[i];
        if (!(fabs(a - b) <= tol * (1 + fabs(b))))
            ck_abort_msg("seed %llu: number %td of %td is %.9g, expected %.9g", (unsigned long long)seed, i, is->count,
                         a, b);
    }
}

static void same_bytes(const random_numbers *is, const random_numbers *should, uint64_t seed, const char *where)
{
    ck_assert_int_eq(is->count, should->count);
    for (ptrdiff_t i = 0; i < is->count; i++)
        if (memcmp(&is->values[i], &should->values[i], sizeof(pn_real)) != 0)
            ck_abort_msg("seed %llu, %s: number %td of %td is %.9g, expected %.9g", (unsigned long long)seed, where, i,
                         is->count, (double)is->values[i], (double)should->values[i]);
}

/* The tolerance is for sums in another order: numbers of a few hundred terms through twenty ops. */
START_TEST(a_plan_computes_what_its_ops_compute_alone)
{
    const double tol = sizeof(pn_real) == sizeof(double) ? 1e-9 : 3e-3;
    pn_ctx *ctx = pn_test_ctx_new(PN_ISA_REF, 1);
    for (uint64_t i = 0; i < rounds(); i++) {
        random_graph r = random_graph_make(ctx, seed_of(_i, i));
        random_numbers should = random_graph_evaluate(&r);
        pn_plan *p = plan_of(&r, PN_TRAIN, NULL);
        for (int run = 0; run < 2; run++) {             /* the second finds the memory as the first left it */
            random_numbers is = random_graph_run(&r, p);
            close_to(&is, &should, tol, seed_of(_i, i));
            free(is.values);
        }
        pn_plan_free(p);
        free(should.values);
        random_graph_free(&r);
    }
    pn_ctx_free(ctx);
}
END_TEST

START_TEST(values_alive_together_never_share_memory)
{
    for (uint64_t i = 0; i < 4 * rounds(); i++) {
        random_graph r = random_graph_make(pn_test_ctx(), seed_of(_i, i));
        pn_memory *m = i % 2 ? pn_memory_new(pn_test_ctx()) : NULL;
        pn_plan *p = pn_plan_new(r.g, &(pn_plan_opt){ .mode = i % 4 ? PN_TRAIN : PN_INFER, .learn = r.learnt,
                                                      .recompute = i % 3 ? NULL : "*", .memory = m });
        ck_assert_ptr_nonnull(p);
        for (int a = 0; a < p->n_buffers; a++)
            for (int b = 0; b < a; b++) {
                const pn_buffer *x = &p->buffers[a], *y = &p->buffers[b];
                if (x->offset < 0 || y->offset < 0 || x->shared != y->shared || x->last < y->first || y->last < x->first) continue;
                const bool apart = x->offset + (ptrdiff_t)x->bytes <= y->offset ||
                                   y->offset + (ptrdiff_t)y->bytes <= x->offset;
                if (!apart)
                    ck_abort_msg("seed %llu: buffers %d and %d share memory", (unsigned long long)seed_of(_i, i), a, b);
            }
        const pn_plan_stats stats = pn_plan_describe(p);
        ck_assert_uint_le(stats.arena_bytes, stats.value_bytes);
        ck_assert_uint_le(stats.live_bytes, stats.arena_bytes);
        ck_assert_uint_eq(stats.shared_bytes, pn_memory_bytes(m));
        pn_plan_free(p);
        pn_memory_free(m);
        random_graph_free(&r);
    }
}
END_TEST

/* Whole blocks, and results that cost little: nothing dearer than a picture's first layer, and whatever an op tells the cost of. */
START_TEST(recomputing_gives_the_same_bits)
{
    static const pn_plan_opt thrifty[] = { { .recompute = "*" }, { .recompute = "a" }, { .recompute = "b,c" }, { .remake = 27 },
                                           { .remake = 1 << 20 }, { .recompute = "a", .remake = 1 << 20 } };
    for (uint64_t i = 0; i < rounds(); i++) {
        random_graph r = random_graph_make(pn_test_ctx(), seed_of(_i, i));
        pn_plan *plain = plan_of(&r, PN_TRAIN, NULL);
        random_numbers should = random_graph_run(&r, plain);
        for (size_t k = 0; k < sizeof thrifty / sizeof *thrifty; k++) {
            pn_plan_opt opt = thrifty[k];
            opt.mode = PN_TRAIN;
            opt.learn = r.learnt;
            pn_plan *p = pn_plan_new(r.g, &opt);
            ck_assert_ptr_nonnull(p);
            random_numbers is = random_graph_run(&r, p);
            same_bytes(&is, &should, seed_of(_i, i), opt.recompute ? opt.recompute : "cheap results");
            free(is.values);
            pn_plan_free(p);
        }
        free(should.values);
        pn_plan_free(plain);
        random_graph_free(&r);
    }
}
END_TEST

START_TEST(one_thread_and_three_give_the_same_bits)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int k = 0; k < n; k++) {
        pn_ctx *one = pn_test_ctx_new(isas[k], 1), *three = pn_test_ctx_new(isas[k], 3);
        for (uint64_t i = 0; i < rounds() / 2; i++) {
            random_graph a = random_graph_make(one, seed_of(_i, i)), b = random_graph_make(three, seed_of(_i, i));
            pn_plan *pa = plan_of(&a, PN_TRAIN, NULL), *pb = plan_of(&b, PN_TRAIN, NULL);
            random_numbers should = random_graph_run(&a, pa), is = random_graph_run(&b, pb);
            same_bytes(&is, &should, seed_of(_i, i), pn_isa_name(isas[k]));
            free(should.values);
            free(is.values);
            pn_plan_free(pa);
            pn_plan_free(pb);
            random_graph_free(&a);
            random_graph_free(&b);
        }
        pn_ctx_free(one);
        pn_ctx_free(three);
    }
}
END_TEST

START_TEST(an_inference_plan_gives_the_outputs_of_a_training_plan_in_less_memory)
{
    for (uint64_t i = 0; i < rounds(); i++) {
        random_graph r = random_graph_make(pn_test_ctx(), seed_of(_i, i));
        pn_plan *train = plan_of(&r, PN_TRAIN, NULL), *infer = plan_of(&r, PN_INFER, NULL);
        random_numbers should = random_graph_run(&r, train), is = random_graph_run(&r, infer);
        should.count = is.count;                        /* outputs come first */
        close_to(&is, &should, sizeof(pn_real) == sizeof(double) ? 1e-9 : 1e-4, seed_of(_i, i));
        size_t packed = 0;                              /* an inference plan keeps these: its weights stay the same */
        for (int s = 0; s < infer->n_forward; s++)
            if (infer->forward[s].packed[0].buffer >= 0) packed += infer->buffers[infer->forward[s].packed[0].buffer].bytes;
        ck_assert_uint_le(pn_plan_describe(infer).arena_bytes, pn_plan_describe(train).arena_bytes + packed);
        free(should.values);
        free(is.values);
        pn_plan_free(train);
        pn_plan_free(infer);
        random_graph_free(&r);
    }
}
END_TEST

/* Sixteen convolutions in four blocks: recomputing three of them must free most of what they keep. */
START_TEST(recomputing_takes_less_memory)
{
    pn_graph *g = pn_test_graph();
    pn_params *p = pn_test_params(g);
    pn_tensor *x = pn_input(g, "x", pn_shape4(1, 16, 32, 32), PN_GRAD);
    for (int i = 0; i < 16; i++) {
        char name[16];
        snprintf(name, sizeof name, "block%d", i / 4);
        pn_block(g, name);
        snprintf(name, sizeof name, "w%d", i);
        x = pn_tanh(g, pn_conv2d(g, x, pn_param(p, name, pn_shape4(16, 16, 1, 1), (pn_init){ PN_INIT_NORMAL, 0.2 }),
                                 NULL, NULL));
    }
    pn_output(g, x, PN_GRAD);
    pn_plan *plain = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = p });
    pn_plan *thrifty = pn_plan_new(g,
                                   &(pn_plan_opt){ .mode = PN_TRAIN, .learn = p, .recompute = "block0,block1,block2" });
    ck_assert(plain && thrifty);
    ck_assert_int_gt(pn_plan_describe(thrifty).recomputed, 0);
    ck_assert_uint_lt(pn_plan_describe(thrifty).arena_bytes, pn_plan_describe(plain).arena_bytes * 2 / 3);
    pn_plan_free(plain);
    pn_plan_free(thrifty);
}
END_TEST

START_TEST(a_chain_in_place_takes_one_buffer)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_probe(g, pn_input(g, "x", pn_shape4(1, 3, 8, 8), PN_GRAD), PN_TEST_PLANAR);
    for (int i = 0; i < 10; i++) x = pn_leaky_relu(g, x, 0.5);
    pn_output(g, x, PN_GRAD);
    pn_plan *p = pn_plan_new(g, NULL);
    const size_t map = 3 * 8 * 8 * sizeof(pn_real);
    ck_assert_uint_eq(pn_plan_describe(p).arena_bytes, 2 * map);        /* the input, which stays, and the chain */
    pn_real in[192], out[192];
    pn_test_random("x", in, 192);
    ck_assert_int_eq(pn_set(p, g->tensors[0], in), PN_OK);
    ck_assert_int_eq(pn_forward(p), PN_OK);
    ck_assert_int_eq(pn_get(p, x, out), PN_OK);
    for (int i = 0; i < 192; i++) ck_assert(out[i] == (in[i] < 0 ? in[i] / 1024 : in[i]));
    pn_plan_free(p);
    pn_graph_free(g);
}
END_TEST

/* What one run of a plan, the last, leaves of a picture and of a weight. */
enum { MOST = 512 };
typedef struct { pn_real dx[MOST], dw[MOST]; } gradients;

static void take_gradients(gradients *out, pn_plan *p, const pn_tensor *in, const pn_tensor *w)
{
    pn_real x[MOST];
    const ptrdiff_t n = pn_shape_count(in->shape), weights = pn_shape_count(w->shape);
    ck_assert(n <= MOST && weights <= MOST);
    *out = (gradients){ 0 };
    pn_test_random("x", x, n);
    ck_assert_int_eq(pn_set(p, in, x) | pn_forward(p) | pn_backward(p) | pn_get_grad(p, in, out->dx), PN_OK);
    memcpy(out->dw, pn_param_grad(w), (size_t)weights * sizeof *out->dw);
    pn_plan_free(p);
}

static void same_gradients(const gradients *a, const gradients *b)
{
    ck_assert_mem_eq(a->dx, b->dx, sizeof a->dx);
    ck_assert_mem_eq(a->dw, b->dw, sizeof a->dw);
    ck_assert(a->dw[0] != 0);
}

/* One weight, its vectors moved by each of two calls; a picture enters in blocks of channels. Outputs are kept: the same net
 * with the normalised weights among them makes nothing again. */
START_TEST(what_is_made_again_in_backward_has_the_same_bits)
{
    gradients is[2];
    pn_real used[2][16];
    for (int kept = 0; kept < 2; kept++) {
        pn_graph *g = pn_test_graph();
        pn_params *params = pn_test_params(g);
        pn_tensor *in = pn_input(g, "x", pn_shape4(1, 3, 8, 8), PN_GRAD);
        pn_tensor *w = pn_param(params, "w", pn_shape4(16, 3, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
        pn_tensor *u = pn_state(params, "u", pn_shape1(16), (pn_init){ PN_INIT_UNIT, 1 });
        pn_tensor *v = pn_state(params, "v", pn_shape1(27), (pn_init){ PN_INIT_UNIT, 1 }), *y[2], *normal[2];
        for (int i = 0; i < 2; i++) {
            normal[i] = pn_spectral_norm(g, w, 0, u, v, 1e-12);
            y[i] = pn_tanh(g, pn_conv2d(g, in, normal[i], NULL, NULL));
            if (kept) pn_output(g, normal[i], PN_CONST);
        }
        pn_loss(g, pn_mse_loss(g, y[0], pn_affine(g, y[1], 0.5, 0.2)));
        ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
        pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params });
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(p->buffers[p->values[p->value_of[normal[i]->index]].buffer].last >= p->n_forward, kept);
        take_gradients(&is[kept], p, in, w);
        memcpy(used[kept], pn_param_data(u), sizeof used[0]);
    }
    same_gradients(&is[0], &is[1]);
    ck_assert_mem_eq(used[0], used[1], sizeof used[0]);         /* making again moves no state */
}
END_TEST

/* In whichever layout. */
static bool waits_for_backward(const pn_plan *p, const pn_tensor *t)
{
    for (int i = 0; i < p->n_values; i++) {
        const int b = p->values[i].buffer;
        if (p->values[i].tensor != t || b < 0) continue;
        if (p->buffers[b].first < p->n_forward && p->buffers[b].last >= p->n_forward) return true;
    }
    return false;
}

/* A concatenation of a leaf and of what tanh's backward reads anyway, for the gradient of weights. */
START_TEST(what_waits_for_backward_anyway_is_copied_again)
{
    gradients is[2];
    for (int kept = 0; kept < 2; kept++) {
        pn_graph *g = pn_test_graph();
        pn_params *params = pn_test_params(g);
        pn_tensor *in = pn_input(g, "x", pn_shape4(1, 2, 5, 6), PN_GRAD);
        pn_tensor *w = pn_param(params, "w", pn_shape4(7, 4, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
        pn_tensor *bent = pn_tanh(g, in), *both = pn_concat(g, (pn_tensor *[]){ bent, in }, 2, 1);
        pn_tensor *y = pn_conv2d(g, both, w, NULL, &(pn_conv_opt){ .pad = { 1, 1 } });
        if (kept) pn_output(g, both, PN_CONST);
        pn_loss(g, pn_mean(g, pn_tanh(g, y), PN_ALL_AXES, PN_DROP_AXES));
        ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
        pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params });
        ck_assert_int_eq(waits_for_backward(p, both), kept);
        take_gradients(&is[kept], p, in, w);
    }
    same_gradients(&is[0], &is[1]);
}
END_TEST

/* A picture's first layer, whose activation was folded in; wider layers behind it. 27 multiply-adds a number are spent or not. */
START_TEST(a_cheap_result_is_made_again_and_does_not_wait)
{
    gradients is[2];
    for (int kept = 0; kept < 2; kept++) {
        pn_graph *g = pn_test_graph();
        pn_params *params = pn_test_params(g);
        pn_tensor *in = pn_input(g, "x", pn_shape4(1, 3, 8, 8), PN_GRAD);
        pn_tensor *w = pn_param(params, "w", pn_shape4(16, 3, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
        pn_tensor *wide = pn_param(params, "wide", pn_shape4(16, 16, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
        pn_tensor *first = pn_relu(g, pn_conv2d(g, in, w, NULL, &(pn_conv_opt){ .pad = { 1, 1 } }));
        pn_tensor *second = pn_relu(g, pn_conv2d(g, first, wide, NULL, &(pn_conv_opt){ .pad = { 1, 1 } }));
        pn_loss(g, pn_mean(g, pn_tanh(g, second), PN_ALL_AXES, PN_DROP_AXES));
        ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
        pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params, .remake = kept ? 26 : 27 });
        ck_assert_int_eq(waits_for_backward(p, first), kept);
        ck_assert(waits_for_backward(p, second));       /* 144 a number */
        take_gradients(&is[kept], p, in, w);
    }
    same_gradients(&is[0], &is[1]);
}
END_TEST

/* The gradient of the first of two maps is one number until its maker's backward asks for it. */
START_TEST(a_loss_waits_until_its_gradient_is_read)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_input(g, "x", pn_shape4(1, 16, 8, 8), PN_GRAD);
    pn_tensor *a = pn_tanh(g, pn_affine(g, x, 2, 0)), *b = pn_sigmoid(g, pn_affine(g, a, 3, 0));
    pn_tensor *of_a = pn_mse_loss(g, a, x), *of_b = pn_mse_loss(g, b, x);
    pn_loss(g, pn_add(g, of_a, of_b));
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    int at[3] = { -1, -1, -1 };
    const pn_tensor *const out[] = { of_b, b, of_a };
    for (int s = 0; s < p->n_backward; s++)
        for (int k = 0; k < 3; k++)
            if (p->backward[s].backward && p->backward[s].node->out == out[k]) at[k] = s;
    ck_assert_int_ge(at[0], 0);
    ck_assert_int_lt(at[0], at[1]);
    ck_assert_int_lt(at[1], at[2]);
    pn_plan_free(p);
    pn_graph_free(g);
}
END_TEST

/* The mean of one map, recorded after another map was made, is taken before it; not when backward reads the first map. */
START_TEST(a_step_that_makes_room_runs_as_soon_as_it_can)
{
    for (int wanted = 0; wanted < 2; wanted++) {
        pn_graph *g = pn_test_graph();
        pn_tensor *x = pn_input(g, "x", pn_shape4(1, 16, 8, 8), wanted ? PN_GRAD : PN_CONST);
        pn_tensor *a = pn_tanh(g, pn_affine(g, x, 2, 0)), *b = pn_sigmoid(g, pn_affine(g, x, 3, 0));
        pn_tensor *first = pn_mean(g, b, PN_ALL_AXES, PN_DROP_AXES), *last = pn_mean(g, a, PN_ALL_AXES, PN_DROP_AXES);
        pn_loss(g, pn_add(g, first, last));
        pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
        int of_last = -1, of_b = -1;
        for (int s = 0; s < p->n_forward; s++) {
            if (p->forward[s].node->out == last) of_last = s;
            if (p->forward[s].node->out == b) of_b = s;
        }
        ck_assert_int_ge(of_last, 0);
        ck_assert_int_ge(of_b, 0);
        ck_assert_int_eq(of_last < of_b, !wanted);
        pn_plan_free(p);
        pn_graph_free(g);
    }
}
END_TEST

/* The gradient of the first map lies where the second was, unless that is read again. */
START_TEST(a_loss_of_two_maps_writes_its_gradient_over_the_second)
{
    enum { N = 3 * 8 * 8 };
    pn_real in[2][N], dx[2][N];
    for (int kept = 0; kept < 2; kept++) {
        pn_graph *g = pn_test_graph();
        pn_tensor *x = pn_input(g, "x", pn_shape4(1, 3, 8, 8), PN_GRAD), *t = pn_input(g, "t", pn_shape4(1, 3, 8, 8), PN_CONST);
        pn_tensor *a = pn_tanh(g, pn_affine(g, x, 2, 0)), *b = pn_sigmoid(g, pn_affine(g, t, 3, 0));
        if (kept) pn_output(g, b, PN_CONST);
        pn_loss(g, pn_l1_loss(g, a, b));
        pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
        const pn_value *va = &p->values[p->value_of[a->index]], *vb = &p->values[p->value_of[b->index]];
        ck_assert_int_eq(va->grad == vb->buffer, !kept);
        for (int i = 0; i < 2; i++) {
            pn_test_random(i ? "t" : "x", in[i], N);
            ck_assert_int_eq(pn_set(p, g->tensors[i], in[i]), PN_OK);
        }
        ck_assert_int_eq(pn_forward(p) | pn_backward(p) | pn_get_grad(p, x, dx[kept]), PN_OK);
        pn_plan_free(p);
        pn_graph_free(g);
    }
    ck_assert_mem_eq(dx[0], dx[1], sizeof dx[0]);
    ck_assert(dx[0][0] != 0);
}
END_TEST

/* One network called twice, then in a third size; frozen and learnt. */
START_TEST(packed_weights_last_where_they_stay_the_same_and_are_kept_once)
{
    pn_graph *g = pn_test_graph();
    pn_params *p = pn_test_params(g);
    pn_tensor *w = pn_param(p, "w", pn_shape4(40, 16, 3, 3), (pn_init){ PN_INIT_NORMAL, 0.2 });
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        pn_tensor *x = pn_input(g, name, pn_shape4(1, 16, i < 2 ? 9 : 12, 9), PN_CONST);
        pn_output(g, pn_conv2d(g, x, w, NULL, NULL), PN_GRAD);
    }
    pn_plan *frozen = pn_plan_new(g, NULL), *learnt = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = p });
    ck_assert(frozen && learnt);
    const pn_step *convolution[3];
    int n = 0;
    for (int s = 0; s < frozen->n_forward; s++)
        if (frozen->forward[s].node->op->sizes) convolution[n++] = &frozen->forward[s];
    ck_assert_int_eq(n, 3);
    ck_assert_ptr_eq(convolution[0]->packed, convolution[1]->packed);
    ck_assert_ptr_ne(convolution[0]->packed, convolution[2]->packed);
    ck_assert(!convolution[0]->packed[0].brief);
    for (int s = 0; s < learnt->n_forward; s++) {
        const pn_packed_slot *slot = &learnt->forward[s].packed[0];
        if (slot->buffer < 0) continue;
        ck_assert_int_eq(learnt->buffers[slot->buffer].first, s);
        ck_assert_int_eq(learnt->buffers[slot->buffer].last, s);
    }
    pn_plan_free(frozen);
    pn_plan_free(learnt);
}
END_TEST

TCase *place_cases(void)
{
    TCase *tc = tcase_create("place");
    tcase_add_loop_test(tc, a_plan_computes_what_its_ops_compute_alone, 0, GROUPS);
    tcase_add_loop_test(tc, values_alive_together_never_share_memory, 0, GROUPS);
    tcase_add_loop_test(tc, recomputing_gives_the_same_bits, 0, GROUPS);
    tcase_add_loop_test(tc, one_thread_and_three_give_the_same_bits, 0, GROUPS);
    tcase_add_loop_test(tc, an_inference_plan_gives_the_outputs_of_a_training_plan_in_less_memory, 0, GROUPS);
    tcase_add_test(tc, recomputing_takes_less_memory);
    tcase_add_test(tc, packed_weights_last_where_they_stay_the_same_and_are_kept_once);
    tcase_add_test(tc, a_chain_in_place_takes_one_buffer);
    tcase_add_test(tc, what_is_made_again_in_backward_has_the_same_bits);
    tcase_add_test(tc, what_waits_for_backward_anyway_is_copied_again);
    tcase_add_test(tc, a_cheap_result_is_made_again_and_does_not_wait);
    tcase_add_test(tc, a_loss_waits_until_its_gradient_is_read);
    tcase_add_test(tc, a_step_that_makes_room_runs_as_soon_as_it_can);
    tcase_add_test(tc, a_loss_of_two_maps_writes_its_gradient_over_the_second);
    return tc;
}
