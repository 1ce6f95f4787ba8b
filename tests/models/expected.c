/* tests/models/expected.c - see expected.h */
#include "models/expected.h"

#include "models/formula.h"
#include "support/pntest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pn_safetensors expected_open(const char *name)
{
    pn_safetensors st;
    char path[512];
    snprintf(path, sizeof path, "%s/golden/%s.safetensors", PN_TEST_DATA, name);
    if (pn_safetensors_read(pn_test_ctx(), path, &st)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return st;
}

double *expected_find(const pn_safetensors *f, const char *key, ptrdiff_t *count)
{
    const pn_st_tensor *t = pn_safetensors_find(f, key);
    if (!t) return NULL;
    double *v = malloc((size_t)t->count * sizeof *v);
    pn_st_doubles(t, 0, t->count, v);
    *count = t->count;
    return v;
}

static double length_of(const double *v, ptrdiff_t n)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) sum += v[i] * v[i];
    return sqrt(sum);
}

/* Length, and products with three vectors made from the name: how far off they are, in lengths of what is expected. */
static double off_by_sums(const double *want, const char *name, const double *got, ptrdiff_t n)
{
    double worst = fabs(length_of(got, n) - want[0]);
    for (int k = 0; k < 3; k++) {
        char probe[256];
        double sum = 0, squares = 0;
        snprintf(probe, sizeof probe, "probe%d:%s", k, name);
        for (ptrdiff_t i = 0; i < n; i++) {
            const double u = formula_u(probe, i);
            sum += u * got[i];
            squares += u * u;
        }
        worst = fmax(worst, fabs(sum - want[1 + k]) / sqrt(squares) * sqrt(3));
    }
    return worst / want[0];
}

static double off_by_values(const double *want, const double *got, ptrdiff_t n, bool by_length)
{
    double worst = 0, largest = 0, squares = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double d = got[i] - want[i];
        squares += d * d;
        worst = fmax(worst, fabs(d));
        largest = fmax(largest, fabs(want[i]));
    }
    return by_length ? sqrt(squares) / length_of(want, n) : worst / largest;
}

/* Values of a stage, stored whole or as sums. */
void expect_values(const pn_safetensors *f, const char *where, const char *name, const double *got, ptrdiff_t n, double tol)
{
    char key[256];
    ptrdiff_t count;
    snprintf(key, sizeof key, "%s/%s", where, name);
    double *want = expected_find(f, key, &count), off;
    if (want) {
        ck_assert_msg(count == n, "%s has %td numbers, not %td", key, count, n);
        off = off_by_values(want, got, n, false);
    } else {
        snprintf(key, sizeof key, "%s/sum/%s", where, name);
        want = expected_find(f, key, &count);
        ck_assert_msg(want != NULL, "there is no %s", key);
        off = off_by_sums(want, name, got, n);
    }
    ck_assert_msg(off <= tol, "%s is off by %.3g, %.3g allowed", key, off, tol);
    free(want);
}

double *plan_values(const pn_plan *p, const pn_tensor *t, ptrdiff_t *n)
{
    *n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = malloc((size_t)*n * sizeof *v);
    double *out = malloc((size_t)*n * sizeof *out);
    ck_assert_int_eq(pn_get(p, t, v), PN_OK);
    for (ptrdiff_t i = 0; i < *n; i++) out[i] = (double)v[i];
    free(v);
    return out;
}

void expect_output(const pn_safetensors *f, const char *where, const char *name, const pn_plan *p, const pn_tensor *t, double tol)
{
    ptrdiff_t n;
    if (!t) return;
    double *got = plan_values(p, t, &n);
    expect_values(f, where, name, got, n, tol);
    free(got);
}

pn_real *expected_reals(const pn_safetensors *f, const char *key)
{
    const pn_st_tensor *t = pn_safetensors_find(f, key);
    ck_assert_msg(t != NULL, "there is no %s", key);
    pn_real *r = malloc((size_t)t->count * sizeof *r);
    pn_st_reals(t, 0, t->count, r);
    return r;
}

/* ---- Gradients --------------------------------------------------------------------------------------------------------- */

static double largest_of(const pn_adam *adam, const pn_params *p, double beta1)
{
    double largest = 0;
    for (int k = 0; k < pn_params_count(p); k++) {
        const pn_tensor *t = pn_params_at(p, k);
        if (pn_param_is_state(t)) continue;
        const pn_real *m = pn_adam_moment1((pn_adam *)adam, t);
        for (ptrdiff_t i = 0; i < pn_shape_count(pn_tensor_shape(t)); i++)
            largest = fmax(largest, fabs((double)m[i]) / (1 - beta1));
    }
    return largest;
}

/* One parameter's gradient, where the file has it. A bias that only a norm follows has none in truth. */
static bool expect_gradient(const pn_safetensors *f, const expected_gradients *e, const char *name, const double *got,
                            ptrdiff_t n, double largest)
{
    char key[512];
    ptrdiff_t count;
    snprintf(key, sizeof key, "%s/grad.%s/%s", e->where, e->part, name);
    double *want = expected_find(f, key, &count), off;
    const bool whole = want != NULL;
    if (!whole) snprintf(key, sizeof key, "%s/sum.%s/%s", e->where, e->part, name);
    if (!whole && !(want = expected_find(f, key, &count))) return false;
    if (length_of(want, count) == 0) {
        for (ptrdiff_t i = 0; i < n; i++) ck_assert_msg(fabs(got[i]) <= 2e-5 * largest, "%s is zero in truth", key);
        free(want);
        return true;
    }
    off = whole ? off_by_values(want, got, n, true) : off_by_sums(want, name, got, n);
    const double allowed = e->but && strcmp(name, e->but) == 0 ? e->its_tol : e->tol;
    ck_assert_msg(off <= allowed, "%s is off by %.3g relative L2, %.3g allowed", key, off, allowed);
    free(want);
    return true;
}

int expect_gradients(const pn_safetensors *f, const expected_gradients *e, pn_adam *adam, const pn_params *p)
{
    const double largest = largest_of(adam, p, e->beta1);
    int compared = 0;
    for (int k = 0; k < pn_params_count(p); k++) {
        const pn_tensor *w = pn_params_at(p, k);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(w));
        char name[256];
        if (pn_param_is_state(w)) continue;
        const size_t left_off = e->without && strncmp(pn_tensor_name(w), e->without, strlen(e->without)) == 0 ? strlen(e->without) : 0;
        snprintf(name, sizeof name, "%s%s", e->prefix, pn_tensor_name(w) + left_off);
        double *got = malloc((size_t)n * sizeof *got);
        for (ptrdiff_t i = 0; i < n; i++) got[i] = (double)pn_adam_moment1(adam, w)[i] / (1 - e->beta1);
        compared += expect_gradient(f, e, name, got, n, largest);
        free(got);
    }
    return compared;
}

/* How many gradients of a part the file has. */
int stored_gradients(const pn_safetensors *f, const char *where, const char *part)
{
    char whole[128], sum[128];
    int n = 0;
    snprintf(whole, sizeof whole, "%s/grad.%s/", where, part);
    snprintf(sum, sizeof sum, "%s/sum.%s/", where, part);
    for (size_t i = 0; i < f->count; i++)
        n += strncmp(f->tensors[i].name, whole, strlen(whole)) == 0 ||
             strncmp(f->tensors[i].name, sum, strlen(sum)) == 0;
    return n;
}

const char *narrow_vgg(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/pn_vgg_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    pn_params *p = pn_params_new(pn_test_ctx());
    const pn_scope top = pn_scope_top(p, (pn_init){ PN_INIT_CONSTANT, 0 });
    pn_vgg19_make(&top, 4);
    formula_fill(p, "", NULL);
    const pn_part part = { "", p, NULL };
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), path, &part, 1, NULL, 0), PN_OK);
    pn_params_free(p);
    return path;
}

pn_model *tiny_model(const char *name, const char *task, const char *set, double tau)
{
    static char words[8][64];
    const char *list[8];
    int n = 0;
    snprintf(words[n++], sizeof *words, "tau=%g", tau);
    snprintf(words[n++], sizeof *words, "tau_start=%g", tau);
    for (const char *at = set ? set : ""; *at; at += strspn(at, " ")) {
        const int length = (int)strcspn(at, " ");
        snprintf(words[n++], sizeof *words, "%.*s", length, at);
        at += length;
    }
    for (int i = 0; i < n; i++) list[i] = words[i];
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = name, .preset = "tiny", .task = task, .set = list, .n_set = n });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return m;
}

void param_fill(pn_tensor *t, double value)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)value;
    pn_param_set(t, v);
    free(v);
}
