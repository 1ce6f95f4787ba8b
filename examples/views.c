/* examples/views.c - see views.h */
#include "views.h"

#include <math.h>
#include <stdio.h>

pn_status view_parse(pn_ctx *ctx, const char *option, const char *text, pn_object_view *out)
{
    double azimuth, elevation;
    int used = 0;
    const bool two = sscanf(text, "%lf,%lf%n", &azimuth, &elevation, &used) == 2 && !text[used] && fabs(azimuth) < 1e6 && fabs(elevation) < 1e6;
    if (!two)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "%s is '%s', expected AZIMUTH,ELEVATION in degrees, like 60,0", option, text);
    const int a = ((int)lround(azimuth / 20) % PN_AZIMUTHS + PN_AZIMUTHS) % PN_AZIMUTHS;
    const long up = lround(elevation / 10);
    const int e = up < 0 ? 0 : up < PN_ELEVATIONS ? (int)up : PN_ELEVATIONS - 1;
    if (azimuth != 20.0 * a || elevation != 10.0 * e)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "%s is '%s', expected an azimuth of 0, 20 … 340 and an elevation of 0, 10 or 20 degrees; "
                           "the nearest is %d,%d", option, text, 20 * a, 10 * e);
    *out = (pn_object_view){ .azimuth = a, .elevation = e };
    return PN_OK;
}

/* Nobody stands there: figures of poses have no joint to show. */
static void set_codes(painter *p, const pn_object_view *from, const pn_object_view *to)
{
    pn_view_code(from, p->pose_source);
    pn_view_code(to, p->pose_target);
    for (int j = 0; j < PN_JOINTS; j++) p->pose.x[j] = p->pose.y[j] = -1;
}

pn_status painter_object(painter *p, const char *image, const pn_object_view *from, const pn_object_view *to)
{
    pn_image picture = { 0 }, resized = { 0 };
    pn_status status = pn_image_read(p->ctx, image, &picture);
    if (!status) status = pn_image_resize(p->ctx, &picture, p->height, p->width, p->needs.filter, &resized);
    if (!status) pn_image_to_floats(&resized, p->source);
    set_codes(p, from, to);
    pn_image_free(p->ctx, &picture);
    pn_image_free(p->ctx, &resized);
    return status;
}

pn_status painter_turn(painter *p, const pn_views *v, pn_view_pair pair)
{
    pn_status status = pn_views_picture(v, pair.source, p->height, p->width, p->source);
    if (!status) status = pn_views_picture(v, pair.target, p->height, p->width, p->target);
    if (status) return status;
    set_codes(p, pn_views_view(v, pair.source), pn_views_view(v, pair.target));
    return painter_run(p);
}
