/* simd/conv.h - what the files of the fast convolution share
 *
 * Every pass is a correlation: result position of q reads source position q * step + offset(tap). Forward (gather) has
 * step = stride and one phase. The adjoint of a convolution of stride s is, for each of its s phases, a correlation of
 * step 1 with the taps that fall on that phase, whose results land s apart. Rows and columns are treated alike.
 *
 * A patch is a band of result rows of one image: its source rows are first copied, with border and prologue, into a
 * worker's band of scratch [block][row][column modulo step][column / step][16], so that inner loops know neither.
 */
#ifndef PN_SIMD_CONV_H
#define PN_SIMD_CONV_H

#include "kernels/simd/vec.h"

#if defined(__aarch64__)
enum { REGISTERS = 32 };
#else
enum { REGISTERS = VLEN == 16 ? 32 : 16 };
#endif

/* In front of loops whose count is a constant once inlined: arrays they index become registers. */
#if defined(__clang__)
#define CONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CONV_UNROLL _Pragma("GCC unroll 24")
#endif
#define CONV_INLINE static inline __attribute__((always_inline))

enum {
    GROUP_VECS = VLEN == 8 ? 2 : 4,                     /* vectors of result channels held in registers */
    GROUP = GROUP_VECS * VLEN,                          /* ... and their channels: a slot */
    ACCUMULATORS = REGISTERS == 32 ? 24 : 12,
    L1_WEIGHTS = REGISTERS == 32 && VLEN == 16 ? 40 << 10 : 20 << 10,      /* bytes of weights that stay in L1 */
};

/* How many pixels (or channels) beside `vecs` vectors fill the registers. */
static inline ptrdiff_t conv_most(ptrdiff_t vecs)
{
    const ptrdiff_t most = ACCUMULATORS / vecs;
    return most > 16 ? 16 : most;
}

/* Size of the next piece when `left` is cut into pieces of at most `most`, as equal as can be. */
static inline ptrdiff_t conv_piece(ptrdiff_t left, ptrdiff_t most)
{
    const ptrdiff_t pieces = (left + most - 1) / most;
    return (left + pieces - 1) / pieces;
}

static inline ptrdiff_t conv_ceil(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/* Onto the first of `chunks` sums of n numbers, `stride` apart, come the others in their order. */
static inline void conv_add_chunks(float *sums, ptrdiff_t n, ptrdiff_t chunks, ptrdiff_t stride)
{
    for (ptrdiff_t i = 0; i < n; i += VLEN) {
        vec v = vec_load(sums + i);
        for (ptrdiff_t c = 1; c < chunks; c++) v += vec_load(sums + c * stride + i);
        vec_store(sums + i, v);
    }
}

/* Four rows of four numbers become columns; add: on top of what is there. */
typedef float conv_quad __attribute__((vector_size(16)));
static inline void conv_turn(const float *const from[4], float *const to[4], bool add)
{
    conv_quad r[4], c[4];
    for (int i = 0; i < 4; i++) memcpy(&r[i], from[i], sizeof r[i]);
    const conv_quad a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    const conv_quad b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    const conv_quad d = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const conv_quad e = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    c[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    c[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    c[2] = __builtin_shufflevector(d, e, 0, 1, 4, 5);
    c[3] = __builtin_shufflevector(d, e, 2, 3, 6, 7);
    for (int i = 0; i < 4; i++) {
        if (add) {
            memcpy(&r[i], to[i], sizeof r[i]);
            c[i] += r[i];
        }
        memcpy(to[i], &c[i], sizeof c[i]);
    }
}

typedef struct {
    ptrdiff_t source, result;       /* extents */
    ptrdiff_t kernel, stride, pad, dilation;
    bool adjoint;
    ptrdiff_t phases, step;
    ptrdiff_t from, to;             /* q of all phases */
    ptrdiff_t low, high;            /* least and largest offset of a tap */
} conv_axis;

typedef struct { ptrdiff_t phase, offset; } conv_tap;
typedef struct { ptrdiff_t from, to; } conv_span;

static inline conv_tap conv_tap_of(const conv_axis *a, ptrdiff_t tap)
{
    const ptrdiff_t at = tap * a->dilation;
    if (a->adjoint) return (conv_tap){ at % a->stride, -(at / a->stride) };
    return (conv_tap){ 0, at - a->pad };
}

static inline ptrdiff_t conv_taps_in(const conv_axis *a, ptrdiff_t phase)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t t = 0; t < a->kernel; t++) count += conv_tap_of(a, t).phase == phase;
    return count;
}

/* The result position of q, and the q whose results lie inside. */
static inline ptrdiff_t conv_position(const conv_axis *a, ptrdiff_t phase, ptrdiff_t q)
{
    return a->adjoint ? q * a->stride + phase - a->pad : q;
}

static inline conv_span conv_range(const conv_axis *a, ptrdiff_t phase)
{
    if (!a->adjoint) return (conv_span){ 0, a->result };
    const ptrdiff_t first = a->pad - phase, end = a->result + a->pad - phase;   /* first <= q * stride < end */
    return (conv_span){ first > 0 ? conv_ceil(first, a->stride) : 0, end > 0 ? conv_ceil(end, a->stride) : 0 };
}

/* The row or column that stands for one outside; -1: zeros. */
static inline ptrdiff_t conv_stands_for(ptrdiff_t i, ptrdiff_t extent, pn_border border)
{
    if (i >= 0 && i < extent) return i;
    if (border == PN_BORDER_REPLICATE) return i < 0 ? 0 : extent - 1;
    if (border == PN_BORDER_REFLECT) {
        i = i < 0 ? -i : 2 * (extent - 1) - i;
        return i >= 0 && i < extent ? i : -1;           /* only places that nobody reads lie so far out */
    }
    return -1;
}

typedef struct {
    pn_map in, out;                 /* whole maps, b = 16 */
    conv_axis rows, cols;
    pn_border border;
    ptrdiff_t groups;               /* each with in_c channels of in and out_c of out */
    ptrdiff_t in_c, out_c, in_blocks, out_blocks;
    ptrdiff_t w_in, w_out, w_group; /* strides in the weights of an input channel, an output channel, a group */
    ptrdiff_t taps;                 /* rows times columns of the kernel */
    ptrdiff_t slots;                /* of GROUP output channels, in a group */
    ptrdiff_t band, bands;          /* q rows of a patch, patches of an image */
    ptrdiff_t columns;              /* of each remainder modulo step in scratch */
    ptrdiff_t row, plane;           /* floats of one row and of one block of a worker's band */
    bool thin;                      /* so few output channels that input channels are what vectors hold */
    bool depth;                     /* each channel for itself; groups is 1 then, and w_in 0 */
    bool keeps;                     /* channels are only broadcast: a group may keep its lanes in a band, beside others' */
    pn_map more;                    /* a second map of sources: its channels follow those of in, which fill blocks */
    ptrdiff_t w_more;               /* w_out in the weights of these */
    bool wino;                      /* by minimal filtering, winograd.h, instead of in bands */
    bool fresh;                     /* ... transforming the weights on the way instead of packing them */
    ptrdiff_t share;                /* ... or packing those of so many slots at a time, in scratch; 0: of all, before */
    ptrdiff_t pair_blocks, pair_channels;       /* input blocks and channels that weights are packed for */
} conv_pass;

/* The pass that reads source k alone, of conv_sources. */
static inline ptrdiff_t conv_sources(const conv_pass *p) { return p->more.c ? 2 : 1; }
static inline conv_pass conv_reading(const conv_pass *p, ptrdiff_t k)
{
    conv_pass one = *p;
    if (!p->more.c) return one;
    if (k) one.in = p->more;
    one.in_c = one.in.c;
    one.in_blocks = pn_map_blocks(one.in);
    return one;
}

/* The filters of the first channel of an input block, `stride` numbers from one output channel to the next. */
typedef struct { const float *w; ptrdiff_t stride; } conv_filters;
static inline conv_filters conv_filters_of(const conv_pass *p, const pn_conv_source *from, ptrdiff_t block)
{
    const ptrdiff_t of_in = pn_map_blocks(p->in), a_block = PN_BLOCK * p->w_in;
    if (!p->more.c || block < of_in) return (conv_filters){ from[0].w + block * a_block, p->w_out };
    return (conv_filters){ from[1].w + (block - of_in) * a_block, p->w_more };
}

static inline float conv_bias(const pn_epilogue *e, ptrdiff_t channel)
{
    const float more = e && e->more_bias ? e->more_bias[channel] : 0;
    return e && e->bias ? e->bias[channel] + more : more;
}

/* Blocks are counted group by group, each group beginning a new one; that differs from the map's own when groups share
 * blocks, and then a band gathers its channels and results are collected afterwards. */
static inline bool conv_apart(ptrdiff_t groups, ptrdiff_t channels) { return groups > 1 && channels % PN_BLOCK != 0; }

/* Whether a band of the group is a copy of the one block of the map that holds all of its channels; where they begin. */
static inline bool conv_kept(const conv_pass *p, ptrdiff_t group)
{
    return p->keeps && conv_apart(p->groups, p->in_c) && group * p->in_c % PN_BLOCK + p->in_c <= PN_BLOCK;
}
static inline ptrdiff_t conv_lane(const conv_pass *p, ptrdiff_t group)
{
    return conv_kept(p, group) ? group * p->in_c % PN_BLOCK : 0;
}

enum { THIN = 4 };                  /* the most output channels of a thin pass */

typedef enum { CONV_GATHER, CONV_ADJOINT } conv_direction;

/* The pass that computes d's forward (from d.x) or backward-data (from d.y); band still to be chosen. */
conv_pass PN_SIMD(pn_conv_forward_pass)(pn_conv_dims d);
conv_pass PN_SIMD(pn_conv_backward_pass)(pn_conv_dims d);
/* For the gradient of the weights: the ordinary forward, and a pass that copies bands of its result's map as they are. */
void PN_SIMD(pn_conv_weight_passes)(pn_conv_dims d, conv_pass *wide, conv_pass *tall);
/* Cut into bands of at most `band` rows of q, with the scratch geometry that follows. */
void PN_SIMD(pn_conv_cut)(conv_pass *p, ptrdiff_t band);
/* Copy the source rows of band `band` of image n, blocks first .. first + blocks - 1, into `to`. */
void PN_SIMD(pn_conv_fill)(float *to, const conv_pass *p, const float *from, const pn_prologue *pro, ptrdiff_t n,
                           ptrdiff_t band, conv_span blocks);

/* Weights in the order the tiles read them: [group][slot][phase][input block][tap][channel][GROUP channels]; of a thin pass
 * [group][phase][input block][tap][output channel][16]; of a depth-wise pass [slot][phase][tap][GROUP channels]. */
ptrdiff_t PN_SIMD(pn_conv_packed_group)(const conv_pass *p);      /* floats of a group */
size_t PN_SIMD(pn_conv_packed_bytes)(const conv_pass *p);
void PN_SIMD(pn_conv_pack)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p);

/* `pixels` neighbouring results of a slot: begin + sum over pairs of 16 (the last pairs: `rest`) channels times weights. */
typedef struct {
    const float *begin;             /* [GROUP] per channel, or NULL: what the result holds */
    const float *w;                 /* [pair][channel][vecs * VLEN] */
    const ptrdiff_t *at;            /* [pairs] where a pair's first pixel lies, from x */
    ptrdiff_t pairs, full, rest;    /* a pair is one tap of one input block; `full` of them have 16 channels */
    ptrdiff_t plane, step;          /* floats between output blocks, and between results */
    const float *ahead;             /* what is read soon is fetched: from here on, `ahead_step` floats further with each channel; */
    ptrdiff_t ahead_step;           /* ... ahead NULL: nothing; */
    ptrdiff_t ahead_x;              /* ... and what lies so far behind each pixel; 0: nothing */
} conv_tile;
void PN_SIMD(pn_conv_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, ptrdiff_t vecs);
/* The same for `channels` <= THIN results per pixel and w [pair][output channel][PN_BLOCK]; zeros in the other lanes. */
void PN_SIMD(pn_conv_thin_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, ptrdiff_t channels);

/* The same where vector v of the result takes vector v of x alone: x_plane lies between blocks of x. */
void PN_SIMD(pn_conv_depth_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t x_plane, ptrdiff_t pixels,
                                 ptrdiff_t vecs);

/* to[i * to_step] += sum over rows and columns of a[..][i] times the vectors of b; fresh: instead of +=, =. */
typedef struct {
    bool fresh;
    ptrdiff_t rows, cols;
    ptrdiff_t a_row, b_row;         /* floats from row to row; columns are one pixel apart */
    ptrdiff_t b_plane, to_step;     /* between blocks of b, and between channels of the sums */
    ptrdiff_t to_tap;               /* between neighbouring taps of the sums */
} conv_outer;
void PN_SIMD(pn_conv_outer)(const conv_outer *t, float *to, const float *a, const float *b, ptrdiff_t channels,
                            ptrdiff_t vecs);

/* The same for a picture's channels and as many taps, one pixel of a apart, at once: few channels leave registers idle. */
enum { CONV_PICTURE = 3 };
void PN_SIMD(pn_conv_outer_picture)(const conv_outer *t, float *to, const float *a, const float *b, ptrdiff_t vecs);

/* result = correlate(source) or, when add, result + it. */
typedef struct {
    const pn_conv_source *source;   /* conv_sources of them */
    const float *packed;
    float *result;
    bool add;
    const pn_epilogue *epi;
    void *scratch;
} conv_correlation;
size_t PN_SIMD(pn_conv_correlate_bytes)(const conv_pass *p, int threads);
void PN_SIMD(pn_conv_correlate)(pn_pool *pool, const conv_pass *p, conv_correlation c);
void PN_SIMD(pn_conv_choose_band)(conv_pass *p);

/* The same for a depth-wise pass that copies no bands: if it fits. It takes no scratch. */
bool PN_SIMD(pn_conv_rows_fit)(const conv_pass *p, const pn_prologue *pro);
void PN_SIMD(pn_conv_rows)(pn_pool *pool, const conv_pass *p, conv_correlation c);
/* And its weights' gradient, p being the forward that fits. */
void PN_SIMD(pn_conv_rows_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const conv_pass *p);

/* Results [n][group's own blocks][h][w][16] in `apart` brought to the blocks of the map, with what c asks for. */
void PN_SIMD(pn_conv_collect)(pn_pool *pool, const conv_pass *p, const float *apart, conv_correlation c);

/* Sums [channel][tap][width] of `channels` channels of one side and `lanes` <= width of the other, to go to dw: w_cast and
 * w_vectors are the strides there of a channel of either side. */
typedef struct {
    const float *sums;
    ptrdiff_t taps, width, channels, lanes, w_cast, w_vectors;
} conv_sums;
void PN_SIMD(pn_conv_deliver)(pn_sink dw, const conv_sums *s);

size_t PN_SIMD(pn_conv_weights_bytes)(pn_conv_dims d, int threads);
void PN_SIMD(pn_conv_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                              pn_conv_dims d, void *scratch);
size_t PN_SIMD(pn_conv_depth_weights_bytes)(pn_conv_dims d, int threads);
void PN_SIMD(pn_conv_depth_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                                    pn_conv_dims d, void *scratch);

/* The same by minimal filtering over few tiles, and whether that is what d has. */
bool PN_SIMD(pn_conv_few_pays)(const pn_conv_dims *d);
size_t PN_SIMD(pn_conv_few_bytes)(pn_conv_dims d, int threads);
void PN_SIMD(pn_conv_few)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                          pn_conv_dims d, void *scratch);

/* The same by minimal filtering, and whether that is faster. */
bool PN_SIMD(pn_wino_weights_pays)(const pn_conv_dims *d);
size_t PN_SIMD(pn_wino_weights_bytes)(pn_conv_dims d, int threads);
void PN_SIMD(pn_wino_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                              pn_conv_dims d, void *scratch);

#endif
