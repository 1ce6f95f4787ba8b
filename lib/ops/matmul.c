/* lib/ops/matmul.c - batched product: contract in posenet/ops.h, loops in kernels/{ref,simd}/matmul.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_matmul_mode mode; } matmul;
enum { A, B };

/* The product and its two adjoints, c = a b, da = dc b^T, db = a^T dc; where mode transposes b, so it does db. */
static pn_matrix_strides transposed(pn_matrix_strides s) { return (pn_matrix_strides){ s.batch, s.column, s.row }; }

typedef struct { pn_matmul_dims y, da, db; } products;

static products products_of(const pn_node *node)
{
    const pn_shape a = node->in[A]->shape, y = node->out->shape;
    const ptrdiff_t batch = a.dim[0], m = a.dim[1], k = a.dim[2], n = y.dim[2];
    const bool turned = ((const matmul *)node)->mode == PN_TRANSPOSE_B;
    const pn_matrix_strides of_a = { m * k, k, 1 }, of_y = { m * n, n, 1 };
    const pn_matrix_strides of_b = { k * n, turned ? 1 : n, turned ? k : 1 };
    return (products){
        .y = { batch, m, n, k, of_a, of_b },
        .da = { batch, m, k, n, of_y, transposed(of_b) },
        .db = turned ? (pn_matmul_dims){ batch, n, k, m, transposed(of_y), of_a }
                     : (pn_matmul_dims){ batch, k, n, m, transposed(of_a), of_y },
    };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const products p = products_of(node);
    const pn_matmul_kernels *k = &r->kernels->matmul;
    const size_t a = k->scratch(p.da, r->threads), b = k->scratch(p.db, r->threads);
    out->scratch_fwd = k->scratch(p.y, r->threads);
    out->scratch_bwd = a > b ? a : b;
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->matmul.product(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, A), pn_in(r, node, B), NULL,
                               products_of(node).y, pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const products p = products_of(node);
    const pn_sink da = pn_sink_in(r, node, A), db = pn_sink_in(r, node, B);
    const pn_real *dy = pn_grad_out(r, node);
    if (da.data) r->kernels->matmul.product(r->pool, da, dy, pn_in(r, node, B), NULL, p.da, pn_scratch(r));
    if (!db.data) return;
    if (((const matmul *)node)->mode == PN_TRANSPOSE_B)
        r->kernels->matmul.product(r->pool, db, dy, pn_in(r, node, A), NULL, p.db, pn_scratch(r));
    else
        r->kernels->matmul.product(r->pool, db, pn_in(r, node, A), dy, NULL, p.db, pn_scratch(r));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(A) ? PN_INPUT(B) : 0) | (wanted & PN_INPUT(B) ? PN_INPUT(A) : 0);
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->out->shape) * (double)node->in[A]->shape.dim[2];
}

const pn_op pn_op_matmul = {
    .name = "matmul", .node_bytes = sizeof(matmul), .needs = needs, .sizes = sizes, .macs = macs, .forward = forward,
    .backward = backward,
};

pn_tensor *pn_matmul(pn_graph *g, pn_tensor *a, pn_tensor *b, pn_matmul_mode mode)
{
    pn_tensor *const in[] = { a, b };
    if (!pn_op_begin(g, &pn_op_matmul, in, 2)) return NULL;
    if (!pn_expect_rank(g, a, "a", 3) || !pn_expect_rank(g, b, "b", 3)) return NULL;
    const ptrdiff_t *ad = a->shape.dim, *bd = b->shape.dim;
    const bool turned = mode == PN_TRANSPOSE_B;
    const ptrdiff_t n = turned ? bd[1] : bd[2];
    const pn_shape expected = turned ? pn_shape3(ad[0], n, ad[2]) : pn_shape3(ad[0], ad[2], n);
    if (!pn_expect_shape(g, b, "b", expected)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_matmul, pn_shape3(ad[0], ad[1], n), in, 2);
    if (!node) return NULL;
    ((matmul *)node)->mode = mode;
    return node->out;
}
