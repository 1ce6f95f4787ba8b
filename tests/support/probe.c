/* tests/support/probe.c - a copy between what is tested and its surroundings: forces a layout, checks the lanes
 * past C */
#include "support/pass.h"

static void check_lanes(const pn_real *map, pn_map m, const char *what)
{
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = m.c; c < pn_map_blocks(m) * m.b; c++)
            for (ptrdiff_t y = 0; y < m.h; y++)
                for (ptrdiff_t x = 0; x < m.w; x++) {
                    const double v = (double)map[pn_at(m, n, c, y, x)];
                    if (v != 0)
                        ck_abort_msg(
                            "%s: lane %td, past the last of %td channels, is %g at [%td,.,%td,%td]; it must be 0", what,
                            c, m.c, v, n, y, x);
                }
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_map m = pn_map_out(r, node);
    check_lanes(pn_in(r, node, 0), m, "a value");
    memcpy(pn_out(r, node), pn_in(r, node, 0), (size_t)pn_map_stored(m) * sizeof(pn_real));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_map m = pn_map_out(r, node);
    const pn_sink dx = pn_sink_in(r, node, 0);
    const pn_real *dy = pn_grad_out(r, node);
    check_lanes(dy, m, "a gradient");
    for (ptrdiff_t i = 0; i < pn_map_stored(m); i++) dx.data[i] = dx.add ? dx.data[i] + dy[i] : dy[i];
}

static const pn_op probes[] = {
    [PN_TEST_ANY] = { .name = "test_probe", .forward = forward, .backward = backward },
    [PN_TEST_PLANAR] = { .name = "test_probe",
                         .layout = { PN_LAYOUT_PLANAR },
                         .result = PN_LAYOUT_PLANAR,
                         .forward = forward,
                         .backward = backward },
    [PN_TEST_BLOCKED] = { .name = "test_probe",
                          .layout = { PN_LAYOUT_BLOCKED },
                          .result = PN_LAYOUT_BLOCKED,
                          .forward = forward,
                          .backward = backward },
};

pn_tensor *pn_test_probe(pn_graph *g, pn_tensor *x, pn_test_layout layout)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &probes[layout], in, 1)) return NULL;
    pn_node *node = pn_op_record(g, &probes[layout], x->shape, in, 1);
    return node ? node->out : NULL;
}
