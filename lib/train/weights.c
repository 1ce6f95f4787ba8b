/* lib/train/weights.c - reading weight files into parameters: all of it or none of it */
#include "posenet/train.h"
#include "graph/params.h"
#include "io/io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct pn_weights { pn_ctx *ctx; pn_safetensors file; };

static pn_status read_either(pn_ctx *ctx, const char *path, pn_safetensors *out)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = (pn_torch_known(&file) ? pn_torch_parse : pn_safetensors_parse)(ctx, path, &file, out);
    if (status) pn_free(ctx, file.bytes);
    return status;
}

/* Networks that were trained on several GPUs have it before every name. They stay sorted. */
static void leave_out_module(pn_weights *w)
{
    static const char module[] = "module.";
    enum { LENGTH = sizeof module - 1 };
    for (size_t i = 0; i < w->file.count; i++)
        if (strncmp(w->file.tensors[i].name, module, LENGTH) != 0 || !w->file.tensors[i].name[LENGTH]) return;
    for (size_t i = 0; i < w->file.count; i++) w->file.tensors[i].name += LENGTH;
    if (w->file.count) pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: every name begins with 'module.', which is left out", w->file.name);
}

pn_weights *pn_weights_open(pn_ctx *ctx, const char *path)
{
    pn_weights *w = pn_alloc(ctx, 1, sizeof *w);
    if (!w) return NULL;
    w->ctx = ctx;
    if (read_either(ctx, path, &w->file)) {
        pn_free(ctx, w);
        return NULL;
    }
    leave_out_module(w);
    return w;
}

void pn_weights_free(pn_weights *w)
{
    if (!w) return;
    pn_safetensors_free(w->ctx, &w->file);
    pn_free(w->ctx, w);
}

const char *pn_weights_path(const pn_weights *w) { return w->file.name; }
int pn_weights_count(const pn_weights *w) { return (int)w->file.count; }
const char *pn_weights_name(const pn_weights *w, int i) { return w->file.tensors[i].name; }
const char *pn_weights_note(const pn_weights *w, const char *key) { return pn_safetensors_note(&w->file, key); }

pn_shape pn_weights_shape(const pn_weights *w, const char *name)
{
    const pn_st_tensor *t = pn_safetensors_find(&w->file, name);
    return t ? t->shape : (pn_shape){ 0 };
}

const char *pn_weights_type(const pn_weights *w, const char *name)
{
    const pn_st_tensor *t = pn_safetensors_find(&w->file, name);
    return t ? pn_dtype_name(t->dtype) : NULL;
}

pn_status pn_weights_save(const pn_weights *w, const char *path)
{
    static const pn_st_note from_torch = { "format", "pt" };            /* what other readers look for */
    const pn_safetensors *f = &w->file;
    pn_st_item *items = pn_alloc(w->ctx, f->count, sizeof *items);
    pn_st_note *notes = items ? pn_alloc(w->ctx, f->note_count + 1, sizeof *notes) : NULL;
    pn_status status = notes ? PN_OK : PN_ERR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; !status && i < f->count; i++)
        items[i] = (pn_st_item){ .name = f->tensors[i].name, .shape = f->tensors[i].shape, .copy = &f->tensors[i] };
    for (size_t i = 0; !status && i < f->note_count; i++)
        if (strcmp(f->notes[i].key, "pn.checksum") != 0) notes[n++] = f->notes[i];
    if (!status && !f->note_count) notes[n++] = from_torch;
    if (!status) status = pn_safetensors_write(w->ctx, path, items, f->count, notes, n);
    pn_free(w->ctx, notes);
    pn_free(w->ctx, items);
    return status;
}

/* ---- Matching names and shapes ------------------------------------------------------------------------------------------ */

static const pn_st_tensor *find_any(const pn_weights *w, const char *prefix, const pn_tensor *t)
{
    const char *names[4];
    const int n = pn_param_names(t, names);
    for (int i = 0; i < n; i++) {
        char full[512];
        snprintf(full, sizeof full, "%s%s", prefix, names[i]);
        const pn_st_tensor *found = pn_safetensors_find(&w->file, full);
        if (found) return found;
    }
    return NULL;
}

/* Where a parameter's value comes from: the file, or weight_v from what the file has of its layer. */
typedef struct { const pn_st_tensor *stored, *matrix, *u; } origin;

static const pn_st_tensor *find_beside(const pn_weights *w, const char *prefix, const char *name, const char *last)
{
    char full[512];
    const char *dot = strrchr(name, '.');
    snprintf(full, sizeof full, "%s%.*s%s", prefix, dot ? (int)(dot + 1 - name) : 0, name, last);
    return pn_safetensors_find(&w->file, full);
}

static bool is_last(const char *name, const char *last)
{
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, last) == 0;
}

static origin find_origin(const pn_weights *w, const char *prefix, const pn_tensor *t)
{
    origin from = { .stored = find_any(w, prefix, t) };
    if (from.stored || !is_last(t->name, "weight_v")) return from;
    const pn_st_tensor *matrix = find_beside(w, prefix, t->name, "weight_orig");
    const pn_st_tensor *u = find_beside(w, prefix, t->name, "weight_u");
    if (!matrix || !u || matrix->shape.rank < 2 || u->count != matrix->shape.dim[0] || u->count < 1) return from;
    if (matrix->count / u->count != pn_shape_count(t->shape)) return from;
    return (origin){ .matrix = matrix, .u = u };
}

static bool fits(const origin *from, const pn_tensor *t)
{
    return from->stored ? pn_shape_equal(from->stored->shape, t->shape) : from->matrix != NULL;
}

/* v = normalize(W^T u): half a power iteration. */
static void recompute_v(const origin *from, pn_tensor *t)
{
    const ptrdiff_t columns = pn_shape_count(t->shape);
    double squares = 0;
    for (ptrdiff_t j = 0; j < columns; j++) {
        double sum = 0;
        for (ptrdiff_t i = 0; i < from->u->count; i++) {
            double u, m;
            pn_st_doubles(from->u, i, 1, &u);
            pn_st_doubles(from->matrix, i * columns + j, 1, &m);
            sum += m * u;
        }
        t->data[j] = (pn_real)sum;
        squares += sum * sum;
    }
    const double length = sqrt(squares) > 1e-12 ? sqrt(squares) : 1e-12;
    for (ptrdiff_t j = 0; j < columns; j++) t->data[j] = (pn_real)((double)t->data[j] / length);
}

enum { SHOWN = 3 };
typedef struct { char text[PN_MESSAGE_MAX]; int count; } differences;

static void note_difference(differences *d, const char *prefix, const pn_tensor *t, const pn_st_tensor *found)
{
    char has[PN_SHAPE_TEXT], wants[PN_SHAPE_TEXT];
    const size_t used = strlen(d->text);
    if (d->count++ >= SHOWN) return;
    if (found) snprintf(d->text + used, sizeof d->text - used, "; %s%s is %s, expected %s", prefix, t->name,
                        pn_shape_text(found->shape, has), pn_shape_text(t->shape, wants));
    else snprintf(d->text + used, sizeof d->text - used, "; %s%s is missing", prefix, t->name);
}

static pn_status refuse(const pn_weights *w, const differences *d)
{
    return pn_fail(w->ctx, PN_ERR_SHAPE, "%s does not fit this network, %d difference%s%.300s; name the model, preset and options "
                   "it was made with", w->file.name, d->count, d->count == 1 ? "" : "s", d->text);
}

pn_status pn_weights_load(const pn_weights *w, const char *prefix, pn_params *p, pn_load_mode mode, pn_load_report *report)
{
    pn_load_report r = { 0 };
    differences d = { .count = 0 };
    for (int i = 0; i < p->count; i++) {
        const pn_tensor *t = p->entry[i].tensor;
        const origin from = find_origin(w, prefix, t);
        if (fits(&from, t)) r.loaded++;
        else if (from.stored) r.mismatched++;
        else r.missing++;
        if (!fits(&from, t)) note_difference(&d, prefix, t, from.stored);
    }
    if (report) *report = r;
    if (mode == PN_LOAD_EXACT && d.count) return refuse(w, &d);
    for (int i = 0; i < p->count; i++) {
        pn_tensor *t = p->entry[i].tensor;
        const origin from = find_origin(w, prefix, t);
        if (!fits(&from, t)) continue;
        if (from.stored) pn_st_reals(from.stored, 0, from.stored->count, t->data);
        else recompute_v(&from, t);
        t->version++;
        p->entry[i].has_value = true;
    }
    return PN_OK;
}

static const char average_prefix[] = "ema/";

void pn_weights_load_averages(const pn_weights *w, const char *prefix, pn_params *p)
{
    char averaged[PN_NAME_ROOM];
    pn_load_report found;
    snprintf(averaged, sizeof averaged, "%s%s", average_prefix, prefix);
    pn_weights_load(w, averaged, p, PN_LOAD_PARTIAL, &found);
    if (found.loaded) pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: %d of them as averages over the training", w->file.name, found.loaded);
}

/* ---- What loading finds, told ------------------------------------------------------------------------------------------- */

/* A few of many names: each while they are few, else the networks they belong to, that is the text before the first dot. */
enum { NAMES = 3, NETWORKS = 8 };
typedef struct { const char *name; int length, count; } network;
typedef struct { int count, networks; const char *name[NAMES]; network by[NETWORKS]; } name_list;

static void list_name(name_list *l, const char *name)
{
    const int length = (int)strcspn(name, "./");
    int i = 0;
    if (l->count < NAMES) l->name[l->count] = name;
    l->count++;
    while (i < l->networks && (l->by[i].length != length || strncmp(l->by[i].name, name, (size_t)length) != 0)) i++;
    if (i == NETWORKS) return;
    if (i == l->networks) l->by[l->networks++] = (network){ name, length, 0 };
    l->by[i].count++;
}

static bool lists_network(const name_list *l, const char *name)
{
    for (int i = 0; i < l->networks; i++)
        if (l->by[i].length == (int)strcspn(name, "./") && strncmp(l->by[i].name, name, (size_t)l->by[i].length) == 0) return true;
    return false;
}

static const char *list_text(const name_list *l, char text[PN_MESSAGE_MAX])
{
    size_t used = 0;
    int told = 0;
    text[0] = 0;
    for (int i = 0; l->count <= NAMES && i < l->count && used < PN_MESSAGE_MAX; i++, told++)
        used += (size_t)snprintf(text + used, PN_MESSAGE_MAX - used, "%s%.100s", i ? ", " : "", l->name[i]);
    for (int i = 0; l->count > NAMES && i < l->networks && used < PN_MESSAGE_MAX; told += l->by[i++].count)
        used += (size_t)snprintf(text + used, PN_MESSAGE_MAX - used, "%s%.*s (%d)", i ? ", " : "",
                                 l->by[i].length < 30 ? l->by[i].length : 30, l->by[i].name, l->by[i].count);
    if (told < l->count && used < PN_MESSAGE_MAX) snprintf(text + used, PN_MESSAGE_MAX - used, ", %d more", l->count - told);
    return text;
}

static void report_part(const pn_weights *w, const char *what, const pn_part *part)
{
    char text[PN_MESSAGE_MAX];
    name_list missing = { 0 }, other = { 0 }, loaded = { 0 };
    for (int i = 0; i < part->params->count; i++) {
        const pn_tensor *t = part->params->entry[i].tensor;
        const origin from = find_origin(w, part->prefix, t);
        list_name(fits(&from, t) ? &loaded : from.stored ? &other : &missing, t->name);
    }
    pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: %d tensors loaded, %d not there, %d of another shape, for %s", w->file.name, loaded.count,
           missing.count, other.count, what);
    if (!loaded.count) return;
    bool whole = missing.count && !other.count;         /* whole networks are missing */
    for (int i = 0; whole && i < missing.networks; i++) whole = !lists_network(&loaded, missing.by[i].name);
    if (missing.count)
        pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: not there, these keep their values: %s%s", w->file.name, list_text(&missing, text),
               whole ? "; that is usual for weights of an earlier stage" : "");
    if (other.count)
        pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: of another shape, these keep their values: %s", w->file.name, list_text(&other, text));
}

/* A parameter's, an optimiser's, a training's own, or the divided weight that old spectral norm left beside weight_orig. */
static bool is_known(const char *name, const pn_part parts[], int n_parts)
{
    char longer[512];
    if (strncmp(name, "adam.", 5) == 0 || strncmp(name, "state/", 6) == 0) return true;
    if (strncmp(name, average_prefix, strlen(average_prefix)) == 0) return true;
    snprintf(longer, sizeof longer, "%s_orig", name);
    for (int i = 0; i < n_parts; i++) {
        const size_t n = strlen(parts[i].prefix);
        if (strncmp(name, parts[i].prefix, n) != 0) continue;
        if (pn_params_find(parts[i].params, name + n)) return true;
        if (is_last(name, "weight") && pn_params_find(parts[i].params, longer + n)) return true;
    }
    return false;
}

void pn_weights_report(const pn_weights *w, const char *what, const pn_part parts[], int n_parts, int n_loaded)
{
    char text[PN_MESSAGE_MAX];
    name_list rest = { 0 };
    for (int i = 0; i < n_loaded; i++) report_part(w, *parts[i].prefix ? parts[i].prefix : what, &parts[i]);
    for (size_t i = 0; i < w->file.count; i++)
        if (!is_known(w->file.tensors[i].name, parts, n_parts)) list_name(&rest, w->file.tensors[i].name);
    if (rest.count)
        pn_ctx_log(w->ctx, PN_LOG_INFO, "%s: %d left over, not used: %s", w->file.name, rest.count, list_text(&rest, text));
}

/* ---- Checkpoints ------------------------------------------------------------------------------------------------------------ */

static const char *const moment_prefix[] = { "adam.m/", "adam.v/" };
static const char steps_prefix[] = "adam.t/";

typedef struct { pn_ctx *ctx; pn_arena names; pn_st_item *items; size_t count, room; pn_status status; } item_list;

static void add_item(item_list *l, const char *before, const char *prefix, const char *name, pn_st_item item)
{
    void *items = l->items;
    const size_t room = strlen(before) + strlen(prefix) + strlen(name) + 1;
    if (l->status || (l->status = pn_grow(l->ctx, &items, &l->room, l->count + 1, sizeof *l->items))) return;
    l->items = items;
    char *full = pn_arena_alloc(&l->names, room, 1);
    if (!full) {
        l->status = PN_ERR_NOMEM;
        return;
    }
    snprintf(full, room, "%s%s%s", before, prefix, name);
    item.name = full;
    l->items[l->count++] = item;
}

static void add_part(item_list *l, const pn_part *part)
{
    for (int i = 0; i < part->params->count; i++) {
        const pn_tensor *t = part->params->entry[i].tensor;
        const char *names[4];
        const int n = pn_param_names(t, names);
        for (int k = 0; k < n; k++) add_item(l, "", part->prefix, names[k], (pn_st_item){ .shape = t->shape, .reals = t->data });
        if (!part->adam || t->kind != PN_TENSOR_PARAM) continue;
        const pn_real *moment[] = { pn_adam_moment1(part->adam, t), pn_adam_moment2(part->adam, t) };
        for (int m = 0; m < 2; m++)
            add_item(l, moment_prefix[m], part->prefix, t->name, (pn_st_item){ .shape = t->shape, .reals = moment[m] });
        const int64_t *steps = pn_adam_steps(part->adam, t);
        const pn_real *average = *steps ? pn_adam_average(part->adam, t) : t->data;
        if (pn_adam_average(part->adam, t))
            add_item(l, average_prefix, part->prefix, t->name, (pn_st_item){ .shape = t->shape, .reals = average });
        add_item(l, steps_prefix, part->prefix, t->name,
                 (pn_st_item){ .shape = pn_shape1(1), .integers = steps });
    }
}

pn_status pn_checkpoint_save(pn_ctx *ctx, const char *path, const pn_part parts[], int n_parts, const pn_note notes[], int n_notes)
{
    item_list l = { .ctx = ctx, .names.ctx = ctx };
    for (int i = 0; i < n_parts; i++) add_part(&l, &parts[i]);
    pn_st_note *st_notes = pn_arena_alloc(&l.names, (size_t)n_notes + 1, sizeof *st_notes);
    if (!st_notes) l.status = PN_ERR_NOMEM;
    for (int i = 0; st_notes && i < n_notes; i++) st_notes[i] = (pn_st_note){ notes[i].key, notes[i].value };
    if (!l.status) l.status = pn_safetensors_write(ctx, path, l.items, l.count, st_notes, (size_t)n_notes);
    pn_free(ctx, l.items);
    pn_arena_free(&l.names);
    return l.status;
}

static const pn_st_tensor *find_moment(const pn_weights *w, const char *kind, const char *prefix, const pn_tensor *t)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s%s", kind, prefix, t->name);
    return pn_safetensors_find(&w->file, full);
}

static pn_status check_moments(const pn_weights *w, const pn_part *part)
{
    for (int i = 0; part->adam && i < part->params->count; i++) {
        const pn_tensor *t = part->params->entry[i].tensor;
        if (t->kind != PN_TENSOR_PARAM) continue;
        const char *const kinds[] = { moment_prefix[0], moment_prefix[1], average_prefix };
        for (int m = 0; m < (pn_adam_average(part->adam, t) ? 3 : 2); m++) {
            const pn_st_tensor *found = find_moment(w, kinds[m], part->prefix, t);
            if (!found || !pn_shape_equal(found->shape, t->shape) || !find_moment(w, steps_prefix, part->prefix, t))
                return pn_fail(w->ctx, PN_ERR_FORMAT, "%s has no optimiser moments%s for %s%s; it is a weight file, not a checkpoint "
                               "of this stage: start from it with --init", w->file.name, m == 2 ? ", no averages" : "", part->prefix, t->name);
        }
    }
    return PN_OK;
}

static void load_moments(const pn_weights *w, const pn_part *part)
{
    for (int i = 0; part->adam && i < part->params->count; i++) {
        const pn_tensor *t = part->params->entry[i].tensor;
        if (t->kind != PN_TENSOR_PARAM) continue;
        const pn_st_tensor *m = find_moment(w, moment_prefix[0], part->prefix, t);
        const pn_st_tensor *v = find_moment(w, moment_prefix[1], part->prefix, t);
        pn_st_reals(m, 0, m->count, pn_adam_moment1(part->adam, t));
        pn_st_reals(v, 0, v->count, pn_adam_moment2(part->adam, t));
        pn_real *average = pn_adam_average(part->adam, t);
        if (average) pn_st_reals(find_moment(w, average_prefix, part->prefix, t), 0, v->count, average);
        pn_st_integers(find_moment(w, steps_prefix, part->prefix, t), 0, 1, pn_adam_steps(part->adam, t));
    }
}

pn_status pn_checkpoint_load(const pn_weights *w, const pn_part parts[], int n_parts)
{
    for (int i = 0; i < n_parts; i++) {
        differences d = { .count = 0 };
        for (int k = 0; k < parts[i].params->count; k++) {
            const pn_tensor *t = parts[i].params->entry[k].tensor;
            const pn_st_tensor *found = find_any(w, parts[i].prefix, t);
            if (!found || !pn_shape_equal(found->shape, t->shape)) note_difference(&d, parts[i].prefix, t, found);
        }
        if (d.count) return refuse(w, &d);
        const pn_status status = check_moments(w, &parts[i]);
        if (status) return status;
    }
    for (int i = 0; i < n_parts; i++) {
        pn_weights_load(w, parts[i].prefix, parts[i].params, PN_LOAD_EXACT, NULL);
        load_moments(w, &parts[i]);
    }
    return PN_OK;
}
