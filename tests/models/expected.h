/* tests/models/expected.h - a model's step against the numbers of an independent program (tests/golden/README.md): values and
 * gradients that are stored whole, or as their length and three products
 */
#ifndef EXPECTED_H
#define EXPECTED_H

#include "io/io.h"
#include "posenet/model.h"

/* golden/NAME.safetensors */
pn_safetensors expected_open(const char *name);
/* NULL: not there; else for free() */
double *expected_find(const pn_safetensors *f, const char *key, ptrdiff_t *count);
pn_real *expected_reals(const pn_safetensors *f, const char *key);

/* WHERE/NAME of the file is what was got: to within tol of its largest number, or of its length. */
void expect_values(const pn_safetensors *f, const char *where, const char *name, const double *got, ptrdiff_t n, double tol);
/* The same of a plan's output or scalar; t NULL: nothing to compare. */
void expect_output(const pn_safetensors *f, const char *where, const char *name, const pn_plan *p, const pn_tensor *t, double tol);
double *plan_values(const pn_plan *p, const pn_tensor *t, ptrdiff_t *n);

/* Gradients that are a first moment of Adam's after one step from zero. */
typedef struct {
    const char *where, *part, *prefix;  /* case; "g" or "d"; what the file puts before names */
    double beta1, tol;                  /* relative L2 */
    const char *but;                    /* a parameter with a tolerance of its own, or NULL */
    double its_tol;
    const char *without;                /* a beginning that the file leaves off names, or NULL */
} expected_gradients;
/* Every parameter that the file has; returns how many. */
int expect_gradients(const pn_safetensors *f, const expected_gradients *e, pn_adam *adam, const pn_params *p);
/* How many the file has. */
int stored_gradients(const pn_safetensors *f, const char *where, const char *part);

/* A tiny model at this temperature; set: options with blanks between them, task and set may be NULL. */
pn_model *tiny_model(const char *name, const char *task, const char *set, double tau);
/* Every number of the parameter. */
void param_fill(pn_tensor *t, double value);

/* A file of VGG19 at a quarter of its widths, filled by the formula; remove() it. */
const char *narrow_vgg(void);

#endif
