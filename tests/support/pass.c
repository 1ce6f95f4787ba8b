/* tests/support/pass.c - one graph around the op under test: recorded between probes, planned, run, its numbers read */
#include "support/pass.h"

#include "graph/params.h"

/* ---- Random numbers ---------------------------------------------------------------------------------------------- */

enum { SEED = 20240917 };
static pn_test_fill *fills[PN_PASS_IN];

void pn_test_fill_input(int i, pn_test_fill *fill) { fills[i] = fill; }

void pn_test_random(const char *stream, pn_real *values, ptrdiff_t count)
{
    pn_rng rng = pn_rng_named(SEED, stream);
    for (ptrdiff_t i = 0; i < count; i++) values[i] = (pn_real)pn_rng_normal(&rng);
}

static pn_real *numbers(ptrdiff_t count)
{
    pn_real *v = malloc((size_t)(count ? count : 1) * sizeof *v);
    if (!v) ck_abort_msg("no memory for %td test numbers", count);
    return v;
}

static void fill_input(int i, bool is_flow, unsigned flags, pn_real *values, pn_shape shape)
{
    char name[16];
    snprintf(name, sizeof name, "in%d", i);
    const ptrdiff_t count = pn_shape_count(shape);
    pn_rng rng = pn_rng_named(SEED, name);
    if (fills[i]) {
        fills[i](&rng, values, shape);
    } else if (is_flow) {
        for (ptrdiff_t k = 0; k < count; k++)
            values[k] = (pn_real)((double)pn_rng_below(&rng, 7) - 3.0 + 0.2 + 0.6 * pn_rng_uniform(&rng));
    } else {
        for (ptrdiff_t k = 0; k < count; k++) {
            const double v = pn_rng_normal(&rng);
            values[k] = (pn_real)((flags & PN_AWAY_FROM_ZERO) ? v + (v < 0 ? -0.1 : 0.1) : v);
        }
    }
}

pn_spec pn_spec_make(pn_test_build *build, const pn_shape *shapes, int n, unsigned flags)
{
    if (n > PN_PASS_IN) ck_abort_msg("%d inputs, the harness takes %d", n, PN_PASS_IN);
    pn_spec s = { .build = build, .shapes = shapes, .n = n, .mode = PN_TRAIN };
    for (int i = 0; i < n; i++) {
        s.value[i] = numbers(pn_shape_count(shapes[i]));
        fill_input(i, (flags & PN_OFF_GRID) && i == n - 1, flags, s.value[i], shapes[i]);
    }
    return s;
}

void pn_spec_free(pn_spec *s)
{
    for (int i = 0; i < s->n; i++) free(s->value[i]);
    free(s->seed);
    memset(fills, 0, sizeof fills);
}

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */

static pn_test_memory shared_memory;                    /* of all contexts of a test */

pn_ctx *pn_test_ctx_new(pn_isa isa, int threads)
{
    char why[256];
    pn_ctx *ctx = pn_ctx_new(
        &(pn_ctx_opt){ .isa = isa, .threads = threads, .allocator = pn_test_allocator(&shared_memory) }, why);
    if (!ctx) ck_abort_msg("no context: %s", why);
    return ctx;
}

pn_ctx *pn_test_ctx(void)
{
    static pn_ctx *ctx;
    if (!ctx) ctx = pn_test_ctx_new(PN_ISA_BEST, 2);
    return ctx;
}

int pn_test_isas(pn_isa isas[PN_ISA_NEON + 1])
{
    const char *wanted = getenv("PN_ISA");
    const pn_isa only = wanted && *wanted ? pn_isa_by_name(wanted) : PN_ISA_BEST;
    int n = 0;
    for (pn_isa isa = PN_ISA_REF; isa <= PN_ISA_NEON; isa++)
        if (pn_isa_available(isa) && (only == PN_ISA_BEST || isa == PN_ISA_REF || isa == only)) isas[n++] = isa;
    return n;
}

void pn_test_every_isa(void (*check)(pn_isa))
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) check(isas[i]);
}

pn_graph *pn_test_graph(void)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    if (!g) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return g;
}

static struct { const pn_graph *g; pn_params *params; } known[16];
enum { KNOWN = sizeof known / sizeof *known };

pn_params *pn_test_params_of(const pn_graph *g)
{
    for (int i = 0; i < KNOWN; i++)
        if (known[i].g == g) return known[i].params;
    return NULL;
}

pn_params *pn_test_params(pn_graph *g)
{
    pn_params *found = pn_test_params_of(g);
    for (int i = 0; i < KNOWN && !found; i++) {
        if (known[i].g) continue;
        known[i].g = g;
        known[i].params = found = pn_params_new(g->ctx);
    }
    if (!found) ck_abort_msg("no parameters to be had for a test graph");
    return found;
}

void pn_test_params_drop(const pn_graph *g)
{
    for (int i = 0; i < KNOWN; i++) {
        if (known[i].g != g) continue;
        pn_params_free(known[i].params);
        known[i].g = NULL;
        known[i].params = NULL;
    }
}

pn_tensor *pn_test_zeros(pn_graph *g, pn_shape shape)
{
    char name[32];
    snprintf(name, sizeof name, "zeros%zu", g->n_tensors);
    return pn_input(g, name, shape, PN_GRAD);
}

void pn_test_refused(const pn_graph *g, pn_status status, const char *part)
{
    if (pn_graph_status(g) != status || !strstr(pn_graph_message(g), part))
        ck_abort_msg("status is %d and the message '%s'; expected %d and '%s' in it", (int)pn_graph_status(g),
                     pn_graph_message(g), (int)status, part);
}

/* ---- A pass ------------------------------------------------------------------------------------------------------ */

static pn_pass *building;

pn_pass *pn_pass_of(const pn_graph *g) { return building && building->g == g ? building : NULL; }

static void record(pn_pass *p, const pn_spec *s, pn_variant v)
{
    pn_tensor *probed[PN_PASS_IN];
    char name[16];
    for (int i = 0; i < s->n; i++) {
        snprintf(name, sizeof name, "in%d", i);
        p->in[i] = pn_input(p->g, name, s->shapes[i], PN_GRAD);
        probed[i] = pn_test_probe(p->g, p->in[i],
                                  v.blocked && s->shapes[i].rank == 4 ? PN_TEST_BLOCKED : PN_TEST_PLANAR);
    }
    building = p;
    pn_tensor *out = s->build(p->g, probed);
    building = NULL;
    if (!out) ck_abort_msg("the builder failed: %s", pn_graph_message(p->g));
    p->result = pn_test_probe(p->g, out, PN_TEST_ANY);
    pn_output(p->g, p->result, PN_GRAD);
    for (int i = 0; v.shared && i < s->n; i++) {
        p->second[i] = pn_test_probe(p->g, probed[i], PN_TEST_ANY);
        pn_output(p->g, p->second[i], PN_GRAD);
    }
    if (pn_graph_status(p->g)) ck_abort_msg("recording failed: %s", pn_graph_message(p->g));
}

static void must(const pn_pass *p, pn_status status, const char *call)
{
    if (status) ck_abort_msg("%s: %s", call, pn_ctx_message(p->ctx));
}

void pn_pass_begin(pn_pass *p, pn_ctx *ctx, const pn_spec *s, pn_variant v)
{
    *p = (pn_pass){ .ctx = ctx, .g = pn_graph_new(ctx), .n = s->n, .golden = s->golden };
    if (!p->g) ck_abort_msg("%s", pn_ctx_message(ctx));
    record(p, s, v);
    pn_params *params = pn_test_params_of(p->g);
    if (params && !s->golden) must(p, pn_params_init(params, SEED), "pn_params_init");
    p->plan = pn_plan_new(p->g, &(pn_plan_opt){ .mode = s->mode, .learn = params });
    if (!p->plan) ck_abort_msg("pn_plan_new: %s", pn_ctx_message(ctx));
    for (int i = 0; i < s->n; i++)
        if (p->plan->live[p->in[i]->index]) must(p, pn_set(p->plan, p->in[i], s->value[i]), "pn_set");
}

void pn_pass_forward(pn_pass *p) { must(p, pn_forward(p->plan), "pn_forward"); }

/* Where no gradient is wanted (all inputs are constants to the op) none can be handed in. */
static void hand(pn_pass *p, pn_tensor *t, const pn_real *values, const char *stream)
{
    if (!t || !p->plan->wants[t->index]) return;
    const ptrdiff_t count = pn_shape_count(t->shape);
    pn_real *drawn = values ? NULL : numbers(count);
    if (drawn) pn_test_random(stream, drawn, count);
    must(p, pn_set_grad(p->plan, t, values ? values : drawn), "pn_set_grad");
    free(drawn);
}

void pn_pass_backward(pn_pass *p, const pn_spec *s)
{
    char name[16];
    hand(p, p->result, s->seed, "seed");
    for (int i = 0; i < p->n; i++) {
        snprintf(name, sizeof name, "seed%d", i);
        hand(p, p->second[i], NULL, name);
    }
    must(p, pn_backward(p->plan), "pn_backward");
}

/* ---- Its numbers ------------------------------------------------------------------------------------------------- */

static pn_real *more(pn_outcome *o, const char *what, const char *name, ptrdiff_t count)
{
    if (o->n == PN_PASS_NUMBERS) ck_abort_msg("more than %d arrays to compare", PN_PASS_NUMBERS);
    pn_numbers *a = &o->of[o->n++];
    snprintf(a->name, sizeof a->name, "%s%s", what, name);
    a->count = count;
    return a->values = numbers(count);
}

static void collect_params(const pn_pass *p, pn_outcome *o)
{
    const pn_params *params = pn_test_params_of(p->g);
    for (int i = 0; params && i < pn_params_count(params); i++) {
        const pn_tensor *t = pn_params_at(params, i);
        const ptrdiff_t count = pn_shape_count(t->shape);
        const pn_real *from = pn_param_is_state(t) ? pn_param_data(t) : pn_param_grad(t);
        if (!from) continue;
        pn_real *to = more(o, pn_param_is_state(t) ? "state " : "gradient of parameter ", pn_tensor_name(t), count);
        memcpy(to, from, (size_t)count * sizeof *to);
    }
}

void pn_pass_collect(pn_pass *p, pn_outcome *o)
{
    *o = (pn_outcome){ .n = 0 };
    pn_real *result = more(o, "the result", "", pn_shape_count(p->result->shape));
    must(p, pn_get(p->plan, p->result, result), "pn_get");
    for (int i = 0; i < p->n_also; i++) {
        pn_real *to = more(o, "also ", p->also[i].key, pn_shape_count(p->also[i].t->shape));
        must(p, pn_get(p->plan, p->also[i].t, to), "pn_get");
    }
    for (int i = 0; p->plan->mode == PN_TRAIN && i < p->n; i++) {
        pn_real *to = more(o, "the gradient of ", pn_tensor_name(p->in[i]), pn_shape_count(p->in[i]->shape));
        if (p->plan->live[p->in[i]->index]) must(p, pn_get_grad(p->plan, p->in[i], to), "pn_get_grad");
        else memset(to, 0, (size_t)pn_shape_count(p->in[i]->shape) * sizeof *to);
    }
    collect_params(p, o);
}

void pn_pass_end(pn_pass *p)
{
    pn_plan_free(p->plan);
    pn_test_params_drop(p->g);
    pn_graph_free(p->g);
    *p = (pn_pass){ .n = 0 };
}

void pn_outcome_free(pn_outcome *o)
{
    for (int i = 0; i < o->n; i++) free(o->of[i].values);
    o->n = 0;
}

pn_outcome pn_pass_run(pn_ctx *ctx, const pn_spec *s, pn_variant v)
{
    pn_pass p;
    pn_outcome o;
    pn_pass_begin(&p, ctx, s, v);
    pn_pass_forward(&p);
    if (s->mode == PN_TRAIN) pn_pass_backward(&p, s);
    pn_pass_collect(&p, &o);
    pn_pass_end(&p);
    return o;
}

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

double pn_relative_error(const pn_real *is, const pn_real *expected, ptrdiff_t count)
{
    double squares = 0, worst = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double d = fabs((double)is[i] - (double)expected[i]);
        if (!(d <= INFINITY)) return INFINITY;
        if (d > worst) worst = d;
        squares += (double)expected[i] * (double)expected[i];
    }
    return worst / (squares > 0 ? sqrt(squares / (double)count) : 1);
}

void pn_expect_close(const char *name, const pn_real *is, const pn_real *expected, ptrdiff_t count, double tol,
                     const char *where)
{
    const double error = pn_relative_error(is, expected, count);
    if (getenv("PN_TEST_VERBOSE")) printf("%-40s %-32s error %.2e of %.0e\n", where, name, error, tol);
    if (error <= tol) return;
    ptrdiff_t at = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double d = fabs((double)is[i] - (double)expected[i]), worst = fabs((double)is[at] - (double)expected[at]);
        if (!(d <= worst)) at = i;
        if (isnan(d)) break;
    }
    ck_abort_msg("%s: %s is off by %.3g of its rms, tolerance %.1g; number %td of %td is %.9g, expected %.9g", where,
                 name, error, tol, at, count, (double)is[at], (double)expected[at]);
}
