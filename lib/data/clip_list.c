/* lib/data/clip_list.c - test lists of GFLA's dances: CSV whose cells are Python dicts of paths; contract in posenet/clips.h
 *
 * All strings stay where they are in the file's bytes, cut off by zeros; what is kept is where they begin.
 */
#include "data/clips.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 32, CELLS = 3, PARTS = 2 };            /* A_paths, B_paths_noise, B_paths_clean; ref, gen */
static const char *const columns[CELLS] = { "A_paths", "B_paths_noise", "B_paths_clean" };
static const char *const parts[PARTS] = { "ref", "gen" };

typedef struct { size_t first, count; } span;           /* of paths */
typedef struct { span of[PARTS][CELLS]; long line; } row;

struct pn_clip_list {
    pn_ctx *ctx;
    pn_bytes file;
    const char **path;
    size_t paths, path_room;
    row *rows;
    size_t count, row_room;
    pn_arena arena;                                     /* paths that were moved to the folder */
    ptrdiff_t kp_height, kp_width;
};

/* ---- Cells of a table ---------------------------------------------------------------------------------------------- */

typedef struct {
    pn_ctx *ctx;
    const char *name;
    char *at;
    long line, next_line;                               /* of the row; of what comes next */
} table;

/* What a quoted cell holds, moved to its begin; NULL: its end is missing. */
static char *quoted_cell(table *t)
{
    char *cell = t->at, *to = t->at, *from = t->at + 1;
    for (; *from && !(from[0] == '"' && from[1] != '"'); from++) {
        if (*from == '\n') t->next_line++;
        if (*from == '"') from++;
        *to++ = *from;
    }
    if (!*from) return NULL;
    t->at = from + 1;
    *to = 0;                                            /* at or before the closing quote */
    return cell;
}

/* The cells of the next row that is not empty; 0 at the end, -1 after a failure. */
static int next_row(table *t, char *cell[COLUMNS])
{
    int n = 0;
    while (*t->at == '\n' || *t->at == '\r') t->next_line += *t->at++ == '\n';
    t->line = t->next_line;
    while (*t->at || n) {
        if (n == COLUMNS) break;
        cell[n] = t->at;
        const bool quoted = *t->at == '"';
        if (quoted && !quoted_cell(t)) {
            pn_fail(t->ctx, PN_ERR_FORMAT, "%s:%ld: a quoted cell does not end", t->name, t->line);
            return -1;
        }
        n++;
        char *end = t->at + strcspn(t->at, ",\r\n");
        const char after = *end;
        *end = 0;                                       /* what follows a closing quote is not looked at */
        t->at = end + (after != 0);
        if (after == ',') continue;
        if (after == '\r' && *t->at == '\n') t->at++;
        t->next_line += after != 0;
        return n;
    }
    if (n < COLUMNS) return n;
    pn_fail(t->ctx, PN_ERR_FORMAT, "%s:%ld: more than %d columns", t->name, t->line, COLUMNS);
    return -1;
}

/* ---- A cell: {'ref': ['…', …], 'gen': […]} ---------------------------------------------------------------------------- */

typedef struct { pn_clip_list *list; const table *table; const char *column; char *at; } dict;

static pn_status bad_cell(const dict *d)
{
    return pn_fail(d->table->ctx, PN_ERR_FORMAT, "%s:%ld: %s: '%.20s', expected {'ref': ['path', …], 'gen': ['path', …]}", d->table->name,
                   d->table->line, d->column, d->at);
}

static bool take(dict *d, char letter)
{
    d->at += strspn(d->at, " \t\r\n");
    if (*d->at != letter) return false;
    d->at++;
    return true;
}

/* 'text' or "text"; a backslash keeps the letter after it. NULL: something else. */
static char *take_text(dict *d)
{
    d->at += strspn(d->at, " \t\r\n");
    const char quote = *d->at;
    if (quote != '\'' && quote != '"') return NULL;
    char *text = d->at, *to = text, *end = text + 1;
    while (*end && *end != quote) end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end) return NULL;
    for (char *from = text + 1; from < end; from++) {
        from += *from == '\\';
        *to++ = *from;
    }
    *to = 0;
    d->at = end + 1;
    return text;
}

static pn_status keep_path(pn_clip_list *l, const char *path)
{
    void *grown = (void *)l->path;
    const pn_status status = pn_grow(l->ctx, &grown, &l->path_room, l->paths + 1, sizeof *l->path);
    l->path = (const char **)grown;
    if (!status) l->path[l->paths++] = path;
    return status;
}

static pn_status take_paths(dict *d, span *out)
{
    *out = (span){ d->list->paths, 0 };
    if (!take(d, '[')) return bad_cell(d);
    while (!take(d, ']')) {
        const char *path = out->count && !take(d, ',') ? NULL : take_text(d);
        if (!path) return bad_cell(d);
        const pn_status status = keep_path(d->list, path);
        if (status) return status;
        out->count++;
    }
    return PN_OK;
}

static pn_status take_dict(dict *d, span out[PARTS])
{
    bool has[PARTS] = { false, false };
    if (!take(d, '{')) return bad_cell(d);
    for (bool first = true; !take(d, '}'); first = false) {
        const char *key = first || take(d, ',') ? take_text(d) : NULL;
        const int part = !key ? -1 : strcmp(key, parts[0]) == 0 ? 0 : strcmp(key, parts[1]) == 0 ? 1 : -1;
        if (part < 0 || has[part] || !take(d, ':')) return bad_cell(d);
        const pn_status status = take_paths(d, &out[part]);
        if (status) return status;
        has[part] = true;
    }
    d->at += strspn(d->at, " \t\r\n");
    return has[0] && has[1] && !*d->at ? PN_OK : bad_cell(d);
}

/* ---- The list ---------------------------------------------------------------------------------------------------------- */

static pn_status check_row(const table *t, const row *r)
{
    if (!r->of[0][0].count || !r->of[0][1].count)
        return pn_fail(t->ctx, PN_ERR_FORMAT, "%s:%ld: no reference; expected a path under 'ref' in A_paths and in B_paths_noise", t->name,
                       t->line);
    if (!r->of[1][2].count)
        return pn_fail(t->ctx, PN_ERR_FORMAT, "%s:%ld: no frame to make; expected paths under 'gen' in B_paths_clean", t->name, t->line);
    for (int c = 0; c < 2; c++)
        if (r->of[1][c].count && r->of[1][c].count != r->of[1][2].count)
            return pn_fail(t->ctx, PN_ERR_FORMAT, "%s:%ld: %s has %zu paths under 'gen', and B_paths_clean %zu; expected one for each frame",
                           t->name, t->line, columns[c], r->of[1][c].count, r->of[1][2].count);
    return PN_OK;
}

static pn_status read_row(pn_clip_list *l, const table *t, char *const cell[], const int place[CELLS])
{
    row r = { .line = t->line };
    for (int c = 0; c < CELLS; c++) {
        span found[PARTS];
        const pn_status status = take_dict(&(dict){ l, t, columns[c], cell[place[c]] }, found);
        if (status) return status;
        for (int p = 0; p < PARTS; p++) r.of[p][c] = found[p];
    }
    pn_status status = check_row(t, &r);
    void *grown = l->rows;
    if (!status) status = pn_grow(l->ctx, &grown, &l->row_room, l->count + 1, sizeof *l->rows);
    l->rows = grown;
    if (!status) l->rows[l->count++] = r;
    return status;
}

static pn_status find_columns(const table *t, char *const cell[], int n, int place[CELLS])
{
    for (int c = 0; c < CELLS; c++) {
        place[c] = 0;
        while (place[c] < n && strcmp(cell[place[c]], columns[c]) != 0) place[c]++;
        if (place[c] >= n)
            return pn_fail(t->ctx, PN_ERR_FORMAT, "%s:1: no column %s; expected A_paths, B_paths_noise and B_paths_clean in the first line",
                           t->name, columns[c]);
    }
    return PN_OK;
}

static pn_status read_table(pn_clip_list *l, const char *name)
{
    char *cell[COLUMNS];
    int place[CELLS];
    table t = { .ctx = l->ctx, .name = name, .at = (char *)l->file.bytes, .next_line = 1 };
    if (strncmp(t.at, "\xef\xbb\xbf", 3) == 0) t.at += 3;
    const int n = next_row(&t, cell);
    pn_status status = n < 0 ? pn_ctx_status(l->ctx) : find_columns(&t, cell, n, place);
    while (!status) {
        const int found = next_row(&t, cell);
        if (found < 0) return pn_ctx_status(l->ctx);
        if (!found) break;
        if (found != n)
            return pn_fail(l->ctx, PN_ERR_FORMAT, "%s:%ld: %d columns, expected %d as in the first line", name, t.line, found, n);
        status = read_row(l, &t, cell, place);
    }
    if (!status && !l->count) status = pn_fail(l->ctx, PN_ERR_FORMAT, "%s has no row under its first line", name);
    return status;
}

pn_status pn_clip_list_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_clip_list **out)
{
    pn_clip_list *l = pn_alloc(ctx, 1, sizeof *l);
    if (!l) return PN_ERR_NOMEM;
    l->ctx = l->arena.ctx = ctx;
    l->file = *file;
    *file = (pn_bytes){ 0 };
    const pn_status status = read_table(l, name);
    if (status) pn_clip_list_free(l);
    else *out = l;
    return status;
}

/* ---- Where its files are ------------------------------------------------------------------------------------------------ */

/* How much of the beginning of a path the folder takes the place of, so that the file is there; NOWHERE: it is not. */
enum { NOWHERE = -1, NO_MEMORY = -2 };
static ptrdiff_t cut_of(const pn_clip_list *l, const char *path, const char *folder)
{
    if (pn_file_exists(l->ctx, path)) return 0;
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        char *moved = pn_format(l->ctx, "%s/%s", folder, slash + 1);
        if (!moved) return NO_MEMORY;
        const bool there = pn_file_exists(l->ctx, moved);
        pn_free(l->ctx, moved);
        if (there) return slash + 1 - path;
    }
    return NOWHERE;
}

static pn_status move_to(pn_clip_list *l, const char *name, const char *folder)
{
    const char *first = l->path[l->rows[0].of[0][0].first];
    const ptrdiff_t cut = cut_of(l, first, folder);
    if (cut == NO_MEMORY) return PN_ERR_NOMEM;
    if (cut == NOWHERE)
        return pn_fail(l->ctx, PN_ERR_FORMAT, "%s:%ld: '%.120s' is there neither as it is written nor in %s; name the folder that holds its data",
                       name, l->rows[0].line, first, folder);
    const size_t n = (size_t)cut, room = strlen(folder) + 2;
    for (size_t i = 0; cut && i < l->paths; i++) {
        if (strncmp(l->path[i], first, n) != 0) continue;
        const size_t rest = strlen(l->path[i] + n);
        char *moved = pn_arena_alloc(&l->arena, room + rest, 1);
        if (!moved) return PN_ERR_NOMEM;
        memcpy(moved, folder, room - 2);
        moved[room - 2] = '/';
        memcpy(moved + room - 1, l->path[i] + n, rest + 1);
        l->path[i] = moved;
    }
    return PN_OK;
}

pn_clip_list *pn_clip_list_open(pn_ctx *ctx, const char *path, const char *folder)
{
    pn_clip_list *l = NULL;
    pn_bytes file = { 0 };
    pn_status status = pn_file_read(ctx, path, &file);
    if (!status) status = pn_clip_list_parse(ctx, path, &file, &l);
    if (!status) status = move_to(l, path, folder);
    pn_dataset_ini ini;
    if (!status) status = pn_dataset_ini_read(ctx, folder, &ini);
    if (!status) {
        l->kp_height = ini.kp_height;
        l->kp_width = ini.kp_width;
        return l;
    }
    pn_free(ctx, file.bytes);
    pn_clip_list_free(l);
    return NULL;
}

/* ---- Of a split ---------------------------------------------------------------------------------------------------------- */

static pn_status keep_frames(pn_clip_list *l, const pn_clips *c, ptrdiff_t clip, pn_part part, ptrdiff_t first, ptrdiff_t end, span *out)
{
    *out = (span){ l->paths, (size_t)(end - first) };
    for (ptrdiff_t t = first; t < end; t++) {
        char *path = pn_clips_path(c, l->ctx, clip, t, part);
        const char *kept = path ? pn_arena_strdup(&l->arena, path) : NULL;
        pn_free(l->ctx, path);
        const pn_status status = kept ? keep_path(l, kept) : PN_ERR_NOMEM;
        if (status) return status;
    }
    return PN_OK;
}

static pn_status keep_clip(pn_clip_list *l, const pn_clips *c, ptrdiff_t clip)
{
    const ptrdiff_t frames = c->clip[clip].frames;
    const bool cleaned = c->files[clip].folder[PN_PART_CLEAN] != NULL;
    const pn_part part[CELLS] = { PN_PART_FRAMES, PN_PART_NOISY, cleaned ? PN_PART_CLEAN : PN_PART_NOISY };
    if (frames < 2)
        return pn_fail(l->ctx, PN_ERR_FORMAT, "the clip %s has one frame, expected 2 or more: the first is the reference of the others",
                       c->clip[clip].name);
    pn_status status = PN_OK;
    row *r = &l->rows[l->count++];
    for (int i = 0; i < CELLS && !status; i++) {
        status = keep_frames(l, c, clip, part[i], 0, 1, &r->of[0][i]);
        if (!status) status = keep_frames(l, c, clip, part[i], 1, frames, &r->of[1][i]);
    }
    return status;
}

pn_clip_list *pn_clip_list_of_split(pn_ctx *ctx, const char *folder, const char *split, pn_clips_kind kind)
{
    pn_clips *c = pn_clips_open(ctx, folder, split, &(pn_clips_opt){ .kind = kind });
    pn_clip_list *l = c ? pn_alloc(ctx, 1, sizeof *l) : NULL;
    pn_status status = l ? PN_OK : PN_ERR_NOMEM;
    if (l) {
        l->ctx = l->arena.ctx = ctx;
        l->kp_height = c->kp_height;
        l->kp_width = c->kp_width;
        l->rows = pn_alloc(ctx, (size_t)c->count, sizeof *l->rows);
        if (!l->rows) status = PN_ERR_NOMEM;
    }
    for (ptrdiff_t i = 0; !status && i < c->count; i++) status = keep_clip(l, c, i);
    pn_clips_free(c);
    if (!status) return l;
    pn_clip_list_free(l);
    return NULL;
}

void pn_clip_list_free(pn_clip_list *l)
{
    if (!l) return;
    pn_arena_free(&l->arena);
    pn_free(l->ctx, l->rows);
    pn_free(l->ctx, (void *)l->path);
    pn_free(l->ctx, l->file.bytes);
    pn_free(l->ctx, l);
}

void pn_clip_list_grid(const pn_clip_list *l, ptrdiff_t *height, ptrdiff_t *width)
{
    *height = l->kp_height;
    *width = l->kp_width;
}

ptrdiff_t pn_clip_list_count(const pn_clip_list *l) { return (ptrdiff_t)l->count; }

pn_clip_row pn_clip_list_row(const pn_clip_list *l, ptrdiff_t i)
{
    const row *r = &l->rows[i];
    pn_clip_row out = { .line = r->line };
    pn_clip_paths *const of[PARTS] = { &out.reference, &out.made };
    for (int p = 0; p < PARTS; p++) {
        pn_paths *const to[CELLS] = { &of[p]->frames, &of[p]->noisy, &of[p]->clean };
        for (int c = 0; c < CELLS; c++) *to[c] = (pn_paths){ l->path + r->of[p][c].first, (ptrdiff_t)r->of[p][c].count };
    }
    return out;
}

/* ---- Names ------------------------------------------------------------------------------------------------------------- */

bool pn_clip_mask_path(const char *frame, char *path, size_t room)
{
    static const char folder[] = "/train_A/";
    const char *last = NULL, *dot = strrchr(frame, '.'), *slash = strrchr(frame, '/');
    for (const char *at = frame; (at = strstr(at, folder)); at++) last = at;
    if (!last) return false;
    const char *rest = last + strlen(folder);
    const int stem = dot && dot > slash ? (int)(dot - rest) : (int)strlen(rest);
    const int n = snprintf(path, room, "%.*s/train_C/%.*s.png", (int)(last - frame), frame, stem, rest);
    return n >= 0 && (size_t)n < room;
}

enum { FOLDER_NAME = 256 };

/* The name of the folder that a file lies in. */
static void folder_name(const char *path, char name[FOLDER_NAME])
{
    const char *end = strrchr(path, '/'), *begin = end ? end : path;
    while (begin > path && begin[-1] != '/') begin--;
    snprintf(name, FOLDER_NAME, "%.*s", end ? (int)(end - begin) : 0, begin);
}

static void names_of(const pn_clip_list *l, const row *r, char name[PARTS][FOLDER_NAME])
{
    folder_name(l->path[r->of[0][0].first], name[0]);
    folder_name(l->path[r->of[1][2].first], name[1]);
}

void pn_clip_list_name(const pn_clip_list *l, ptrdiff_t i, char name[PN_CLIP_NAME])
{
    char own[PARTS][FOLDER_NAME], other[PARTS][FOLDER_NAME], line[24] = "";
    names_of(l, &l->rows[i], own);
    for (ptrdiff_t k = 0; k < i && !*line; k++) {
        names_of(l, &l->rows[k], other);
        if (strcmp(own[0], other[0]) == 0 && strcmp(own[1], other[1]) == 0) snprintf(line, sizeof line, "_%ld", l->rows[i].line);
    }
    const bool same = strcmp(own[0], own[1]) == 0;
    snprintf(name, PN_CLIP_NAME, "%s%s%s%s", same ? "" : own[0], same ? "" : "_2_", own[1], line);
}
