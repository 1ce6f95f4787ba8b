/* models/gfla/pose.c - the task of the paper: a person in a new pose */
#include "system.h"

typedef struct { gfla_pair_model pair; gfla_generator_net g; } pose_model;

static const gfla_generator_net *net_of(const gfla_pair_model *m) { return &((const pose_model *)m)->g; }

static gfla_output flow(pn_graph *g, const gfla_pair_model *m, const gfla_input *in) { return gfla_flow(g, net_of(m), in); }
static gfla_output generator(pn_graph *g, const gfla_pair_model *m, const gfla_input *in) { return gfla_generator(g, net_of(m), in); }

static bool recognise(pn_model *m, const pn_weights *w)
{
    return pn_weights_have(w, "target.encoder0.model.2.weight") && gfla_recognise(m, w, "source", "flow_net", "target.attn");
}

static pn_status make(pn_model *base)
{
    pose_model *m = (pose_model *)base;
    pn_scope top;
    const pn_status status = gfla_pair_make(&m->pair, PN_JOINTS, &top);
    if (status) return status;
    m->g = gfla_generator_make(&top, &m->pair.common.config);
    m->pair.inputs = gfla_inputs;
    m->pair.flow = flow;
    m->pair.generator = generator;
    return pn_params_status(top.params);
}

const pn_model_face gfla_pose_face = {
    .model_bytes = sizeof(pose_model), .training_bytes = sizeof(gfla_pair_training), .generation_bytes = sizeof(gfla_pair_generation),
    .recognise = recognise, .make = make, .train = gfla_pair_train, .step = gfla_pair_step, .train_free = gfla_pair_train_free,
    .describe = gfla_pair_describe, .feed = gfla_pair_feed,
};
