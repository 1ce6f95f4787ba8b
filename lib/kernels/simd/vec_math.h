/* vec_math.h - functions of every lane: exp, tanh, sigmoid, the normal distribution
 *
 * Minimax polynomials, a few units in the last place; NaN stays NaN and infinities give their limits. Results below the
 * smallest normal number may be zero.
 */
#ifndef PN_VEC_MATH_H
#define PN_VEC_MATH_H

#include "kernels/simd/vec.h"

static inline vec vec_abs(vec x) { return (vec)((veci)x & 0x7fffffff); }
/* A NaN in x stays, whichever way it compares. */
static inline vec vec_at_most(vec x, float top) { return vec_if(x > top, vec_all(top), x); }
static inline vec vec_at_least(vec x, float bottom) { return vec_if(x < bottom, vec_all(bottom), x); }

/* Square roots lane by lane; the compiler makes one instruction of it. */
static inline vec vec_sqrt(vec x)
{
    for (int i = 0; i < VLEN; i++) x[i] = sqrtf(x[i]);
    return x;
}

/* e^x = 2^n e^r, |r| <= ln 2 / 2, e^r = 1 + r + r^2 q(r) to 3e-9. */
typedef struct { vec shifted, r, q; } vec_exp_parts;    /* n is in the lowest bits of shifted */

static inline vec_exp_parts vec_exp_split(vec x)
{
    const float round = 12582912;                       /* 1.5 * 2^23: what is added to it rounds to a whole number */
    const float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;      /* whole * ln2_high is exact */
    const vec shifted = x * 1.44269504f + round, whole = shifted - round;
    const vec r = (x - whole * ln2_high) - whole * ln2_low;
    const vec q = (((1.381314470e-3f * r + 8.369418827e-3f) * r + 4.166845679e-2f) * r + 1.666651479e-1f) * r
                + 4.999999305e-1f;
    return (vec_exp_parts){ shifted, r, q };
}

/* Beyond +-89 and -104 the result is Inf or 0 as there. */
static inline vec vec_exp(vec x)
{
    const vec_exp_parts e = vec_exp_split(vec_at_least(vec_at_most(x, 89), -104));
    const veci n = (veci)e.shifted - (veci)vec_all(12582912), half = n >> 1;    /* in two steps: 2^128 is no float */
    const vec scale = (vec)((half + 127) << 23), rest = (vec)((n - half + 127) << 23);
    return (e.q * (e.r * e.r) + e.r + 1.0f) * scale * rest;
}

/* The same for x of at most 0, in fewer steps: 2^-127, from -87.7 down, comes out as 0. e^x = 2^n 2^f, |f| <= 1 / 2,
 * 2^f to 9e-8; what f loses, x 6e-8 at most, is little beside 1. */
static inline vec vec_exp_down(vec x)
{
    const float round = 12582912, log2_e = 1.44269504f;
    const vec y = vec_at_least(x, -88), shifted = y * log2_e + round, f = y * log2_e - (shifted - round);
    const vec p = (((1.326472708e-3f * f + 9.671512862e-3f) * f + 5.550733746e-2f) * f + 2.402224208e-1f) * f
                + 6.931469776e-1f;
    const vec scale = (vec)(((veci)shifted << 23) + (127 << 23));
    return (p * f + 1.0f) * scale;
}

/* An odd polynomial near 0, 1 - 2 / (e^2x + 1) beyond. */
static inline vec vec_tanh(vec x)
{
    const vec t = vec_abs(x), s = x * x;
    const vec p = (((-6.217512413e-3f * s + 2.110961966e-2f) * s - 5.388331531e-2f) * s + 1.333305859e-1f) * s
                - 3.333333246e-1f;
    const vec far = 1.0f - 2.0f / (vec_exp(t + t) + 1.0f);
    const vec signed_far = (vec)((veci)far | ((veci)x & (int32_t)0x80000000u));
    return vec_if(t < 0.625f, x + x * s * p, signed_far);
}

static inline vec vec_sigmoid(vec x) { return 1.0f / (1.0f + vec_exp(-x)); }

/* Of a standard normal variable: how likely it is below x, and its density there. */
typedef struct { vec below, density; } vec_normal;

/* The tail beyond t = |x| is e^(-t^2/2) u P(u), u = 1 / (1 + 0.3 t), to 4e-9. t^2 is split, for its rounding would
 * show in the power: t = high + low, high of 12 bits. */
static inline vec_normal vec_normal_at(vec x)
{
    const vec t = vec_at_most(vec_abs(x), 14.5f);       /* where e^(-t^2/2) has become 0 */
    const vec high = (vec)((veci)t & (int32_t)0xfffff000u), a = 0.5f * (t - high) * (t + high);
    const vec e = vec_exp(-0.5f * high * high) * (1.0f - a * (1.0f - a * (0.5f - a * (1.0f / 6))));
    const vec u = 1.0f / (0.3f * t + 1.0f);
    vec p = -2.0623497406e-2f * u + 1.1243575395e-1f;
    p = p * u - 2.2821392564e-1f;
    p = p * u + 1.9178496102e-1f;
    p = p * u - 7.9423826046e-2f;
    p = p * u + 9.6157000857e-2f;
    p = p * u + 7.8389595556e-2f;
    p = p * u + 1.1023543540e-1f;
    p = p * u + 1.1957181271e-1f;
    p = p * u + 1.1968668987e-1f;
    const vec tail = e * u * p;
    return (vec_normal){ vec_if(x > 0.0f, 1.0f - tail, tail), e * 0.39894228f };
}

/* x times the part below it; -Inf gives 0. */
static inline vec vec_gelu(vec x) { return vec_at_least(x, -64) * vec_normal_at(x).below; }
typedef struct { vec value, slope; } vec_gelu_pair;
static inline vec_gelu_pair vec_gelu_and_slope(vec x)
{
    const vec_normal n = vec_normal_at(x);
    const vec from = vec_at_least(x, -64);
    return (vec_gelu_pair){ from * n.below, n.below + vec_at_most(from, 64) * n.density };
}
static inline vec vec_gelu_slope(vec x) { return vec_gelu_and_slope(x).slope; }

/* x = 2^n m, m in [sqrt(1/2), sqrt(2)); with s = (m - 1) / (m + 1), log m = 2 s + s^3 p(s^2) to 3e-9. Of 0 it is -Inf, of
 * less NaN. */
static inline vec vec_log(vec x)
{
    const float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;      /* n * ln2_high is exact */
    const veci n = ((veci)x - 0x3f3504f3) >> 23;
    const vec m = (vec)((veci)x - (n << 23)), whole = (vec)(n + (veci)vec_all(12582912)) - 12582912;
    const vec f = m - 1.0f, s = f / (m + 1.0f), z = s * s;
    const vec p = ((2.0f / 9 * z + 2.0f / 7) * z + 2.0f / 5) * z + 2.0f / 3;
    const vec y = whole * ln2_high + (2.0f * s + (s * z * p + whole * ln2_low));
    const vec limited = vec_if(x <= 3.40282347e38f, y, x);              /* Inf and NaN stay */
    return vec_if(x > 0.0f, limited, vec_if(x == 0.0f, vec_all(-INFINITY), vec_if(x < 0.0f, vec_all(NAN), x)));
}

#endif
