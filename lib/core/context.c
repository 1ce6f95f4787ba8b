/* lib/core/context.c - the context: options with defaults filled in, the last error, the log */
#include "core/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pn_version(void) { return PN_VERSION; }

static const pn_limits default_limits = {
    .plan_bytes = (size_t)64 << 30, .file_bytes = (size_t)8 << 30, .image_side = 16384,
};

static pn_limits limits_or_default(pn_limits l)
{
    if (!l.plan_bytes) l.plan_bytes = default_limits.plan_bytes;
    if (!l.file_bytes) l.file_bytes = default_limits.file_bytes;
    if (!l.image_side) l.image_side = default_limits.image_side;
    return l;
}

static pn_ctx *refuse(char why[256], const char *text, const char *value)
{
    if (why) snprintf(why, 256, text, value);
    return NULL;
}

pn_ctx *pn_ctx_new(const pn_ctx_opt *opt, char why[256])
{
    const pn_ctx_opt o = opt ? *opt : (pn_ctx_opt){ 0 };
    const pn_allocator allocator = o.allocator.get ? o.allocator : pn_system_allocator;
    const char *wanted = getenv("PN_ISA"), *fuse = getenv("PN_FUSE");
    pn_isa isa = o.isa;
    if (isa == PN_ISA_BEST && wanted && *wanted) {
        isa = pn_isa_by_name(wanted);
        if (isa == PN_ISA_BEST)
            return refuse(why, "PN_ISA is '%.40s', expected one of ref, base, avx2, avx512, neon", wanted);
    }
    if (isa == PN_ISA_BEST) isa = pn_isa_best();
    if (!pn_isa_available(isa))
        return refuse(why, "this processor or build has no '%s' kernels; unset PN_ISA to take the best it has",
                      pn_isa_name(isa));
    if (o.threads < 0 || o.threads > PN_MAX_THREADS)
        return refuse(why, "pn_ctx_opt.threads is out of range, expected 0 (one per core) to %s", "256");

    pn_ctx *ctx = allocator.get(allocator.user, sizeof *ctx, 64);
    if (!ctx) return refuse(why, "no memory for %s", "a context");
    memset(ctx, 0, sizeof *ctx);
    ctx->allocator = allocator;
    ctx->files = o.files.open ? o.files : pn_system_files;
    ctx->log = o.log;
    ctx->limits = limits_or_default(o.limits);
    ctx->isa = isa;
    ctx->fuse = !fuse || strcmp(fuse, "0") != 0;
    ctx->kernels = pn_kernels_for(isa);
    ctx->threads = o.threads ? o.threads : pn_cores();
    if (pn_pool_new(ctx, ctx->threads, &ctx->pool)) {
        if (why) snprintf(why, 256, "%.255s", ctx->message);
        pn_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}

pn_ctx *pn_ctx_child(pn_ctx *ctx)
{
    pn_ctx *child = pn_alloc(ctx, 1, sizeof *child);
    if (!child) return NULL;
    child->allocator = ctx->allocator;
    child->files = ctx->files;
    child->limits = ctx->limits;
    child->isa = ctx->isa;
    child->fuse = ctx->fuse;
    child->kernels = ctx->kernels;
    child->threads = 1;
    child->parent = ctx;
    return child;
}

void pn_ctx_free(pn_ctx *ctx)
{
    if (!ctx) return;
    pn_pool_free(ctx, ctx->pool);
    if (ctx->parent) {
        pn_free(ctx->parent, ctx);
        return;
    }
    const pn_allocator allocator = ctx->allocator;
    allocator.put(allocator.user, ctx, sizeof *ctx);
}

pn_status pn_ctx_status(const pn_ctx *ctx) { return ctx ? ctx->status : PN_ERR_ARG; }
const char *pn_ctx_message(const pn_ctx *ctx) { return ctx ? ctx->message : "the context is NULL"; }
int pn_ctx_threads(const pn_ctx *ctx) { return ctx->threads; }
pn_isa pn_ctx_isa(const pn_ctx *ctx) { return ctx->isa; }
const pn_limits *pn_ctx_limits(const pn_ctx *ctx) { return &ctx->limits; }
void pn_ctx_watch(pn_ctx *ctx, pn_watch w) { ctx->watch = w; }
const pn_watch *pn_ctx_watched(const pn_ctx *ctx) { return ctx->watch.step ? &ctx->watch : NULL; }
pn_pool *pn_ctx_pool(const pn_ctx *ctx) { return ctx->pool; }
const pn_kernels *pn_ctx_kernels(const pn_ctx *ctx) { return &ctx->kernels; }

static pn_status fail_v(pn_ctx *ctx, pn_status status, const char *format, va_list args)
{
    char text[PN_MESSAGE_MAX];                          /* the arguments may point into the old message */
    vsnprintf(text, sizeof text, format, args);
    memcpy(ctx->message, text, sizeof text);
    return ctx->status = status;
}

pn_status pn_fail(pn_ctx *ctx, pn_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_v(ctx, status, format, args);
    va_end(args);
    return status;
}

pn_status pn_ctx_fail(pn_ctx *ctx, pn_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_v(ctx, status, format, args);
    va_end(args);
    return status;
}

pn_status pn_fail_errno(pn_ctx *ctx, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int used = vsnprintf(ctx->message, sizeof ctx->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof ctx->message)
        snprintf(ctx->message + used, sizeof ctx->message - (size_t)used, ": %s", strerror(error));
    ctx->status = PN_ERR_IO;
    return ctx->status;
}

static void log_v(pn_ctx *ctx, pn_log_level level, const char *format, va_list args)
{
    if (!ctx->log.line) return;
    char text[PN_MESSAGE_MAX];
    vsnprintf(text, sizeof text, format, args);
    ctx->log.line(ctx->log.user, level, text);
}

void pn_ctx_log(pn_ctx *ctx, pn_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_v(ctx, level, format, args);
    va_end(args);
}

void pn_ctx_warn(pn_ctx *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_v(ctx, PN_LOG_WARNING, format, args);
    va_end(args);
}

void *pn_ctx_alloc(pn_ctx *ctx, size_t bytes) { return pn_alloc(ctx, 1, bytes); }
void pn_ctx_release(pn_ctx *ctx, void *memory) { pn_free(ctx, memory); }
