/* bench/support/child.c - see child.h */
#define _GNU_SOURCE
#include "support/child.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const child_command *c, int in, int out)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (!c->loud) {
        const int nowhere = open("/dev/null", O_WRONLY);
        if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    }
    for (int i = 0; c->settings[i]; i++) {
        char name[64];
        const size_t n = strcspn(c->settings[i], "=");
        snprintf(name, sizeof name, "%.*s", (int)n, c->settings[i]);
        setenv(name, c->settings[i] + n + 1, 1);
    }
    execvp(c->words[0], (char *const *)c->words);
    _exit(127);
}

bool child_start(const child_command *c, child *out)
{
    int to[2], from[2];
    signal(SIGPIPE, SIG_IGN); /* one that has ended is noticed by its silence */
    if (pipe2(to, O_CLOEXEC)) return false;
    if (pipe2(from, O_CLOEXEC)) return close(to[0]), close(to[1]), false;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) become(c, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    *out = (child){ pid, fdopen(to[1], "w"), fdopen(from[0], "r") };
    if (pid > 0 && out->to && out->from) return true;
    child_end(out);
    return false;
}

double child_turn(child *c)
{
    char line[4096];
    if (fputs("go\n", c->to) < 0 || fflush(c->to) || !fgets(line, sizeof line, c->from)) return -1;
    cJSON *said = cJSON_Parse(line);
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(said, "seconds");
    const double s = cJSON_IsNumber(seconds) && seconds->valuedouble > 0 ? seconds->valuedouble : -1;
    cJSON_Delete(said);
    return s;
}

double child_peak_memory(const child *c)
{
    char path[64], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)c->pid);
    FILE *in = fopen(path, "r");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1) break;
    if (in) fclose(in);
    return 1024 * kib;
}

static bool finished(child *c)
{
    int status = -1;
    if (c->to) fclose(c->to); /* end of input: it ends by itself */
    if (c->from) fclose(c->from);
    if (c->pid > 0) waitpid(c->pid, &status, 0);
    *c = (child){ 0 };
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void child_end(child *c) { finished(c); }

bool child_says(const child_command *c, char line[CHILD_ROOM])
{
    child it;
    line[0] = 0;
    if (!child_start(c, &it)) return false;
    if (!fgets(line, CHILD_ROOM, it.from)) line[0] = 0;
    line[strcspn(line, "\n")] = 0;
    return finished(&it);
}
