/* bench/support/peers.c - see peers.h; what is compared lies in peer_rows.c, our side in turns.c
 *
 * The peer is taken as strong as it gets: every layout it has, its threads set, compiled where it can, and all that as
 * shipped and with its allocator and instruction set tuned. What counts is the smallest of the median ratios.
 */
#define _GNU_SOURCE
#include "support/peers.h"
#include "support/child.h"
#include "support/measure.h"
#include "support/report.h"
#include "support/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MANY_ROUNDS = 7, FEW_ROUNDS = 5, SETTLING_ROUNDS = 2 };
static const double long_turn = 0.5; /* seconds; from there on FEW_ROUNDS */
static const double settled_by_then = 2; /* seconds: one such turn of the peer's does */

typedef struct {
    char python[256], version[CHILD_ROOM];
    bool found;
} interpreter;
typedef struct {
    pn_ctx *ctx;
    peers_opt opt;
    char self[512], threads[16];
    char folder[64], weights[128];  /* of files for programs to read; "" when it could not be made */
    interpreter torch, onnxruntime, openvino;
} session;

/* ---- Who is there ------------------------------------------------------------------------------------------------ */

/* The first python3 in PATH that imports the modules; the first in PATH need not have them. */
static interpreter find_python(const char *modules, const char *of)
{
    interpreter p = { 0 };
    char program[160];
    snprintf(program, sizeof program, "import %s; print(%s.__version__)", modules, of);
    const char *path = getenv("PATH");
    for (const char *at = path; at && *at && !p.found; at += strcspn(at, ":"), at += *at == ':') {
        const int n = (int)strcspn(at, ":");
        if (n == 0 || snprintf(p.python, sizeof p.python, "%.*s/python3", n, at) >= (int)sizeof p.python) continue;
        if (access(p.python, X_OK)) continue;
        p.found = child_says(&(child_command){ .words = { p.python, "-c", program } }, p.version);
    }
    return p;
}

static void find_script(const char *name, char path[512])
{
    snprintf(path, 512, "bench/peers/%s", name);
    if (access(path, R_OK)) snprintf(path, 512, "%s/%s", PN_BENCH_PEERS, name);
}

static const interpreter *interpreter_of(const session *s, const char *script)
{
    if (strstr(script, "onnxruntime")) return &s->onnxruntime;
    return strstr(script, "openvino") ? &s->openvino : &s->torch;
}

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *layout;
    bool tuned, compiled;
} variant;
typedef struct {
    child_command command;
    char script[512], words[512];
} peer_command;

static child_command our_command(const session *s, const peer_row *row, const char *threads)
{
    child_command c = { .words = { s->self, "--turns", row->entry, threads }, .loud = s->opt.verbose };
    if (row->kind == PEER_FIRST || row->kind == PEER_MEMORY) c.settings[0] = s->weights;
    if (row->kind == PEER_FIRST) c.words[4] = "0";
    if (row->kind == PEER_TIME_AVX2) c.settings[0] = "PN_ISA=avx2";
    return c;
}

static void set(const session *s, child_command *c, const peer_row *row, bool tuned)
{
    int n = 0;
    const bool avx2 = row->kind == PEER_TIME_AVX2;
    if (avx2) c->settings[n++] = "ONEDNN_MAX_CPU_ISA=AVX2";
    if (avx2) c->settings[n++] = "ATEN_CPU_CAPABILITY=avx2";
    if (!tuned) return;
    c->settings[n++] = "MALLOC_MMAP_MAX_=0";
    c->settings[n++] = "MALLOC_TRIM_THRESHOLD_=17179869184";
    c->settings[n++] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
    if (!avx2 && pn_ctx_isa(s->ctx) == PN_ISA_AVX512) c->settings[n++] = "ATEN_CPU_CAPABILITY=avx512";
}

/* The row's words at blanks, then threads, layout and whatever else the variant says. */
static void peer_command_make(const session *s, const peer_row *row, const char *threads, variant v, peer_command *out)
{
    *out = (peer_command){ .command = { .loud = s->opt.verbose } };
    const char **w = out->command.words;
    int n = 0;
    snprintf(out->words, sizeof out->words, "%s", row->script);
    w[n++] = interpreter_of(s, row->script)->python;
    for (char *state, *word = strtok_r(out->words, " ", &state); word && n < CHILD_WORDS - 6;
         word = strtok_r(NULL, " ", &state))
        w[n++] = word;
    find_script(w[1], out->script);
    w[1] = out->script;
    w[n++] = "--threads";
    w[n++] = threads;
    if (v.layout) w[n++] = "--layout";
    if (v.layout) w[n++] = v.layout;
    if (v.compiled) w[n++] = "--compile";
    set(s, &out->command, row, v.tuned);
}

enum { VARIANTS = 16 };

static int variants_of(const session *s, const peer_row *row, variant out[VARIANTS])
{
    static const char *const all[] = { "nchw", "nhwc", "mkldnn" };
    const bool torch = strncmp(row->script, "torch", 5) == 0, plain = strstr(row->script, " adam ") != NULL;
    const bool packs = strstr(row->script, " conv ") && strstr(row->script, "forward");
    const int layouts = !torch || plain ? 1 : packs ? 3 : 2, modes = torch && atoi(s->torch.version) >= 2 ? 2 : 1;
    const int tunings = row->kind == PEER_FIRST ? 1 : 2; /* nobody starts a program with a tuned allocator */
    int n = 0;
    for (int tuned = 0; tuned < tunings; tuned++)
        for (int l = 0; l < layouts; l++)
            for (int c = 0; c < (l == 2 ? 1 : modes); c++) out[n++] = (variant){ torch ? all[l] : NULL, tuned, c };
    return n;
}

/* ---- Rounds ------------------------------------------------------------------------------------------------------ */

typedef struct {
    bench_stats ratio, ours, theirs;
    variant of;
    bool known;
} outcome; /* ratio: theirs over ours */

/* Threads that spin for a while after their work must not do so in the other's turn. */
static double turn(child *c)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    return child_turn(c);
}

/* Rounds that do not count. Our first turn falls into the peer's start, which uses all processors, and its first turns still disturb
 * the next of ours for some hundred milliseconds: 120 ms for a picture that takes 88. */
static bool settle(child *a, child *b)
{
    for (int i = 0; i < SETTLING_ROUNDS; i++) {
        const double ours = turn(a), theirs = turn(b);
        if (ours < 0 || theirs < 0) return false;
        if (theirs > settled_by_then) break;
    }
    return true;
}

static outcome by_turns(child *a, child *b)
{
    double ours[MANY_ROUNDS], theirs[MANY_ROUNDS], ratio[MANY_ROUNDS];
    outcome o = { 0 };
    int rounds = MANY_ROUNDS;
    if (!settle(a, b)) return o;
    for (int i = 0; i < rounds; i++) {
        ours[i] = turn(a);
        theirs[i] = turn(b);
        if (ours[i] < 0 || theirs[i] < 0) return o;
        if (ours[i] + theirs[i] > long_turn) rounds = FEW_ROUNDS;
        ratio[i] = theirs[i] / ours[i];
    }
    o = (outcome){ bench_stats_of(ratio, rounds), bench_stats_of(ours, rounds), bench_stats_of(theirs, rounds),
                   .known = true };
    return o;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A program's weights come from a file, not from a random number generator: the first to ask writes it. */
static void weights_begin(session *s)
{
    snprintf(s->folder, sizeof s->folder, "/tmp/posenet-bench-XXXXXX");
    const bool made = mkdtemp(s->folder) != NULL;
    if (!made) s->folder[0] = 0;
    snprintf(s->weights, sizeof s->weights, BENCH_WEIGHTS "=%s%s", s->folder, made ? "/weights.safetensors" : "");
}

static void weights_end(const session *s)
{
    const char *path = strchr(s->weights, '=') + 1;
    if (!s->folder[0]) return;
    (void)unlink(path);
    (void)rmdir(s->folder);
}

/* From before the start of a process to its first answer; < 0: there was none. */
static double first_of(const child_command *c)
{
    child it;
    const double from = seconds_now();
    if (!child_start(c, &it)) return -1;
    const double said = child_turn(&it), took = seconds_now() - from;
    child_end(&it);
    return said < 0 ? -1 : took;
}

static outcome first_by_turns(const child_command *a, const child_command *b)
{
    double ours[FEW_ROUNDS], theirs[FEW_ROUNDS], ratio[FEW_ROUNDS];
    if (first_of(a) < 0) return (outcome){ 0 };         /* the weights' file is there, and in the cache */
    for (int i = 0; i < FEW_ROUNDS; i++) {
        ours[i] = first_of(a);
        theirs[i] = first_of(b);
        if (ours[i] < 0 || theirs[i] < 0) return (outcome){ 0 };
        ratio[i] = theirs[i] / ours[i];
    }
    return (outcome){ bench_stats_of(ratio, FEW_ROUNDS), bench_stats_of(ours, FEW_ROUNDS),
                      bench_stats_of(theirs, FEW_ROUNDS), .known = true };
}

/* Peak memory after some turns; it does not scatter, so one process of each will do. */
static outcome memory_of(child *a, child *b)
{
    for (int i = 0; i < 3; i++)
        if (child_turn(a) < 0 || child_turn(b) < 0) return (outcome){ 0 };
    const double ours = child_peak_memory(a), theirs = child_peak_memory(b), ratio = ours > 0 ? theirs / ours : 0;
    return (outcome){ bench_stats_of(&ratio, 1), bench_stats_of(&ours, 1), bench_stats_of(&theirs, 1),
                      .known = ratio > 0 };
}

static outcome play(const session *s, const peer_row *row, variant v)
{
    peer_command peer;
    child a, b;
    const child_command ours = our_command(s, row, s->threads);
    peer_command_make(s, row, s->threads, v, &peer);
    outcome o = { 0 };
    if (row->kind == PEER_MEMORY && first_of(&ours) < 0) return o;      /* it may have written what others only read */
    if (row->kind == PEER_FIRST) {
        o = first_by_turns(&ours, &peer.command);
    } else if (child_start(&ours, &a)) {
        if (child_start(&peer.command, &b)) {
            o = row->kind == PEER_MEMORY ? memory_of(&a, &b) : by_turns(&a, &b);
            child_end(&b);
        }
        child_end(&a);
    }
    o.of = v;
    return o;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static const char *amount(const peer_row *row, double v, char text[32])
{
    if (row->kind != PEER_MEMORY) return bench_time_text(v, text);
    snprintf(text, 32, "%.0f MiB", v / 1048576);
    return text;
}

static void print_outcome(const peer_row *row, const outcome *o, const char *label)
{
    char ours[32], theirs[32];
    printf("  %-11s %-6s %-8s  ours %9s  theirs %9s  %5.2fx (%.2f to %.2f)\n", label, o->of.layout ? o->of.layout : "",
           o->of.compiled ? "compiled" : "", amount(row, o->ours.median, ours), amount(row, o->theirs.median, theirs),
           o->ratio.median, o->ratio.low, o->ratio.high);
    fflush(stdout);
}

static void print_verdict(double must, double aim, double reached)
{
    if (!(must > 0)) return;
    printf("  must %.2f, aim %.2f: %.2f, %s\n", must, aim, reached,
           reached >= aim    ? "the aim is reached"
           : reached >= must ? "as it must be"
                             : "MISSED");
}

static void print_limit(const peer_row *row, double ours)
{
    char is[32], most[32], hoped[32];
    if (!(row->most > 0)) return;
    printf("  at most %s, better %s: %s, %s\n", amount(row, row->most, most), amount(row, row->hoped, hoped),
           amount(row, ours, is),
           ours <= row->hoped  ? "the aim is reached"
           : ours <= row->most ? "as it must be"
                               : "MISSED");
}

static void print_verdicts(const peer_row *row, const outcome best[2])
{
    const bool tuned_wins = best[1].known && (!best[0].known || best[1].ratio.median < best[0].ratio.median);
    const outcome *strongest = &best[tuned_wins];
    if (row->tuned_must > 0) {
        if (best[0].known) print_verdict(row->must, row->aim, best[0].ratio.median);
        if (best[1].known) print_verdict(row->tuned_must, row->tuned_aim, best[1].ratio.median);
    } else if (strongest->known) {
        print_verdict(row->must, row->aim, strongest->ratio.median);
    }
    if (strongest->known) print_limit(row, strongest->ours.median);
}

static const char *mode_name(bool tuned) { return tuned ? "tuned" : "as shipped"; }

static void compare_row(const session *s, const peer_row *row)
{
    variant v[VARIANTS];
    outcome best[2] = { 0 };
    const int n = variants_of(s, row, v);
    for (int i = 0; i < n; i++) {
        const outcome o = play(s, row, v[i]);
        if (o.known && s->opt.verbose) print_outcome(row, &o, mode_name(v[i].tuned));
        outcome *b = &best[v[i].tuned];
        if (o.known && (!b->known || o.ratio.median < b->ratio.median)) *b = o;
        if (!o.known)
            pn_ctx_warn(s->ctx, "%s, %s: one side ended early; --verbose lets its messages through", row->what,
                        v[i].layout ? v[i].layout : "peer");
    }
    if (s->opt.verbose) printf("  the strongest of each:\n");
    for (int t = 0; t < 2; t++)
        if (best[t].known) print_outcome(row, &best[t], mode_name(t));
    print_verdicts(row, best);
}

/* One thread's time over all threads' time, of one program against itself. */
static double print_gain(const child_command *one, const child_command *all, const char *who)
{
    child a, b;
    char first[32], second[32];
    double gain = 0;
    if (!child_start(all, &a)) return 0;
    if (child_start(one, &b)) {
        const outcome o = by_turns(&a, &b);
        if (o.known) gain = o.ratio.median;
        if (o.known)
            printf("  %-11s one thread %9s  all %9s  %5.2fx (%.2f to %.2f)%s\n", who,
                   bench_time_text(o.theirs.median, first), bench_time_text(o.ours.median, second), o.ratio.median,
                   o.ratio.low, o.ratio.high,
                   o.ratio.median < 1 ? "  SLOWER: interference or threads that get in each other's way" : "");
        child_end(&b);
    }
    child_end(&a);
    return gain;
}

static void threads_row(const session *s, const peer_row *row)
{
    peer_command one, all;
    const variant v = { "nhwc", true, false };
    const child_command our_one = our_command(s, row, "1"), our_all = our_command(s, row, s->threads);
    const double gain = print_gain(&our_one, &our_all, "ours");
    if (gain > 0) print_verdict(row->must, row->aim, gain);
    if (!s->torch.found) return;
    peer_command_make(s, row, "1", v, &one);
    peer_command_make(s, row, s->threads, v, &all);
    print_gain(&one.command, &all.command, "PyTorch");
}

static void ceiling_row(const session *s, const peer_row *row)
{
    bench_list list = bench_list_all();
    const bench_entry *e = bench_list_find(&list, row->entry);
    bench_ceilings c = { .threads = pn_ctx_threads(s->ctx) };
    bench_result r;
    const double before = bench_peak(s->ctx);
    const bool measured = e && !bench_measure(s->ctx, e, &c, &r);
    const double after = bench_peak(s->ctx), peak = before > after ? before : after;
    if (measured) {
        const double rate = r.flops / r.time.median;
        printf("  %.1f of %.1f GFLOP/s\n", 1e-9 * rate, 1e-9 * peak);
        if (fabs(after / before - 1) > 0.05)
            printf("  the peak moved by %+.0f %% meanwhile: repeat\n", 100 * (after / before - 1));
        print_verdict(row->must, row->aim, rate / peak);
    }
    bench_list_free(&list);
}

static void do_row(const session *s, const peer_row *row)
{
    printf("%s\n  %s\n", row->what, row->entry);
    fflush(stdout);
    if (row->kind == PEER_CEILING)
        ceiling_row(s, row);
    else if (row->kind == PEER_THREADS)
        threads_row(s, row);
    else
        compare_row(s, row);
    printf("\n");
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

static void say(const session *s, const interpreter *p, const char *name, const char *remedy)
{
    if (p->found)
        printf("%s %s, %s threads (%s)\n", name, p->version, s->threads, p->python);
    else
        printf("%s: no python3 in PATH imports it; its rows are left out (%s)\n", name, remedy);
}

static session introduce(pn_ctx *ctx, const peers_opt *opt)
{
    session s = { .ctx = ctx, .opt = *opt };
    const ssize_t n = readlink("/proc/self/exe", s.self, sizeof s.self - 1);
    s.self[n > 0 ? n : 0] = 0;
    snprintf(s.threads, sizeof s.threads, "%d", pn_ctx_threads(ctx));
    s.torch = find_python("torch", "torch");
    s.onnxruntime = find_python("torch, onnxruntime", "onnxruntime");
    s.openvino = find_python("torch, openvino", "openvino");
    printf("posenet %s, %s, %s threads\n", pn_version(), pn_isa_name(pn_ctx_isa(ctx)), s.threads);
    say(&s, &s.torch, "PyTorch", "apt-get install python3-torch, or pip install torch");
    say(&s, &s.onnxruntime, "ONNX Runtime", "pip install onnxruntime beside torch");
    say(&s, &s.openvino, "OpenVINO", "pip install openvino beside torch");
    printf("ratios: theirs over ours, the median of the rounds and its quartiles\n\n");
    return s;
}

static bool wanted(const peers_opt *opt, const peer_row *row)
{
    return regexec(opt->filter, row->entry, 0, NULL, 0) == 0 || regexec(opt->filter, row->what, 0, NULL, 0) == 0;
}

bool bench_peers_run(pn_ctx *ctx, const peers_opt *opt)
{
    int n = 0;
    for (const peer_row *row = peer_rows; row->what; row++) n += wanted(opt, row);
    if (!n) return false;
    bench_warn_environment(ctx);
    const bench_watch before = bench_watch_now();
    const bench_ceilings c = { .threads = pn_ctx_threads(ctx), .flops = { 0, bench_peak(ctx) } };
    session s = introduce(ctx, opt);
    weights_begin(&s);
    for (const peer_row *row = peer_rows; row->what; row++) {
        const bool alone = row->kind == PEER_CEILING || row->kind == PEER_THREADS;
        if (wanted(opt, row) && (alone || interpreter_of(&s, row->script)->found)) do_row(&s, row);
    }
    weights_end(&s);
    const bench_watch after = bench_watch_now();
    bench_warn_interference(ctx, &before, &after);
    bench_warn_drift(ctx, &c, bench_peak(ctx));
    return true;
}
