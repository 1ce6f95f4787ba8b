/* tests/programs/programs.c - see programs.h; Check forks for each test, but not for the fixture */
#define _GNU_SOURCE
#include "programs/programs.h"
#include "data/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The folder ------------------------------------------------------------------------------------------------- */

/* Paths and texts live as long as the process: a leak checker must still see them. */
static char *kept(char *text)
{
    static char **all;
    static size_t n;
    if (!text || !(all = realloc(all, (n + 1) * sizeof *all))) ck_abort_msg("no memory");
    return all[n++] = text;
}

static char root[64];
static pid_t owner;

static bool begins_with(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (!path[n] || path[n] == '/');
}

const char *world_of(const char *file, const char *format, ...)
{
    char *name, *path, *own = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&name, format, args) < 0) ck_abort_msg("no memory");
    va_end(args);
    const char *stem = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    const bool shared = begins_with(name, "people") || begins_with(name, "run");
    if (asprintf(&own, "%s/%.*s", root, (int)strcspn(stem, "."), stem) < 0) ck_abort_msg("no memory");
    if (!shared) mkdir(own, 0777);
    if (asprintf(&path, "%s/%s", shared ? root : own, name) < 0) ck_abort_msg("no memory");
    free(own);
    free(name);
    return kept(path);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_world(void)
{
    if (getpid() == owner) nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void world_make(void)
{
    static bool furnished;
    if (furnished) return;
    if (root[0]) ck_abort_msg("%s was never furnished: see the first failure", root);
    strcpy(root, "/tmp/posenet-programs-XXXXXX");
    if (!mkdtemp(root)) ck_abort_msg("cannot make %s", root);
    owner = getpid();
    atexit(remove_world);
    exits(run("posenet-data synth --out %s --people 6 --views 3 --size 64x48 --seed 1 --threads 2", PEOPLE), 0);
    exits(run(TRAIN
              " --stage auto --data %s --out %s --steps %d --save-every 2 --sample-every 5 --log-every 1 --threads 2",
              PEOPLE, RUN, RUN_STEPS),
          0);
    furnished = true;
}

/* ---- Commands --------------------------------------------------------------------------------------------------- */

enum { WORDS = 100 };

static started start_v(size_t room, const char *format, va_list args)
{
    char *command, *word[WORDS + 1];
    int n = 0;
    if (vasprintf(&command, format, args) < 0) ck_abort_msg("no memory");
    for (char *at = strtok(command, " "); at; at = strtok(NULL, " ")) {
        ck_assert_int_lt(n, WORDS);
        word[n++] = at;
    }
    word[n] = NULL;
    char program[512];
    snprintf(program, sizeof program, "%s/%s", PN_TEST_BIN, word[0]);
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) ck_abort_msg("no pipes");
    const started s = { fork(), out[0], err[0] };
    ck_assert_int_ge(s.pid, 0);
    if (s.pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        if (room) setrlimit(RLIMIT_FSIZE, &(struct rlimit) { room, room });
        execv(program, word);
        _exit(127);
    }
    free(command);
    close(out[1]);
    close(err[1]);
    return s;
}

started start(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const started s = start_v(0, format, args);
    va_end(args);
    return s;
}

static char *drain(int pipe)
{
    enum { ROOM = 65536 };
    char *text = calloc(1, ROOM + 1);
    size_t got = 0;
    for (ssize_t n; got < ROOM && (n = read(pipe, text + got, ROOM - got)) > 0;) got += (size_t)n;
    close(pipe);
    return kept(text);
}

result finish(started s)
{
    int status;
    ck_assert_int_eq(waitpid(s.pid, &status, 0), s.pid);
    return (result) { WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), drain(s.out), drain(s.err) };
}

result run(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const started s = start_v(0, format, args);
    va_end(args);
    return finish(s);
}

result run_in_room(size_t bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const started s = start_v(bytes, format, args);
    va_end(args);
    return finish(s);
}

/* ---- What is expected ------------------------------------------------------------------------------------------- */

/* The end of a text: Check takes messages of up to 8 KiB. */
static const char *end_of(const char *text)
{
    enum { MOST = 3000 };
    const size_t length = strlen(text);
    return length > MOST ? text + length - MOST : text;
}

void exits(result r, int code)
{
    if (r.code != code)
        ck_abort_msg("exit status %d, expected %d; it said:\n%s%s", r.code, code, end_of(r.out), end_of(r.err));
}

void says(const char *text, const char *part)
{
    if (!strstr(text, part)) ck_abort_msg("'%s' is not in:\n%s", part, end_of(text));
}

void says_not(const char *text, const char *part)
{
    if (strstr(text, part)) ck_abort_msg("'%s' is in:\n%s", part, end_of(text));
}

void explains(result r, int code, const char *part)
{
    exits(r, code);
    says(r.err, part);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

bool there(const char *path) { return access(path, F_OK) == 0; }

int count_files(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) ck_abort_msg("cannot open %s", path);
    char *text = NULL;
    size_t got = 0, room = 0, n;
    do {
        text = realloc(text, (room += 65536) + 1);
        got += n = fread(text + got, 1, room - got, f);
    } while (n);
    fclose(f);
    text[got] = 0;
    if (size) *size = got;
    return kept(text);
}

static void spill_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) ck_abort_msg("cannot write %s", path);
}

void spill(const char *path, const char *text) { spill_bytes(path, text, strlen(text)); }

void write_pose(const char *path, int shift)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "{\"people\":[{\"pose_keypoints_2d\":[");
    for (int i = 0; i < 18; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%d,%d,1", i ? "," : "", 10 + i % 5 * 6 + shift, 4 + i * 3);
    snprintf(text + n, sizeof text - (size_t)n, "]}]}");
    spill(path, text);
}

void copy_file(const char *from, const char *to, size_t most)
{
    size_t size;
    char *bytes = slurp(from, &size);
    spill_bytes(to, bytes, size < most ? size : most);
}

void copy_folder(const char *from, const char *to)
{
    char a[1024], b[1024];
    DIR *d = opendir(from);
    if (!d || mkdir(to, 0777)) ck_abort_msg("cannot copy %s to %s", from, to);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        struct stat s;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (stat(a, &s) == 0 && S_ISDIR(s.st_mode))
            copy_folder(a, b);
        else
            copy_file(a, b, (size_t)-1);
    }
    closedir(d);
}

void same_bytes(const char *a, const char *b)
{
    size_t n[2];
    char *bytes[2] = { slurp(a, &n[0]), slurp(b, &n[1]) };
    if (n[0] != n[1] || memcmp(bytes[0], bytes[1], n[0]) != 0) ck_abort_msg("%s differs from %s", a, b);
}

void has_size(const char *path, ptrdiff_t height, ptrdiff_t width)
{
    pn_image image;
    assert_works(pn_image_read(scratch_ctx(), path, &image));
    ck_assert_int_eq(image.height, height);
    ck_assert_int_eq(image.width, width);
    pn_image_free(scratch_ctx(), &image);
}

void same_tensors(const char *a, const char *b)
{
    pn_safetensors file[2];
    assert_works(pn_safetensors_read(scratch_ctx(), a, &file[0]));
    assert_works(pn_safetensors_read(scratch_ctx(), b, &file[1]));
    ck_assert_uint_eq(file[0].count, file[1].count);
    ck_assert_uint_gt(file[0].count, 100);
    for (size_t i = 0; i < file[0].count; i++) {
        const pn_st_tensor *x = &file[0].tensors[i], *y = &file[1].tensors[i];
        if (strcmp(x->name, y->name) != 0 || x->size != y->size || memcmp(x->bytes, y->bytes, x->size) != 0)
            ck_abort_msg("%s: %s is not that of %s", a, x->name, b);
    }
    for (int i = 0; i < 2; i++) pn_safetensors_free(scratch_ctx(), &file[i]);
}
