/* kernels/matmul.h - part of kernels.h: products of matrices, any of them transposed */
#ifndef PN_KERNELS_MATMUL_H
#define PN_KERNELS_MATMUL_H

/* c [batch][m][n] = a [m,k] b [k,n] for each of the batch; c lies densely, a and b where the strides say. */
typedef struct { ptrdiff_t batch, row, column; } pn_matrix_strides;
typedef struct {
    ptrdiff_t batch, m, n, k;
    pn_matrix_strides a, b;
} pn_matmul_dims;

typedef struct {
    /* bias: [n], added to every row, or NULL */
    void (*product)(pn_pool *pool, pn_sink c, const pn_real *a, const pn_real *b, const pn_real *bias, pn_matmul_dims d,
                    void *scratch);
    size_t (*scratch)(pn_matmul_dims d, int threads);
} pn_matmul_kernels;

#endif
