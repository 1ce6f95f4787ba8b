/* lib/io/pose_json.c - key points from OpenPose, mmpose, AlphaPose and COCO JSON
 *
 * One person is a flat list x0, y0, c0, x1, …; its length says which skeleton it is. Accepted around it: OpenPose
 * {"people": [{"pose_keypoints_2d": […]}]} (version 0.1: "pose_keypoints"), AlphaPose and mmpose [{"image_id",
 * "keypoints"}], COCO {"images": [{"id", "file_name"}], "annotations": [{"image_id", "keypoints"}]}.
 */
#include "io/io.h"

#include <cJSON.h>
#include <math.h>
#include <string.h>

/* Where each of our 18 joints is found; NECK_OF_TWO: the middle of both shoulders. */
enum { NECK_OF_TWO = -1, SKELETONS = 4 };
static const struct { int points; signed char from[PN_JOINTS];
} skeletons[SKELETONS] = {
    { 18, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 } },               /* OpenPose COCO */
    { 25, { 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 } },              /* OpenPose BODY_25 */
    { 17, { 0, NECK_OF_TWO, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3 } },      /* COCO */
    { 33, { 0, NECK_OF_TWO, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7 } }, /* BlazePose */
};
enum { POINTS_MAX = 33 };

typedef struct { pn_ctx *ctx; const char *name; double threshold; const cJSON *images; } reader;

static void missing(pn_pose *pose)
{
    for (int j = 0; j < PN_JOINTS; j++) pose->x[j] = pose->y[j] = -1.0;
}

static bool seen(const double point[3], double threshold)
{
    return point[2] > threshold && !(point[0] == 0.0 && point[1] == 0.0);      /* (0,0) means nothing was found */
}

static void take_joints(const reader *r, double (*points)[3], const signed char from[PN_JOINTS], pn_pose *pose)
{
    missing(pose);
    for (int j = 0; j < PN_JOINTS; j++) {
        if (from[j] == NECK_OF_TWO) {
            const double *a = points[from[PN_R_SHOULDER]], *b = points[from[PN_L_SHOULDER]];
            if (!seen(a, r->threshold) || !seen(b, r->threshold)) continue;
            pose->x[j] = (a[0] + b[0]) / 2;
            pose->y[j] = (a[1] + b[1]) / 2;
        } else if (seen(points[from[j]], r->threshold)) {
            pose->x[j] = points[from[j]][0];
            pose->y[j] = points[from[j]][1];
        }
    }
}

/* Of a list whose length has been checked. */
static pn_status read_numbers(const reader *r, const cJSON *list, double (*points)[3], double *score)
{
    int i = 0;
    const cJSON *number;
    *score = 0;
    cJSON_ArrayForEach(number, list) {
        if (!cJSON_IsNumber(number) || !isfinite(number->valuedouble))
            return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: value %d of a person's key points is not a number", r->name, i);
        points[i / 3][i % 3] = number->valuedouble;
        if (i % 3 == 2) *score += number->valuedouble;
        i++;
    }
    return PN_OK;
}

static pn_status read_points(const reader *r, const cJSON *list, pn_pose *pose, double *score)
{
    const int numbers = cJSON_GetArraySize(list);
    int s = 0;
    while (s < SKELETONS && skeletons[s].points * 3 != numbers) s++;
    if (s == SKELETONS)
        return pn_fail(r->ctx, PN_ERR_FORMAT,
                       "%s: a person with %d numbers, expected 3 for each of 18 or 25 (OpenPose), 17 (COCO) "
                       "or 33 (BlazePose) points",
                       r->name, numbers);
    double points[POINTS_MAX][3];
    const pn_status status = read_numbers(r, list, points, score);
    if (status) return status;
    take_joints(r, points, skeletons[s].from, pose);
    return PN_OK;
}

/* The file name of an AlphaPose or COCO entry; NULL when the file does not say. */
static const char *image_of(const reader *r, const cJSON *entry)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(entry, "image_id"), *image;
    if (cJSON_IsString(id)) return id->valuestring;
    if (!cJSON_IsNumber(id)) return NULL;
    cJSON_ArrayForEach(image, r->images) {
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(image, "id");
        const cJSON *file = cJSON_GetObjectItemCaseSensitive(image, "file_name");
        if (cJSON_IsNumber(own) && own->valuedouble == id->valuedouble && cJSON_IsString(file))
            return file->valuestring;
    }
    return NULL;
}

static pn_status points_of(const reader *r, const cJSON *entry, const cJSON **list)
{
    static const char *const keys[] = { "pose_keypoints_2d", "pose_keypoints", "keypoints" };
    *list = NULL;
    for (size_t k = 0; k < 3 && !*list; k++) *list = cJSON_GetObjectItemCaseSensitive(entry, keys[k]);
    if (cJSON_IsArray(*list)) return PN_OK;
    return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: a person without a list pose_keypoints_2d or keypoints", r->name);
}

static pn_status read_person(const reader *r, const cJSON *entry, pn_pose_list *out, size_t *capacity)
{
    const cJSON *list;
    pn_posed found = { 0 };
    pn_status status = points_of(r, entry, &list);
    if (!status) status = read_points(r, list, &found.pose, &found.score);
    if (status) return status;
    const char *image = image_of(r, entry);
    for (size_t i = 0; i < out->count; i++) {           /* the best of each picture stays */
        pn_posed *p = &out->person[i];
        if (p->image && image ? strcmp(p->image, image) != 0 : p->image || image) continue;
        if (found.score > p->score) p->pose = found.pose, p->score = found.score;
        return PN_OK;
    }
    void *grown = out->person;
    status = pn_grow(r->ctx, &grown, capacity, out->count + 1, sizeof *out->person);
    out->person = grown;
    if (status) return status;
    if (image && !(found.image = pn_strdup(r->ctx, image))) return PN_ERR_NOMEM;
    out->person[out->count++] = found;
    return PN_OK;
}

/* The parsed file and its list of people; *json is the caller's to delete, even after an error. */
static pn_status open_json(pn_ctx *ctx, const char *name, const pn_bytes *file, cJSON **json, const cJSON **people)
{
    *json = cJSON_ParseWithLength((const char *)file->bytes, file->size);
    if (!*json)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s: not JSON; expected what OpenPose writes with --write_json", name);
    *people = cJSON_IsArray(*json) ? *json : cJSON_GetObjectItemCaseSensitive(*json, "people");
    if (!*people) *people = cJSON_GetObjectItemCaseSensitive(*json, "annotations");
    if (cJSON_IsArray(*people)) return PN_OK;
    return pn_fail(ctx, PN_ERR_FORMAT, "%s: no list of people; expected what OpenPose writes with --write_json", name);
}

pn_status pn_pose_json_list(pn_ctx *ctx, const char *name, const pn_bytes *file, double threshold, pn_pose_list *out)
{
    cJSON *json;
    const cJSON *people, *entry;
    pn_status status = open_json(ctx, name, file, &json, &people);
    const reader r = { ctx, name, threshold, json ? cJSON_GetObjectItemCaseSensitive(json, "images") : NULL };
    pn_pose_list list = { 0 };
    size_t capacity = 0;
    if (!status) cJSON_ArrayForEach(entry, people) {
        status = read_person(&r, entry, &list, &capacity);
        if (status) break;
    }
    cJSON_Delete(json);
    if (status) pn_pose_list_free(ctx, &list);
    else *out = list;
    return status;
}

void pn_pose_list_free(pn_ctx *ctx, pn_pose_list *list)
{
    for (size_t i = 0; i < list->count; i++) pn_free(ctx, list->person[i].image);
    pn_free(ctx, list->person);
    *list = (pn_pose_list){ 0 };
}

pn_status pn_pose_json_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, double threshold, pn_pose *out)
{
    pn_pose_list list;
    const pn_status status = pn_pose_json_list(ctx, name, file, threshold, &list);
    if (status) return status;
    missing(out);
    double best = -1.0;
    for (size_t i = 0; i < list.count; i++)
        if (list.person[i].score > best) {
            best = list.person[i].score;
            *out = list.person[i].pose;
        }
    pn_pose_list_free(ctx, &list);
    return PN_OK;
}

static pn_status best_points(const reader *r, const cJSON *people, int count, double (*points)[3])
{
    double best = -1.0, read[POINTS_MAX][3];
    const cJSON *entry;
    cJSON_ArrayForEach(entry, people) {
        const cJSON *list;
        double score;
        pn_status status = points_of(r, entry, &list);
        if (!status && cJSON_GetArraySize(list) != 3 * count)
            status = pn_fail(r->ctx, PN_ERR_FORMAT, "%s: a person with %d numbers, expected %d: x, y, score of %d points", r->name,
                             cJSON_GetArraySize(list), 3 * count, count);
        if (!status) status = read_numbers(r, list, read, &score);
        if (status) return status;
        if (score <= best) continue;
        best = score;
        memcpy(points, read, (size_t)count * sizeof *read);
    }
    return PN_OK;
}

pn_status pn_points_json_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, int count, double (*points)[3])
{
    cJSON *json;
    const cJSON *people;
    pn_status status = open_json(ctx, name, file, &json, &people);
    for (int i = 0; i < count; i++) points[i][0] = points[i][1] = points[i][2] = 0.0;
    if (!status) status = best_points(&(reader){ ctx, name, 0.0, NULL }, people, count, points);
    cJSON_Delete(json);
    return status;
}
