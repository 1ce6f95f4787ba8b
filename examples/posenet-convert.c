/* examples/posenet-convert.c - weight files: PyTorch's into safetensors, and what either kind holds */
#include "cli.h"
#include "posenet/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    bool list;
    cli_list files;
    cli_common common;
} request;

static const char usage[] = "  posenet-convert IN.pth OUT.safetensors\n"
                            "  posenet-convert --list FILE\n"
                            "\n"
                            "IN is a state dict as torch.save writes it, in its zip or its legacy container; nothing "
                            "in it is executed, and what is no\n"
                            "tensor is left out. Names, types and bits stay as they are, but for \"module.\" before "
                            "every name. FILE may be of either\n"
                            "kind. The other programs read .pth files, too.\n";

static int check(const cli_program *p, const request *r)
{
    static const char ending[] = ".safetensors";
    const int n = r->files.count, wanted = r->list ? 1 : 2;
    if (n != wanted)
        return cli_usage(p, "%d file%s named, expected %s", n, n == 1 ? " is" : "s are",
                         r->list ? "--list FILE" : "IN.pth OUT.safetensors");
    if (r->list) return CLI_GO_ON;
    const char *out = r->files.item[1];
    const size_t length = strlen(out), end = sizeof ending - 1;
    if (length > end && strcmp(out + length - end, ending) == 0) return CLI_GO_ON;
    return cli_usage(p, "the file to write is '%s', expected a name that ends in %s", out, ending);
}

/* A line for each tensor, then their sum. */
static void list(const pn_weights *w)
{
    int64_t numbers = 0;
    const int n = pn_weights_count(w);
    for (int i = 0; i < n; i++) {
        const char *name = pn_weights_name(w, i);
        const pn_shape shape = pn_weights_shape(w, name);
        int64_t count = 1;
        printf("%-4s [", pn_weights_type(w, name));
        for (int d = 0; d < shape.rank; d++) {
            printf("%s%td", d ? "," : "", shape.dim[d]);
            count *= shape.dim[d];
        }
        printf("] %s\n", name);
        numbers += count;
    }
    printf("%d tensor%s, %" PRId64 " numbers\n", n, n == 1 ? "" : "s", numbers);
}

static pn_status convert(const pn_weights *w, const char *out)
{
    const pn_status status = pn_weights_save(w, out);
    if (!status) printf("%s: %d tensors\n", out, pn_weights_count(w));
    return status;
}

int main(int argc, char **argv)
{
    static request r;
    const cli_option options[] = {
        { "list", NULL, "print the type, shape and name of every tensor of FILE", CLI_FLAG, { .flag = &r.list } },
        { .kind = CLI_END },
    };
    const cli_program program = { .name = "posenet-convert",
                                  .summary = "PyTorch's weight files into safetensors",
                                  .usage = usage,
                                  .options = options,
                                  .common = &r.common,
                                  .rest = &r.files };
    int code = cli_parse(&program, argc, argv);
    if (code == CLI_GO_ON) code = check(&program, &r);
    if (code != CLI_GO_ON) return code;
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    pn_weights *w = pn_weights_open(ctx, r.files.item[0]);
    pn_status status = w ? PN_OK : pn_ctx_status(ctx);
    if (!status && r.list) list(w);
    if (!status && !r.list) status = convert(w, r.files.item[1]);
    code = status ? cli_failed(&program, ctx) : CLI_OK;
    pn_weights_free(w);
    pn_ctx_free(ctx);
    return code;
}
