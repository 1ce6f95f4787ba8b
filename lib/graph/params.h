/* params.h - what lib/graph and lib/nn know of a set of parameters */
#ifndef PN_PARAMS_H
#define PN_PARAMS_H

#include "graph/graph.h"

typedef struct {
    pn_tensor *tensor;
    pn_init init;
    const char *alias[3];
    int aliases;
    bool has_value;                 /* initialised, set or loaded */
} pn_param_entry;

struct pn_params {
    pn_ctx *ctx;
    pn_status status;
    pn_arena arena;
    pn_param_entry *entry;
    int count;
    size_t room;
};

/* FAN_IN as NORMAL, where fan_in inputs reach an output; any other as it is. */
pn_init pn_init_normal_in(pn_init init, double fan_in);

#endif
