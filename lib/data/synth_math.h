/* synth_math.h - points, rotations and smooth steps for the synthetic people
 *
 * Axes of a person at rest: x to the person's left, y up, z to where the face looks. Lengths are in body heights.
 */
#ifndef PN_SYNTH_MATH_H
#define PN_SYNTH_MATH_H

#include <math.h>
#include <stdint.h>

#define SYNTH_PI 3.14159265358979323846

typedef struct { double x, y, z; } v3;
typedef struct { double w, x, y, z; } q4;       /* a unit quaternion */

static inline v3 v3_make(double x, double y, double z) { return (v3){ x, y, z }; }
static inline v3 v3_add(v3 a, v3 b) { return (v3){ a.x + b.x, a.y + b.y, a.z + b.z }; }
static inline v3 v3_sub(v3 a, v3 b) { return (v3){ a.x - b.x, a.y - b.y, a.z - b.z }; }
static inline v3 v3_mul(v3 a, double k) { return (v3){ a.x * k, a.y * k, a.z * k }; }
static inline v3 v3_each(v3 a, v3 b) { return (v3){ a.x * b.x, a.y * b.y, a.z * b.z }; }
static inline v3 v3_mix(v3 a, v3 b, double k) { return v3_add(v3_mul(a, 1.0 - k), v3_mul(b, k)); }
static inline double v3_dot(v3 a, v3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline v3 v3_cross(v3 a, v3 b)
{
    return (v3){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}
static inline double v3_length(v3 a) { return sqrt(v3_dot(a, a)); }
static inline v3 v3_unit(v3 a)                  /* of nothing: straight up, so that a pole still shades */
{
    const double n = v3_length(a);
    return n > 1e-12 ? v3_mul(a, 1.0 / n) : (v3){ 0.0, 1.0, 0.0 };
}

static inline q4 q4_none(void) { return (q4){ 1.0, 0.0, 0.0, 0.0 }; }
static inline q4 q4_about(v3 axis, double angle)
{
    const double s = sin(0.5 * angle);
    return (q4){ cos(0.5 * angle), axis.x * s, axis.y * s, axis.z * s };
}
static inline q4 q4_x(double a) { return q4_about(v3_make(1.0, 0.0, 0.0), a); }
static inline q4 q4_y(double a) { return q4_about(v3_make(0.0, 1.0, 0.0), a); }
static inline q4 q4_z(double a) { return q4_about(v3_make(0.0, 0.0, 1.0), a); }
static inline q4 q4_mul(q4 a, q4 b)             /* first b, then a */
{
    return (q4){ a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
                 a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w };
}
static inline q4 q4_back(q4 a) { return (q4){ a.w, -a.x, -a.y, -a.z }; }
static inline v3 q4_turn(q4 q, v3 v)
{
    const v3 u = { q.x, q.y, q.z }, t = v3_mul(v3_cross(u, v), 2.0);
    return v3_add(v3_add(v, v3_mul(t, q.w)), v3_cross(u, t));
}
static inline q4 q4_mix(q4 a, q4 b, double k)   /* the short way */
{
    const double dot = a.w * b.w + a.x * b.x + a.y * b.y + a.z * b.z, i = 1.0 - k, j = dot < 0.0 ? -k : k;
    const q4 m = { a.w * i + b.w * j, a.x * i + b.x * j, a.y * i + b.y * j, a.z * i + b.z * j };
    const double n = 1.0 / sqrt(m.w * m.w + m.x * m.x + m.y * m.y + m.z * m.z);
    return (q4){ m.w * n, m.x * n, m.y * n, m.z * n };
}
/* The rotation that takes x, y, z to these three unit axes (a right-handed set). */
static inline q4 q4_axes(v3 x, v3 y, v3 z)
{
    const double trace = x.x + y.y + z.z;
    q4 q;
    if (trace > 0.0) q = (q4){ 1.0 + trace, y.z - z.y, z.x - x.z, x.y - y.x };
    else if (x.x >= y.y && x.x >= z.z) q = (q4){ y.z - z.y, 1.0 + x.x - y.y - z.z, y.x + x.y, z.x + x.z };
    else if (y.y >= z.z) q = (q4){ z.x - x.z, y.x + x.y, 1.0 + y.y - x.x - z.z, z.y + y.z };
    else q = (q4){ x.y - y.x, z.x + x.z, z.y + y.z, 1.0 + z.z - x.x - y.y };
    const double n = 1.0 / sqrt(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z);
    return (q4){ q.w * n, q.x * n, q.y * n, q.z * n };
}

static inline double synth_clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }
static inline double synth_lerp(double a, double b, double k) { return a + (b - a) * k; }
static inline double synth_step(double from, double to, double v)       /* smooth, 0 before from, 1 after to */
{
    const double k = synth_clamp((v - from) / (to - from), 0.0, 1.0);
    return k * k * (3.0 - 2.0 * k);
}
static inline double synth_bump(double v, double centre, double width)  /* 1 at the centre, gone at twice the width */
{
    const double k = (v - centre) / width;
    return exp(-k * k);
}
static inline double synth_sgnpow(double v, double e) { return v < 0.0 ? -pow(-v, e) : pow(v, e); }
/* Catmull-Rom between b (k = 0) and c (k = 1): a smooth silhouette from few slices. */
static inline double synth_spline(double a, double b, double c, double d, double k)
{
    return b + 0.5 * k * (c - a + k * (2.0 * a - 5.0 * b + 4.0 * c - d + k * (3.0 * (b - c) + d - a)));
}
static inline double synth_rad(double degrees) { return degrees * (SYNTH_PI / 180.0); }
static inline uint8_t synth_byte(double v) { return (uint8_t)(synth_clamp(v, 0.0, 1.0) * 255.0 + 0.5); }

#endif
