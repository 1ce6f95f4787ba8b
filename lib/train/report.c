/* lib/train/report.c - report.html: curves as inline SVG, samples as data, configuration; one file that opens offline */
#include "train/run_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- The log as columns -------------------------------------------------------------------------------------------------- */

typedef struct { double *step, *seconds, *loss[PN_RUN_LOSSES]; size_t rows; pn_arena arena; } history;

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; (text = strchr(text, '\n')); text++) n++;
    return n;
}

static void read_row(history *h, const pn_run_folder *run, const char *line)
{
    char *at;
    h->step[h->rows] = strtod(line, &at);
    at = *at == ',' ? strchr(at + 1, ',') : NULL; /* past the stage */
    if (!at) return;
    h->seconds[h->rows] = strtod(at + 1, &at);
    for (int i = 0; i < run->losses; i++) {
        const bool empty = *at != ',' || at[1] == ',' || at[1] == '\n' || !at[1];
        h->loss[i][h->rows] = empty ? NAN : strtod(at + 1, NULL);
        at += *at == ',';
        at += strcspn(at, ",\n");
    }
    h->rows++;
}

static pn_status read_history(pn_run_folder *run, history *h)
{
    pn_bytes file;
    const char *path = pn_run_path(run, "train.csv");
    pn_status status = path ? pn_file_read(run->ctx, path, &file) : PN_ERR_NOMEM;
    if (status) return status;
    const size_t lines = count_lines((const char *)file.bytes) + 1;
    h->arena.ctx = run->ctx;
    h->step = pn_arena_alloc(&h->arena, lines, sizeof *h->step);
    h->seconds = pn_arena_alloc(&h->arena, lines, sizeof *h->seconds);
    bool ok = h->step && h->seconds;
    for (int i = 0; ok && i < run->losses; i++) ok = (h->loss[i] = pn_arena_alloc(&h->arena, lines, sizeof **h->loss)) != NULL;
    const char *line = strchr((const char *)file.bytes, '\n');
    for (; ok && line && line[1]; line = strchr(line + 1, '\n')) read_row(h, run, line + 1);
    pn_free(run->ctx, file.bytes);
    return ok ? PN_OK : PN_ERR_NOMEM;
}

/* ---- Curves ---------------------------------------------------------------------------------------------------------------- */

enum { WIDE = 420, HIGH = 180, LEFT = 58, BOTTOM = 24, POINTS = 300 };
typedef struct { double low, high; } range;

static range range_of(const double *v, size_t n)
{
    range r = { INFINITY, -INFINITY };
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        if (v[i] < r.low) r.low = v[i];
        if (v[i] > r.high) r.high = v[i];
    }
    return r;
}

/* Mean of the values around a point of the curve, so that a long run reads as a line and not as a smear. */
static double mean_of(const double *v, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        if (isfinite(v[i])) {
            sum += v[i];
            n++;
        }
    return n ? sum / (double)n : NAN;
}

static void curve(pn_text *t, const char *name, const history *h, const double *v)
{
    const range y = range_of(v, h->rows), x = range_of(h->step, h->rows);
    if (!(y.low <= y.high)) return;
    const double span_x = x.high > x.low ? x.high - x.low : 1, span_y = y.high > y.low ? y.high - y.low : 1;
    pn_text_add(t, "<figure><figcaption>%s</figcaption><svg viewBox='0 0 %d %d' role='img'>"
                   "<rect x='%d' y='4' width='%d' height='%d' class='frame'/>", name, WIDE, HIGH, LEFT, WIDE - LEFT - 6, HIGH - BOTTOM - 4);
    pn_text_add(t, "<text x='%d' y='14' class='end'>%.3g</text><text x='%d' y='%d' class='end'>%.3g</text>", LEFT - 5, y.high, LEFT - 5,
                HIGH - BOTTOM, y.low);
    pn_text_add(t, "<text x='%d' y='%d'>%.0f</text><text x='%d' y='%d' class='end'>step %.0f</text><polyline points='", LEFT, HIGH - 8,
                x.low, WIDE - 6, HIGH - 8, x.high);
    const size_t points = h->rows < POINTS ? h->rows : POINTS;
    for (size_t i = 0; i < points; i++) {
        const size_t from = i * h->rows / points, to = (i + 1) * h->rows / points;
        const double value = mean_of(v, from, to);
        if (!isfinite(value)) continue;
        pn_text_add(t, "%.1f,%.1f ", LEFT + (h->step[from] - x.low) / span_x * (WIDE - LEFT - 6),
                    4 + (y.high - value) / span_y * (HIGH - BOTTOM - 4));
    }
    pn_text_add(t, "'/></svg></figure>\n");
}

/* ---- Pictures and text -------------------------------------------------------------------------------------------------------- */

static void base64(pn_text *t, const uint8_t *b, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t v = (uint32_t)b[i] << 16 | (i + 1 < n ? (uint32_t)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0);
        const char four[4] = { digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=', i + 2 < n ? digit[v & 63] : '=' };
        pn_text_bytes(t, four, sizeof four);
    }
}

static void escaped(pn_text *t, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '<') pn_text_add(t, "&lt;");
        else if (text[i] == '&') pn_text_add(t, "&amp;");
        else pn_text_bytes(t, &text[i], 1);
    }
}

/* What a kill left half written is none. */
static void keep_pictures(pn_ctx *ctx, pn_names *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        const size_t n = strlen(names->name[i]);
        if (n > 4 && strcmp(names->name[i] + n - 4, ".png") == 0)
            names->name[kept++] = names->name[i];
        else
            pn_free(ctx, names->name[i]);
    }
    names->count = kept;
}

/* The first, some between, and the last: how the pictures came about. */
static pn_status samples(pn_run_folder *run, pn_text *t)
{
    enum { SHOWN = 6 };
    pn_names names;
    const char *folder = pn_run_path(run, "samples");
    pn_status status = folder ? pn_folder_list(run->ctx, folder, &names) : PN_ERR_NOMEM;
    if (status) return status;
    keep_pictures(run->ctx, &names);
    const size_t shown = names.count < SHOWN ? names.count : SHOWN;
    if (shown) pn_text_add(t, "<h2>Samples</h2><p>Each row: source, target pose, generated, truth.</p>\n");
    for (size_t i = shown; !status && i-- > 0;) {
        const char *name = names.name[shown > 1 ? i * (names.count - 1) / (shown - 1) : 0];
        const char *path = pn_run_path(run, "samples/%s", name);
        pn_bytes file = { 0 };
        if (!path || (status = pn_file_read(run->ctx, path, &file))) break;
        pn_text_add(t, "<figure class='sample'><figcaption>%s</figcaption><img alt='%s' src='data:image/png;base64,", name, name);
        base64(t, file.bytes, file.size);
        pn_text_add(t, "'></figure>\n");
        pn_free(run->ctx, file.bytes);
    }
    pn_names_free(run->ctx, &names);
    return status;
}

static pn_status configuration(pn_run_folder *run, pn_text *t)
{
    pn_bytes file;
    const char *path = pn_run_path(run, "config.ini");
    if (!path) return PN_ERR_NOMEM;
    if (!pn_file_exists(run->ctx, path)) return PN_OK;
    const pn_status status = pn_file_read(run->ctx, path, &file);
    if (status) return status;
    pn_text_add(t, "<h2>Configuration</h2><pre>");
    escaped(t, (const char *)file.bytes, file.size);
    pn_text_add(t, "</pre>\n");
    pn_free(run->ctx, file.bytes);
    return PN_OK;
}

static const char head[] =
    "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>\n"
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}figure{display:inline-block;margin:0 1em 1em 0;vertical-align:top}"
    "figcaption{font-size:.85em;color:#555}svg{width:420px;max-width:100%}.frame{fill:#f7f7f7;stroke:#ddd}"
    "polyline{fill:none;stroke:#1f6fb2;stroke-width:1.5}text{font-size:11px;fill:#555}.end{text-anchor:end}"
    "img{max-width:100%;image-rendering:auto}pre{background:#f7f7f7;padding:1em;overflow:auto;font-size:.85em}</style>\n";

pn_status pn_run_report(pn_run_folder *run, const char *title)
{
    history h = { 0 };
    pn_status status = read_history(run, &h);
    pn_text t = { .ctx = run->ctx };
    pn_text_add(&t, "%s<title>", head);
    escaped(&t, title, strlen(title));
    pn_text_add(&t, "</title><h1>");
    escaped(&t, title, strlen(title));
    pn_text_add(&t, "</h1>\n");
    if (!status && h.rows)
        pn_text_add(&t, "<p>%.0f steps in %.0f s, %.3f s a step.</p><h2>Losses</h2>\n", h.step[h.rows - 1], h.seconds[h.rows - 1],
                    h.seconds[h.rows - 1] / h.step[h.rows - 1]);
    for (int i = 0; !status && i < run->losses; i++) curve(&t, run->loss[i], &h, h.loss[i]);
    if (!status) status = samples(run, &t);
    if (!status) status = configuration(run, &t);
    if (!status) status = t.status;
    const char *path = pn_run_path(run, "report.html");
    if (!status) status = path ? pn_file_write(run->ctx, path, t.text, t.size) : PN_ERR_NOMEM;
    pn_text_free(&t);
    pn_arena_free(&h.arena);
    return status;
}
