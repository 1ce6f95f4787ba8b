/* programs.h - running the built programs as a user does: a folder, commands, what they print and how they exit
 *
 * Commands are split at blanks; the first word is a program of the build. The world is made once for all tests, by an
 * unchecked fixture: a data set of six small people, and a run trained on it. Tests read these and write into a folder of their file's own.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What makes a network small enough for the reference kernels. */
#define NARROW                                                                                                         \
    "--preset tiny --set base=8 --set cap=16 --set flow_base=4 --set flow_cap=8 --set hidden=8 --set d_base=4 "        \
    "--set d_cap=8 --set vgg_narrow=16"
#define TRAIN "posenet-train --model gfla " NARROW " --size 32x32 --batch 1 --seed 3"

void world_make(void);                                                            /* the unchecked fixture */
/* A path, kept: people/… and run/… are everybody's, any other is of the calling file alone. */
#define world(...) world_of(__FILE__, __VA_ARGS__)
const char *world_of(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define PEOPLE world("people")         /* 64x48, 3 views of 6 people, pairs for training and for testing */
#define RUN world("run")               /* stage auto, RUN_STEPS steps of TRAIN, a checkpoint every 2, by two threads */
enum { RUN_STEPS = 10, RUN_FLOW = 2 }; /* RUN_FLOW of them in stage flow */

typedef struct {
    int code;
    char *out, *err;
} result; /* code: the exit status, or 128 + the signal */
result run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* With no file allowed to grow past so many bytes, as on a full disk. */
result run_in_room(size_t bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same in two halves. */
typedef struct {
    pid_t pid;
    int out, err;
} started; /* what it prints waits in pipes: at most 64 KiB each */
started start(const char *format, ...) __attribute__((format(printf, 1, 2)));
result finish(started s);

void exits(result r, int code);
void says(const char *text, const char *part); /* it is in it */
void says_not(const char *text, const char *part);
void explains(result r, int code, const char *part); /* exits so, and stderr holds the part */

bool there(const char *path);
int count_files(const char *folder);         /* 0 if there is no such folder */
char *slurp(const char *path, size_t *size); /* size may be NULL; ends with a zero; kept */
void spill(const char *path, const char *text);
void write_pose(const char *path, int shift); /* OpenPose's JSON of somebody, so far to the right */
void copy_file(const char *from, const char *to, size_t most);
void copy_folder(const char *from, const char *to); /* a data set or a run: folders one below the other */
void same_bytes(const char *a, const char *b);
void has_size(const char *picture, ptrdiff_t height, ptrdiff_t width);
void same_tensors(const char *a, const char *b); /* of two safetensors files, whatever their notes say */

#endif
