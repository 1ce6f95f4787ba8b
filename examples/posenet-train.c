/* examples/posenet-train.c - train a model on a data set: progress, log, samples, checkpoints, resume, report */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include "feed.h"
#include "pictures.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t asked_to_stop;
static void on_signal(int number) { asked_to_stop = number; }

/* ---- What was asked ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *model, *data, *out, *preset, *task, *stage, *init, *vgg19, *recompute, *augment;
    cli_size size, kp_size;
    int64_t steps, batch, decay, save_every, sample_every, log_every;
    double lr;
    bool resume, dry_run;
    cli_list set;
    cli_common common;
} request;

static const char usage[] =
    "  posenet-train --model NAME --data DIR --out RUN [options]\n"
    "  posenet-train --resume --out RUN [options]        options not given are those of the run\n";

enum { OPTIONS = 25 };
static void fill_options(request *r, cli_option o[OPTIONS])
{
    int n = 0;
    o[n++] = (cli_option){ "model", "NAME", "gfla, glocal or rsa_gan", CLI_TEXT, { .text = &r->model } };
    o[n++] = (cli_option){ "data", "DIR", "data set in one of the field's layouts", CLI_TEXT, { .text = &r->data } };
    o[n++] = (cli_option){ "out", "RUN", "folder for log, samples, checkpoints, report", CLI_TEXT, { .text = &r->out } };
    o[n++] = (cli_option){ "preset", "NAME", "full, small or tiny (full)", CLI_TEXT, { .text = &r->preset } };
    o[n++] = (cli_option){ "size", "HxW", "pictures are stretched to this (the preset's own)", CLI_SIZE, { .size = &r->size } };
    o[n++] = (cli_option){ "task", "NAME", "what to learn (the model's first)", CLI_TEXT, { .text = &r->task } };
    o[n++] = (cli_option){ "stage", "NAME", "auto (all in turn) or one of the model's", CLI_TEXT, { .text = &r->stage } };
    o[n++] = (cli_option){ "kp-size", "HxW", "grid the key points refer to (found out)", CLI_SIZE, { .size = &r->kp_size } };
    o[n++] = (cli_option){ "steps", "N", "steps in all (1000)", CLI_COUNT, { .count = &r->steps } };
    o[n++] = (cli_option){ "batch", "B", "samples per step: pairs, clips, views, tracks (4)", CLI_COUNT, { .count = &r->batch } };
    o[n++] = (cli_option){ "decay", "N", "over the last N steps the rate falls (the model's)", CLI_COUNT, { .count = &r->decay } };
    o[n++] = (cli_option){ "lr", "X", "learning rate of the generator (the preset's)", CLI_NUMBER, { .number = &r->lr } };
    o[n++] = (cli_option){ "init", "FILE", "start from these weights (.pth, too), as far as they fit", CLI_TEXT, { .text = &r->init } };
    o[n++] = (cli_option){ "resume", NULL, "go on from the run's latest checkpoint", CLI_FLAG, { .flag = &r->resume } };
    o[n++] = (cli_option){ "vgg19", "FILE", "VGG19 weights, .safetensors or .pth (fixed-seed filters)", CLI_TEXT, { .text = &r->vgg19 } };
    o[n++] = (cli_option){ "recompute", "BLOCKS", "trade time for memory: block names or '*'", CLI_TEXT, { .text = &r->recompute } };
    o[n++] = (cli_option){ "augment", "NAME", "none; market for pairs; fashion or iper for dances (none)", CLI_TEXT, { .text = &r->augment } };
    o[n++] = (cli_option){ "save-every", "N", "steps between checkpoints (1000)", CLI_COUNT, { .count = &r->save_every } };
    o[n++] = (cli_option){ "sample-every", "N", "steps between sample sheets (500)", CLI_COUNT, { .count = &r->sample_every } };
    o[n++] = (cli_option){ "log-every", "N", "steps between rows of train.csv (10)", CLI_COUNT, { .count = &r->log_every } };
    o[n++] = (cli_option){ "set", "KEY=VALUE", "an option of the model; may be repeated", CLI_LIST, { .list = &r->set } };
    o[n++] = (cli_option){ "dry-run", NULL, "print sizes and memory, then stop", CLI_FLAG, { .flag = &r->dry_run } };
    o[n] = (cli_option){ .kind = CLI_END };
}

/* ---- What runs ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const cli_program *program;
    request *ask;
    pn_ctx *ctx;
    pn_run_folder *folder;
    feed data, held_out;                                /* held_out: of the sample sheets; without a data set: data has them */
    pn_weights *checkpoint;                             /* to resume from, until it is loaded */
    pn_model *model;
    pn_training *training;
    painter painter;
    int64_t step, saved, sampled; /* steps done; the last one a checkpoint, a sample sheet shows; -1: none */
    double seconds;                                     /* spent by earlier runs of this folder */
    double began;
} session;

typedef struct { const char *name; int64_t from, to; } stage;
enum { STAGES = 8 };

static int plan_stages(const pn_model_choice *stages, const char *wanted, int64_t steps, stage out[STAGES])
{
    if (wanted && strcmp(wanted, "auto") != 0) return out[0] = (stage){ wanted, 0, steps }, 1;
    int n = 0;
    double share = 0;
    for (; stages[n].name && n < STAGES; n++) {
        const int64_t from = (int64_t)(share * (double)steps + 0.5);
        share += stages[n].share;
        out[n] = (stage){ stages[n].name, from, (int64_t)(share * (double)steps + 0.5) };
    }
    out[n - 1].to = steps;
    return n;
}

/* A run that has gone on to a later stage does not go back to an earlier one, however many --steps are asked for now. */
static void stay_behind(stage stages[], int n, const char *reached, int64_t step)
{
    int at = 0;
    while (at < n && (!reached || strcmp(stages[at].name, reached) != 0)) at++;
    for (int i = 0; i < at && at < n; i++)
        if (stages[i].to > step) stages[i].to = stages[i + 1].from = step;
}

static int check_stage(const cli_program *p, const pn_model_choice *stages, const char *wanted)
{
    char names[200] = "auto";
    if (!wanted || strcmp(wanted, "auto") == 0) return CLI_GO_ON;
    for (int i = 0; stages[i].name; i++) {
        if (strcmp(stages[i].name, wanted) == 0) return CLI_GO_ON;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, ", %s", stages[i].name);
    }
    return cli_usage(p, "--stage is '%s', expected one of %s", wanted, names);
}

/* ---- Notes: what a checkpoint says of the run ---------------------------------------------------------------------------------- */

static int64_t noted(const pn_weights *w, const char *key)
{
    const char *text = pn_weights_note(w, key);
    return text ? strtoll(text, NULL, 10) : 0;
}

enum { NOTES = PN_MODEL_NOTES + 12 };
typedef struct { char step[24], seconds[24], seed[24], epoch[24], position[24], size[48]; } note_texts;

static int run_notes(const session *s, const char *stage_name, note_texts *t, pn_note notes[NOTES])
{
    const pn_loader_state at = feed_where(&s->data);
    int n = pn_model_notes(s->model, notes);
    snprintf(t->step, sizeof t->step, "%" PRId64, s->step);
    snprintf(t->seconds, sizeof t->seconds, "%.0f", s->seconds + cli_seconds() - s->began);
    snprintf(t->seed, sizeof t->seed, "%" PRIu64, at.seed);
    snprintf(t->epoch, sizeof t->epoch, "%" PRIu64, at.epoch);
    snprintf(t->position, sizeof t->position, "%" PRIu64, at.position);
    snprintf(t->size, sizeof t->size, "%tdx%td", s->ask->size.height, s->ask->size.width);
    const pn_note own[] = {
        { "pn.step", t->step },
        { "pn.seconds", t->seconds },
        { "pn.stage", stage_name },
        { "pn.size", t->size },
        { "size", t->size },
        { "pn.loader.seed", t->seed },
        { "pn.loader.epoch", t->epoch },
        { "pn.loader.position", t->position },
        { "pn.vgg19", s->ask->vgg19 ? s->ask->vgg19 : "fixed-seed orthogonal filters" },
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) notes[n++] = own[i];
    return n;
}

static pn_status save(session *s, const char *stage_name)
{
    pn_part parts[4];
    pn_note notes[NOTES];
    note_texts texts;
    const int n_parts = pn_training_parts(s->training, parts), n_notes = run_notes(s, stage_name, &texts, notes);
    const char *path = pn_run_checkpoint_path(s->folder, s->step);
    const pn_status status = path ? pn_checkpoint_save(s->ctx, path, parts, n_parts, notes, n_notes) : PN_ERR_NOMEM;
    if (!status) s->saved = s->step;
    return status;
}

/* ---- config.ini ---------------------------------------------------------------------------------------------------------------------- */

enum { CONFIG = 80 };
typedef struct { pn_note line[CONFIG]; char text[CONFIG][64]; int n; } config;

static void put(config *c, const char *key, const char *value)
{
    if (value && c->n < CONFIG) c->line[c->n++] = (pn_note){ key, value };
}

static void put_count(config *c, const char *key, int64_t v)
{
    if (c->n >= CONFIG) return;
    snprintf(c->text[c->n], sizeof *c->text, "%" PRId64, v);
    put(c, key, c->text[c->n]);
}

static void put_number(config *c, const char *key, double v) /* all digits: a resumed run must read the same number */
{
    if (v <= 0 || c->n >= CONFIG) return;
    snprintf(c->text[c->n], sizeof *c->text, "%.17g", v);
    put(c, key, c->text[c->n]);
}

static void put_size(config *c, const char *key, cli_size v)
{
    if (!v.height || c->n >= CONFIG) return;
    snprintf(c->text[c->n], sizeof *c->text, "%tdx%td", v.height, v.width);
    put(c, key, c->text[c->n]);
}

static pn_status write_config(const session *s)
{
    static config c;
    static char keys[CONFIG][48];
    const request *r = s->ask;
    c.n = 0;
    put(&c, "model", r->model);
    put(&c, "data", r->data);
    put(&c, "preset", pn_model_preset_of(s->model));
    put(&c, "task", pn_model_task_of(s->model));
    put(&c, "stage", r->stage ? r->stage : "auto");
    put_size(&c, "size", r->size);
    put_size(&c, "kp-size", r->kp_size);
    put_count(&c, "steps", r->steps);
    put_count(&c, "batch", r->batch);
    put_number(&c, "lr", r->lr);
    put(&c, "init", r->init);
    put(&c, "vgg19", r->vgg19);
    put(&c, "recompute", r->recompute);
    put(&c, "augment", r->augment);
    put_count(&c, "save-every", r->save_every);
    put_count(&c, "sample-every", r->sample_every);
    put_count(&c, "log-every", r->log_every);
    if (r->decay) put_count(&c, "decay", r->decay);
    put_count(&c, "seed", (int64_t)r->common.seed); /* --seed takes no more than that */
    const pn_model_option *o = pn_model_kind_of(s->model)->options;
    for (int i = 0; o[i].key && c.n < CONFIG; i++) {
        snprintf(keys[c.n], sizeof *keys, "set.%s", o[i].key);
        put(&c, keys[c.n], pn_model_get(s->model, o[i].key));
    }
    return pn_run_config(s->folder, c.line, c.n);
}

/* ---- Setting up ------------------------------------------------------------------------------------------------------------------------ */

static pn_status open_data(session *s)
{
    const request *r = s->ask;
    feed_opt opt = { .folder = r->data, .split = "train", .augment = r->augment, .kp_height = r->kp_size.height,
                     .kp_width = r->kp_size.width, .batch = (ptrdiff_t)r->batch, .height = r->size.height, .width = r->size.width,
                     .seed = r->common.seed };
    const pn_weights *w = s->checkpoint;
    const pn_loader_state from = w ? (pn_loader_state){ (uint64_t)noted(w, "pn.loader.seed"), (uint64_t)noted(w, "pn.loader.epoch"),
                                                        (uint64_t)noted(w, "pn.loader.position") } : (pn_loader_state){ 0 };
    const pn_status status = feed_open(&s->data, s->model, &opt, w ? &from : NULL);
    if (status) return status;
    opt.split = "test"; /* held-out samples to look at, where there are some */
    if (!feed_data(&s->held_out, s->model, &opt)) return PN_OK;
    if (!r->common.quiet)
        fprintf(stderr, "%s: sample sheets show training data: %s\n", s->program->name, pn_ctx_message(s->ctx));
    feed_close(&s->held_out);
    return PN_OK;
}

static const feed *shown(const session *s) { return s->held_out.ctx ? &s->held_out : &s->data; }

static pn_status start_from(session *s, const char *file)
{
    pn_weights *w = pn_weights_open(s->ctx, file);
    if (!w) return pn_ctx_status(s->ctx);
    pn_part parts[4];
    pn_load_report found[4];
    const int n = pn_model_parts(s->model, parts);
    int loaded = 0;
    pn_status status = pn_model_start(s->model, w, found);
    for (int i = 0; !status && i < n; i++) loaded += found[i].loaded;
    if (!status && !loaded)
        status = pn_ctx_fail(s->ctx, PN_ERR_SHAPE,
                             "--init %s: not one of its %d tensors has a name and shape of %s %s; give the preset and "
                             "--set it was made with",
                             file, pn_weights_count(w), s->ask->model, pn_model_preset_of(s->model));
    pn_weights_free(w);
    return status;
}

static pn_status make_model(session *s)
{
    const request *r = s->ask;
    const pn_model_opt opt = { .name = r->model, .preset = r->preset, .task = r->task, .set = r->set.item, .n_set = r->set.count,
                               .seed = r->common.seed };
    s->model = pn_model_new(s->ctx, &opt);
    if (!s->model) return pn_ctx_status(s->ctx);
    const pn_model_kind *kind = pn_model_kind_of(s->model);
    if (!s->ask->size.height) pn_model_size(s->model, &s->ask->size.height, &s->ask->size.width);
    if (!r->decay) s->ask->decay = (int64_t)(pn_model_decay_of(s->model).share * (double)r->steps);
    const pn_status status = pn_model_size_check(s->ctx, kind, r->size.height, r->size.width);
    return status || !r->init || r->resume ? status : start_from(s, r->init);
}

static pn_status open_folder(session *s, pn_run_mode mode)
{
    const char *const *losses = pn_model_losses(s->model);
    int n = 0;
    while (losses[n]) n++;
    s->folder = pn_run_open(s->ctx, s->ask->out, mode, losses, n);
    return s->folder ? PN_OK : pn_ctx_status(s->ctx);
}

/* Writes nothing yet: the checkpoint may turn out not to fit what was asked for. */
static pn_status find_run(session *s)
{
    if (open_folder(s, PN_RUN_RESUME)) return pn_ctx_status(s->ctx);
    const char *latest = pn_run_latest(s->folder);
    s->checkpoint = latest ? pn_weights_open(s->ctx, latest) : NULL;
    if (!s->checkpoint) return pn_ctx_status(s->ctx);
    s->step = s->saved = noted(s->checkpoint, "pn.step");
    s->seconds = (double)noted(s->checkpoint, "pn.seconds");
    if (!s->ask->common.quiet) fprintf(stderr, "%s: going on from %s\n", s->program->name, latest);
    return PN_OK;
}

/* Only now, when data, memory and checkpoint have been found good, does the run's folder change. */
static pn_status begin_writing(session *s)
{
    const pn_status status = s->ask->resume ? pn_run_rewind(s->folder, s->step) : open_folder(s, PN_RUN_NEW);
    return status ? status : write_config(s);
}

static void say_sizes(const session *s, FILE *to)
{
    pn_part parts[4];
    const int n = pn_model_parts(s->model, parts);
    for (int i = 0; i < n; i++) {
        const int64_t numbers = pn_params_numbers(parts[i].params);
        if (numbers) fprintf(to, "%s%s: %" PRId64 " parameters\n", i ? "" : "generator", i ? parts[i].prefix : "", numbers);
    }
    fprintf(to, "size %tdx%td, batch %" PRId64 ": %.1f MiB for all values, gradients and packed weights\n", s->ask->size.height,
            s->ask->size.width, s->ask->batch, (double)pn_training_bytes(s->training) / 1048576);
}

/* ---- The loop ---------------------------------------------------------------------------------------------------------------------------- */

static pn_status sample(session *s)
{
    enum { ROWS = 6 };
    const char *path = pn_run_sample_path(s->folder, s->step);
    s->sampled = s->step;
    if (!path) return PN_ERR_NOMEM;
    pn_training_swap_averages(s->training);
    const pn_status status = feed_sheet(&s->painter, shown(s), ROWS, path);
    pn_training_swap_averages(s->training);
    return status;
}

static pn_status one_step(session *s, double losses[PN_MAX_LOSSES])
{
    pn_model_input in;
    const pn_status status = feed_next(&s->data, &in);
    if (status) return status;
    const int64_t left = s->ask->steps - s->step;
    const double last = pn_model_decay_of(s->model).last;
    if (left < s->ask->decay)
        pn_training_scale_lr(s->training, last + (1 - last) * (double)left / (double)s->ask->decay);
    return pn_training_step(s->training, &in, losses);
}

static pn_status write_down(session *s, const stage *at, const double losses[], cli_progress *progress)
{
    const request *r = s->ask;
    const char *names[PN_MAX_LOSSES];
    const int n = pn_training_losses(s->training, names);
    pn_status status = PN_OK;
    cli_progress_show(progress, s->step, "%s  total %.4f", at->name, losses[0]);
    const bool last = s->step == at->to;
    if (s->step % r->log_every == 0 || last)
        status = pn_run_log(s->folder, s->step, at->name, s->seconds + cli_seconds() - s->began, names, losses, n);
    if (!status && s->step % r->sample_every == 0) status = sample(s);
    if (!status && (s->step % r->save_every == 0 || last)) status = save(s, at->name);
    return status;
}

static pn_status begin_stage(session *s, const stage *at)
{
    const request *r = s->ask;
    const pn_training_opt opt = { .stage = at->name, .batch = (ptrdiff_t)r->batch, .height = r->size.height, .width = r->size.width,
                                  .lr = r->lr, .vgg19 = r->vgg19, .recompute = r->recompute, .run_steps = r->steps };
    s->training = pn_training_new(s->model, &opt);
    if (!s->training) return pn_ctx_status(s->ctx);
    if (!s->checkpoint) return PN_OK;
    const pn_status status = pn_training_load(s->training, s->checkpoint, pn_weights_note(s->checkpoint, "pn.stage"));
    pn_weights_free(s->checkpoint);
    s->checkpoint = NULL;
    return status;
}

/* ends: no stage follows */
static pn_status run_stage(session *s, const stage *at, bool ends)
{
    pn_status status = s->training ? PN_OK : begin_stage(s, at); /* the first one has begun */
    if (!status && !s->ask->common.quiet) say_sizes(s, stderr);
    cli_progress progress = cli_progress_begin(s->program, s->step, at->to);
    while (!status && s->step < at->to && !asked_to_stop) {
        double losses[PN_MAX_LOSSES];
        status = one_step(s, losses);
        if (status) break;
        s->step++;
        status = write_down(s, at, losses, &progress);
    }
    if (!status && asked_to_stop && s->saved != s->step) status = save(s, at->name);
    if (!status && (ends || asked_to_stop) && s->sampled != s->step) status = sample(s);
    cli_progress_end(&progress);
    pn_training_free(s->training);
    s->training = NULL;
    return status;
}

static pn_status write_report(session *s)
{
    char title[160];
    snprintf(title, sizeof title, "%s %s, %tdx%td, %" PRId64 " steps", s->ask->model, pn_model_preset_of(s->model), s->ask->size.height,
             s->ask->size.width, s->step);
    return pn_run_report(s->folder, title);
}

static int report(session *s, pn_status status, int64_t last)
{
    const cli_program *p = s->program;
    char message[512];
    snprintf(message, sizeof message, "%s", pn_ctx_message(s->ctx));
    const pn_status reported = write_report(s);
    if (status) {
        const char *latest = pn_run_latest(s->folder);
        fprintf(stderr, "%s: stopped after step %" PRId64 ": %s\n", p->name, s->step, message);
        fprintf(stderr, "%s: %s%s\n", p->name, latest ? "the latest checkpoint is " : "there is no checkpoint yet",
                latest ? latest : "");
        return cli_exit_code(status);
    }
    if (reported) return cli_failed(p, s->ctx);
    if (asked_to_stop && s->step < last)
        fprintf(stderr, "%s: asked to stop; saved step %" PRId64 ", go on with --resume\n", p->name, s->step);
    printf("%s\n", s->ask->out);
    return CLI_OK;
}

/* The weights were not even loaded: the sheets that are there stay. */
static int already_done(session *s)
{
    fprintf(stderr, "%s: %s has done %" PRId64 " steps already; ask for more with --steps\n", s->program->name,
            s->ask->out, s->step);
    if (write_report(s)) return cli_failed(s->program, s->ctx);
    printf("%s\n", s->ask->out);
    return CLI_OK;
}

static int train(session *s, const stage stages[], int n)
{
    int i = 0;
    while (i < n && s->step >= stages[i].to) i++;
    if (i == n) return already_done(s);
    pn_status status = painter_new(&s->painter, s->model, s->ask->size.height, s->ask->size.width, PAINT_ONCE);
    if (!status && shown(s)->pairs) status = painter_labelling(&s->painter, pn_dataset_parsing(shown(s)->pairs));
    if (!status) status = begin_stage(s, &stages[i]);
    if (!status) status = begin_writing(s);
    if (status) return cli_failed(s->program, s->ctx);
    s->began = cli_seconds();
    for (; i < n && !status && (!asked_to_stop || s->training); i++) status = run_stage(s, &stages[i], i + 1 == n);
    return report(s, status, stages[n - 1].to);
}

static int dry_run(session *s, const stage stages[], int n)
{
    pn_generation *gen = pn_generation_once(s->model, 1, s->ask->size.height, s->ask->size.width);
    if (!gen) return cli_failed(s->program, s->ctx);
    printf("generating a picture: %.4g billion multiply-adds, %.1f MiB\n", pn_generation_macs(gen) / 1e9,
           (double)pn_generation_bytes(gen) / 1048576);
    pn_generation_free(gen);
    for (int i = 0; i < n; i++) {
        if (stages[i].from == stages[i].to) continue;
        if (begin_stage(s, &stages[i])) return cli_failed(s->program, s->ctx);
        printf("stage %s, steps %" PRId64 " to %" PRId64 "\n", stages[i].name, stages[i].from + 1, stages[i].to);
        say_sizes(s, stdout);
        pn_training_free(s->training);
        s->training = NULL;
    }
    return CLI_OK;
}

static int run(session *s)
{
    stage stages[STAGES];
    if (make_model(s)) return cli_failed(s->program, s->ctx);
    const pn_model_choice *of_task = pn_model_stages(s->model);
    const int known = check_stage(s->program, of_task, s->ask->stage);
    if (known != CLI_GO_ON) return known;
    const int n = plan_stages(of_task, s->ask->stage, s->ask->steps, stages);
    if (s->ask->dry_run) return dry_run(s, stages, n);
    if (s->ask->resume) {
        if (find_run(s)) return cli_failed(s->program, s->ctx);
        stay_behind(stages, n, pn_weights_note(s->checkpoint, "pn.stage"), s->step);
    }
    return open_data(s) ? cli_bad_data(s->program, s->ctx) : train(s, stages, n);
}

static void release(session *s)
{
    pn_training_free(s->training);
    painter_free(&s->painter);
    feed_close(&s->held_out);
    feed_close(&s->data);
    pn_weights_free(s->checkpoint);
    pn_run_close(s->folder);
    pn_model_free(s->model);
    pn_ctx_free(s->ctx);
}

/* A resumed run's own configuration comes first, so that what is said now wins. */
static int parse(const cli_program *p, request *r, int argc, char **argv)
{
    int result = cli_parse(p, argc, argv);
    if (result != CLI_GO_ON || !r->resume) return result;
    if (!r->out) return cli_usage(p, "--resume needs --out RUN");
    static char path[4096];
    snprintf(path, sizeof path, "%s/config.ini", r->out);
    if (access(path, R_OK)) {
        fprintf(stderr, "%s: --resume: %s cannot be read: %s; start a run there without --resume\n", p->name, path,
                strerror(errno));
        return CLI_FAILED;
    }
    r->set.count = 0; /* all of it is said again */
    result = cli_read_config(p, path);
    return result != CLI_GO_ON ? result : cli_parse(p, argc, argv);
}

int main(int argc, char **argv)
{
    static request r = { .steps = 1000, .batch = 4, .save_every = 1000, .sample_every = 500, .log_every = 10 };
    static cli_option options[OPTIONS];
    fill_options(&r, options);
    const cli_program program = { .name = "posenet-train", .summary = "train a model on a data set", .usage = usage,
                                  .options = options, .common = &r.common };
    const int parsed = parse(&program, &r, argc, argv);
    if (parsed != CLI_GO_ON) return parsed;
    if (!r.model) return cli_usage(&program, "--model is missing, as in --model gfla");
    if (!r.data && !r.dry_run) return cli_usage(&program, "--data is missing: the folder of the data set");
    if (!r.out && !r.dry_run) return cli_usage(&program, "--out is missing: the folder this run writes to");
    const struct sigaction stop = { .sa_handler = on_signal,
                                    .sa_flags = SA_RESTART | (int)SA_RESETHAND }; /* the second one kills */
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    session s = { .program = &program, .ask = &r, .ctx = cli_context(&program), .saved = -1, .sampled = -1 };
    if (!s.ctx) return CLI_FAILED;
    const int code = run(&s);
    release(&s);
    return code;
}
