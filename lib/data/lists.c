/* lib/data/lists.c - annotation and pair files of the field, hash tables over their names */
#include "data/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Problems --------------------------------------------------------------------------------------------------- */

pn_status pn_problems_note(pn_problems *p, const char *text)
{
    p->count++;
    if (p->kept == PN_PROBLEMS_KEPT) return PN_OK;
    void *grown = p->text;
    const pn_status status = pn_grow(p->ctx, &grown, &p->capacity, p->kept + 1, sizeof *p->text);
    p->text = grown;
    if (status) return status;
    p->text[p->kept] = pn_strdup(p->ctx, text);
    if (!p->text[p->kept]) return PN_ERR_NOMEM;
    p->kept++;
    return PN_OK;
}

void pn_problems_free(pn_problems *p)
{
    for (size_t i = 0; i < p->kept; i++) pn_free(p->ctx, p->text[i]);
    pn_free(p->ctx, p->text);
    *p = (pn_problems){ .ctx = p->ctx };
}

pn_status pn_bad_row(pn_ctx *ctx, pn_problems *problems, pn_status status)
{
    if (!problems || status != PN_ERR_FORMAT) return status;
    return pn_problems_note(problems, pn_ctx_message(ctx));
}

/* ---- Hash table ------------------------------------------------------------------------------------------------- */

static pn_slot *slot_of(const pn_table *t, const char *key)
{
    size_t i = (size_t)pn_hash(key, strlen(key)) & (t->room - 1);
    while (t->slot[i].key && strcmp(t->slot[i].key, key) != 0) i = (i + 1) & (t->room - 1);
    return &t->slot[i];
}

static pn_status table_grow(pn_ctx *ctx, pn_table *t)
{
    pn_table larger = { .room = t->room ? t->room * 2 : 64, .count = t->count };
    larger.slot = pn_alloc(ctx, larger.room, sizeof *larger.slot);
    if (!larger.slot) return PN_ERR_NOMEM;
    for (size_t i = 0; i < t->room; i++)
        if (t->slot[i].key) *slot_of(&larger, t->slot[i].key) = t->slot[i];
    pn_free(ctx, t->slot);
    *t = larger;
    return PN_OK;
}

pn_status pn_table_put(pn_ctx *ctx, pn_table *t, const char *key, ptrdiff_t value)
{
    if (2 * (t->count + 1) > t->room && table_grow(ctx, t)) return PN_ERR_NOMEM;
    pn_slot *s = slot_of(t, key);
    if (!s->key) t->count++;
    *s = (pn_slot){ key, value };
    return PN_OK;
}

ptrdiff_t pn_table_get(const pn_table *t, const char *key)
{
    if (!t->room) return -1;
    const pn_slot *s = slot_of(t, key);
    return s->key ? s->value : -1;
}

void pn_table_free(pn_ctx *ctx, pn_table *t)
{
    pn_free(ctx, t->slot);
    *t = (pn_table){ 0 };
}

/* ---- Annotations ------------------------------------------------------------------------------------------------ */

typedef struct { pn_ctx *ctx; const char *file; long line; } place;

static char *skip_blanks(char *c) { while (*c == ' ' || *c == '\t') c++; return c; }

/* One list "[1, 2, …]" into values; newer numpy writes its items as np.int64(1). *end: what follows. */
static pn_status read_list(const place *p, const char *what, char *text, double values[PN_JOINTS], char **end)
{
    char *c = skip_blanks(text);
    if (*c != '[')
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s:%ld: %s begins with '%.20s', expected a list [v, v, …]; the separator between "
                       "name and lists is ':'",
                       p->file, p->line, what, c);
    int n = 0;
    for (c = skip_blanks(c + 1); *c != ']';) {
        const bool wrapped = strncmp(c, "np.", 3) == 0;
        if (wrapped) c += strcspn(c, "(]") + (c[strcspn(c, "(]")] == '(');
        char *stop;
        const double v = strtod(c, &stop);
        if (stop == c || !isfinite(v))
            return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: value %d of %s is '%.20s', expected a number", p->file,
                           p->line, n + 1, what, c);
        if (n < PN_JOINTS) values[n] = v;
        n++;
        c = skip_blanks(stop);
        if (wrapped && *c == ')') c = skip_blanks(c + 1);
        if (*c == ',') c = skip_blanks(c + 1);
        else if (*c != ']')
            return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: '%.20s' after value %d of %s, expected ',' or ']'", p->file,
                           p->line, c, n, what);
    }
    if (n != PN_JOINTS)
        return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: %s has %d points, expected %d (OpenPose's 18, -1 where missing)",
                       p->file, p->line, what, n, PN_JOINTS);
    *end = skip_blanks(c + 1);
    return PN_OK;
}

static pn_status read_row(const place *p, char *line, pn_annotation *row)
{
    char *colon = strchr(line, ':'), *rest;
    if (!colon || colon == line)
        return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: '%.40s' is no row of name:keypoints_y:keypoints_x", p->file,
                       p->line, line);
    *colon = 0;
    *row = (pn_annotation){ .name = line, .line = p->line };
    pn_status status = read_list(p, "keypoints_y", colon + 1, row->pose.y, &rest);
    if (status) return status;
    if (*rest != ':')
        return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: no ':' after keypoints_y, expected name:keypoints_y:keypoints_x",
                       p->file, p->line);
    status = read_list(p, "keypoints_x", rest + 1, row->pose.x, &rest);
    if (!status && *rest)
        status = pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: '%.20s' after keypoints_x, expected the end of the line",
                         p->file, p->line, rest);
    return status;
}

static bool nobody(const pn_pose *pose)
{
    for (int j = 0; j < PN_JOINTS; j++)
        if (pn_pose_has(pose, j)) return false;
    return true;
}

typedef struct { pn_annotations *out; size_t capacity; pn_table seen; } collector;

static pn_status keep_row(const place *p, collector *c, const pn_annotation *row)
{
    pn_annotations *a = c->out;
    const ptrdiff_t old = pn_table_get(&c->seen, row->name);
    if (old >= 0) {
        if (!a->duplicates++)
            pn_ctx_log(p->ctx, PN_LOG_WARNING, "%s:%ld: %s is there twice; the last row counts", p->file, p->line,
                   row->name);
        a->rows[old].pose = row->pose;
        a->rows[old].line = row->line;
        return PN_OK;
    }
    void *grown = a->rows;
    pn_status status = pn_grow(p->ctx, &grown, &c->capacity, a->count + 1, sizeof *a->rows);
    a->rows = grown;
    if (status) return status;
    pn_annotation *kept = &a->rows[a->count];
    *kept = *row;
    kept->name = pn_arena_strdup(&a->arena, row->name);
    if (!kept->name) return PN_ERR_NOMEM;
    status = pn_table_put(p->ctx, &c->seen, kept->name, (ptrdiff_t)a->count);
    if (!status) a->count++;
    return status;
}

static pn_status read_rows(place *p, pn_lines *lines, pn_problems *problems, collector *c)
{
    char *line = pn_lines_next(lines);
    if (!line || strcmp(pn_trim(line), "name:keypoints_y:keypoints_x") != 0)
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s:1: the header is '%.60s', expected name:keypoints_y:keypoints_x (y before x)", p->file,
                       line ? line : "");
    while ((line = pn_lines_next(lines))) {
        p->line = lines->number;
        if (!*skip_blanks(line)) continue;
        pn_annotation row;
        pn_status status = read_row(p, line, &row);
        status = status ? pn_bad_row(p->ctx, problems, status) : keep_row(p, c, &row);
        if (status) return status;
    }
    for (size_t i = 0; i < c->out->count; i++) c->out->nobody += nobody(&c->out->rows[i].pose);
    return PN_OK;
}

pn_status pn_annotations_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems,
                               pn_annotations *out)
{
    pn_lines lines;
    pn_status status = pn_lines_begin(ctx, name, file, &lines);
    if (status) return status;
    pn_annotations made = { .arena = { .ctx = ctx } };
    collector c = { .out = &made };
    place p = { ctx, name, 1 };
    status = read_rows(&p, &lines, problems, &c);
    pn_table_free(ctx, &c.seen);
    if (status) pn_annotations_free(&made);
    else *out = made;
    return status;
}

void pn_annotations_free(pn_annotations *a)
{
    if (a->arena.ctx) pn_free(a->arena.ctx, a->rows);
    pn_arena_free(&a->arena);
    *a = (pn_annotations){ 0 };
}

/* ---- Pairs ------------------------------------------------------------------------------------------------------ */

/* Which comma-separated columns hold from and to; files that went through pandas have others before them. */
static pn_status find_columns(const place *p, char *line, int *from, int *to)
{
    char shown[61];
    snprintf(shown, sizeof shown, "%.60s", line);
    *from = *to = -1;
    char *rest = line, *field;
    for (int i = 0; (field = pn_field_next(&rest, ',')); i++) {
        field = pn_trim(field);
        if (strcmp(field, "from") == 0) *from = i;
        if (strcmp(field, "to") == 0) *to = i;
    }
    if (*from >= 0 && *to >= 0) return PN_OK;
    return pn_fail(p->ctx, PN_ERR_FORMAT,
                   "%s:1: the header '%s' names no columns from and to; the first line of a pairs file is "
                   "from,to",
                   p->file, shown);
}

static pn_status read_pair(const place *p, char *line, int from, int to, pn_pairs *out, size_t *capacity)
{
    char *rest = line, *field, *names[2] = { NULL, NULL };
    for (int i = 0; (field = pn_field_next(&rest, ',')); i++) {
        if (i == from) names[0] = field;
        if (i == to) names[1] = field;
    }
    if (!names[0] || !names[1] || !*names[0] || !*names[1])
        return pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: '%.60s' lacks a name, expected from,to", p->file, p->line, line);
    void *grown = out->rows;
    const pn_status status = pn_grow(p->ctx, &grown, capacity, out->count + 1, sizeof *out->rows);
    out->rows = grown;
    if (status) return status;
    pn_names_pair *row = &out->rows[out->count];
    *row = (pn_names_pair){ pn_arena_strdup(&out->arena, names[0]), pn_arena_strdup(&out->arena, names[1]), p->line };
    if (!row->from || !row->to) return PN_ERR_NOMEM;
    out->count++;
    return PN_OK;
}

static pn_status read_pairs(place *p, pn_lines *lines, pn_problems *problems, pn_pairs *out)
{
    size_t capacity = 0;
    int from, to;
    char *line = pn_lines_next(lines), none[1] = "";
    pn_status status = find_columns(p, line ? line : none, &from, &to);
    while (!status && (line = pn_lines_next(lines))) {
        p->line = lines->number;
        if (!*skip_blanks(line)) continue;
        status = read_pair(p, line, from, to, out, &capacity);
        if (status) status = pn_bad_row(p->ctx, problems, status);
    }
    return status;
}

pn_status pn_pairs_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems, pn_pairs *out)
{
    pn_lines lines;
    pn_status status = pn_lines_begin(ctx, name, file, &lines);
    if (status) return status;
    pn_pairs made = { .arena = { .ctx = ctx } };
    place p = { ctx, name, 1 };
    status = read_pairs(&p, &lines, problems, &made);
    if (status) pn_pairs_free(&made);
    else *out = made;
    return status;
}

void pn_pairs_free(pn_pairs *p)
{
    if (p->arena.ctx) pn_free(p->arena.ctx, p->rows);
    pn_arena_free(&p->arena);
    *p = (pn_pairs){ 0 };
}
