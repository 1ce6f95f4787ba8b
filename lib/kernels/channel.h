/* kernels/channel.h - part of kernels.h: attention of channels to channels (Zamir et al. 2022, Restormer, with both norms)
 *
 * A head is d = c / heads channels of q, k and v, one after another. Over its positions p
 *
 *   cosine_ij = sum_p q_i k_j / ((|q_i| + eps) (|k_j| + eps));  a_i = softmax over j of alpha cosine_ij;  y_i = sum_j a_ij v_j
 *
 * Backward needs the maps twice: once for da = dy v^T, then for dq_i = sum_j mix_ij k_j + own_i q_i and the like for k, with
 * d x d numbers that follow from da alone.
 */
#ifndef PN_KERNELS_CHANNEL_H
#define PN_KERNELS_CHANNEL_H

typedef struct { pn_map x; ptrdiff_t heads; double eps; } pn_channel_dims;      /* x: all maps */
static inline ptrdiff_t pn_channel_width(pn_channel_dims d) { return d.x.c / d.heads; }

/* What forward leaves: a and cosine [N,C,d], |q_i| and |k_j| [N,2,C]. */
typedef struct { pn_real *a, *cosine, *length; } pn_channel_saved;
typedef struct {
    const pn_real *q, *k, *v;
    const pn_real *alpha;           /* [heads] */
    const pn_real *a, *cosine, *length;     /* backward only */
} pn_channel_inputs;
typedef struct { pn_sink q, k, v, alpha; } pn_channel_sinks;

/* Of one head, sums over its positions: q_i k_j or dy_i v_j [d,d]; q_i^2 and k_j^2 [d]. */
typedef struct { double *products, *of_q, *of_k; } pn_channel_sums;
/* Where a head's numbers begin in a, cosine, length. */
static inline ptrdiff_t pn_channel_at(pn_channel_dims d, ptrdiff_t n, ptrdiff_t head)
{
    return (n * d.x.c + head * pn_channel_width(d)) * pn_channel_width(d);
}
static inline ptrdiff_t pn_channel_length_at(pn_channel_dims d, ptrdiff_t n, ptrdiff_t head)
{
    return 2 * n * d.x.c + head * pn_channel_width(d);
}

/* From the sums to what forward leaves of head `head` of sample n. */
void pn_channel_weights(pn_channel_saved left, pn_channel_sums s, double alpha, pn_channel_dims d, ptrdiff_t n, ptrdiff_t head);
/* From da in s.products to mix, in its place, and what q_i and k_j get of themselves; returns the gradient of alpha. */
double pn_channel_slopes(pn_channel_sums s, const pn_channel_inputs *in, pn_channel_dims d, ptrdiff_t n, ptrdiff_t head);

typedef struct {
    size_t (*scratch)(pn_channel_dims d);               /* of either direction */
    void (*fwd)(pn_pool *pool, pn_real *y, pn_channel_saved left, const pn_channel_inputs *in, pn_channel_dims d, void *scratch);
    void (*bwd)(pn_pool *pool, const pn_channel_sinks *out, const pn_real *dy, const pn_channel_inputs *in, pn_channel_dims d,
                void *scratch);
} pn_channel_kernels;

extern const pn_channel_kernels pn_ref_channel;         /* for fast kernels that leave a case to the reference */

#endif
