/* peers.h - our work and others' by turns: A B A B in one run, the median of the ratios of the rounds */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "support/pnbench.h"
#include "support/stats.h"

#include <regex.h>

/* What a row compares. */
typedef enum {
    PEER_TIME,                      /* seconds of one time */
    PEER_TIME_AVX2,                 /* the same with both sides held to AVX2 */
    PEER_THREADS,                   /* all threads over one, each side against itself */
    PEER_FIRST,                     /* from the start of the process to the first result */
    PEER_MEMORY,                    /* the most memory the process has had */
    PEER_CEILING                    /* share of the multiply-add peak: no peer */
} peer_kind;

typedef struct {
    const char *what;               /* the goal it belongs to */
    peer_kind kind;
    const char *entry;              /* ours */
    const char *script;             /* the peer's: a file of bench/peers and its words */
    double must, aim;               /* ratios, or the share; 0: none set */
    double tuned_must, tuned_aim;   /* against the tuned peer; 0: the first two are for the strongest of all */
    double most, hoped;             /* bytes or seconds of ours; 0: none set */
} peer_row;

extern const peer_row peer_rows[];  /* ends with an empty one */

typedef struct { bool verbose; const regex_t *filter; } peers_opt;

/* The table; false: no row matches. Missing peers are said and left out. */
bool bench_peers_run(pn_ctx *ctx, const peers_opt *opt);

/* Our side: posenet-bench --turns ENTRY THREADS [WARMUP]. Returns the exit status. */
int bench_turns(int argc, char **argv);

#endif
