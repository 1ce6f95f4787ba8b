/* lib/train/weights.c - reading weight files into parameters: all of it or none of it */
#include "posenet/train.h"
#include "graph/params.h"
#include "io/io.h"

#include <stdio.h>
#include <string.h>

struct pn_weights { pn_ctx *ctx; pn_safetensors file; };

pn_weights *pn_weights_open(pn_ctx *ctx, const char *path)
{
    pn_weights *w = pn_alloc(ctx, 1, sizeof *w);
    if (!w) return NULL;
    w->ctx = ctx;
    if (!pn_safetensors_read(ctx, path, &w->file)) return w;
    pn_free(ctx, w);
    return NULL;
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
        const pn_st_tensor *found = find_any(w, prefix, t);
        const bool fits = found && pn_shape_equal(found->shape, t->shape);
        if (fits) r.loaded++;
        else if (found) r.mismatched++;
        else r.missing++;
        if (!fits) note_difference(&d, prefix, t, found);
    }
    if (report) *report = r;
    if (mode == PN_LOAD_EXACT && d.count) return refuse(w, &d);
    for (int i = 0; i < p->count; i++) {
        pn_tensor *t = p->entry[i].tensor;
        const pn_st_tensor *found = find_any(w, prefix, t);
        if (!found || !pn_shape_equal(found->shape, t->shape)) continue;
        pn_st_reals(found, 0, found->count, t->data);
        t->version++;
        p->entry[i].has_value = true;
    }
    return PN_OK;
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
        add_item(l, steps_prefix, part->prefix, t->name,
                 (pn_st_item){ .shape = pn_shape1(1), .integers = pn_adam_steps(part->adam, t) });
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
        for (int m = 0; m < 2; m++) {
            const pn_st_tensor *found = find_moment(w, moment_prefix[m], part->prefix, t);
            if (!found || !pn_shape_equal(found->shape, t->shape) || !find_moment(w, steps_prefix, part->prefix, t))
                return pn_fail(w->ctx, PN_ERR_FORMAT, "%s has no optimiser moments for %s%s; it is a weight file, not a checkpoint "
                               "of this stage: start from it with --init", w->file.name, part->prefix, t->name);
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
