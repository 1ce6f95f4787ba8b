/* simd/gates.c - maps that scale other maps: x (1 + gamma) + beta, with x as it lies or read through a norm's lines; gelu(u) v
 *
 * A stretch is what shares its lines: a block of channels of a sample, or all of a sample where there are none.
 */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/vec_math.h"

/* A full vector, or the n numbers that are left. */
static inline vec load(const float *p, ptrdiff_t n) { return n >= VLEN ? vec_load(p) : vec_load_some(p, n); }
static inline void sink(pn_sink s, ptrdiff_t at, vec v, ptrdiff_t n)
{
    float *to = s.data + at;
    if (s.add) v += load(to, n);
    if (n >= VLEN) vec_store(to, v);
    else vec_store_some(to, v, n);
}

/* ---- x (1 + gamma) + beta -------------------------------------------------------------------------------------------------- */

typedef struct {
    const pn_modulate_inputs *in;
    pn_modulate_dims d;
    ptrdiff_t count, stretch;       /* numbers of a sample, of a stretch */
    pn_sink y;                      /* forward */
    const pn_modulate_sinks *out;   /* backward */
    const float *dy;
} modulation;

typedef struct { vec scale[VECS], shift[VECS]; float slope; } lines;

static lines lines_at(const pn_prologue *p, ptrdiff_t block)
{
    lines l = { .slope = p->slope };
    for (int v = 0; v < VECS; v++) {
        l.scale[v] = vec_load(p->scale + block * PN_BLOCK + v * VLEN);
        l.shift[v] = vec_load(p->shift + block * PN_BLOCK + v * VLEN);
    }
    return l;
}

static inline vec read_through(const lines *l, vec x, int v)
{
    if (!l) return x;
    x = x * l->scale[v] + l->shift[v];
    return vec_if(x < 0.0f, l->slope * x, x);
}

/* `at` in x, dy and y; `map` in gamma and beta; vector v of a pixel. */
static inline void one(const modulation *j, const lines *l, ptrdiff_t at, ptrdiff_t map, int v, ptrdiff_t n)
{
    if (j->y.data) {
        const vec x = read_through(l, load(j->in->x + at, n), v);
        sink(j->y, at, x * (1.0f + load(j->in->gamma + map, n)) + load(j->in->beta + map, n), n);
        return;
    }
    const vec dy = load(j->dy + at, n);
    if (j->out->gamma.data) sink(j->out->gamma, map, dy * read_through(l, load(j->in->x + at, n), v), n);
    if (j->out->beta.data) sink(j->out->beta, map, dy, n);
    if (j->out->x.data) sink(j->out->x, at, dy * (1.0f + load(j->in->gamma + map, n)), n);
}

static void modulate_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const modulation *j = arg;
    const ptrdiff_t chunks = pn_chunks(j->stretch), per_sample = j->count / j->stretch, which = item / chunks;
    const ptrdiff_t n = which / per_sample, begin = which % per_sample * j->stretch + item % chunks * PN_CHUNK;
    const ptrdiff_t numbers = pn_smaller(PN_CHUNK, (which % per_sample + 1) * j->stretch - begin);
    const ptrdiff_t at = n * j->count + begin, map = n * j->d.step + begin;
    if (j->in->pro) {
        const lines l = lines_at(j->in->pro, which);
        for (ptrdiff_t i = 0; i < numbers; i += PN_BLOCK)
            for (int v = 0; v < VECS; v++) one(j, &l, at + i + v * VLEN, map + i + v * VLEN, v, VLEN);
        return;
    }
    ptrdiff_t i = 0;
    for (; i + VLEN <= numbers; i += VLEN) one(j, NULL, at + i, map + i, 0, VLEN);
    if (i < numbers) one(j, NULL, at + i, map + i, 0, numbers - i);
}

static void modulate(pn_pool *pool, modulation j)
{
    j.count = pn_map_stored(j.d.x) / j.d.x.n;
    j.stretch = j.in->pro ? j.d.x.h * j.d.x.w * PN_BLOCK : j.count;
    pn_parallel(pool, pn_map_stored(j.d.x) / j.stretch * pn_chunks(j.stretch), modulate_item, &j);
}

static void modulate_fwd(pn_pool *pool, float *y, const pn_modulate_inputs *in, pn_modulate_dims d)
{
    modulate(pool, (modulation){ .in = in, .d = d, .y = { y, false } });
}

static void modulate_bwd(pn_pool *pool, const pn_modulate_sinks *out, const float *dy, const pn_modulate_inputs *in,
                         pn_modulate_dims d)
{
    modulate(pool, (modulation){ .in = in, .d = d, .out = out, .dy = dy });
}

/* ---- gelu(u) v ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_gate_dims d;
    const float *x, *dy;
    pn_sink y, dx;
} gate;

/* `at` in dy and y, `from` in x and dx. */
static inline void gate_one(const gate *j, ptrdiff_t at, ptrdiff_t from, ptrdiff_t n)
{
    const vec u = load(j->x + from, n), v = load(j->x + from + j->d.count, n);
    if (j->y.data) {
        sink(j->y, at, vec_gelu(u) * v, n);
        return;
    }
    const vec dy = load(j->dy + at, n);
    const vec_gelu_pair g = vec_gelu_and_slope(u);
    sink(j->dx, from, dy * v * g.slope, n);
    sink(j->dx, from + j->d.count, dy * g.value, n);
}

static void gate_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const gate *j = arg;
    const ptrdiff_t chunks = pn_chunks(j->d.count), n = item / chunks, begin = item % chunks * PN_CHUNK;
    const ptrdiff_t numbers = pn_smaller(PN_CHUNK, j->d.count - begin), at = n * j->d.count + begin, from = at + n * j->d.count;
    ptrdiff_t i = 0;
    for (; i + VLEN <= numbers; i += VLEN) gate_one(j, at + i, from + i, VLEN);
    if (i < numbers) gate_one(j, at + i, from + i, numbers - i);
}

static void gelu_gate_fwd(pn_pool *pool, float *y, const float *x, pn_gate_dims d)
{
    gate j = { .d = d, .x = x, .y = { y, false } };
    pn_parallel(pool, d.samples * pn_chunks(d.count), gate_item, &j);
}

static void gelu_gate_bwd(pn_pool *pool, pn_sink dx, const float *dy, const float *x, pn_gate_dims d)
{
    gate j = { .d = d, .x = x, .dy = dy, .dx = dx };
    pn_parallel(pool, d.samples * pn_chunks(d.count), gate_item, &j);
}

void PN_SIMD(pn_simd_gates)(pn_pointwise_kernels *k)
{
    k->modulate_fwd = modulate_fwd;
    k->modulate_bwd = modulate_bwd;
    k->gelu_gate_fwd = gelu_gate_fwd;
    k->gelu_gate_bwd = gelu_gate_bwd;
}
