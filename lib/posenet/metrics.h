/* posenet/metrics.h - how good is a generated picture: scores of pairs and of whole lists
 *
 * All sums in double. No score leaves this library without the name of the protocol that made it.
 */
#ifndef POSENET_METRICS_H
#define POSENET_METRICS_H

#include "posenet/clips.h"
#include "posenet/views.h"

/* ---- One pair of pictures --------------------------------------------------------------------------------------- */

/* Of RGB pictures a (generated) and b (truth), values in [0,1] unless said otherwise. */
typedef struct {
    double l1;                      /* mean |a - b| */
    double psnr; /* 10 log10(1 / mean (a-b)^2), all pixels and channels together; +inf when identical */
    double mae;  /* sum |a - b| / sum (a + b), a relative error despite its name; NaN for two black pictures */
    double ssim;                    /* 51x51 box, sample covariance, data range 1; NaN when a side is below 51 */
    double
        ssim_256; /* Gaussian 1.5 (11x11), population covariance, range max(a) - min(a); NaN below 11 or constant a */
} pn_scores;
enum { PN_SCORES = 5 };
PN_API const char *pn_score_name(int i);                /* "l1" … in the order above */
PN_API double pn_score_at(const pn_scores *s, int i);

/**
 * Score a generated picture against the truth.
 *
 *   ssim  S = (2 ux uy + C1)(2 vxy + C2) / ((ux^2 + uy^2 + C1)(vx + vy + C2)), C1 = (0.01 L)^2, C2 = (0.03 L)^2,
 *         averaged over the windows that lie inside the picture and over R, G, B
 *
 * generated, target   three channels, one size
 * Errors: PN_ERR_SHAPE with both sizes; PN_ERR_NOMEM.
 * Source: Wang et al. 2004 as scikit-image 0.19 computes it; the two variants are those of GFLA's and PATN's scripts.
 */
PN_API pn_status pn_score(pn_ctx *ctx, const pn_image *generated, const pn_image *target, pn_scores *out);

/**
 * The Market-1501 mask of a person: 8 pixels wide quadrilaterals along the limbs, discs of radius 4 at the joints,
 * closed by a 5x5 square. pose is in the mask's grid; mask gets one channel, 1 inside.
 * Source: Ma et al. 2017, as PATN's script draws it with scikit-image 0.19.
 */
PN_API void pn_pose_mask(const pn_pose *pose, pn_image *mask);

/* ---- Some of a picture's pixels ---------------------------------------------------------------------------------- */

/* As pn_scores, over the pixels of a part; NaN when it has none. */
typedef struct {
    double l1, psnr;
    double ssim;                    /* Gaussian 1.5 (11x11), population covariance, range 255; mean over the part */
    ptrdiff_t pixels;
} pn_part_scores;
enum { PN_PART_SCORES = 3 };
PN_API const char *pn_part_score_name(int i);           /* "l1", "psnr", "ssim" */
PN_API double pn_part_score_at(const pn_part_scores *s, int i);

/**
 * Score parts of a generated picture against the truth.
 *
 *   ssim  S of pn_score in the window around each pixel, the mean of R, G, B; both pictures are mirrored at their border
 *         (the border pixel repeated), so every pixel has a window. Then the mean over the part's pixels
 *
 * generated, target   three channels, one size
 * parts               one channel, of their size: bit i of a pixel says whether it belongs to part i
 * n, out              1 to 8 parts, out [n]
 * Errors: PN_ERR_ARG for n; PN_ERR_SHAPE with all sizes; PN_ERR_NOMEM.
 * Source: the map is scikit-image's, with gaussian_weights, use_sample_covariance off and data_range 255.
 */
PN_API pn_status pn_score_parts(pn_ctx *ctx, const pn_image *generated, const pn_image *target, const pn_image *parts, int n,
                                pn_part_scores *out);

/* PERSON: what is no background. OCCLUDED: of a class of the person that the source does not show. */
enum { PN_PART_PERSON, PN_PART_OCCLUDED, PN_PARTS };
/**
 * Which pixels of a target belong to which of these parts, as bits for pn_score_parts.
 *
 * source, target   classes of their pixels (pn_person_classes), 0 the background; one size
 * parts            of that size; every pixel is written
 * A class is shown if a pixel (4i+2, 4j+2) has it: where a network pools its regions, it has an area of 1 at least.
 * Errors: PN_ERR_SHAPE.
 */
PN_API pn_status pn_parts_of(pn_ctx *ctx, const pn_image *source, const pn_image *target, pn_image *parts);

/* ---- Features ------------------------------------------------------------------------------------------------------ */

/* VGG19 up to relu4_4, to look at pictures through; colours as pn_imagenet_colours. */
typedef struct pn_extractor pn_extractor;
/**
 * vgg19   weight file: the published widths, or narrowed ones; NULL: orthogonal filters of a fixed seed, every width a fourth
 *         (pn_vgg19_fixed_seed)
 * Distances compare only with those of the same filters, and by no filters are they LPIPS or FID, whose networks are others.
 * Errors: NULL; as pn_weights_open and pn_weights_load.   Threads: its context's, with the same bits however many.
 */
PN_API pn_extractor *pn_extractor_new(pn_ctx *ctx, const char *vgg19);
PN_API void pn_extractor_free(pn_extractor *x);
PN_API const char *pn_extractor_filters(const pn_extractor *x); /* in words; lives as long as x */
PN_API ptrdiff_t pn_extractor_numbers(const pn_extractor *x);   /* channels of relu4_4: 128 by a fixed seed, 512 published */

/**
 * How far two pictures are apart in features.
 *
 *   sum over relu1_2, relu2_2, relu3_4, relu4_4 of the mean over their pixels of sum_c (u_c(a) - u_c(b))^2,  u = f / (|f| + 1e-10)
 *
 * a, b    three channels, one size, sides of 8 or more
 * Errors: PN_ERR_SHAPE, PN_ERR_NOMEM.
 * Source: the form of Zhang et al. 2018 (LPIPS, eq. 1) with all weights 1.
 */
PN_API pn_status pn_feature_distance(pn_extractor *x, const pn_image *a, const pn_image *b, double *out);
/* Means of relu4_4's channels over its pixels. out [pn_extractor_numbers]   Errors: as pn_feature_distance. */
PN_API pn_status pn_feature_pool(pn_extractor *x, const pn_image *picture, double *out);

/* Mean and covariance (over n - 1) of samples that come one by one; none is kept. numbers: of a sample, 1 to 4096. */
typedef struct pn_gaussian pn_gaussian;
PN_API pn_gaussian *pn_gaussian_new(pn_ctx *ctx, ptrdiff_t numbers);
PN_API void pn_gaussian_free(pn_gaussian *g);
PN_API void pn_gaussian_add(pn_gaussian *g, const double *sample);      /* [numbers] */
/**
 * The Frechet distance of two Gaussians, squared as usual.
 *
 *   |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))
 *
 * Edges:  NaN when one has fewer than two samples, or one that is not finite.
 * Errors: PN_ERR_SHAPE for samples of different numbers; PN_ERR_NOMEM.
 * Source: Dowson & Landau 1982; Heusel et al. 2017.
 */
PN_API pn_status pn_frechet_distance(const pn_gaussian *a, const pn_gaussian *b, double *out);

/* ---- A list of pairs -------------------------------------------------------------------------------------------- */

typedef struct pn_evaluation pn_evaluation;

typedef struct {
    const char *from, *to;          /* names of the pair */
    const pn_pair *pair;            /* of people; NULL: of views */
    bool found;                     /* a generated picture was there */
    ptrdiff_t height, width;        /* of it: the scores' size */
    pn_scores generated, copy;      /* of the generated picture; of the source itself, the baseline */
    bool parsed;                    /* source and target have label maps, or a frame has its mask */
    pn_part_scores part[PN_PARTS], part_copy[PN_PARTS];         /* of them: the target's parts, by the same pictures */
    bool seen;                      /* features were asked for */
    double distance, distance_copy; /* pn_feature_distance from the truth, of generated picture and source */
} pn_scored;

/* Of a part, over the pairs that have a pixel of it. */
typedef struct {
    ptrdiff_t pairs;
    double of_pictures, of_persons; /* its share of all pixels, of all persons' pixels, of the parsed pairs */
    pn_part_scores generated, copy; /* means over these pairs */
} pn_part_summary;

typedef struct {
    const char *protocol, *filter;
    ptrdiff_t pairs, scored, missing;
    const char *first_missing;      /* its stem, NULL */
    ptrdiff_t png, jpg;
    ptrdiff_t height, width;        /* of the generated pictures; 0 when they differ */
    pn_scores generated, copy;      /* means over the scored pairs whose value is finite */
    ptrdiff_t generated_finite[PN_SCORES], copy_finite[PN_SCORES];
    ptrdiff_t parsed;               /* scored pairs with label maps; 0: the parts have no scores */
    const char *labelling;          /* of the maps, ""; of frames with masks "masks" */
    pn_part_summary part[PN_PARTS];
} pn_summary;

/**
 * Protocol "native": every generated picture at its own size, source and truth stretched to it (triangle filter, as GFLA and
 * GLocal read pictures of people); "native-cubic": by the cubic filter, as RSA-GAN does.
 * Pictures are <from stem>_2_<to stem>_vis.png, else .jpg, in folder. Pairs whose two people have label maps are scored
 * by parts too: classes by the data set's labelling, at the generated picture's size.
 * d and folder's pictures must stay until the evaluation is freed. Errors: PN_ERR_ARG for a protocol that is not there.
 */
PN_API pn_evaluation *pn_evaluation_new(pn_dataset *d, const char *folder, const char *protocol);
/* The same of views; pairs NULL: the published test (pn_views_pairs). v must stay, too. */
PN_API pn_evaluation *pn_evaluation_of_views(pn_views *v, const char *pairs, const char *folder, const char *protocol);
/**
 * The same of clips: every frame of the list beside the true one, and beside its row's reference shown unchanged. A frame is
 * <name of the row>/frame_000001.png and so on (pn_clip_list_name), else .jpg; from and to are paths. l must stay, too. Frames
 * with a mask (pn_clip_mask_path) are scored on the person as well; nothing of them counts as occluded.
 * Errors: PN_ERR_FORMAT for a row without true frames, and for a true frame or reference that is not there.
 */
PN_API pn_evaluation *pn_evaluation_of_clips(pn_ctx *ctx, const pn_clip_list *l, const char *folder, const char *protocol);
/* Before the first run: compare features, too, by pn_extractor_new's filters. Each pair can be run once then. */
PN_API pn_status pn_evaluation_add_features(pn_evaluation *e, const char *vgg19);
PN_API void pn_evaluation_free(pn_evaluation *e);
PN_API ptrdiff_t pn_evaluation_pairs(const pn_evaluation *e);
/* Score pairs first .. first+n-1 on all threads. A picture that cannot be read is an error that names it. */
PN_API pn_status pn_evaluation_run(pn_evaluation *e, ptrdiff_t first, ptrdiff_t n);
PN_API const pn_scored *pn_evaluation_pair(const pn_evaluation *e, ptrdiff_t i);
PN_API pn_summary pn_evaluation_summary(const pn_evaluation *e);

/* Of the pairs scored so far: means of their distances, and Frechet distances of their generated pictures, or of their sources,
 * from their truths, in means of relu4_4. A picture counts once for each of its pairs, so perfect pictures are at 0; and so are
 * the sources of a list that has each pair both ways, since they are its truths in another order. */
typedef struct {
    const char *filters;            /* pn_extractor_filters */
    ptrdiff_t numbers, pairs;       /* with no more pairs than numbers covariances are singular, and sets look nearer than they are */
    double distance, distance_copy, frechet, frechet_copy;      /* NaN without a pair; without a second one */
} pn_feature_scores;
/* PN_ERR_ARG without pn_evaluation_add_features. */
PN_API pn_status pn_evaluation_features(const pn_evaluation *e, pn_feature_scores *out);

/* Of a list's clip, over what of it has been scored. */
typedef struct {
    char name[PN_CLIP_NAME];
    ptrdiff_t frames, scored;
    ptrdiff_t first_missing;        /* from 1; 0: none */
    pn_scores generated, copy;      /* means over the scored frames whose value is finite */
} pn_clip_scored;
PN_API ptrdiff_t pn_evaluation_clips(const pn_evaluation *e);   /* 0: these are pairs */
PN_API pn_clip_scored pn_evaluation_clip(const pn_evaluation *e, ptrdiff_t i);
/* Protocol, counts, means, every clip and every pair; values that are not finite become null. Atomic. */
PN_API pn_status pn_evaluation_write(const pn_evaluation *e, const char *path);

/* ---- A list of completed pictures -------------------------------------------------------------------------------- */

/* Of a completed picture, and of the baseline that fills its hole with one colour: the mean of the person's pixels outside
 * the hole, rounded; where there is none, of the picture's. */
typedef struct {
    pn_scores whole, whole_filled;  /* all of the picture */
    pn_part_scores hole, hole_filled;       /* its hole alone */
} pn_completed_scores;

typedef struct {
    const pn_person *person;
    bool found, intact;             /* its file was there; but nothing is missing of it, so it has no scores */
    ptrdiff_t height, width;
    double ratio;                   /* pixels of the person in the hole / pixels of the person */
    pn_completed_scores scores;
} pn_completed;

/* Ratios from 0, 0.1 … 0.5, each up to the next, and 0.6 and more. */
enum { PN_HOLE_GROUPS = 7 };
typedef struct { ptrdiff_t pictures; pn_completed_scores mean; } pn_completed_group;    /* means of what is finite */
typedef struct {
    const char *kind, *labelling;
    ptrdiff_t pictures, scored, intact, missing;
    const char *first_missing;      /* its stem, NULL */
    ptrdiff_t height, width;        /* 0 when they differ */
    pn_completed_group all, group[PN_HOLE_GROUPS];
} pn_completion_summary;

typedef struct pn_completion pn_completion;
/**
 * Score completed pictures <stem>.png, else .jpg, in folder: of the first `limit` targets of d (0: all), each at its own
 * size, the original stretched to it (triangle filter). What was missing follows from the name, the kind and the label map:
 * pn_hole_named.
 * kind     "mixed", "rect", "stroke" or "region"
 * d must outlive it. Errors: PN_ERR_ARG for a kind that is none, PN_ERR_FORMAT for a data set without label maps,
 * PN_ERR_IO, PN_ERR_NOMEM.
 */
PN_API pn_completion *pn_completion_new(pn_dataset *d, const char *folder, const char *kind, ptrdiff_t limit);
PN_API void pn_completion_free(pn_completion *c);
PN_API ptrdiff_t pn_completion_pictures(const pn_completion *c);
/* Score pictures first .. first+n-1 on all threads. One that cannot be read is an error that names it. */
PN_API pn_status pn_completion_run(pn_completion *c, ptrdiff_t first, ptrdiff_t n);
PN_API const pn_completed *pn_completion_picture(const pn_completion *c, ptrdiff_t i);
PN_API pn_completion_summary pn_completion_summarise(const pn_completion *c);
/* Counts, means, groups and every picture; values that are not finite become null. Atomic. */
PN_API pn_status pn_completion_write(const pn_completion *c, const char *path);

#endif
