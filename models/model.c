/* models/model.c - the registry, options, and what is the same for every model */
#include "face.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const pn_model_kind *const kinds[] = { &gfla_kind, &glocal_kind, &rsa_gan_kind };       /* a fourth model is one more name here */
enum { KINDS = sizeof kinds / sizeof *kinds };

const pn_model_kind *pn_model_kind_at(int i) { return i >= 0 && i < KINDS ? kinds[i] : NULL; }

const pn_model_kind *pn_model_kind_find(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

pn_status pn_model_size_check(pn_ctx *ctx, const pn_model_kind *kind, ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t m = kind->multiple;
    if (height > 0 && width > 0 && height % m == 0 && width % m == 0) return PN_OK;
    if (height <= 0 || width <= 0)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the size is %tdx%td, expected positive sides", height, width);
    const ptrdiff_t h = height < m ? m : height / m * m, w = width < m ? m : width / m * m;
    return pn_ctx_fail(ctx, PN_ERR_ARG, "the size is %tdx%td, but %s needs sides that are multiples of %td; the nearest are %tdx%td "
                       "and %tdx%td", height, width, kind->name, m, h, w, (height + m - 1) / m * m, (width + m - 1) / m * m);
}

/* ---- Options ---------------------------------------------------------------------------------------------------------- */

static int option_index(const pn_model_kind *kind, const char *key, size_t length)
{
    for (int i = 0; kind->options[i].key; i++)
        if (strlen(kind->options[i].key) == length && memcmp(kind->options[i].key, key, length) == 0) return i;
    return -1;
}

const char *pn_model_get(const pn_model *m, const char *key)
{
    const int i = option_index(m->kind, key, strlen(key));
    return i < 0 ? NULL : m->value[i];
}

void pn_model_put(pn_model *m, const char *key, const char *format, ...)
{
    const int i = option_index(m->kind, key, strlen(key));
    va_list args;
    va_start(args, format);
    if (i >= 0) vsnprintf(m->value[i], PN_OPTION_ROOM, format, args);
    va_end(args);
}

static const char *nearest_option(const pn_model_kind *kind, const char *key)
{
    const char *best = kind->options[0].key;
    for (int i = 1; kind->options[i].key; i++)
        if (pn_name_distance(key, kind->options[i].key) < pn_name_distance(key, best)) best = kind->options[i].key;
    return best;
}

/* One "key=value"; `from` is where it was said. */
static pn_status set_option(pn_model *m, const char *setting, size_t length, const char *from)
{
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)length, setting);
    char *equals = strchr(text, '=');
    if (!equals) return pn_ctx_fail(m->ctx, PN_ERR_ARG, "%s '%s' has no '=', expected key=value", from, text);
    *equals = 0;
    const int i = option_index(m->kind, text, strlen(text));
    if (i < 0) return pn_ctx_fail(m->ctx, PN_ERR_ARG, "%s: %s has no option '%s'; did you mean '%s'?", from, m->kind->name, text,
                                  nearest_option(m->kind, text));
    if (strlen(equals + 1) >= PN_OPTION_ROOM)
        return pn_ctx_fail(m->ctx, PN_ERR_ARG, "%s: the value of '%s' is longer than %d bytes", from, text, PN_OPTION_ROOM - 1);
    if (strpbrk(equals + 1, " \t\r\n")) /* notes list options with blanks between them */
        return pn_ctx_fail(m->ctx, PN_ERR_ARG, "%s: the value of '%s' is '%s', expected one without blanks", from, text,
                           equals + 1);
    strcpy(m->value[i], equals + 1);
    return PN_OK;
}

static pn_status set_options(pn_model *m, const char *settings, const char *from)
{
    for (const char *at = settings; *at;) {
        const size_t length = strcspn(at, " ");
        const pn_status status = length ? set_option(m, at, length, from) : PN_OK;
        if (status) return status;
        at += length + (at[length] == ' ');
    }
    return PN_OK;
}

pn_status pn_model_int(const pn_model *m, const char *key, int least, int most, int *out)
{
    const char *text = pn_model_get(m, key);
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < least || v > most)
        return pn_ctx_fail(m->ctx, PN_ERR_ARG, "the option %s=%s is not a whole number from %d to %d", key, text, least, most);
    *out = (int)v;
    return PN_OK;
}

pn_status pn_model_real(const pn_model *m, const char *key, double *out)
{
    const char *text = pn_model_get(m, key);
    char *end;
    const double v = strtod(text, &end);
    if (end == text || *end || !(v - v == 0))
        return pn_ctx_fail(m->ctx, PN_ERR_ARG, "the option %s=%s is not a finite number", key, text);
    *out = v;
    return PN_OK;
}

/* ---- Models ------------------------------------------------------------------------------------------------------------- */

static const char *choose(pn_ctx *ctx, const pn_model_choice *among, const char *wanted, const char *what)
{
    for (int i = 0; among[i].name; i++)
        if (!wanted || strcmp(among[i].name, wanted) == 0) return among[i].name;
    char names[200] = "";
    for (int i = 0; among[i].name; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", among[i].name);
    pn_ctx_fail(ctx, PN_ERR_ARG, "there is no %s '%s', expected one of %s", what, wanted, names);
    return NULL;
}

static const pn_model_preset *preset_of(pn_ctx *ctx, const pn_model_kind *kind, const char *wanted)
{
    for (int i = 0; kind->presets[i].name; i++)
        if (!wanted || strcmp(kind->presets[i].name, wanted) == 0) return &kind->presets[i];
    pn_ctx_fail(ctx, PN_ERR_ARG, "%s has no preset '%s', expected full, small or tiny", kind->name, wanted);
    return NULL;
}

/* Ours, or the same word of another program's file whose `model` is one of ours. */
static const char *noted_as(const pn_weights *w, const char *ours)
{
    const char *said = w ? pn_weights_note(w, ours) : NULL, *model = w ? pn_weights_note(w, "model") : NULL;
    return said || !model || !pn_model_kind_find(model) ? said : pn_weights_note(w, ours + strlen("pn."));
}

static void no_such_model(pn_ctx *ctx, const char *name)
{
    char names[200] = "";
    for (int i = 0; i < KINDS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", kinds[i]->name);
    pn_ctx_fail(ctx, PN_ERR_ARG, "there is no model '%s', expected one of %s", name, names);
}

static const pn_model_kind *kind_for(pn_ctx *ctx, const pn_model_opt *opt)
{
    const char *noted = noted_as(opt->weights, "pn.model");
    const char *name = opt->name ? opt->name : noted;
    if (!name) {
        pn_ctx_fail(ctx, PN_ERR_ARG, "%s does not say which model it belongs to; name it with --model",
                    opt->weights ? pn_weights_path(opt->weights) : "nothing");
        return NULL;
    }
    if (noted && strcmp(name, noted) != 0) {
        pn_ctx_fail(ctx, PN_ERR_ARG, "%s holds weights of %s, not of %s", pn_weights_path(opt->weights), noted, name);
        return NULL;
    }
    const pn_model_kind *kind = pn_model_kind_find(name);
    if (!kind) no_such_model(ctx, name);
    return kind;
}

static const pn_model_face *face_of(const pn_model_kind *kind, const char *task)
{
    for (int i = 0; !kind->face && kind->tasks[i].name; i++)
        if (strcmp(kind->tasks[i].name, task) == 0) return kind->task_face[i];
    return kind->face;
}

/* What was asked for, what the file says, else the first whose weights the file may hold. */
static const char *task_for(pn_ctx *ctx, const pn_model_kind *kind, const pn_model_opt *opt)
{
    const char *noted = noted_as(opt->weights, "pn.task"), *wanted = opt->task ? opt->task : noted;
    const bool foreign = opt->weights && !pn_weights_note(opt->weights, "pn.options");
    for (int i = 0; !wanted && foreign && kind->tasks[i].name; i++) {
        pn_model probe = { .kind = kind, .ctx = ctx };
        if (face_of(kind, kind->tasks[i].name)->recognise(&probe, opt->weights)) wanted = kind->tasks[i].name;
    }
    return choose(ctx, kind->tasks, wanted, "task");
}

/* Defaults, then the preset, then what the weight file says, then what the caller set. */
static pn_status resolve(pn_model *m, const pn_model_opt *opt)
{
    const pn_model_kind *kind = m->kind;
    const char *noted = opt->weights ? pn_weights_note(opt->weights, "pn.options") : NULL;
    const char *noted_preset = noted_as(opt->weights, "pn.preset");
    const pn_model_preset *preset = preset_of(m->ctx, kind, opt->preset ? opt->preset : noted_preset);
    if (!preset) return PN_ERR_ARG;
    m->preset = preset->name;
    for (int i = 0; kind->options[i].key; i++) strcpy(m->value[i], kind->options[i].value);
    pn_status status = set_options(m, preset->settings, "preset");
    /* Of a file of ours its names tell what options younger than it would have been, unless a preset was asked for. */
    const bool told = opt->weights && !(noted && opt->preset), recognised = !status && told && m->face->recognise(m, opt->weights);
    if (!status && noted && !opt->preset) status = set_options(m, noted, pn_weights_path(opt->weights));
    if (!status && opt->weights && !noted && !recognised)
        status = pn_ctx_fail(m->ctx, PN_ERR_FORMAT, "%s does not look like weights of %s: the names that tell its widths are missing",
                             pn_weights_path(opt->weights), kind->name);
    for (int i = 0; !status && i < opt->n_set; i++) status = set_option(m, opt->set[i], strlen(opt->set[i]), "--set");
    for (int i = 0; kind->options[i].key; i++) {
        const size_t used = strlen(m->settings);
        snprintf(m->settings + used, sizeof m->settings - used, "%s%s=%s", i ? " " : "", kind->options[i].key, m->value[i]);
    }
    return status;
}

pn_model *pn_model_new(pn_ctx *ctx, const pn_model_opt *opt)
{
    const pn_model_kind *kind = kind_for(ctx, opt);
    const char *task = kind ? task_for(ctx, kind, opt) : NULL;
    pn_model *m = task ? pn_ctx_alloc(ctx, face_of(kind, task)->model_bytes) : NULL;
    if (!m) return NULL;
    m->kind = kind;
    m->task = task;
    m->face = face_of(kind, task);
    m->ctx = ctx;
    m->seed = opt->seed;
    if (!resolve(m, opt) && !m->face->make(m)) return m;
    pn_model_free(m);
    return NULL;
}

void pn_model_free(pn_model *m)
{
    if (!m) return;
    for (int i = 0; i < m->parts; i++) {
        pn_adam_free(m->part[i].adam);
        pn_params_free(m->part[i].params);
    }
    pn_ctx_release(m->ctx, m);
}

const pn_model_kind *pn_model_kind_of(const pn_model *m) { return m->kind; }
pn_ctx *pn_model_ctx(const pn_model *m) { return m->ctx; }
const char *pn_model_preset_of(const pn_model *m) { return m->preset; }

void pn_model_size(const pn_model *m, ptrdiff_t *height, ptrdiff_t *width)
{
    const pn_model_preset *preset = preset_of(m->ctx, m->kind, m->preset);
    const bool own = preset && preset->height;
    *height = own ? preset->height : m->kind->height;
    *width = own ? preset->width : m->kind->width;
}

pn_model_decay pn_model_decay_of(const pn_model *m)
{
    const pn_model_preset *preset = preset_of(m->ctx, m->kind, m->preset);
    return (pn_model_decay){ preset && preset->decay > 0 ? preset->decay : m->kind->decay, preset ? preset->last : 0 };
}

const char *pn_model_task_of(const pn_model *m) { return m->task; }
const pn_model_choice *pn_model_stages(const pn_model *m) { return m->face->stages ? m->face->stages : m->kind->stages; }
const char *const *pn_model_losses(const pn_model *m) { return m->face->losses ? m->face->losses : m->kind->losses; }

int pn_model_parts(const pn_model *m, pn_part parts[4])
{
    for (int i = 0; i < m->parts; i++) parts[i] = (pn_part){ m->part[i].prefix, m->part[i].params, NULL };
    return m->parts;
}

pn_status pn_model_load(pn_model *m, const pn_weights *weights)
{
    pn_part parts[4];
    double keep;
    const int n = pn_model_parts(m, parts);
    pn_status status = pn_model_real(m, "ema", &keep);
    if (!status) status = pn_weights_load(weights, parts[0].prefix, parts[0].params, PN_LOAD_EXACT, NULL);
    if (!status) pn_weights_report(weights, "the generator", parts, n, 1);
    if (!status && keep > 0) pn_weights_load_averages(weights, parts[0].prefix, parts[0].params);
    return status || !m->face->loaded ? status : m->face->loaded(m, weights);
}

pn_status pn_model_start(pn_model *m, const pn_weights *weights, pn_load_report found[4])
{
    pn_status status = PN_OK;
    for (int i = 0; !status && i < m->parts; i++)
        status = pn_weights_load(weights, m->part[i].prefix, m->part[i].params, PN_LOAD_PARTIAL, &found[i]);
    pn_part parts[4];
    const int n = pn_model_parts(m, parts);
    if (!status) pn_weights_report(weights, "the generator", parts, n, n);
    if (!status && m->face->started) m->face->started(m, weights);
    return status;
}

int pn_model_notes(const pn_model *m, pn_note notes[PN_MODEL_NOTES])
{
    enum { ALWAYS = 7 };
    _Static_assert(ALWAYS + PN_MODEL_OPTIONS <= PN_MODEL_NOTES, "room for every option");
    const pn_model_option *o = m->kind->options;
    int n = ALWAYS;
    notes[0] = (pn_note){ "pn.model", m->kind->name };
    notes[1] = (pn_note){ "pn.preset", m->preset };
    notes[2] = (pn_note){ "pn.task", m->task };
    notes[3] = (pn_note){ "pn.options", m->settings };
    notes[4] = (pn_note){ "model", m->kind->name };
    notes[5] = (pn_note){ "preset", m->preset };
    notes[6] = (pn_note){ "task", m->task };
    for (int i = 0; o[i].key; i++)
        if (strcmp(m->value[i], o[i].value) != 0) notes[n++] = (pn_note){ o[i].key, m->value[i] };
    return n;
}

pn_model_needs pn_model_needs_at(const pn_model *m, ptrdiff_t height)
{
    pn_model_needs needs = m->face->needs ? m->face->needs(m, height) : (pn_model_needs){ .sigma = 6, .labelling = "" };
    if (!needs.channels) needs.channels = pn_pose_channels(needs.limbs);
    return needs;
}

/* ---- Training -------------------------------------------------------------------------------------------------------------- */

static const char *last_stage(const pn_model_choice *stages)
{
    const char *last = NULL;
    for (int i = 0; stages[i].name; i++) last = stages[i].name;
    return last;
}

pn_training *pn_training_new(pn_model *m, const pn_training_opt *opt)
{
    const pn_model_choice *stages = pn_model_stages(m);
    const char *stage = choose(m->ctx, stages, opt->stage ? opt->stage : last_stage(stages), "stage");
    if (!stage || pn_model_size_check(m->ctx, m->kind, opt->height, opt->width)) return NULL;
    if (opt->batch < 1) {
        pn_ctx_fail(m->ctx, PN_ERR_ARG, "the batch is %td, expected 1 or more", opt->batch);
        return NULL;
    }
    pn_training *t = pn_ctx_alloc(m->ctx, m->face->training_bytes);
    if (!t) return NULL;
    t->model = m;
    t->stage = stage;
    t->opt = *opt;
    pn_status status = PN_OK;
    for (int i = 0; i < m->parts && !status; i++) status = pn_params_init_rest(m->part[i].params, m->seed);
    if (!status && !m->face->train(t)) return t;
    pn_training_free(t);
    return NULL;
}

void pn_training_free(pn_training *t)
{
    if (!t) return;
    t->model->face->train_free(t);
    pn_memory_free(t->memory);
    pn_params_free(t->state);
    for (int i = 0; i < 4; i++)
        if (!t->model->face->keeps_moments) pn_adam_free(t->adam[i]);
    pn_ctx_release(t->model->ctx, t);
}

int pn_training_losses(const pn_training *t, const char *names[PN_MAX_LOSSES])
{
    for (int i = 0; i < t->losses; i++) names[i] = t->loss_name[i];
    return t->losses;
}

pn_status pn_training_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    double unread[PN_MAX_LOSSES];
    return t->model->face->step(t, in, losses ? losses : unread);
}

void pn_training_scale_lr(pn_training *t, double factor)
{
    for (int i = 0; i < 4; i++)
        if (t->adam[i]) pn_adam_set_lr(t->adam[i], t->lr[i] * factor);
}

void pn_training_swap_averages(pn_training *t)
{
    pn_part parts[4];
    for (int i = 0, n = pn_training_parts(t, parts); i < n; i++)
        if (parts[i].adam) pn_adam_swap_averages(parts[i].adam);
}

size_t pn_training_bytes(const pn_training *t) { return t->bytes + pn_memory_bytes(t->memory); }

int pn_training_parts(const pn_training *t, pn_part parts[4])
{
    int n = pn_model_parts(t->model, parts);
    for (int i = 0; i < n; i++) parts[i].adam = t->adam[i] ? t->adam[i] : t->model->part[i].adam;
    if (t->state) parts[n++] = (pn_part){ "state/", t->state, NULL };
    return n;
}

/* A checkpoint has the moments of all of a part's parameters or of none. */
static bool has_moments(const pn_weights *w, const pn_part *part)
{
    for (int i = 0; i < pn_params_count(part->params); i++) {
        char name[512];
        const pn_tensor *t = pn_params_at(part->params, i);
        if (pn_param_is_state(t)) continue;
        snprintf(name, sizeof name, "adam.m/%s%s", part->prefix, pn_tensor_name(t));
        return pn_weights_shape(w, name).rank > 0;
    }
    return false;
}

pn_status pn_training_load(pn_training *t, const pn_weights *checkpoint, const char *stage)
{
    pn_part parts[4];
    const int n = pn_training_parts(t, parts) - (t->state && stage && strcmp(stage, t->stage) != 0);
    const bool same = !stage || strcmp(stage, t->stage) == 0, kept = t->model->face->keeps_moments;
    for (int i = 0; i < n; i++)
        if (!same && !(kept && has_moments(checkpoint, &parts[i]))) parts[i].adam = NULL;
    return pn_checkpoint_load(checkpoint, parts, n);
}

/* ---- Generation -------------------------------------------------------------------------------------------------------------- */

static pn_generation *generation_make(pn_model *m, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width, bool seldom)
{
    if (pn_model_size_check(m->ctx, m->kind, height, width)) return NULL;
    pn_generation *gen = pn_ctx_alloc(m->ctx, m->face->generation_bytes);
    if (!gen) return NULL;
    gen->model = m;
    gen->graph = pn_params_init_rest(m->part[0].params, m->seed) ? NULL : pn_graph_new(m->ctx);
    if (gen->graph && !m->face->describe(gen, count, height, width))
        gen->plan = pn_plan_new(gen->graph, &(pn_plan_opt){ .mode = PN_INFER, .seldom = seldom });
    if (gen->plan) return gen;
    pn_generation_free(gen);
    return NULL;
}

pn_generation *pn_generation_new(pn_model *m, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    return generation_make(m, count, height, width, false);
}

pn_generation *pn_generation_once(pn_model *m, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    return generation_make(m, count, height, width, true);
}

void pn_generation_free(pn_generation *gen)
{
    if (!gen) return;
    pn_plan_free(gen->plan);
    pn_graph_free(gen->graph);
    if (gen->model->face->generation_free) gen->model->face->generation_free(gen);
    pn_ctx_release(gen->model->ctx, gen);
}

pn_status pn_generation_run(pn_generation *gen, const pn_model_input *in, pn_real *image)
{
    pn_status status = gen->model->face->feed(gen, in);
    if (!status) status = pn_forward(gen->plan);
    return status ? status : pn_get(gen->plan, gen->image, image);
}

size_t pn_generation_bytes(const pn_generation *gen) { return pn_plan_describe(gen->plan).arena_bytes; }
double pn_generation_macs(const pn_generation *gen) { return pn_graph_macs(gen->graph); }
int pn_generation_views(const pn_generation *gen) { return gen->views; }
pn_view pn_generation_view(const pn_generation *gen, int i) { return gen->view[i]; }

pn_status pn_generation_get(const pn_generation *gen, int view, pn_real *values)
{
    if (view < 0 || view >= gen->views) return pn_ctx_fail(gen->model->ctx, PN_ERR_ARG, "there is no view %d of %d", view, gen->views);
    return pn_get(gen->plan, gen->view_tensor[view], values);
}
