/* examples/video.c - frames to a video file: raw pictures into the standard input of ffmpeg, without a shell */
#define _GNU_SOURCE
#include "video.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { NOT_FOUND = 127 };
static const char missing[] = "the program ffmpeg was not found; install it (Debian: apt-get install ffmpeg)";

static void fail(video *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(video *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!v->why[0]) vsnprintf(v->why, sizeof v->why, format, args);
    va_end(args);
    if (v->pipe >= 0) close(v->pipe);
    v->pipe = -1;
}

/* What this program ignores, its child must not. */
static int spawn(video *v, const int ends[2], char *const words[])
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);     /* stdout is for results */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int error = posix_spawnp(&v->ffmpeg, words[0], &files, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static void start(video *v, char *size, char *rate)
{
    char *out;
    int ends[2];
    if (asprintf(&v->part, "%s.part", v->path) < 0 || asprintf(&out, "file:%s", v->part) < 0) {
        v->part = NULL;
        fail(v, "%s: no memory for its name", v->path);
        return;
    }
    /* yuv420p: what every player shows; file: a name is a name, whatever it begins with */
    char *const words[] = { "ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size,
                            "-r", rate, "-i", "pipe:0", "-an", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", out,
                            NULL };
    if (pipe2(ends, O_CLOEXEC)) {
        fail(v, "no pipe to ffmpeg: %s", strerror(errno));
    } else {
        const int error = spawn(v, ends, words);
        close(ends[0]);
        v->pipe = ends[1];
        if (error) v->ffmpeg = -1;
        if (error == ENOENT) fail(v, "%s", missing);
        else if (error) fail(v, "ffmpeg cannot be started: %s", strerror(error));
    }
    free(out);
}

void video_begin(video *v, const char *path, ptrdiff_t height, ptrdiff_t width, int rate)
{
    char size[48], number[16];
    *v = (video){ .path = path, .ffmpeg = -1, .pipe = -1 };
    snprintf(size, sizeof size, "%tdx%td", width, height);
    snprintf(number, sizeof number, "%d", rate);
    signal(SIGPIPE, SIG_IGN);           /* an ffmpeg that has ended is an error like any other */
    start(v, size, number);
}

void video_frame(video *v, const uint8_t *pixels, size_t bytes)
{
    while (v->pipe >= 0 && bytes) {
        const ssize_t n = write(v->pipe, pixels, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EPIPE) fail(v, "ffmpeg ended before all frames were written");
        else if (n < 0) fail(v, "writing to ffmpeg: %s", strerror(errno));
        if (n < 0) return;
        pixels += n;
        bytes -= (size_t)n;
    }
}

/* It has to be waited for whatever happened; its exit says more than a broken pipe does. */
static void wait_for(video *v)
{
    int status;
    if (v->ffmpeg < 0) return;
    while (waitpid(v->ffmpeg, &status, 0) < 0)
        if (errno != EINTR) return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    v->why[0] = 0;
    if (WIFSIGNALED(status)) fail(v, "ffmpeg was ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) == NOT_FOUND) fail(v, "%s", missing);
    else fail(v, "ffmpeg failed with exit status %d; its own message stands above", WEXITSTATUS(status));
}

void video_cancel(video *v)
{
    fail(v, "not all frames were made");
    video_end(v);
}

bool video_end(video *v)
{
    if (v->pipe >= 0 && close(v->pipe)) fail(v, "writing to ffmpeg: %s", strerror(errno));
    v->pipe = -1;
    wait_for(v);
    if (!v->why[0] && rename(v->part, v->path)) fail(v, "%s cannot be renamed to %s: %s", v->part, v->path, strerror(errno));
    if (v->why[0] && v->part) unlink(v->part);
    free(v->part);
    v->part = NULL;
    return !v->why[0];
}
