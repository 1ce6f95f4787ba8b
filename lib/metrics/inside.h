/* inside.h - what lib/metrics shares inside: SSIM as a map, scores of lists */
#ifndef PN_METRICS_INSIDE_H
#define PN_METRICS_INSIDE_H

#include "core/core.h"
#include "posenet/metrics.h"

#include <cJSON.h>

/* ---- SSIM by its window ------------------------------------------------------------------------------------------- */

enum { PN_SSIM_RADIUS = 5 };            /* of the Gaussian window of sigma 1.5 */
/* map [h-10,w-10]: S of every window inside the pictures, the mean of R, G and B, for values in 0 .. range. Pictures of
 * one size, at least 11x11. */
pn_status pn_ssim_gaussian(pn_ctx *ctx, const pn_image *a, const pn_image *b, double range, double *map);

/* ---- Features of a list's pairs ----------------------------------------------------------------------------------- */

typedef struct pn_feature_list pn_feature_list;
pn_feature_list *pn_feature_list_new(pn_ctx *ctx, const char *vgg19);   /* as pn_extractor_new */
void pn_feature_list_free(pn_ctx *ctx, pn_feature_list *l);
/* A pair: generated, truth and source, of one size. made, copy: its feature distances. */
pn_status pn_feature_list_add(pn_feature_list *l, const pn_image picture[3], double *made, double *copy);
pn_status pn_feature_list_scores(const pn_feature_list *l, pn_feature_scores *out);

/* ---- Lists of pictures -------------------------------------------------------------------------------------------- */

/* Letters of a name before its last dot. */
int pn_stem_length(const char *name);
/* The picture at path, brought to the size of `like` by filter. */
pn_status pn_read_like(pn_ctx *ctx, const char *path, pn_filter filter, const pn_image *like, pn_image *out);

/* A context for each thread of ctx's pool; NULL: no memory. */
pn_ctx **pn_helpers_new(pn_ctx *ctx);
void pn_helpers_free(pn_ctx *ctx, pn_ctx **helpers);

/* Sums of what is finite, and of how many. */
typedef struct { double sum[PN_SCORES]; ptrdiff_t finite[PN_SCORES]; } pn_tally;
void pn_tally_add(pn_tally *t, const pn_scores *s);
pn_scores pn_tally_mean(const pn_tally *t);             /* NaN where nothing was finite */
typedef struct { double sum[PN_PART_SCORES]; ptrdiff_t finite[PN_PART_SCORES], pixels; } pn_part_tally;
void pn_part_tally_add(pn_part_tally *t, const pn_part_scores *s);
pn_part_scores pn_part_tally_mean(const pn_part_tally *t);      /* pixels: all of them */

/* Into a JSON object under a name; what is not finite becomes null. false: no memory. */
bool pn_json_scores(cJSON *to, const char *name, const pn_scores *s);
bool pn_json_part(cJSON *to, const char *name, const pn_part_scores *s);
bool pn_json_count(cJSON *to, const char *name, ptrdiff_t n);
cJSON *pn_json_item(cJSON *list);                       /* a new object at the end of an array; NULL: no memory */
/* Write it to path, atomically, and delete it; json NULL: no memory for it. */
pn_status pn_json_write(pn_ctx *ctx, cJSON *json, bool complete, const char *path);

#endif
