/* lib/data/landmarks.c - files of a face's 68 landmarks, a line "x,y" each; contract in posenet/clips.h */
#include "data/clips.h"

#include <math.h>
#include <stdlib.h>

static pn_status bad_line(pn_ctx *ctx, const char *name, long line, const char *text)
{
    return pn_fail(ctx, PN_ERR_FORMAT, "%s:%ld: '%.40s' is no landmark, expected two numbers x,y", name, line, text);
}

static pn_status read_line(pn_ctx *ctx, const char *name, long line, char *text, double at[2])
{
    char *rest = text;
    for (int i = 0; i < 2; i++) {
        char *stop;
        at[i] = strtod(rest, &stop);
        if (stop == rest || !isfinite(at[i])) return bad_line(ctx, name, line, text);
        while (*stop == ' ' || *stop == '\t') stop++;
        if (*stop != (i == 0 ? ',' : '\0')) return bad_line(ctx, name, line, text);
        rest = stop + (i == 0);
    }
    return PN_OK;
}

pn_status pn_landmarks_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_landmarks *out)
{
    pn_lines lines;
    pn_status status = pn_lines_begin(ctx, name, file, &lines);
    pn_landmarks read = { { 0.0 }, { 0.0 } };
    int n = 0;
    for (char *line; !status && (line = pn_lines_next(&lines));) {
        double at[2] = { 0.0, 0.0 };
        line = pn_trim(line);
        if (!*line) continue;
        status = read_line(ctx, name, lines.number, line, at);
        if (status || n++ >= PN_LANDMARKS) continue;
        read.x[n - 1] = at[0];
        read.y[n - 1] = at[1];
    }
    if (!status && n != PN_LANDMARKS)
        status = pn_fail(ctx, PN_ERR_FORMAT, "%s: %d landmarks, expected %d lines x,y (dlib's order)", name, n, PN_LANDMARKS);
    if (!status) *out = read;
    return status;
}

pn_status pn_landmarks_read(pn_ctx *ctx, const char *path, pn_landmarks *out)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_landmarks_parse(ctx, path, &file, out);
    pn_free(ctx, file.bytes);
    return status;
}

pn_landmarks pn_landmarks_scale(const pn_landmarks *l, double from_h, double from_w, double to_h, double to_w)
{
    pn_landmarks out;
    for (int i = 0; i < PN_LANDMARKS; i++) {
        out.x[i] = l->x[i] * to_w / from_w;
        out.y[i] = l->y[i] * to_h / from_h;
    }
    return out;
}
