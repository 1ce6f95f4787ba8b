/* kernels/losses.h - part of kernels.h: maps to numbers that say how far they are apart
 *
 * A loss is one number; its backward reads dy[0]. Sums run over fixed chunks in double, whose partial sums are added in
 * order: the bits do not depend on the threads.
 */
#ifndef PN_KERNELS_LOSSES_H
#define PN_KERNELS_LOSSES_H

typedef enum { PN_ABSOLUTE, PN_SQUARED } pn_distance;
/* stored numbers are read; zero lanes among them add nothing. The mean is over count. */
typedef struct { ptrdiff_t stored, count; pn_distance how; } pn_distance_dims;

typedef struct { ptrdiff_t n, c, area; } pn_class_dims;        /* logits [n][c][area], classes [n][area] */

/* w [outer][rows][inner]: columns are (outer, inner), outer times inner of them. */
typedef struct { ptrdiff_t outer, rows, inner; double eps; bool iterate; } pn_spectral_dims;
static inline ptrdiff_t pn_spectral_columns(const pn_spectral_dims *d) { return d->outer * d->inner; }
static inline ptrdiff_t pn_spectral_at(const pn_spectral_dims *d, ptrdiff_t row, ptrdiff_t column)
{
    return (column / d->inner * d->rows + row) * d->inner + column % d->inner;
}
typedef struct { pn_real *u, *v, *sigma; } pn_singular;         /* [rows], [columns], [1] */

/* Contextual loss: what is added to lengths, and to the least distance. */
#define PN_CONTEXTUAL_LENGTH 1e-6
#define PN_CONTEXTUAL_LEAST  1e-5
typedef struct { pn_map x; double bandwidth; } pn_contextual_dims;
/* Of each target position its largest weight, and which generated position has it: [N][positions]. */
typedef struct { pn_real *weight, *best; } pn_contextual_saved;

typedef struct {
    size_t (*distance_scratch)(pn_distance_dims d);
    void (*distance_fwd)(pn_pool *pool, pn_real *y, const pn_real *a, const pn_real *b, pn_distance_dims d, void *scratch);
    void (*distance_bwd)(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *a, const pn_real *b,
                         pn_distance_dims d);

    /* lse [n][area]: log of the sum of exponentials; valid[0]: how many pixels count. */
    size_t (*cross_entropy_scratch)(pn_class_dims d, int threads);
    void (*cross_entropy_fwd)(pn_pool *pool, pn_real *y, pn_real *lse, pn_real *valid, const pn_real *logits,
                              const pn_real *classes, pn_class_dims d, void *scratch);
    void (*cross_entropy_bwd)(pn_pool *pool, pn_sink dlogits, const pn_real *dy, const pn_real *logits, const pn_real *classes,
                              const pn_real *lse, const pn_real *valid, pn_class_dims d);

    /* norms [n][2][h][w]: squared lengths of a and b; y is planar [n][1][h][w]. */
    void (*cosine_fwd)(pn_pool *pool, pn_real *y, pn_real *norms, const pn_real *a, const pn_real *b, pn_map m);
    void (*cosine_bwd)(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *y, const pn_real *norms,
                       const pn_real *a, const pn_real *b, pn_map m);

    size_t (*gram_scratch)(pn_map x);                          /* of either direction */
    void (*gram_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_map m, void *scratch);
    void (*gram_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_map m, void *scratch);

    /* y = w / sigma. With d.iterate one power iteration goes from u, and v is not read; otherwise u and v are used as they
     * are. What was used, and sigma = u^T W v, is left in `used`. */
    size_t (*spectral_scratch)(pn_spectral_dims d);            /* of either direction */
    void (*spectral_fwd)(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, const pn_real *u, const pn_real *v,
                         pn_spectral_dims d, void *scratch);
    /* The same result again, to the bit, from the sigma that was left. */
    void (*spectral_again)(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, pn_spectral_dims d);
    void (*spectral_bwd)(pn_pool *pool, pn_sink dw, const pn_real *dy, const pn_real *w, pn_singular used, pn_spectral_dims d,
                         void *scratch);

    /* a generated, b the target, which gets no gradient. */
    size_t (*contextual_scratch)(pn_contextual_dims d, int threads);        /* of either direction */
    void (*contextual_fwd)(pn_pool *pool, pn_real *loss, pn_contextual_saved left, const pn_real *a, const pn_real *b,
                           pn_contextual_dims d, void *scratch);
    void (*contextual_bwd)(pn_pool *pool, pn_sink da, const pn_real *dloss, pn_contextual_saved left, const pn_real *a,
                           const pn_real *b, pn_contextual_dims d, void *scratch);
} pn_loss_kernels;

extern const pn_loss_kernels pn_ref_loss;       /* for fast kernels that leave a case to the reference */

#endif
