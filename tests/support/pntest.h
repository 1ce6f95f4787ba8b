/* pntest.h - what the tests of ops share: run a small graph everywhere, compare, differentiate by differences,
 * refuse
 *
 * A test hands over a builder, the shapes of its inputs and how far results may differ. The harness records the op
 * between probes: copies that force a layout (planar or channel blocks), let the op run in place, and check that
 * lanes past the last channel stay zero, in values and in gradients. All memory of its contexts is filled with NaN
 * before use, so that what reads a number nobody wrote shows. In `shared` variants each input has a second reader,
 * so the op must add its gradients to what is there.
 *
 * Check runs each test in a process of its own; what lives in statics lives for one test.
 */
#ifndef PNTEST_H
#define PNTEST_H

#include "ops/op.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tolerances: largest difference over the root mean square of what is expected -------------------------------- */

#define PN_TOL_EXACT 0.0            /* copies, selections: no arithmetic, or the same single rounding */
#define PN_TOL_SUM4  1e-6           /* a few float roundings (6e-8 each) of numbers up to four times the rms */
#define PN_TOL_EXP   4e-6           /* exp, tanh, erf in float: some 4 ulp, then products or a short sum */
#define PN_TOL_SUM   2e-5           /* sums of some hundred products in float, in another order than the reference */
#define PN_TOL_LONG  1e-4           /* sums of many thousand, and differences of such sums (variances) */
#define PN_TOL_DIFFERENCES 1e-6     /* gradients in double against central differences */

/* ---- The three tests of every op --------------------------------------------------------------------------------- */

/* Records the op under test over in[0] .. in[n-1] (inputs that want gradients) and returns its result. It runs once per
 * context and layout, so it keeps nothing. */
typedef pn_tensor *pn_test_build(pn_graph *g, pn_tensor *const in[]);

/* The same result and gradients (inputs, parameters and state of pn_test_params too) on every instruction set as
 * with the reference kernels, in either layout, within tol; and with one and two threads the same bytes. */
void pn_test_parity(pn_test_build *build, const pn_shape *shapes, int n, double tol);

/* On every instruction set 1, 2, 3 and 8 threads give the same bytes. The shapes are large enough for all to have work. */
void pn_test_threads(pn_test_build *build, const pn_shape *shapes, int n);

/* Gradients against central differences in double, over single numbers and random directions of every input and
 * parameter, and the same gradients in every layout and with shared inputs. Does nothing in the float build, which
 * lacks the digits. */
void pn_test_gradients(pn_test_build *build, const pn_shape *shapes, int n, unsigned flags);
enum {
    PN_AWAY_FROM_ZERO = 1, /* every |x| above 0.1: a kink at 0 */
    PN_OFF_GRID = 2,       /* the last input is a flow: fractional parts in [0.2, 0.8] */
    PN_FROZEN_STATE = 4    /* differences by an inference plan, with the state that the training forward left */
};
#define PN_NO_GRAD(i) (256u << (i)) /* input i gets no gradient: it is all zeros, and no differences are taken */

/* Result and gradients of the case in tests/golden/ops.safetensors: inputs <name>/in0 .., compared with <name>/out
 * and whichever <name>/grad0 .. there are, in either layout. _infer: an inference plan, and the result alone. */
void pn_test_golden(pn_test_build *build, int n, const char *name, double tol);
void pn_test_golden_infer(pn_test_build *build, int n, const char *name, double tol);
/* For builders of golden cases. A constant input whose values are <name>/<key>; its shape is the file's, or
 * `shape` with as many numbers when rank > 0. */
pn_tensor *pn_test_golden_input(pn_graph *g, const char *key, pn_shape shape);
/* State that begins as <name>/<before>, and is compared with <name>/<after> when the forward has run (NULL: it is
 * not). */
pn_tensor *pn_test_golden_state(pn_graph *g, const char *before, const char *after);
/* Compare t (what an op saves, say) with <name>/<key> too. */
void pn_test_golden_also(pn_graph *g, pn_tensor *t, const char *key);

/* ---- Inputs ------------------------------------------------------------------------------------------------------ */

/* Inputs are normal numbers, each drawn from a stream of its own. Before one of the tests above: fill input i otherwise
 * (classes, masks, far flows); forgotten at that test's end. */
typedef void pn_test_fill(pn_rng *rng, pn_real *values, pn_shape shape);
void pn_test_fill_input(int i, pn_test_fill *fill);

/* ---- Contexts and graphs ----------------------------------------------------------------------------------------- */

/* Two threads, the best instruction set or PN_ISA's, memory filled with NaN. Made at the first call; lives as long
 * as the test. */
pn_ctx *pn_test_ctx(void);
/* Another one, to be freed. */
pn_ctx *pn_test_ctx_new(pn_isa isa, int threads);
pn_graph *pn_test_graph(void);                          /* in pn_test_ctx() */
/* Parameters and state that go with g; for a builder, that goes with the graph being built: initialised, learned
 * and compared with the rest. Freed by the harness. */
pn_params *pn_test_params(pn_graph *g);
pn_tensor *pn_test_zeros(pn_graph *g, pn_shape shape);  /* an input with a fresh name */
/* g failed with this status, and its message holds the text. */
void pn_test_refused(const pn_graph *g, pn_status status, const char *part);
/* Normal numbers of the named stream. */
void pn_test_random(const char *stream, pn_real *values, ptrdiff_t count);

/* Values that are the same numbers, in the layout: for tests that build their own graphs. */
typedef enum { PN_TEST_ANY, PN_TEST_PLANAR, PN_TEST_BLOCKED } pn_test_layout;
pn_tensor *pn_test_probe(pn_graph *g, pn_tensor *x, pn_test_layout layout);

/* The instruction sets this run tests: all that the machine has, or reference and PN_ISA's. returns how many. */
int pn_test_isas(pn_isa isas[PN_ISA_NEON + 1]);
void pn_test_every_isa(void (*check)(pn_isa));          /* on each of them in turn */

#endif
