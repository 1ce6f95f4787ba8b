/* pass.h - inside the harness: one graph around the op under test, planned and run, and all its numbers */
#ifndef PN_TEST_PASS_H
#define PN_TEST_PASS_H

#include "support/memory.h"
#include "support/pntest.h"

enum { PN_PASS_IN = 32, PN_PASS_EXTRA = 8, PN_PASS_NUMBERS = 96 };

/* How the op is surrounded. */
typedef struct { bool blocked, shared; } pn_variant;

/* Some numbers of a run, by name: the result, a gradient, a state. owned. */
typedef struct { char name[96]; ptrdiff_t count; pn_real *values; } pn_numbers;
typedef struct { pn_numbers of[PN_PASS_NUMBERS]; int n; } pn_outcome;

/* A constant input, a state or an output that a golden builder has asked for. */
typedef struct { pn_tensor *t; char key[48]; } pn_extra;

typedef struct {
    pn_ctx *ctx;
    pn_graph *g;
    pn_plan *plan;
    int n;
    pn_tensor *in[PN_PASS_IN];      /* the inputs themselves, in front of their probes */
    pn_tensor *second[PN_PASS_IN];  /* shared: what the other reader of each input makes of it */
    pn_tensor *result;
    const char *golden;             /* case, for builders that ask; NULL */
    pn_extra input[PN_PASS_EXTRA], state[PN_PASS_EXTRA], also[PN_PASS_EXTRA];
    int n_input, n_state, n_also;
} pn_pass;

typedef struct {
    pn_test_build *build;
    const pn_shape *shapes;
    int n;
    pn_mode mode;
    const char *golden;
    pn_real *value[PN_PASS_IN];     /* of each input; owned */
    pn_real *seed;                  /* gradient of the result; NULL: normal numbers */
} pn_spec;

pn_spec pn_spec_make(pn_test_build *build, const pn_shape *shapes, int n, unsigned flags);
void pn_spec_free(pn_spec *s);      /* forgets the fills too */

/* Record, plan and set the inputs. */
void pn_pass_begin(pn_pass *p, pn_ctx *ctx, const pn_spec *s, pn_variant v);
void pn_pass_forward(pn_pass *p);
/* Hand every output its gradient: the spec's, or normal numbers; run backward. */
void pn_pass_backward(pn_pass *p, const pn_spec *s);
void pn_pass_collect(pn_pass *p, pn_outcome *out);
void pn_pass_end(pn_pass *p);
void pn_outcome_free(pn_outcome *o);
pn_outcome pn_pass_run(pn_ctx *ctx, const pn_spec *s, pn_variant v);

pn_pass *pn_pass_of(const pn_graph *g);                 /* being built; NULL */
pn_params *pn_test_params_of(const pn_graph *g);        /* NULL: nobody has asked */
void pn_test_params_drop(const pn_graph *g);

/* Largest difference over the rms of `expected` (over 1 when that is all zeros); infinite for a NaN. */
double pn_relative_error(const pn_real *is, const pn_real *expected, ptrdiff_t count);
/* Fails the test when the error is above tol; `where` says of which run. */
void pn_expect_close(const char *name, const pn_real *is, const pn_real *expected, ptrdiff_t count, double tol,
                     const char *where);

#endif
