/* lib/graph/params.c - named parameters and state: plain arrays, their gradients, aliases for files */
#include "graph/params.h"

#include <string.h>

enum { NAME_MAX_BYTES = 127 };

pn_params *pn_params_new(pn_ctx *ctx)
{
    pn_params *p = pn_alloc(ctx, 1, sizeof *p);
    if (!p) return NULL;
    p->ctx = ctx;
    p->arena.ctx = ctx;
    return p;
}

void pn_params_free(pn_params *p)
{
    if (!p) return;
    for (int i = 0; i < p->count; i++) {
        pn_free(p->ctx, p->entry[i].tensor->data);
        pn_free(p->ctx, p->entry[i].tensor->own_grad);
    }
    pn_ctx *ctx = p->ctx;
    pn_free(ctx, p->entry);
    pn_arena_free(&p->arena);
    pn_free(ctx, p);
}

pn_status pn_params_status(const pn_params *p) { return p ? p->status : PN_ERR_ARG; }

static pn_tensor *refuse(pn_params *p, pn_status status) { p->status = status; return NULL; }

static pn_tensor *make(pn_params *p, pn_tensor_kind kind, const char *name, pn_shape shape, pn_init init)
{
    char text[PN_SHAPE_TEXT];
    if (!p || p->status) return NULL;
    if (!name || !*name || strlen(name) > NAME_MAX_BYTES)
        return refuse(p, pn_fail(p->ctx, PN_ERR_ARG, "pn_param: the name '%.40s' is empty or longer than 127 bytes", name ? name : ""));
    if (pn_params_find(p, name))
        return refuse(p, pn_fail(p->ctx, PN_ERR_ARG, "pn_param: the name '%s' is taken; names are unique in a pn_params", name));
    if (!pn_shape_valid(shape))
        return refuse(p, pn_fail(p->ctx, PN_ERR_LIMIT, "pn_param: '%s' is %s, empty or too large", name, pn_shape_text(shape, text)));
    void *entries = p->entry;
    if (pn_grow(p->ctx, &entries, &p->room, (size_t)p->count + 1, sizeof *p->entry)) return refuse(p, PN_ERR_NOMEM);
    p->entry = entries;
    pn_tensor *t = pn_arena_alloc(&p->arena, 1, sizeof *t);
    char *copy = pn_arena_strdup(&p->arena, name);
    pn_real *data = t && copy ? pn_alloc(p->ctx, (size_t)pn_shape_count(shape), sizeof *data) : NULL;
    if (!data) return refuse(p, PN_ERR_NOMEM);
    *t = (pn_tensor){ .kind = kind, .shape = shape, .name = copy, .index = p->count, .owner = p, .data = data, .version = 1 };
    p->entry[p->count++] = (pn_param_entry){ .tensor = t, .init = init };
    return t;
}

pn_tensor *pn_param(pn_params *p, const char *name, pn_shape shape, pn_init init)
{
    return make(p, PN_TENSOR_PARAM, name, shape, init);
}

pn_tensor *pn_state(pn_params *p, const char *name, pn_shape shape, pn_init init)
{
    return make(p, PN_TENSOR_STATE, name, shape, init);
}

void pn_param_alias(pn_params *p, pn_tensor *t, const char *name)
{
    if (!p || p->status || !t) return;
    pn_param_entry *e = &p->entry[t->index];
    enum { ALIASES = sizeof e->alias / sizeof *e->alias };
    if (pn_params_find(p, name) || e->aliases == ALIASES) {
        p->status = pn_fail(p->ctx, PN_ERR_ARG, "pn_param_alias: the name '%s' is taken, or '%s' has too many", name, t->name);
        return;
    }
    const char *copy = pn_arena_strdup(&p->arena, name);
    if (copy) e->alias[e->aliases++] = copy;
    else p->status = PN_ERR_NOMEM;
}

int pn_params_count(const pn_params *p) { return p->count; }
pn_tensor *pn_params_at(const pn_params *p, int i) { return i >= 0 && i < p->count ? p->entry[i].tensor : NULL; }

pn_tensor *pn_params_find(const pn_params *p, const char *name)
{
    for (int i = 0; i < p->count; i++) {
        const pn_param_entry *e = &p->entry[i];
        bool found = strcmp(e->tensor->name, name) == 0;
        for (int a = 0; a < e->aliases; a++) found = found || strcmp(e->alias[a], name) == 0;
        if (found) return e->tensor;
    }
    return NULL;
}

int64_t pn_params_numbers(const pn_params *p)
{
    int64_t sum = 0;
    for (int i = 0; i < p->count; i++)
        if (p->entry[i].tensor->kind == PN_TENSOR_PARAM) sum += pn_shape_count(p->entry[i].tensor->shape);
    return sum;
}

bool pn_param_is_state(const pn_tensor *t) { return t->kind == PN_TENSOR_STATE; }

int pn_param_names(const pn_tensor *t, const char *names[4])
{
    const pn_param_entry *e = &t->owner->entry[t->index];
    names[0] = t->name;
    for (int a = 0; a < e->aliases; a++) names[a + 1] = e->alias[a];
    return e->aliases + 1;
}

const pn_real *pn_param_data(const pn_tensor *t) { return t->data; }
const pn_real *pn_param_grad(const pn_tensor *t) { return t->has_grad ? t->grad : NULL; }

void pn_param_set(pn_tensor *t, const pn_real *values)
{
    memcpy(t->data, values, (size_t)pn_shape_count(t->shape) * sizeof *values);
    t->version++;
    t->owner->entry[t->index].has_value = true;
}

void pn_params_zero_grad(pn_params *p)
{
    for (int i = 0; i < p->count; i++) p->entry[i].tensor->has_grad = false;
}
