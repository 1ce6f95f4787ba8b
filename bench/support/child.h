/* child.h - a program that works by turns: it waits for a line "go", works once, prints {"seconds": S} */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum { CHILD_WORDS = 32, CHILD_SETTINGS = 12, CHILD_ROOM = 128 };

/* What to start: words[0] is looked for in PATH; settings are "NAME=value" on top of the environment. */
typedef struct {
    const char *words[CHILD_WORDS + 1];
    const char *settings[CHILD_SETTINGS + 1];
    bool loud;                      /* let its stderr through */
} child_command;

typedef struct { pid_t pid; FILE *to, *from; } child;

bool child_start(const child_command *c, child *out);
/* One turn; < 0: it has ended, or said something else. */
double child_turn(child *c);
/* The most memory it has had, in bytes; 0: not known. */
double child_peak_memory(const child *c);
void child_end(child *c);
/* Run to the end: exit status 0, and the first line it prints, without its newline. */
bool child_says(const child_command *c, char line[CHILD_ROOM]);

#endif
