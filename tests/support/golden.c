/* tests/support/golden.c - comparing with the numbers PyTorch gave: tests/golden/ops.safetensors, for cases called graph/…
 * graph.safetensors */
#include "support/pass.h"

#include "io/io.h"

static pn_safetensors file;
static bool is_open;

static const char *path_of(const char *name)
{
    return strncmp(name, "graph/", 6) == 0 ? PN_TEST_DATA "/golden/graph.safetensors" : PN_TEST_DATA "/golden/ops.safetensors";
}

static const pn_st_tensor *find(const char *name, const char *key)
{
    if (!is_open) {
        if (pn_safetensors_read(pn_test_ctx(), path_of(name), &file))
            ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        is_open = true;
    }
    char full[128];
    snprintf(full, sizeof full, "%s/%s", name, key);
    return pn_safetensors_find(&file, full);
}

static const pn_st_tensor *expect(const char *name, const char *key)
{
    const pn_st_tensor *t = find(name, key);
    if (!t) ck_abort_msg("there is no %s/%s in %s; see golden/README.md for the cases", name, key, path_of(name));
    return t;
}

static pn_real *reals(const pn_st_tensor *t)
{
    pn_real *v = malloc((size_t)(t->count ? t->count : 1) * sizeof *v);
    pn_st_reals(t, 0, t->count, v);
    return v;
}

static pn_shape shape_of(const pn_st_tensor *t) { return t->shape.rank ? t->shape : pn_shape1(1); }

/* ---- What a builder can ask for ---------------------------------------------------------------------------------- */

static pn_pass *asking(const pn_graph *g, const char *call)
{
    pn_pass *p = pn_pass_of(g);
    if (!p || !p->golden) ck_abort_msg("%s is for builders of golden cases", call);
    return p;
}

static void keep(pn_extra *list, int *n, pn_tensor *t, const char *key)
{
    if (*n == PN_PASS_EXTRA) ck_abort_msg("more than %d extra tensors in a golden case", PN_PASS_EXTRA);
    list[*n].t = t;
    snprintf(list[(*n)++].key, sizeof list->key, "%s", key ? key : "");
}

pn_tensor *pn_test_golden_input(pn_graph *g, const char *key, pn_shape shape)
{
    pn_pass *p = asking(g, "pn_test_golden_input");
    const pn_st_tensor *t = expect(p->golden, key);
    if (shape.rank && pn_shape_count(shape) != t->count) ck_abort_msg("%s has %td numbers", key, t->count);
    pn_tensor *in = pn_input(g, key, shape.rank ? shape : shape_of(t), PN_CONST);
    keep(p->input, &p->n_input, in, key);
    return in;
}

pn_tensor *pn_test_golden_state(pn_graph *g, const char *before, const char *after)
{
    pn_pass *p = asking(g, "pn_test_golden_state");
    const pn_st_tensor *t = expect(p->golden, before);
    pn_tensor *state = pn_state(pn_test_params(g), before, shape_of(t), (pn_init){ PN_INIT_CONSTANT, 0 });
    if (!state) ck_abort_msg("%s", pn_ctx_message(g->ctx));
    pn_real *values = reals(t);
    pn_param_set(state, values);
    free(values);
    keep(p->state, &p->n_state, state, after);
    return state;
}

void pn_test_golden_also(pn_graph *g, pn_tensor *t, const char *key)
{
    pn_pass *p = asking(g, "pn_test_golden_also");
    if (!t) ck_abort_msg("%s: %s", key, pn_graph_message(g));
    pn_output(g, t, PN_CONST);
    keep(p->also, &p->n_also, t, key);
}

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

static void close_to(const char *name, const char *key, const pn_real *is, ptrdiff_t count, double tol,
                     const char *where)
{
    const pn_st_tensor *t = expect(name, key);
    if (t->count != count) ck_abort_msg("%s: %s/%s has %td numbers, this is %td", where, name, key, t->count, count);
    pn_real *should = reals(t);
    pn_expect_close(key, is, should, count, tol, where);
    free(should);
}

static void compare(pn_pass *p, const char *name, double tol, const char *where)
{
    pn_outcome o;
    char key[64];
    pn_pass_collect(p, &o);
    close_to(name, "out", o.of[0].values, o.of[0].count, tol, where);
    for (int i = 0; i < p->n_also; i++)
        close_to(name, p->also[i].key, o.of[1 + i].values, o.of[1 + i].count, tol, where);
    for (int i = 0; p->plan->mode == PN_TRAIN && i < p->n; i++) {
        const pn_numbers *g = &o.of[1 + p->n_also + i];
        snprintf(key, sizeof key, "grad%d", i);
        if (find(name, key)) close_to(name, key, g->values, g->count, tol, where);
    }
    for (int i = 0; i < p->n_state; i++)
        if (*p->state[i].key)
            close_to(name, p->state[i].key, pn_param_data(p->state[i].t), pn_shape_count(p->state[i].t->shape), tol,
                     where);
    pn_outcome_free(&o);
}

static void run(pn_ctx *ctx, const pn_spec *s, pn_variant v, double tol)
{
    char where[128];
    snprintf(where, sizeof where, "%s, %s, %s", s->golden, pn_isa_name(pn_ctx_isa(ctx)),
             v.blocked ? "blocked" : "planar");
    pn_pass p;
    pn_pass_begin(&p, ctx, s, v);
    for (int i = 0; i < p.n_input; i++) {
        pn_real *values = reals(expect(s->golden, p.input[i].key));
        if (pn_set(p.plan, p.input[i].t, values)) ck_abort_msg("%s", pn_ctx_message(ctx));
        free(values);
    }
    pn_pass_forward(&p);
    if (s->mode == PN_TRAIN) pn_pass_backward(&p, s);
    compare(&p, s->golden, tol, where);
    pn_pass_end(&p);
}

static void golden(pn_test_build *build, int n, const char *name, double tol, pn_mode mode)
{
    pn_shape shapes[PN_PASS_IN];
    char key[64];
    if (n > PN_PASS_IN) ck_abort_msg("%d inputs, the harness takes %d", n, PN_PASS_IN);
    pn_spec s = { .build = build, .shapes = shapes, .n = n, .mode = mode, .golden = name };
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "in%d", i);
        shapes[i] = shape_of(expect(name, key));
        s.value[i] = reals(expect(name, key));
    }
    if (mode == PN_TRAIN) s.seed = reals(expect(name, "seed"));
    pn_ctx *reference = pn_test_ctx_new(PN_ISA_REF, 1);
    for (int blocked = 0; blocked < 2; blocked++) {
        run(reference, &s, (pn_variant){ .blocked = blocked }, tol);
        run(pn_test_ctx(), &s, (pn_variant){ .blocked = blocked }, tol);
    }
    pn_ctx_free(reference);
    pn_spec_free(&s);
    pn_safetensors_free(pn_test_ctx(), &file);
    is_open = false;
}

void pn_test_golden(pn_test_build *build, int n, const char *name, double tol)
{
    golden(build, n, name, tol, PN_TRAIN);
}
void pn_test_golden_infer(pn_test_build *build, int n, const char *name, double tol)
{
    golden(build, n, name, tol, PN_INFER);
}
