/* tests/support/pntest.c - the tests of every op: parity between instruction sets and threads, gradients by
 * differences */
#include "support/pass.h"

/* ---- Every variant a spec allows --------------------------------------------------------------------------------- */

static int variants_of(const pn_spec *s, pn_variant out[4])
{
    bool maps = false;
    for (int i = 0; i < s->n; i++) maps = maps || s->shapes[i].rank == 4;
    int n = 0;
    for (int shared = 0; shared < 2; shared++)
        for (int blocked = 0; blocked < (maps ? 2 : 1); blocked++)
            out[n++] = (pn_variant){ .blocked = blocked, .shared = shared };
    return n;
}

static const char *describe(char text[128], const pn_ctx *ctx, pn_variant v)
{
    snprintf(text, 128, "%s, %d thread%s, %s%s", pn_isa_name(pn_ctx_isa(ctx)), pn_ctx_threads(ctx),
             pn_ctx_threads(ctx) > 1 ? "s" : "", v.blocked ? "blocked" : "planar", v.shared ? ", shared inputs" : "");
    return text;
}

/* ---- Parity ------------------------------------------------------------------------------------------------------ */

static void same_numbers(const pn_outcome *is, const pn_outcome *expected, double tol, const char *where)
{
    if (is->n != expected->n) ck_abort_msg("%s: %d arrays, expected %d", where, is->n, expected->n);
    for (int i = 0; i < is->n; i++)
        pn_expect_close(is->of[i].name, is->of[i].values, expected->of[i].values, is->of[i].count, tol, where);
}

static void same_bytes(const pn_outcome *a, const pn_outcome *b, const char *where)
{
    for (int i = 0; i < a->n; i++)
        if (memcmp(a->of[i].values, b->of[i].values, (size_t)a->of[i].count * sizeof(pn_real)) != 0)
            ck_abort_msg("%s: %s differs from that of one thread", where, a->of[i].name);
}

void pn_test_parity(pn_test_build *build, const pn_shape *shapes, int n, double tol)
{
    pn_spec s = pn_spec_make(build, shapes, n, 0);
    pn_variant variants[4];
    const int n_variants = variants_of(&s, variants);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n_isas = pn_test_isas(isas);
    pn_outcome expected[2] = { { .n = 0 }, { .n = 0 } }; /* alone and shared: reference kernels, planar, one thread */
    char where[128];
    for (int i = 0; i < n_isas; i++) {
        pn_ctx *one = pn_test_ctx_new(isas[i], 1), *two = pn_test_ctx_new(isas[i], 2);
        for (int v = 0; v < n_variants; v++) {
            pn_outcome *should = &expected[variants[v].shared], a = pn_pass_run(one, &s, variants[v]);
            if (isas[i] != PN_ISA_REF || v == 0) {      /* reference kernels are slow, and one thread runs them */
                pn_outcome b = pn_pass_run(two, &s, variants[v]);
                same_bytes(&a, &b, describe(where, two, variants[v]));
                pn_outcome_free(&b);
            }
            if (!should->n) {
                *should = a;
                continue;
            }
            same_numbers(&a, should, tol, describe(where, one, variants[v]));
            pn_outcome_free(&a);
        }
        pn_ctx_free(one);
        pn_ctx_free(two);
    }
    pn_outcome_free(&expected[0]);
    pn_outcome_free(&expected[1]);
    pn_spec_free(&s);
}

static void same_with_threads(const pn_spec *s, pn_isa isa, pn_variant v)
{
    static const int threads[] = { 2, 3, 8 };
    char where[128];
    pn_ctx *one = pn_test_ctx_new(isa, 1);
    pn_outcome should = pn_pass_run(one, s, v);
    for (int t = 0; t < 3; t++) {
        pn_ctx *more = pn_test_ctx_new(isa, threads[t]);
        pn_outcome is = pn_pass_run(more, s, v);
        same_bytes(&is, &should, describe(where, more, v));
        pn_outcome_free(&is);
        pn_ctx_free(more);
    }
    pn_outcome_free(&should);
    pn_ctx_free(one);
}

void pn_test_threads(pn_test_build *build, const pn_shape *shapes, int n)
{
    pn_spec s = pn_spec_make(build, shapes, n, 0);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n_isas = pn_test_isas(isas);
    for (int i = 0; i < n_isas; i++)
        for (int blocked = 0; blocked < 2; blocked++) same_with_threads(&s, isas[i], (pn_variant){ .blocked = blocked });
    pn_spec_free(&s);
}

/* ---- Gradients by differences ------------------------------------------------------------------------------------ */

#ifdef PN_REAL_DOUBLE
enum { SINGLES = 24, DIRECTIONS = 3 };
static const double STEP = 1e-5;    /* truncation ~ STEP^2, rounding ~ 1e-16 / STEP: both about 1e-10 */

/* Something the loss depends on: an input or a parameter. */
typedef struct { pn_tensor *t; ptrdiff_t count; pn_real *value; const pn_real *gradient; const char *name; } knob;

typedef struct {
    pn_pass pass;
    pn_plan *plan;                  /* that differences are taken with */
    pn_real *seed, *result;
    ptrdiff_t count;
    pn_real *state[PN_PASS_NUMBERS];/* what each state is before every forward, by index in the parameters */
} differ;

static void turn(differ *d, const knob *k)
{
    if (k->t->kind == PN_TENSOR_PARAM) pn_param_set(k->t, k->value);
    else ck_assert_int_eq(pn_set(d->plan, k->t, k->value), PN_OK);
}

static double loss(differ *d)
{
    const pn_params *params = pn_test_params_of(d->pass.g);
    for (int i = 0; params && i < pn_params_count(params); i++)
        if (d->state[i]) pn_param_set(pn_params_at(params, i), d->state[i]);
    ck_assert_int_eq(pn_forward(d->plan), PN_OK);
    ck_assert_int_eq(pn_get(d->plan, d->pass.result, d->result), PN_OK);
    double sum = 0;
    for (ptrdiff_t i = 0; i < d->count; i++) sum += (double)d->seed[i] * (double)d->result[i];
    return sum;
}

/* Slope along `direction` (over all numbers) or, if that is NULL, along number `at`. */
static double slope(differ *d, const knob *k, const pn_real *direction, ptrdiff_t at)
{
    const size_t bytes = (size_t)k->count * sizeof(pn_real);
    pn_real *held = malloc(bytes);
    memcpy(held, k->value, bytes);
    double side[2];
    for (int s = 0; s < 2; s++) {
        const double h = s ? STEP : -STEP;
        for (ptrdiff_t i = 0; i < k->count; i++)
            k->value[i] = (pn_real)((double)held[i] + h * (direction ? (double)direction[i] : i == at ? 1.0 : 0.0));
        turn(d, k);
        side[s] = loss(d);
    }
    memcpy(k->value, held, bytes);
    turn(d, k);
    free(held);
    return (side[1] - side[0]) / (2 * STEP);
}

/* |differences - gradient| over |gradient|, both restricted to the numbers and directions tried. Gradients that
 * are zero but for rounding (a bias in front of a norm) are compared with 1e-2. */
static void compare_slopes(differ *d, const knob *k)
{
    pn_real *direction = malloc((size_t)k->count * sizeof *direction);
    pn_rng rng = pn_rng_named(7, k->name);
    double off = 0, norm = 0, worst = -1, worst_is = 0, worst_should = 0;
    const ptrdiff_t singles = k->count < SINGLES ? k->count : SINGLES;
    for (ptrdiff_t i = 0; i < singles + DIRECTIONS; i++) {
        const bool single = i < singles;
        const ptrdiff_t at = k->count <= SINGLES ? i : pn_rng_below(&rng, k->count);
        const double scale = 1 / sqrt((double)k->count);
        double is = single ? (double)k->gradient[at] : 0;
        for (ptrdiff_t j = 0; !single && j < k->count; j++) {
            direction[j] = (pn_real)(scale * pn_rng_normal(&rng));
            is += (double)direction[j] * (double)k->gradient[j];
        }
        const double should = slope(d, k, single ? NULL : direction, at), e = fabs(is - should);
        off += e * e;
        norm += should * should;
        if (!(e <= worst)) worst = e, worst_is = is, worst_should = should;
    }
    free(direction);
    const double floor = 1e-2 * sqrt((double)(singles + DIRECTIONS));
    const double error = sqrt(off) / fmax(sqrt(norm), floor);
    if (getenv("PN_TEST_VERBOSE")) printf("%-40s differences, error %.2e\n", k->name, error);
    if (!(error <= PN_TOL_DIFFERENCES))
        ck_abort_msg("%s is off by %.3g of its norm, tolerance %.0e; the worst is %.9g, by differences %.9g", k->name,
                     error, PN_TOL_DIFFERENCES, worst_is, worst_should);
}

static const pn_numbers *numbers_named(const pn_outcome *o, const char *what, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", what, name);
    for (int i = 0; i < o->n; i++)
        if (strcmp(o->of[i].name, full) == 0) return &o->of[i];
    return NULL;
}

static pn_real *copy_of(const pn_real *values, ptrdiff_t count)
{
    pn_real *copy = malloc((size_t)count * sizeof *copy);
    return memcpy(copy, values, (size_t)count * sizeof *copy);
}

static void compare_inputs(differ *d, const pn_spec *s, const pn_outcome *o, unsigned flags)
{
    for (int i = 0; i < s->n; i++) {
        const pn_numbers *g = numbers_named(o, "the gradient of ", pn_tensor_name(d->pass.in[i]));
        const knob k = { d->pass.in[i], g->count, s->value[i], g->values, g->name };
        if (!(flags & PN_NO_GRAD(i))) {
            compare_slopes(d, &k);
            continue;
        }
        for (ptrdiff_t j = 0; j < g->count; j++)
            if (g->values[j] != 0)
                ck_abort_msg("%s is %g at %td; this input gets none", g->name, (double)g->values[j], j);
    }
}

static void compare_params(differ *d, const pn_outcome *o)
{
    const pn_params *params = pn_test_params_of(d->pass.g);
    for (int i = 0; params && i < pn_params_count(params); i++) {
        pn_tensor *t = pn_params_at(params, i);
        const pn_numbers *g = numbers_named(o, "gradient of parameter ", pn_tensor_name(t));
        if (pn_param_is_state(t)) continue;
        if (!g) ck_abort_msg("no gradient reached the parameter %s", pn_tensor_name(t));
        const knob k = { t, g->count, copy_of(pn_param_data(t), g->count), g->values, g->name };
        compare_slopes(d, &k);
        free(k.value);
    }
}

/* The state before the forward, or after it: what differences are taken with. */
static void keep_state(differ *d)
{
    const pn_params *params = pn_test_params_of(d->pass.g);
    for (int i = 0; params && i < pn_params_count(params); i++) {
        const pn_tensor *t = pn_params_at(params, i);
        if (!pn_param_is_state(t)) continue;
        free(d->state[i]);
        d->state[i] = copy_of(pn_param_data(t), pn_shape_count(t->shape));
    }
}

static pn_outcome against_differences(pn_ctx *ctx, const pn_spec *s, unsigned flags)
{
    differ d = { .count = 0 };
    pn_outcome o;
    pn_pass_begin(&d.pass, ctx, s, (pn_variant){ 0 });
    keep_state(&d);
    pn_pass_forward(&d.pass);
    pn_pass_backward(&d.pass, s);
    pn_pass_collect(&d.pass, &o);
    pn_plan *frozen = NULL;
    if (flags & PN_FROZEN_STATE) {
        keep_state(&d);
        frozen = pn_plan_new(d.pass.g, &(pn_plan_opt){ .mode = PN_INFER });
        if (!frozen) ck_abort_msg("%s", pn_ctx_message(ctx));
        for (int i = 0; i < s->n; i++)
            if (frozen->live[d.pass.in[i]->index]) ck_assert_int_eq(pn_set(frozen, d.pass.in[i], s->value[i]), PN_OK);
    }
    d.plan = frozen ? frozen : d.pass.plan;
    d.count = pn_shape_count(d.pass.result->shape);
    d.seed = malloc((size_t)d.count * sizeof *d.seed);
    d.result = malloc((size_t)d.count * sizeof *d.result);
    pn_test_random("seed", d.seed, d.count);
    compare_inputs(&d, s, &o, flags);
    compare_params(&d, &o);
    for (int i = 0; i < PN_PASS_NUMBERS; i++) free(d.state[i]);
    free(d.seed);
    free(d.result);
    pn_plan_free(frozen);
    pn_pass_end(&d.pass);
    return o;
}

/* What the second readers have added to the gradients of the inputs. */
static void take_off_seeds(pn_outcome *o, const pn_spec *s)
{
    for (int i = 0; i < s->n; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        const pn_numbers *g = numbers_named(o, "the gradient of ", name);
        pn_real *added = malloc((size_t)g->count * sizeof *added);
        snprintf(name, sizeof name, "seed%d", i);
        pn_test_random(name, added, g->count);
        for (ptrdiff_t j = 0; j < g->count; j++) g->values[j] -= added[j];
        free(added);
    }
}

/* In double only the order of sums may differ between variants, and the rounding of what was added and taken off. */
static void same_gradients(const pn_outcome *is, const pn_outcome *expected, const char *where)
{
    for (int i = 0; i < is->n; i++)
        for (ptrdiff_t j = 0; j < is->of[i].count; j++) {
            const double a = (double)is->of[i].values[j], b = (double)expected->of[i].values[j];
            if (!(fabs(a - b) <= 1e-11 * (10 + fabs(b))))
                ck_abort_msg("%s: %s is %.12g at %td, planar and alone %.12g", where, is->of[i].name, a, j, b);
        }
}

void pn_test_gradients(pn_test_build *build, const pn_shape *shapes, int n, unsigned flags)
{
    pn_spec s = pn_spec_make(build, shapes, n, flags);
    pn_ctx *ctx = pn_test_ctx_new(PN_ISA_REF, 1);
    pn_variant variants[4];
    const int n_variants = variants_of(&s, variants);
    pn_outcome expected = against_differences(ctx, &s, flags);
    for (int v = 1; v < n_variants; v++) {
        char where[128];
        pn_outcome o = pn_pass_run(ctx, &s, variants[v]);
        if (variants[v].shared) take_off_seeds(&o, &s);
        same_gradients(&o, &expected, describe(where, ctx, variants[v]));
        pn_outcome_free(&o);
    }
    pn_outcome_free(&expected);
    pn_ctx_free(ctx);
    pn_spec_free(&s);
}
#else
void pn_test_gradients(pn_test_build *build, const pn_shape *shapes, int n, unsigned flags)
{
    (void)build; (void)shapes; (void)n; (void)flags;
    for (int i = 0; i < PN_PASS_IN; i++) pn_test_fill_input(i, NULL);
}
#endif
