/* lib/data/dataset.c - a folder in one of the field's layouts: lists, key points, where the pictures are
 *
 * Contract in posenet/data.h. The layouts are tables below; README texts and programs of the field disagree on the
 * spelling of file names, so all of them are tried, in a fixed order, and the log says which was found.
 */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

static const char *const prefixes[] = { "fasion-resize-", "fasion-", "fashion-resize-", "fashion-", "market-" };
enum { PREFIXES = sizeof prefixes / sizeof *prefixes };
/* before and after the split's name */
static const char *const picture_folders[][2] = {
    { "", "" }, { "", "_resize" }, { "", "_highres" }, { "fashion_resize/", "" }, { "img/", "" }
};
enum { PICTURE_FOLDERS = sizeof picture_folders / sizeof *picture_folders };
extern const char pn_text_parsing_folders[];

/* ---- Paths in the data set's arena ------------------------------------------------------------------------------ */

static char *keep(pn_dataset *d, char *text)
{
    char *kept = text ? pn_arena_strdup(&d->arena, text) : NULL;
    pn_free(d->ctx, text);
    return kept;
}

/* ---- Finding the splits ----------------------------------------------------------------------------------------- */

static pn_status find_pictures(pn_dataset *d, pn_split *s)
{
    for (int i = 0; i < PICTURE_FOLDERS && !s->pictures; i++) {
        char *path = keep(
            d, pn_format(d->ctx, "%s/%s%s%s", d->folder, picture_folders[i][0], s->name, picture_folders[i][1]));
        if (!path) return PN_ERR_NOMEM;
        if (pn_folder_exists(d->ctx, path)) s->pictures = path;
    }
    return PN_OK;
}

/* One line of the table of label folders: the folder with the split's name in it, if it exists. */
static pn_status try_parsing(pn_dataset *d, pn_split *s, char *line)
{
    char where[64], kind[8], labelling[24];
    if (sscanf(line, "%63s %7s %23s", where, kind, labelling) != 3) return PN_OK;
    char *percent = strchr(where, '%');
    char *path = percent
                     ? pn_format(d->ctx, "%s/%.*s%s%s", d->folder, (int)(percent - where), where, s->name, percent + 1)
                     : pn_format(d->ctx, "%s/%s", d->folder, where);
    char *folder = keep(d, path);
    if (!folder) return PN_ERR_NOMEM;
    if (!pn_folder_exists(d->ctx, folder)) return PN_OK;
    s->parsing_tree = strcmp(kind, "tree") == 0;
    if (s->parsing_tree) *strrchr(folder, '/') = 0;     /* the table names a folder inside the tree, as its mark */
    s->parsing = folder;
    if (!d->labelling[0]) snprintf(d->labelling, sizeof d->labelling, "%s", labelling);
    return PN_OK;
}

static pn_status find_parsing(pn_dataset *d, pn_split *s)
{
    char *text = pn_strdup(d->ctx, pn_text_parsing_folders);
    if (!text) return PN_ERR_NOMEM;
    pn_status status = PN_OK;
    char *rest = text, *line;
    while (!status && !s->parsing && (line = pn_field_next(&rest, '\n')))
        if (*line && *line != '#') status = try_parsing(d, s, line);
    pn_free(d->ctx, text);
    return status;
}

/* "fasion-resize-annotation-train.csv" with this prefix: the length of "train", its start in *split; else 0. */
static int split_in(const char *file, const char *prefix, const char **split)
{
    static const char middle[] = "annotation-";
    const size_t p = strlen(prefix), m = sizeof middle - 1, n = strlen(file);
    if (n <= p + m + 4 || strncmp(file, prefix, p) != 0 || strncmp(file + p, middle, m) != 0) return 0;
    if (strcmp(file + n - 4, ".csv") != 0 || n - p - m - 4 > 31) return 0;
    *split = file + p + m;
    return (int)(n - p - m - 4);
}

static bool has_split(const pn_dataset *d, const char *name, int length)
{
    for (int i = 0; i < d->splits; i++)
        if ((int)strlen(d->split[i].name) == length && strncmp(d->split[i].name, name, (size_t)length) == 0)
            return true;
    return false;
}

static pn_status add_split(pn_dataset *d, const char *file, const char *name, int length)
{
    if (d->splits == PN_SPLITS_MAX)
        return pn_fail(d->ctx, PN_ERR_LIMIT, "%s has more than %d annotation files; move some elsewhere", d->folder,
                       PN_SPLITS_MAX);
    pn_split *s = &d->split[d->splits++];
    s->name = keep(d, pn_format(d->ctx, "%.*s", length, name));
    s->annotations = keep(d, pn_format(d->ctx, "%s/%s", d->folder, file));
    if (!s->name || !s->annotations) return PN_ERR_NOMEM;
    const pn_status status = find_pictures(d, s);
    return status ? status : find_parsing(d, s);
}

static pn_status find_splits(pn_dataset *d)
{
    pn_names files;
    pn_status status = pn_folder_list(d->ctx, d->folder, &files);
    if (status) return status;
    for (int p = 0; p < PREFIXES; p++)
        for (size_t i = 0; !status && i < files.count; i++) {
            const char *name;
            const int length = split_in(files.name[i], prefixes[p], &name);
            if (length && !has_split(d, name, length)) status = add_split(d, files.name[i], name, length);
        }
    pn_names_free(d->ctx, &files);
    if (!status && !d->splits)
        return pn_fail(d->ctx, PN_ERR_IO,
                       "%s has no annotation file; looked for {fasion-resize,fasion,fashion-resize,fashion,market}-"
                       "annotation-SPLIT.csv (posenet-data keypoints makes one)",
                       d->folder);
    return status;
}

/* ---- People: names, key points, pictures ------------------------------------------------------------------------ */

static pn_status add_person(pn_dataset *d, const pn_annotation *row)
{
    void *grown = d->person;
    pn_status status = pn_grow(d->ctx, &grown, &d->person_room, d->persons + 1, sizeof *d->person);
    d->person = grown;
    if (status) return status;
    pn_person *p = &d->person[d->persons];
    *p = (pn_person){ .name = pn_arena_strdup(&d->arena, row->name), .pose = row->pose, .annotated = true };
    if (!p->name) return PN_ERR_NOMEM;
    status = pn_table_put(d->ctx, &d->by_name, p->name, (ptrdiff_t)d->persons);
    if (!status) d->persons++;
    return status;
}

/* The picture of name in the folder of its own split, or of another. */
static pn_status find_picture(pn_dataset *d, const pn_split *own, const char *name, const char **path)
{
    for (int i = -1; i < d->splits && !*path; i++) {
        const pn_split *s = i < 0 ? own : &d->split[i];
        if (!s->pictures || (i >= 0 && s == own)) continue;
        char *tried = pn_format(d->ctx, "%s/%s", s->pictures, name);
        if (!tried) return PN_ERR_NOMEM;
        if (pn_file_exists(d->ctx, tried)) {
            *path = keep(d, tried);
            if (!*path) return PN_ERR_NOMEM;
        } else {
            pn_free(d->ctx, tried);
        }
    }
    return PN_OK;
}

/* fashionWOMENTees_Tanksid0000161201_1front.jpg -> WOMEN/Tees_Tanks/id_00001612/01_1_front, as ADGAN's tree has it.
 * NULL: the name has another form, or no memory. */
static char *tree_path(pn_ctx *ctx, const char *name)
{
    const char *rest = strncmp(name, "fashion", 7) == 0  ? name + 7
                       : strncmp(name, "fasion", 6) == 0 ? name + 6
                                                         : NULL,
               *id = NULL;
    if (!rest) return NULL;
    const bool women = strncmp(rest, "WO", 2) == 0;
    rest += women ? 5 : 3;
    if (strlen(name) < (size_t)(rest - name)) return NULL;
    for (const char *c = strstr(rest, "id0"); c; c = strstr(c + 1, "id0")) id = c;     /* the last one */
    if (!id || strlen(id) < 15 || id[12] != '_') return NULL;
    const char *dot = strrchr(id, '.');
    const int view = dot && dot > id + 14 ? (int)(dot - id) - 14 : (int)strlen(id) - 14;
    return pn_format(ctx, "%s/%.*s/id_%.8s/%.2s_%c_%.*s", women ? "WOMEN" : "MEN", (int)(id - rest), rest, id + 2,
                     id + 10, id[13], view, id + 14);
}

static pn_status find_labels(pn_dataset *d, const pn_split *s, pn_person *p)
{
    if (!s->parsing) return PN_OK;
    char *path;
    if (s->parsing_tree) {
        char *inside = tree_path(d->ctx, p->name);
        if (!inside) return PN_OK;
        path = pn_format(d->ctx, "%s/%s.npy", s->parsing, inside);
        pn_free(d->ctx, inside);
    } else {
        const char *dot = strrchr(p->name, '.');
        path = pn_format(d->ctx, "%s/%.*s.png", s->parsing, (int)(dot ? (size_t)(dot - p->name) : strlen(p->name)),
                         p->name);
    }
    if (!path) return PN_ERR_NOMEM;
    if (!pn_file_exists(d->ctx, path)) {
        pn_free(d->ctx, path);
        return PN_OK;
    }
    p->parsing = keep(d, path);
    return p->parsing ? PN_OK : PN_ERR_NOMEM;
}

/* ---- The grid --------------------------------------------------------------------------------------------------- */

enum { SIZES_LOOKED_AT = 256 };

/* The one size that pictures of this split share, judged by up to 256 of them spread evenly; height 0 if they
 * differ. */
static pn_kp_grid shared_size(pn_dataset *d, size_t first, size_t end)
{
    pn_kp_grid shared = { 0, 0, "its pictures all have this size" };
    const size_t n = end - first, step = n > SIZES_LOOKED_AT ? n / SIZES_LOOKED_AT : 1;
    for (size_t i = first; i < end; i += step) {
        ptrdiff_t h, w;
        if (!d->person[i].path || pn_image_size_read(d->ctx, d->person[i].path, &h, &w)) continue;     /* told later */
        if (shared.height && (h != shared.height || w != shared.width))
            return (pn_kp_grid) { 0, 0, "its pictures differ in size" };
        shared.height = h;
        shared.width = w;
    }
    return shared;
}

static pn_kp_grid decide_grid(pn_dataset *d, const pn_annotations *a, size_t first)
{
    if (d->opt.kp_height > 0) return (pn_kp_grid){ d->opt.kp_height, d->opt.kp_width, "--kp-size says so" };
    if (d->ini.kp_height) return (pn_kp_grid){ d->ini.kp_height, d->ini.kp_width, "dataset.ini says so" };
    const pn_kp_grid size = shared_size(d, first, d->persons);
    if (size.height && !(size.height >= 256 && size.width >= 256)) return size;
    return pn_grid_detect(a);
}

static pn_status read_split(pn_dataset *d, pn_split *s)
{
    pn_bytes file;
    pn_annotations a;
    pn_status status = pn_file_read(d->ctx, s->annotations, &file);
    if (status) return status;
    status = pn_annotations_parse(d->ctx, s->annotations, &file, d->problems, &a);
    pn_free(d->ctx, file.bytes);
    if (status) return status;
    const size_t first = d->persons;
    s->rows = a.count;
    s->nobody = a.nobody;
    s->duplicates = a.duplicates;
    for (size_t i = 0; !status && i < a.count; i++) {
        if (pn_table_get(&d->by_name, a.rows[i].name) >= 0) continue;   /* the split asked for came first */
        status = add_person(d, &a.rows[i]);
        if (!status) status = find_picture(d, s, a.rows[i].name, &d->person[d->persons - 1].path);
        if (!status) status = find_labels(d, s, &d->person[d->persons - 1]);
    }
    if (!status) {
        s->grid = decide_grid(d, &a, first);
        if (s->grid.height)
            pn_ctx_log(d->ctx, PN_LOG_INFO, "%s: %zu rows; key points on a grid of %tdx%td: %s", s->annotations, s->rows,
                   s->grid.height, s->grid.width, s->grid.why);
        s->first = first;
        s->added = d->persons - first;
        for (size_t i = first; i < d->persons; i++) {
            d->person[i].grid_height = s->grid.height;
            d->person[i].grid_width = s->grid.width;
        }
    }
    pn_annotations_free(&a);
    return status;
}

pn_status pn_dataset_begin(pn_ctx *ctx, const char *folder, const char *asked, const pn_dataset_opt *opt,
                           pn_problems *problems, pn_dataset **out)
{
    if (!pn_folder_exists(ctx, folder))
        return pn_fail(ctx, PN_ERR_IO, "%s is no folder; name the one that holds the lists and the picture folders",
                       folder);
    pn_dataset *d = pn_alloc(ctx, 1, sizeof *d);
    if (!d) return PN_ERR_NOMEM;
    d->ctx = d->arena.ctx = ctx;
    d->problems = problems;
    if (opt) d->opt = *opt;
    d->folder = pn_arena_strdup(&d->arena, folder);
    pn_status status = d->folder ? pn_dataset_ini_read(ctx, folder, &d->ini) : PN_ERR_NOMEM;
    if (!status) status = find_splits(d);
    const char *labelling = d->opt.parsing ? d->opt.parsing : d->ini.parsing;
    if (labelling[0]) snprintf(d->labelling, sizeof d->labelling, "%.31s", labelling);
    for (int turn = 0; turn < 2; turn++)                /* the split asked for, then the others */
        for (int i = 0; !status && i < d->splits; i++)
            if ((asked && strcmp(d->split[i].name, asked) == 0) == (turn == 0)) status = read_split(d, &d->split[i]);
    if (status) pn_dataset_free(d);
    else *out = d;
    return status;
}

/* ---- Pairs ------------------------------------------------------------------------------------------------------ */

pn_status pn_dataset_pairs_path(pn_dataset *d, const char *split, char **path)
{
    for (int p = 0; p < PREFIXES; p++) {
        *path = pn_format(d->ctx, "%s/%spairs-%s.csv", d->folder, prefixes[p], split);
        if (!*path) return PN_ERR_NOMEM;
        if (pn_file_exists(d->ctx, *path)) return PN_OK;
        pn_free(d->ctx, *path);
    }
    *path = pn_strdup(d->ctx, "");
    return *path ? PN_OK : PN_ERR_NOMEM;
}

/* A pair that cannot be used: counted; the first of its kind is told, and in strict mode it is the end. */
static pn_status skip_pair(pn_dataset *d, const char *path, const pn_names_pair *row, const char *name,
                           const char *lacks, ptrdiff_t *count)
{
    const bool first = ++*count == 1;
    d->skipped++;
    if (d->opt.strictness == PN_STRICT)
        return pn_fail(d->ctx, PN_ERR_FORMAT, "%s:%ld: %s has no %s; add it or take the pair out", path, row->line,
                       name, lacks);
    if (d->problems) {
        char *text = pn_format(d->ctx, "%s:%ld: %s has no %s", path, row->line, name, lacks);
        const pn_status status = text ? pn_problems_note(d->problems, text) : PN_ERR_NOMEM;
        pn_free(d->ctx, text);
        return status;
    }
    if (first)
        pn_ctx_log(d->ctx, PN_LOG_WARNING, "%s:%ld: %s has no %s; such pairs are skipped", path, row->line, name, lacks);
    return PN_OK;
}

static pn_status use_pair(pn_dataset *d, const char *path, const pn_names_pair *row)
{
    const char *const names[2] = { row->from, row->to };
    const pn_person *person[2];
    for (int i = 0; i < 2; i++) {
        const ptrdiff_t at = pn_table_get(&d->by_name, names[i]);
        if (at < 0) return skip_pair(d, path, row, names[i], "key points in any annotation file", &d->unannotated);
        person[i] = &d->person[at];
    }
    for (int i = 0; i < 2; i++) {
        if (!person[i]->path)
            return skip_pair(d, path, row, names[i], "picture in any folder of the data set", &d->pictureless);
        if (!person[i]->grid_height && !d->problems)
            return pn_fail(d->ctx, PN_ERR_FORMAT,
                           "%s: cannot tell which grid the key points of %s refer to (fewer than 200 points); say "
                           "--kp-size HxW, or kp_size = HxW in dataset.ini",
                           d->folder, names[i]);
    }
    d->pair[d->pairs++] = (pn_pair){ person[0], person[1], row->line };
    return PN_OK;
}

static pn_status list_targets(pn_dataset *d)
{
    bool *listed = pn_alloc(d->ctx, d->persons, sizeof *listed);
    pn_free(d->ctx, d->target);
    d->targets = 0;
    d->target = pn_alloc(d->ctx, (size_t)d->pairs, sizeof *d->target);
    for (ptrdiff_t i = 0; listed && d->target && i < d->pairs; i++) {
        const ptrdiff_t at = d->pair[i].target - d->person;
        if (!listed[at]) d->target[d->targets++] = d->pair[i].target;
        listed[at] = true;
    }
    const pn_status status = listed && d->target ? PN_OK : PN_ERR_NOMEM;
    pn_free(d->ctx, listed);
    return status;
}

pn_status pn_dataset_read_pairs(pn_dataset *d, const char *path)
{
    pn_bytes file;
    pn_pairs list;
    pn_status status = pn_file_read(d->ctx, path, &file);
    if (status) return status;
    status = pn_pairs_parse(d->ctx, path, &file, d->problems, &list);
    pn_free(d->ctx, file.bytes);
    if (status) return status;
    pn_free(d->ctx, d->pair);
    d->pairs = d->skipped = d->unannotated = d->pictureless = 0;
    d->pair = pn_alloc(d->ctx, list.count, sizeof *d->pair);
    if (!d->pair) status = PN_ERR_NOMEM;
    for (size_t i = 0; !status && i < list.count; i++) status = use_pair(d, path, &list.rows[i]);
    if (!status && !d->problems && !d->pairs)
        status = pn_fail(d->ctx, PN_ERR_FORMAT,
                         "%s: not one usable pair (%zu rows, %td without key points, %td without pictures); "
                         "posenet-data check tells which",
                         path, list.count, d->unannotated, d->pictureless);
    if (!status && !d->problems)
        pn_ctx_log(d->ctx, PN_LOG_INFO, "%s: %td pairs, %td skipped", path, d->pairs, d->skipped);
    pn_pairs_free(&list);
    return status ? status : list_targets(d);
}

pn_dataset *pn_dataset_open(pn_ctx *ctx, const char *folder, const char *split, const pn_dataset_opt *opt)
{
    pn_dataset *d;
    if (pn_dataset_begin(ctx, folder, split, opt, NULL, &d)) return NULL;
    char *path = NULL;
    pn_status status = d->opt.pairs ? (path = pn_strdup(ctx, d->opt.pairs)) ? PN_OK : PN_ERR_NOMEM
                                    : pn_dataset_pairs_path(d, split, &path);
    if (!status && !path[0])
        status = pn_fail(
            ctx, PN_ERR_IO,
            "%s has no pairs file for '%s'; looked for {fasion-resize,fasion,fashion-resize,fashion,market}-"
            "pairs-%s.csv",
            folder, split, split);
    if (!status) status = pn_dataset_read_pairs(d, path);
    pn_free(ctx, path);
    if (!status) return d;
    pn_dataset_free(d);
    return NULL;
}

void pn_dataset_free(pn_dataset *d)
{
    if (!d) return;
    pn_ctx *ctx = d->ctx;
    pn_table_free(ctx, &d->by_name);
    pn_free(ctx, d->person);
    pn_free(ctx, d->pair);
    pn_free(ctx, d->target);
    pn_arena_free(&d->arena);
    pn_free(ctx, d);
}

ptrdiff_t pn_dataset_pairs(const pn_dataset *d) { return d->pairs; }
const pn_pair *pn_dataset_pair(const pn_dataset *d, ptrdiff_t i) { return &d->pair[i]; }
ptrdiff_t pn_dataset_targets(const pn_dataset *d) { return d->targets; }
const pn_person *pn_dataset_target(const pn_dataset *d, ptrdiff_t i) { return d->target[i]; }
ptrdiff_t pn_dataset_skipped(const pn_dataset *d) { return d->skipped; }
pn_ctx *pn_dataset_ctx(const pn_dataset *d) { return d->ctx; }
const char *pn_dataset_parsing(const pn_dataset *d) { return d->labelling; }

const pn_person *pn_dataset_find(const pn_dataset *d, const char *name)
{
    const ptrdiff_t at = pn_table_get(&d->by_name, name);
    return at < 0 ? NULL : &d->person[at];
}
