/* lib/metrics/list.c - what every score of a list of pictures needs; see inside.h */
#include "metrics/inside.h"

#include <math.h>
#include <string.h>

int pn_stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return (int)(dot ? (size_t)(dot - name) : strlen(name));
}

pn_status pn_read_like(pn_ctx *ctx, const char *path, pn_filter filter, const pn_image *like, pn_image *out)
{
    pn_image read;
    pn_status status = pn_image_read(ctx, path, &read);
    if (status) return status;
    status = pn_image_resize(ctx, &read, like->height, like->width, filter, out);
    pn_image_free(ctx, &read);
    return status;
}

pn_ctx **pn_helpers_new(pn_ctx *ctx)
{
    const int n = pn_pool_size(pn_ctx_pool(ctx));
    pn_ctx **helpers = pn_alloc(ctx, (size_t)n, sizeof *helpers);
    for (int i = 0; helpers && i < n; i++)
        if (!(helpers[i] = pn_ctx_child(ctx))) {
            pn_helpers_free(ctx, helpers);
            return NULL;
        }
    return helpers;
}

void pn_helpers_free(pn_ctx *ctx, pn_ctx **helpers)
{
    for (int i = 0; helpers && i < pn_pool_size(pn_ctx_pool(ctx)); i++) pn_ctx_free(helpers[i]);
    pn_free(ctx, helpers);
}

/* ---- Means -------------------------------------------------------------------------------------------------------- */

static void add(double *sum, ptrdiff_t *finite, double v)
{
    if (!isfinite(v)) return;
    *sum += v;
    ++*finite;
}

static double mean(double sum, ptrdiff_t finite) { return finite ? sum / (double)finite : NAN; }

void pn_tally_add(pn_tally *t, const pn_scores *s)
{
    for (int i = 0; i < PN_SCORES; i++) add(&t->sum[i], &t->finite[i], pn_score_at(s, i));
}

pn_scores pn_tally_mean(const pn_tally *t)
{
    double m[PN_SCORES];
    for (int i = 0; i < PN_SCORES; i++) m[i] = mean(t->sum[i], t->finite[i]);
    return (pn_scores){ .l1 = m[0], .psnr = m[1], .mae = m[2], .ssim = m[3], .ssim_256 = m[4] };
}

void pn_part_tally_add(pn_part_tally *t, const pn_part_scores *s)
{
    for (int i = 0; i < PN_PART_SCORES; i++) add(&t->sum[i], &t->finite[i], pn_part_score_at(s, i));
    t->pixels += s->pixels;
}

pn_part_scores pn_part_tally_mean(const pn_part_tally *t)
{
    double m[PN_PART_SCORES];
    for (int i = 0; i < PN_PART_SCORES; i++) m[i] = mean(t->sum[i], t->finite[i]);
    return (pn_part_scores){ .l1 = m[0], .psnr = m[1], .ssim = m[2], .pixels = t->pixels };
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

/* cJSON writes null for what is not finite. */
bool pn_json_scores(cJSON *to, const char *name, const pn_scores *s)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    bool fine = o != NULL;
    for (int i = 0; i < PN_SCORES && fine; i++)
        fine = cJSON_AddNumberToObject(o, pn_score_name(i), pn_score_at(s, i)) != NULL;
    return fine;
}

bool pn_json_part(cJSON *to, const char *name, const pn_part_scores *s)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    bool fine = o != NULL;
    for (int i = 0; i < PN_PART_SCORES && fine; i++)
        fine = cJSON_AddNumberToObject(o, pn_part_score_name(i), pn_part_score_at(s, i)) != NULL;
    return fine;
}

bool pn_json_count(cJSON *to, const char *name, ptrdiff_t n)
{
    return cJSON_AddNumberToObject(to, name, (double)n) != NULL;
}

cJSON *pn_json_item(cJSON *list)
{
    cJSON *o = cJSON_CreateObject();
    if (!o || cJSON_AddItemToArray(list, o)) return o;
    cJSON_Delete(o);
    return NULL;
}

pn_status pn_json_write(pn_ctx *ctx, cJSON *json, bool complete, const char *path)
{
    char *text = json && complete ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    if (!text) return pn_fail(ctx, PN_ERR_NOMEM, "no memory for %s", path);
    const pn_status status = pn_file_write(ctx, path, text, strlen(text));
    cJSON_free(text);
    return status;
}
