/* tests/models/formula.h - weights and inputs from their names, as tests/golden/formula.py makes them */
#ifndef FORMULA_H
#define FORMULA_H

#include "posenet.h"

/* u in [-1,1) for element i of the tensor with this name. */
double formula_u(const char *name, ptrdiff_t i);
typedef struct { const char *module; double gain; } formula_gain;       /* ends with a NULL module */
/* Every parameter and state by its first name; `prefix` is put before it. */
void formula_fill(pn_params *p, const char *prefix, const formula_gain *gains);

/* The picture of this name, [n,channels,h,w], and the target of this name, [n,3,h,w]; sides are multiples of 8. */
void formula_picture(const char *name, ptrdiff_t n, ptrdiff_t channels, ptrdiff_t h, ptrdiff_t w, pn_real *out);
void formula_target(const char *name, ptrdiff_t n, ptrdiff_t h, ptrdiff_t w, pn_real *out);

#endif
