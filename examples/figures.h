/* figures.h - what lies inside a model, as figures for people: flows, masks, attention, label maps of the latest picture
 *
 * Of a painter that has run. A flow NAME gives its colours (NAME), arrows over the generated picture (NAME_arrows) and the
 * source as it alone would move it (NAME_warped); attention what chosen points of the generated picture read in the source.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "pictures.h"
#include "posenet/draw.h"

enum { FIGURES = 40, FIGURE_POINTS = 10 };
typedef struct { char name[64]; pn_image image; } figure;
typedef struct { figure item[FIGURES]; int count; } figure_set;

/* TILES: of the painter's size, for sheets. LARGE: enlarged by a whole number to 512 pixels or more, flows with their legend
 * beside them, attention as its taps, too (NAME), and target and source side by side (NAME_reads). */
typedef enum { FIGURES_TILES, FIGURES_LARGE } figure_size;
typedef struct {
    figure_size size;
    const pn_point *points;         /* of the generated picture; NULL: some joints of the target's pose */
    int count;                      /* at most FIGURE_POINTS */
} figure_opt;

/* Of a picture without known joints: places all over it, where something mostly is. Returns how many. */
int figures_places(const painter *p, pn_point out[FIGURE_POINTS]);
pn_status figures_make(const painter *p, const figure_opt *opt, figure_set *out);
void figures_free(pn_ctx *ctx, figure_set *set);
/* Of TILES: how many rows of a sheet they take, and onto it, from `row` on. */
int figures_rows(const figure_set *set, int columns);
void figures_paste(const figure_set *set, pn_image *sheet, int row, int columns);

#endif
