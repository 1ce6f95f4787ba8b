/* tests/kernels/test_optim.c - lib/kernels/{ref,simd}/optim.c: the same step everywhere, no number beyond the end */
#include "support/guard.h"
#include "support/pntest.h"

enum { MOST = 70 };

typedef struct { pn_guard w, m, v, g; } arrays;

static arrays arrays_of(ptrdiff_t count)
{
    pn_real values[4][MOST];
    for (int i = 0; i < 4; i++) pn_test_random((const char *[]){ "w", "m", "v", "g" }[i], values[i], count);
    for (ptrdiff_t i = 0; i < count; i++) values[2][i] *= values[2][i];
    return (arrays){ pn_guard_copy(values[0], count), pn_guard_copy(values[1], count), pn_guard_copy(values[2], count),
                     pn_guard_copy(values[3], count) };
}

static void step(pn_isa isa, const arrays *a, ptrdiff_t count, double beta1)
{
    const pn_kernels k = pn_kernels_for(isa);
    const pn_adam_dims d = { .rate = 1e-2 / (1 - 0.9), .beta1 = beta1, .beta2 = 0.999, .eps = 1e-8,
                             .root = sqrt(1 - 0.999) };
    k.optim.adam(NULL, a->w.memory, a->m.memory, a->v.memory, a->g.memory, d, count);
}

static void free_arrays(arrays *a)
{
    pn_guard_free(&a->w);
    pn_guard_free(&a->m);
    pn_guard_free(&a->v);
    pn_guard_free(&a->g);
}

static void expect_same(const pn_guard *is, const pn_guard *should, ptrdiff_t count)
{
    const pn_real *a = is->memory, *b = should->memory;
    for (ptrdiff_t i = 0; i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 1e-6 * (0.1 + fabs((double)b[i]))))
            ck_abort_msg("number %td of %td is %.9g, expected %.9g", i, count, (double)a[i], (double)b[i]);
}

/* Of a first moment that is the gradient, too; every sixteenth count ends and begins at a line of the cache. */
START_TEST(adam_and_averages_are_alike_on_every_isa)
{
    const double beta1 = _i ? 0 : 0.9;
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (ptrdiff_t count = 1; count <= MOST; count++) {
        arrays should = arrays_of(count);
        step(PN_ISA_REF, &should, count, beta1);
        for (int i = 0; i < n; i++) {
            arrays is = arrays_of(count);
            step(isas[i], &is, count, beta1);
            expect_same(&is.w, &should.w, count);
            expect_same(&is.m, &should.m, count);
            expect_same(&is.v, &should.v, count);
            pn_guard average = pn_guard_copy(should.v.memory, count);
            pn_kernels_for(PN_ISA_REF).optim.average(NULL, average.memory, should.w.memory, 0.9, count);
            pn_kernels_for(isas[i]).optim.average(NULL, is.v.memory, is.w.memory, 0.9, count);
            expect_same(&is.v, &average, count);
            pn_guard_free(&average);
            free_arrays(&is);
        }
        free_arrays(&should);
    }
}
END_TEST

START_TEST(a_nan_or_infinity_anywhere_is_found)
{
    const pn_real bad[] = { NAN, INFINITY, -INFINITY };
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const pn_kernels k = pn_kernels_for(isas[i]);
        for (ptrdiff_t count = 1; count <= MOST; count++) {
            arrays a = arrays_of(count);
            pn_real *g = a.g.memory;
            ck_assert(k.optim.finite(NULL, g, count));
            for (ptrdiff_t at = 0; at < count; at++) {
                const pn_real held = g[at];
                g[at] = bad[at % 3];
                if (k.optim.finite(NULL, g, count))
                    ck_abort_msg("%s misses number %td of %td", pn_isa_name(isas[i]), at, count);
                g[at] = held;
            }
            free_arrays(&a);
        }
    }
}
END_TEST

START_TEST(a_nan_is_found_whichever_thread_meets_it)
{
    enum { MANY = 200001 };
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_real *g = malloc(MANY * sizeof *g);
    ck_assert_ptr_nonnull(g);
    pn_test_random("g", g, MANY);
    for (int i = 0; i < n; i++) {
        pn_ctx *ctx = pn_test_ctx_new(isas[i], 3);
        const pn_kernels *k = pn_ctx_kernels(ctx);
        ck_assert(k->optim.finite(ctx->pool, g, MANY));
        for (ptrdiff_t at = 0; at < MANY; at += MANY / 8) {
            const pn_real held = g[at];
            g[at] = NAN;
            if (k->optim.finite(ctx->pool, g, MANY)) ck_abort_msg("%s misses number %td", pn_isa_name(isas[i]), at);
            g[at] = held;
        }
        pn_ctx_free(ctx);
    }
    free(g);
}
END_TEST

TCase *optim_cases(void)
{
    TCase *tc = tcase_create("optim");
    tcase_add_loop_test(tc, adam_and_averages_are_alike_on_every_isa, 0, 2);
    tcase_add_test(tc, a_nan_or_infinity_anywhere_is_found);
    tcase_add_test(tc, a_nan_is_found_whichever_thread_meets_it);
    return tc;
}
