/* bench/support/where.c - see where.h */
#include "support/where.h"
#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 512, ROUNDS = 5 };
typedef struct {
    char what[160];
    double seconds, macs;
    int steps;
} kind_time;
typedef struct {
    kind_time kind[KINDS];
    int n, lost;                    /* steps of kinds that found no room */
} tally;

static size_t shape_text(char *at, size_t room, const pn_tensor *t)
{
    const pn_shape s = pn_tensor_shape(t);
    size_t n = 0;
    for (int d = 0; d < s.rank && n < room; d++) n += (size_t)snprintf(at + n, room - n, "%s%td", d ? "x" : " ", s.dim[d]);
    return n < room ? n : room;
}

/* "conv2d backward 1x64x64x44 64x64x3x3 to 1x64x64x44": the first two inputs say what a step costs. */
static void describe(char text[160], const pn_step_report *r)
{
    size_t n = (size_t)snprintf(text, 160, "%s%s", r->op, r->backward ? " backward" : "");
    for (int i = 0; i < r->n_in && i < 2; i++) n += shape_text(text + n, 160 - n, r->in[i]);
    if (n < 160) n += (size_t)snprintf(text + n, 160 - n, " to");
    if (n < 160) shape_text(text + n, 160 - n, r->out);
}

static void count(void *user, const pn_step_report *r)
{
    tally *t = user;
    char what[160];
    describe(what, r);
    int i = 0;
    while (i < t->n && strcmp(t->kind[i].what, what) != 0) i++;
    if (i == KINDS) {
        t->lost++;
        return;
    }
    kind_time *k = &t->kind[i];
    if (i == t->n) {
        memcpy(k->what, what, sizeof what);
        t->n++;
    }
    k->seconds += r->seconds;
    k->macs += r->macs;
    k->steps++;
}

static int longest_first(const void *a, const void *b)
{
    const kind_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void print_line(const char *what, double seconds, double macs, double steps, double all)
{
    char time[32], rate[32] = "", each[32] = "";
    if (macs > 0) snprintf(rate, sizeof rate, "%.0f GFLOP/s", 2e-9 * macs / seconds);
    if (steps > 0) snprintf(each, sizeof each, "%.0f x", steps);
    printf("  %5.1f %%  %9s  %5s  %12s  %s\n", 100 * seconds / all, bench_time_text(seconds, time), each, rate, what);
}

static void print(tally *t, double all)
{
    double inside = 0;
    qsort(t->kind, (size_t)t->n, sizeof *t->kind, longest_first);
    for (int i = 0; i < t->n; i++) {
        const kind_time *k = &t->kind[i];
        inside += k->seconds;
        print_line(k->what, k->seconds / ROUNDS, k->macs / ROUNDS, (double)k->steps / ROUNDS, all / ROUNDS);
    }
    print_line("outside of plans", (all - inside) / ROUNDS, 0, 0, all / ROUNDS);
    if (t->lost) printf("  %d steps are of more kinds than are listed\n", t->lost);
    fflush(stdout);
}

pn_status bench_where(pn_ctx *ctx, const bench_entry *e)
{
    bench_work *w = bench_begin(ctx, e);
    tally *t = w ? pn_ctx_alloc(ctx, sizeof *t) : NULL;
    if (!t) return w ? w->end(w), pn_ctx_status(ctx) : pn_ctx_status(ctx);
    bench_timer warm = { 0 }, all = { 0 };
    pn_status status = w->once(w, &warm);
    pn_ctx_watch(ctx, (pn_watch){ count, t });
    for (int i = 0; i < ROUNDS && !status; i++) status = w->once(w, &all);
    pn_ctx_watch(ctx, (pn_watch){ 0 });
    if (!status) print(t, all.wall);
    pn_ctx_release(ctx, t);
    w->end(w);
    return status;
}
