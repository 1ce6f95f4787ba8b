/* kernels/optim.h - part of kernels.h: optimiser steps over plain arrays */
#ifndef PN_KERNELS_OPTIM_H
#define PN_KERNELS_OPTIM_H

typedef struct { double rate, beta1, beta2, eps, root; } pn_adam_dims;  /* rate = lr / (1 - b1^t); root = sqrt(1 - b2^t) */

typedef struct {
    /* m, v moments; w -= rate * m / (sqrt(v) / root + eps); gradients are read, not cleared. */
    void (*adam)(pn_pool *pool, pn_real *w, pn_real *m, pn_real *v, const pn_real *g, pn_adam_dims d, ptrdiff_t count);
    /* a += (1 - keep) (w - a) */
    void (*average)(pn_pool *pool, pn_real *a, const pn_real *w, double keep, ptrdiff_t count);
    bool (*finite)(pn_pool *pool, const pn_real *g, ptrdiff_t count);
} pn_optim_kernels;

#endif
