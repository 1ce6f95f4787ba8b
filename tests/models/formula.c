/* tests/models/formula.c - see tests/golden/README.md, "Weights and inputs from a formula" */
#include "models/formula.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fnv(const char *name)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001B3u;
    return h;
}

static double u_of(uint64_t h, ptrdiff_t i)
{
    uint64_t z = h + ((uint64_t)i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z = z ^ z >> 31;
    return (double)(z >> 11) * 0x1p-53 * 2 - 1;
}

double formula_u(const char *name, ptrdiff_t i) { return u_of(fnv(name), i); }

static bool ends(const char *name, const char *with)
{
    const size_t n = strlen(name), m = strlen(with);
    return n >= m && strcmp(name + n - m, with) == 0;
}

static double gain_of(const char *name, const formula_gain *gains)
{
    for (; gains && gains->module; gains++)
        if (strncmp(name, gains->module, strlen(gains->module)) == 0 && strcmp(name + strlen(gains->module), ".weight") == 0)
            return gains->gain;
    return 1;
}

/* Biases of norms are those whose weight beside them has one axis. */
static bool belongs_to_norm(const pn_params *p, const char *name)
{
    char sibling[256];
    strcpy(sibling, name);
    strcpy(strrchr(sibling, '.'), ".weight");
    const pn_tensor *w = pn_params_find(p, sibling);
    return w && pn_tensor_shape(w).rank == 1;
}

static double value_of(const pn_params *p, const pn_tensor *t, const char *name, const formula_gain *gains, double u)
{
    const pn_shape s = pn_tensor_shape(t);
    if (ends(name, ".bias")) return (belongs_to_norm(p, pn_tensor_name(t)) ? 0.7 : 0.2) * (u < 0 ? u - 1 : u + 1);
    if (s.rank == 1) return 0.6 + 0.06 * u;
    const double fan_in = (double)(pn_shape_count(s) / s.dim[0]);
    return gain_of(name, gains) * sqrt((strncmp(name, "features.", 9) == 0 ? 6 : 3) / fan_in) * u;
}

void formula_fill(pn_params *p, const char *prefix, const formula_gain *gains)
{
    for (int k = 0; k < pn_params_count(p); k++) {
        pn_tensor *t = pn_params_at(p, k);
        char name[256];
        strcpy(name, prefix);
        strcat(name, pn_tensor_name(t));
        const uint64_t h = fnv(name);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        pn_real *values = malloc((size_t)n * sizeof *values);
        double squares = 0;
        for (ptrdiff_t i = 0; i < n; i++) squares += u_of(h, i) * u_of(h, i);
        for (ptrdiff_t i = 0; i < n; i++) {
            const double u = u_of(h, i);
            const double v = pn_param_is_state(t) ? u / sqrt(squares) : value_of(p, t, name, gains, u);
            values[i] = (pn_real)(float)v;              /* files and the formula are float32, in the double build too */
        }
        pn_param_set(t, values);
        free(values);
    }
}

/* ---- Pictures -------------------------------------------------------------------------------------------------------- */

enum { CELL = 8 };
typedef struct { char text[128]; } part_name;

static uint64_t hash_of(const char *name, const char *part)
{
    part_name full;
    snprintf(full.text, sizeof full.text, "%s.%s", name, part);
    return fnv(full.text);
}

/* 0.75 of a grid every CELL pixels, bilinear, and 0.25 of noise. */
void formula_picture(const char *name, ptrdiff_t n, ptrdiff_t channels, ptrdiff_t h, ptrdiff_t w, pn_real *out)
{
    const uint64_t grid = hash_of(name, "smooth"), noise = hash_of(name, "noise");
    const ptrdiff_t rows = h / CELL + 1, columns = w / CELL + 1;
    for (ptrdiff_t i = 0; i < n * channels * h * w; i++) {
        const ptrdiff_t plane = i / (h * w), y = i / w % h, x = i % w, at = (plane * rows + y / CELL) * columns + x / CELL;
        const double a = (double)(x % CELL) / CELL, b = (double)(y % CELL) / CELL;
        const double top = (1 - a) * u_of(grid, at) + a * u_of(grid, at + 1);
        const double bottom = (1 - a) * u_of(grid, at + columns) + a * u_of(grid, at + columns + 1);
        out[i] = (pn_real)(float)(0.75 * ((1 - b) * top + b * bottom) + 0.25 * u_of(noise, i));
    }
}

/* 0.6 or more in size, with the sign of its cell. */
void formula_target(const char *name, ptrdiff_t n, ptrdiff_t h, ptrdiff_t w, pn_real *out)
{
    const uint64_t sign = hash_of(name, "sign");
    formula_picture(name, n, 3, h, w, out);
    for (ptrdiff_t i = 0; i < n * 3 * h * w; i++) {
        const ptrdiff_t at = (i / (h * w) * (h / CELL) + i / w % h / CELL) * (w / CELL) + i % w / CELL;
        out[i] = (pn_real)(float)((u_of(sign, at) < 0 ? -1 : 1) * (0.8 + 0.2 * (double)out[i]));
    }
}
