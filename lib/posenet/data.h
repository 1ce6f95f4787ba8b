/* posenet/data.h - pictures, key points, label maps and data sets in the field's own folders and CSV files
 *
 * Formats and conventions are those of the DeepFashion / Market-1501 pose-transfer family. Pictures are H x W rows of
 * RGB bytes here and become [3,H,W] floats in [-1,1] at the border of a network.
 */
#ifndef POSENET_DATA_H
#define POSENET_DATA_H

#include "posenet.h"

/* ---- Pictures -------------------------------------------------------------------------------------------------- */

/* rows of pixels, top first, no padding; channels 3 (RGB) or 1 (grey, labels) */
typedef struct { ptrdiff_t height, width; int channels; uint8_t *pixels; } pn_image;

PN_API pn_status pn_image_new(pn_ctx *ctx, ptrdiff_t height, ptrdiff_t width, int channels, pn_image *out);   /* zeroed */
PN_API void pn_image_free(pn_ctx *ctx, pn_image *image);        /* and zero the struct */
/* A JPEG or PNG, told by its first bytes, as RGB: grey is tripled, alpha dropped, 16 bit cut to the high byte; CMYK is
 * refused. EXIF orientation is not applied (the reference loaders do not). */
PN_API pn_status pn_image_read(pn_ctx *ctx, const char *path, pn_image *out);
/* The same from the file's bytes in memory; name is what messages call it. */
PN_API pn_status pn_image_decode(pn_ctx *ctx, const char *name, const void *bytes, size_t size, pn_image *out);
/* By the ending of path: .png, .jpg or .jpeg (quality 95, 4:4:4). Atomic. */
PN_API pn_status pn_image_write(pn_ctx *ctx, const char *path, const pn_image *image);
/* A label map: the indices of a palette PNG (1, 2, 4, 8 bit), the raw values of a grey one, or an .npy array [H,W]. channels 1. */
PN_API pn_status pn_labels_read(pn_ctx *ctx, const char *path, pn_image *out);
PN_API pn_status pn_labels_write(pn_ctx *ctx, const char *path, const pn_image *labels);       /* PASCAL VOC palette */

/* How a picture is resampled. TRIANGLE: PIL's BILINEAR, antialiased when shrinking. CUBIC: PIL's BICUBIC. NEAREST: labels. */
typedef enum { PN_FILTER_TRIANGLE, PN_FILTER_CUBIC, PN_FILTER_NEAREST } pn_filter;
PN_API pn_status pn_image_resize(pn_ctx *ctx, const pn_image *image, ptrdiff_t height, ptrdiff_t width, pn_filter filter,
                                 pn_image *out);
/* [3,H,W] in [-1,1]: v / 127.5 - 1; back by truncation of (v + 1) / 2 * 255, NaN as 0. */
PN_API void pn_image_to_floats(const pn_image *image, float *out);
PN_API void pn_image_from_floats(const float *values, pn_image *image);        /* image has its size */

/* ---- numpy arrays ---------------------------------------------------------------------------------------------- */

/* An .npy file (version 1 or 2; float, integer or bool; either order) as float32 in row order. rank 0 is one value, and an
 * extent may be 0. values: free with pn_npy_free. */
PN_API pn_status pn_npy_read(pn_ctx *ctx, const char *path, pn_shape *shape, float **values);
PN_API void pn_npy_free(pn_ctx *ctx, float *values);
PN_API pn_status pn_npy_write(pn_ctx *ctx, const char *path, pn_shape shape, const float *values);      /* float32, atomic */

/* ---- Key points ------------------------------------------------------------------------------------------------ */

/* OpenPose's 18, left and right being the person's. */
enum {
    PN_NOSE, PN_NECK, PN_R_SHOULDER, PN_R_ELBOW, PN_R_WRIST, PN_L_SHOULDER, PN_L_ELBOW, PN_L_WRIST, PN_R_HIP, PN_R_KNEE,
    PN_R_ANKLE, PN_L_HIP, PN_L_KNEE, PN_L_ANKLE, PN_R_EYE, PN_L_EYE, PN_R_EAR, PN_L_EAR, PN_JOINTS
};
/* Pixels of the picture they belong to. A joint is missing when either coordinate is exactly -1; other negative values are
 * places left of or above the picture. */
typedef struct { double x[PN_JOINTS], y[PN_JOINTS]; } pn_pose;

PN_API bool pn_pose_has(const pn_pose *pose, int joint);
/* Move key points from one grid to another by stretching; missing ones stay missing. */
PN_API pn_pose pn_pose_scale(const pn_pose *pose, double from_h, double from_w, double to_h, double to_w);
/**
 * Heat maps [18,H,W]: exp(-((Y-y)^2 + (X-x)^2) / (2 sigma^2)) about the centre truncated to whole pixels; a missing joint
 * gives zeros. GFLA's sigma is 6 at any resolution.
 */
PN_API void pn_pose_heatmaps(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, double sigma, float *out);
/* Limbs and joints in the field's colours over a picture (as big as the pose's grid). */
PN_API void pn_pose_draw(const pn_pose *pose, pn_image *image);

#endif
