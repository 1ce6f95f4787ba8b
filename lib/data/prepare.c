/* lib/data/prepare.c - DeepFashion as it is handed out, into the folders that pose transfer uses
 *
 * MEN/Tees_Tanks/id_00001612/01_1_front.jpg becomes fashionMENTees_Tanksid0000161201_1front.jpg: slashes go, the
 * underscore of the id goes, the file name keeps its first one. Older lists say "fasion" and drop the category's
 * underscore too; both names are looked up. Contract in posenet/data.h.
 */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    pn_ctx *ctx;
    const pn_prepare_opt *opt;
    pn_arena arena;                 /* names of the lists */
    pn_table listed;                /* name -> which split */
    uint8_t *seen;                  /* [listed names] copied or there */
    const char **name;
    size_t count, name_room;
    pn_prepare_report report;
} preparing;

static const char *const splits[] = { "train", "test" };
enum { SPLITS = 2, NAME_MAX_BYTES = 200, DEPTH_MAX = 8 };

/* Appends part without the underscores from number `keep` on. false: no room. */
static bool append(char *out, const char *part, size_t length, int keep)
{
    size_t used = strlen(out);
    for (size_t i = 0; i < length; i++) {
        if (part[i] == '_' && keep-- <= 0) continue;
        if (used + 1 >= NAME_MAX_BYTES) return false;
        out[used++] = part[i];
    }
    out[used] = 0;
    return true;
}

bool pn_flat_name(const char *tree, bool old, char out[PN_FLAT_NAME])
{
    const char *part[4];
    size_t length[4];
    int n = 0;
    for (const char *c = tree; n < 4; n++) {
        part[n] = c;
        length[n] = strcspn(c, "/");
        c += length[n];
        if (!*c++) break;
    }
    if (n != 3) return false;                           /* GENDER/Category/id/file, no more and no less */
    const int keep[4] = { 99, old ? 0 : 99, 0, 1 };     /* underscores that stay in each part */
    snprintf(out, PN_FLAT_NAME, "%s", old ? "fasion" : "fashion");
    for (int i = 0; i < 4; i++)
        if (!append(out, part[i], length[i], keep[i])) return false;
    return true;
}

/* ---- Lists ------------------------------------------------------------------------------------------------------ */

static pn_status read_list(preparing *p, int split)
{
    char *path = pn_format(p->ctx, "%s/%s.lst", p->opt->lists, splits[split]);
    pn_bytes file = { 0 };
    pn_lines lines;
    pn_status status = path ? pn_file_read(p->ctx, path, &file) : PN_ERR_NOMEM;
    if (!status) status = pn_lines_begin(p->ctx, path, &file, &lines);
    for (char *line; !status && (line = pn_lines_next(&lines));) {
        char *name = pn_arena_strdup(&p->arena, pn_trim(line));
        if (!name) status = PN_ERR_NOMEM;
        else if (*name && strchr(name, '/'))
            status = pn_fail(p->ctx, PN_ERR_FORMAT, "%s:%ld: '%s' is a path, expected a flattened name", path,
                             lines.number, name);
        else if (*name && pn_table_get(&p->listed, name) < 0) {
            void *grown = p->name;
            status = pn_grow(p->ctx, &grown, &p->name_room, p->count + 1, sizeof *p->name);
            p->name = grown;
            if (status) break;
            p->name[p->count] = name;
            status = pn_table_put(p->ctx, &p->listed, name, (ptrdiff_t)p->count++ * SPLITS + split);
        }
    }
    pn_free(p->ctx, file.bytes);
    pn_free(p->ctx, path);
    return status;
}

static pn_status copy_file(pn_ctx *ctx, const char *from, const char *to)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, from, &file);
    if (status) return status;
    status = pn_file_write(ctx, to, file.bytes, file.size);
    pn_free(ctx, file.bytes);
    return status;
}

/* The lists themselves belong to the result. */
static pn_status copy_lists(preparing *p)
{
    pn_names files;
    pn_status status = pn_folder_list(p->ctx, p->opt->lists, &files);
    if (status) return status;
    for (size_t i = 0; !status && i < files.count; i++) {
        const size_t n = strlen(files.name[i]);
        if (n < 5 || (strcmp(files.name[i] + n - 4, ".csv") != 0 && strcmp(files.name[i] + n - 4, ".lst") != 0))
            continue;
        char *from = pn_format(p->ctx, "%s/%s", p->opt->lists, files.name[i]);
        char *to = pn_format(p->ctx, "%s/%s", p->opt->out, files.name[i]);
        if (!from || !to) status = PN_ERR_NOMEM;
        else if (strcmp(from, to) != 0) status = copy_file(p->ctx, from, to);
        p->report.lists += !status;
        pn_free(p->ctx, from);
        pn_free(p->ctx, to);
    }
    pn_names_free(p->ctx, &files);
    return status;
}

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

static pn_status take_picture(preparing *p, const char *path, const char *tree)
{
    char name[PN_FLAT_NAME];
    ptrdiff_t at = -1;
    for (int old = 0; old < 2 && at < 0; old++)
        if (pn_flat_name(tree, old == 1, name)) at = pn_table_get(&p->listed, name);
    if (at < 0) {
        p->report.unlisted++;
        return PN_OK;
    }
    p->seen[at / SPLITS] = 1;
    char *to = pn_format(p->ctx, "%s/%s/%s", p->opt->out, splits[at % SPLITS], name);
    pn_status status = to ? PN_OK : PN_ERR_NOMEM;
    if (!status && pn_file_exists(p->ctx, to)) p->report.there++;       /* writes are atomic: what is there is whole */
    else if (!status && !(status = copy_file(p->ctx, path, to))) p->report.copied++;
    pn_free(p->ctx, to);
    return status;
}

/* tree: what follows the root in path. */
static pn_status walk(preparing *p, const char *path, size_t root, int depth)
{
    pn_names names;
    pn_status status = pn_folder_list(p->ctx, path, &names);
    if (status) return status;
    for (size_t i = 0; !status && i < names.count; i++) {
        char *inside = pn_format(p->ctx, "%s/%s", path, names.name[i]);
        if (!inside) status = PN_ERR_NOMEM;
        else if (pn_folder_exists(p->ctx, inside))
            status = depth < DEPTH_MAX ? walk(p, inside, root, depth + 1) : PN_OK;
        else if (strstr(names.name[i], ".jpg")) status = take_picture(p, inside, inside + root + 1);
        pn_free(p->ctx, inside);
    }
    pn_names_free(p->ctx, &names);
    return status;
}

static pn_status make_folders(preparing *p)
{
    pn_status status = PN_OK;
    for (int s = 0; s < SPLITS && !status; s++) {
        char *folder = pn_format(p->ctx, "%s/%s", p->opt->out, splits[s]);
        status = folder ? pn_folder_make(p->ctx, folder) : PN_ERR_NOMEM;
        pn_free(p->ctx, folder);
    }
    return status;
}

static pn_status prepare(preparing *p)
{
    const pn_prepare_opt *o = p->opt;
    if (!pn_folder_exists(p->ctx, o->images))
        return pn_fail(p->ctx, PN_ERR_IO,
                       "%s is no folder; unpack img_highres.zip (or img.zip) and name the folder that holds MEN and "
                       "WOMEN",
                       o->images);
    pn_status status = PN_OK;
    for (int s = 0; s < SPLITS && !status; s++) status = read_list(p, s);
    p->seen = status ? NULL : pn_alloc(p->ctx, p->count, 1);
    if (!status && !p->seen) status = PN_ERR_NOMEM;
    if (!status) status = make_folders(p);
    if (!status) status = copy_lists(p);
    if (!status) status = walk(p, o->images, strlen(o->images), 0);
    for (size_t i = 0; !status && i < p->count; i++) {
        if (p->seen[i]) continue;
        if (!p->report.missing++) snprintf(p->report.first_missing, sizeof p->report.first_missing, "%s", p->name[i]);
    }
    p->report.listed = (ptrdiff_t)p->count;
    return status;
}

pn_status pn_prepare(pn_ctx *ctx, const pn_prepare_opt *opt, pn_prepare_report *out)
{
    preparing p = { .ctx = ctx, .opt = opt, .arena = { .ctx = ctx } };
    const pn_status status = prepare(&p);
    pn_table_free(ctx, &p.listed);
    pn_free(ctx, p.seen);
    pn_free(ctx, p.name);
    pn_arena_free(&p.arena);
    if (!status) *out = p.report;
    return status;
}
