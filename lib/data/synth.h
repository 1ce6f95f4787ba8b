/* synth.h - the synthetic people, inside: body, pose, mesh, wardrobe, paint, picture
 *
 *   body (proportions) ──► mesh at rest: skin, head, garments, as sheets of rows x columns ──► bent by the pose
 *   pose (joint angles) ─┘                       │ surface coordinates                             │ z-buffer
 *                                                └──► paint: colour of a spot ──► light ──► picture ┘
 */
#ifndef PN_SYNTH_H
#define PN_SYNTH_H

#include "core/core.h"
#include "data/synth_math.h"
#include "posenet/clips.h"
#include "posenet/synth.h"

#include <stdatomic.h>

static inline double synth_between(pn_rng *r, double low, double high)
{
    return low + (high - low) * pn_rng_uniform(r);
}
static inline bool synth_chance(pn_rng *r, double p) { return pn_rng_uniform(r) < p; }

/* ---- Body ------------------------------------------------------------------------------------------------------ */

enum {
    SB_PELVIS, SB_SPINE, SB_CHEST, SB_NECK, SB_HEAD,
    SB_UPARM_R, SB_FOREARM_R, SB_HAND_R, SB_UPARM_L, SB_FOREARM_L, SB_HAND_L,
    SB_THIGH_R, SB_SHIN_R, SB_FOOT_R, SB_THIGH_L, SB_SHIN_L, SB_FOOT_L,
    SYNTH_BONES
};

typedef enum { SYNTH_RIGHT, SYNTH_LEFT } synth_side;
static inline double synth_sign(synth_side s) { return s == SYNTH_LEFT ? 1.0 : -1.0; }      /* of x */
static inline int synth_arm(synth_side s) { return s == SYNTH_LEFT ? SB_UPARM_L : SB_UPARM_R; }
static inline int synth_leg(synth_side s) { return s == SYNTH_LEFT ? SB_THIGH_L : SB_THIGH_R; }

/* Proportions, standing upright with hanging arms; floor at y = 0, crown at y = 1. */
typedef struct {
    bool woman;
    double build;                   /* -1 thin .. 1 heavy */
    double bust;
    v3 rest[SYNTH_BONES];           /* where each bone's joint is */
    v3 head;                        /* centre of the head */
    v3 head_half;                   /* half its width, height; z: scale of its depth */
} synth_body;

extern const int pn_synth_parent[SYNTH_BONES];
void pn_synth_body_make(synth_body *b, pn_rng *rng);
/* Surface of the trunk at height y, theta 0 in front and 90 degrees at the person's left, `off` outside the skin. */
v3 pn_synth_trunk(const synth_body *b, double y, double theta, double off);
/* Radius of an arm or a leg: t 0 at the shoulder or hip, 1 elbow or knee, 2 wrist or ankle. */
double pn_synth_arm_radius(const synth_body *b, double t);
double pn_synth_leg_radius(const synth_body *b, double t);

/* ---- Pose ------------------------------------------------------------------------------------------------------ */

typedef struct {
    q4 turn[SYNTH_BONES];           /* from rest, in the world */
    v3 at[SYNTH_BONES];             /* of the joint */
    double yaw;                     /* radians; the turn of the whole */
    bool crop;                      /* ankles, perhaps knees, leave the frame */
} synth_pose;

/* what the clothes ask: heel height, legs kept together */
typedef struct { double heel; bool narrow; } synth_stance;
/* Where a foot stands: ankle from the middle, heel lifted and toes turned (radians), height above the floor. */
typedef struct { double x, z, lift, out, up; } synth_foot;
/* A two-bone chain and where its end goes; front: +1 knee points ahead, -1 elbow behind. */
typedef struct { int bone; v3 target, pole; double front; } synth_chain;
typedef enum {
    SYNTH_HANG, SYNTH_SWING, SYNTH_ON_HIP, SYNTH_POCKET, SYNTH_TO_HAIR, SYNTH_TO_CHIN, SYNTH_CLASP, SYNTH_BEHIND,
    SYNTH_FOLD, SYNTH_RAISE, SYNTH_GESTURE, SYNTH_FORWARD, SYNTH_REACHES
} synth_reach;
/* In the world: where the wrist goes, to which side the elbow points, how the hand is bent (degrees). */
typedef struct { v3 wrist, elbow; double bent; } synth_goal;

void pn_synth_hang(synth_pose *p, const synth_body *b, int bone);       /* at the end of its parent */
void pn_synth_solve(synth_pose *p, const synth_body *b, synth_chain c);
/* Legs, and the pelvis as high as they let it, less `drop`; the pelvis is turned and at its x. */
void pn_synth_stand(synth_pose *p, const synth_body *b, synth_stance stance, const synth_foot feet[2], double drop);
/* stray: each -1 .. 1 within what the reach allows. The trunk is set. */
synth_goal pn_synth_reach_for(const synth_pose *p, const synth_body *b, synth_side side, synth_reach r, v3 stray);
void pn_synth_arm_to(synth_pose *p, const synth_body *b, synth_side side, synth_goal g);
void pn_synth_turn_all(synth_pose *p, double yaw);
void pn_synth_pose_make(synth_pose *p, const synth_body *b, synth_stance stance, pn_rng *rng, int view);

/* ---- Motion ---------------------------------------------------------------------------------------------------- */

enum { SYNTH_KEYS = 16 };

/* A walk or a dance: periods in frames, lengths in body heights, angles in radians. */
typedef struct {
    bool walks, turns;              /* turns: round and round; else the yaw swings */
    double period, phase;           /* of two steps */
    double stride, lift, apart, sway, bounce, twist, swing;
    double yaw, yaw_swing, yaw_period, wander, wander_period;
    synth_reach reach[2][SYNTH_KEYS];           /* of each hand, two in a period */
    v3 stray[2][SYNTH_KEYS];
} synth_motion;

typedef struct synth_person synth_person;
void pn_synth_motion_make(synth_motion *m, const synth_person *person, pn_rng *rng);
void pn_synth_motion_pose(synth_pose *p, const synth_person *person, const synth_motion *m, int frame);

/* ---- Mesh ------------------------------------------------------------------------------------------------------ */

enum { SYNTH_SHEETS = 96, SYNTH_VERTICES = 20000, SYNTH_TRIANGLES = 2 * SYNTH_VERTICES };

typedef enum { SYNTH_TRUNK, SYNTH_ARM_R, SYNTH_ARM_L, SYNTH_LEG_R, SYNTH_LEG_L, SYNTH_HEAD } synth_region;
typedef enum { SYNTH_WRAPS = 1, SYNTH_OPEN = 2 } synth_sheet_flag; /* columns close; the inside can be seen */

#define SYNTH_AROUND 0.085             /* u round the trunk is this times theta, so cloth closes behind */

/* A vertex bends by the turn between its bone's parent (w = 0) and its bone (w = 1), about the bone's joint: unlike a
 * blend of positions this keeps elbows and knees round. A skirt's vertices instead follow both legs (see mesh). */
typedef struct {
    v3 rest;
    double u, v;                    /* along the surface, in body heights: around, and down */
    float across, along;            /* the same as a share of the sheet */
    float w;
    int16_t bone;                   /* SYNTH_BONES: a skirt */
} synth_vertex;

typedef struct {
    int first, rows, cols;          /* vertices first + row * cols + col */
    int label, material;
    synth_region region;
    int flags;
} synth_sheet;

typedef struct { int vertex[3]; int sheet; } synth_triangle;

typedef struct {
    synth_sheet sheet[SYNTH_SHEETS];
    synth_vertex vertex[SYNTH_VERTICES];
    synth_triangle triangle[SYNTH_TRIANGLES];
    v3 at[SYNTH_VERTICES], normal[SYNTH_VERTICES];      /* posed */
    int sheets, vertices, triangles;
} synth_mesh;

/* Start a sheet; its vertices come zeroed but for across and along. NULL when full: then the sheet is left out. */
synth_vertex *pn_synth_sheet(synth_mesh *m, synth_sheet sheet);
/* Bend the mesh, then find normals. */
void pn_synth_mesh_pose(synth_mesh *m, const synth_body *b, const synth_pose *p);

/* A tube round an arm or leg, between two places along it. */
typedef struct {
    synth_side side;
    bool leg;
    double from, to;                /* t as in pn_synth_arm_radius; from < 0 adds a round cap at the root */
    double off_from, off_to;        /* how far outside the skin, at either end */
    int rows, cols, label, material, flags;
} synth_tube;
void pn_synth_tube(synth_mesh *m, const synth_body *b, synth_tube t);

/* A cloth or skin round the trunk, from a hem up to a neckline. */
typedef struct {
    double hem, off_hem, off_top;   /* height of the hem; distance from the skin there and at the top */
    double front, side, back;       /* height of the neckline in front, at the sides, behind */
    double vee;                     /* 0 round .. 1 pointed neckline */
    double gap;                     /* half angle left open in front, radians */
    int rows, cols, label, material, flags;
} synth_wrap;
void pn_synth_wrap(synth_mesh *m, const synth_body *b, synth_wrap s);

/* A skirt, from the waist to a hem that may be below the knees. */
typedef struct {
    double top, hem, off_top, off;  /* heights; distance from the skin at the waist and at the hips */
    double flare;                   /* widening per height below the hips; the cloth's repeats are an even number */
    double pleats, pleat_depth;     /* folds around, and how deep at the hem */
    double gap;
    int rows, cols, label, material;
} synth_skirt;
void pn_synth_skirt(synth_mesh *m, const synth_body *b, synth_skirt s);

/* An ellipsoid or a bent tube on one bone, for small parts. */
typedef struct { v3 centre, half; int bone, rows, cols, label, material; synth_region region; } synth_blob;
void pn_synth_blob(synth_mesh *m, synth_blob b);
typedef struct {
    v3 from, mid, to;               /* a quadratic curve */
    double r_from, r_mid, r_to, flat;                   /* radii; depth as a share of the width */
    int bone, rows, cols, label, material;
    synth_region region;
} synth_strand;
void pn_synth_strand(synth_mesh *m, synth_strand s);

/* ---- Faces ------------------------------------------------------------------------------------------------------ */

/* What a face does; all zero: at rest. mouth, lids: 0 at rest .. 1 wide open, shut; gaze in shares of half the head. */
typedef struct { double mouth, smile, lids, brow, gaze_x, gaze_y, yaw, pitch, roll; bool close; } synth_look;

/* Where features lie on the face, in shares of half the head's height from its centre; what is painted follows these. */
double pn_synth_brow(const synth_look *l, double away);         /* height of a brow so far from the middle */
typedef struct { double open, upper, lower; } synth_lids;       /* above the eye's centre; open: the upper one at rest */
synth_lids pn_synth_lids(const synth_look *l, double ex);       /* ex from the eye's centre */
typedef struct { double half, k, top, line, gap, bottom; } synth_mouth; /* k <= 0: outside; lips end at line and gap */
synth_mouth pn_synth_mouth(const synth_look *l, double x);

/* ---- Objects ---------------------------------------------------------------------------------------------------- */

/* What is on a side of a box, and the side's extents. */
typedef enum {
    SYNTH_BARE, SYNTH_ICON, SYNTH_NUMBER, SYNTH_GLASS, SYNTH_DOORS, SYNTH_LAMPS, SYNTH_TAIL, SYNTH_WHEEL
} synth_sign_on;
typedef struct { synth_sign_on on; double wide, tall; } synth_panel;

/* ---- Materials ------------------------------------------------------------------------------------------------- */

typedef enum { SYNTH_CLOTH, SYNTH_SKIN, SYNTH_FACE, SYNTH_HAIR, SYNTH_SHOE, SYNTH_PANEL } synth_stuff;
typedef enum {
    SYNTH_PLAIN, SYNTH_STRIPES, SYNTH_PINSTRIPES, SYNTH_CHECKS, SYNTH_PLAID, SYNTH_DOTS, SYNTH_FLOWERS, SYNTH_DENIM,
    SYNTH_KNIT, SYNTH_PATTERNS
} synth_pattern;
typedef enum {
    SYNTH_NO_CUT, SYNTH_TOP_CUT, SYNTH_SHIRT_CUT, SYNTH_TROUSER_CUT, SYNTH_DRESS_CUT, SYNTH_SLEEVE_CUT
} synth_cut;

typedef struct {
    synth_stuff stuff;
    synth_pattern pattern;
    synth_cut cut;                  /* seams, buttons, pockets, and how the back differs */
    v3 colour, second, back;        /* ground, figure, and the ground of the back */
    double scale;                   /* length of one repeat, in body heights */
    int print;                      /* 0 none, else the drawing on the chest */
    int number;                     /* on the back; 0 none */
    v3 ink;
    double hem, top;                /* rest heights of the garment's edges, for borders */
    double folds, gloss;
    uint32_t seed;
    v3 iris, lips;                  /* a face's */
    double beard, makeup;
    synth_look look;
    synth_panel panel;
} synth_material;

enum { SYNTH_MATERIALS = 16 };

/* A spot to be painted. */
typedef struct { v3 rest; double u, v, across, along; } synth_spot;
v3 pn_synth_paint(const synth_material *m, const synth_body *b, const synth_spot *s);
v3 pn_synth_paint_panel(const synth_material *m, const synth_spot *s);
v3 pn_synth_patterned(const synth_material *m, v3 ground, const synth_spot *s);
bool pn_synth_in_print(int print, double x, double y, uint32_t seed);   /* x, y about -1 .. 1 on what bears it */
bool pn_synth_in_number(int number, double x, double y);       /* y from 0 to 1 */
synth_spot pn_synth_spot(const synth_vertex *a, const synth_vertex *b, const synth_vertex *c, v3 weights);
double pn_synth_noise(double x, double y, uint32_t seed);      /* smooth, in -1 .. 1, lattice of 1 */
v3 pn_synth_cloth_colour(pn_rng *rng);

/* ---- Person ---------------------------------------------------------------------------------------------------- */

struct synth_person {
    synth_body body;
    synth_stance stance;
    synth_material material[SYNTH_MATERIALS];
    int materials;
    v3 wall;                        /* colour of the studio */
    bool plain;                     /* wall all round, no floor */
    synth_mesh mesh;
};

void pn_synth_person_make(synth_person *p, uint64_t seed, int person);
void pn_synth_match(synth_person *p);       /* all it wears in shades of the first garment's colour */
/* Parts of it. Skin material is 0, hair 1, face 2. */
enum { SYNTH_M_SKIN, SYNTH_M_HAIR, SYNTH_M_FACE, SYNTH_M_FREE };
void pn_synth_dress(synth_person *p, pn_rng *rng);              /* garments, shoes, and the skin that shows */
void pn_synth_head(synth_person *p, pn_rng *rng);               /* head, neck, ears, hair */
/* Surface of the head at rest: y from -1 (chin) to 1 (crown), theta 0 in front; off outwards. */
v3 pn_synth_head_at(const synth_body *b, double y, double theta, double off);
void pn_synth_hand(synth_mesh *m, const synth_body *b, synth_side side);
typedef enum { SYNTH_SNEAKER, SYNTH_LOAFER, SYNTH_PUMP, SYNTH_BOOT, SYNTH_FOOTWEAR } synth_footwear;
void pn_synth_shoe(synth_mesh *m, const synth_body *b, synth_side side, synth_footwear kind, int material);

/* ---- Picture --------------------------------------------------------------------------------------------------- */

#define SYNTH_TILT 0.087            /* the camera looks down by 5 degrees: feet show their length */
enum { SYNTH_SAMPLES = 3 };         /* per pixel and direction; odd, so that one lies at the centre */
enum { SYNTH_MIN_HEIGHT = 32, SYNTH_MIN_WIDTH = 24 };

typedef struct {
    ptrdiff_t height, width;
    float *depth;                   /* towards the viewer; -1e30 where nothing is */
    int32_t *triangle;              /* -1 where nothing is; may be NULL */
} synth_buffer;

void pn_synth_raster_clear(synth_buffer *b);
/* screen: x right, y down in samples, z towards the viewer. */
void pn_synth_raster(synth_buffer *b, const synth_mesh *m, const v3 *screen);
/* Weights of the triangle's corners at a place on the screen. */
v3 pn_synth_weights(const synth_triangle *t, const v3 *screen, double x, double y);

struct pn_synth {
    pn_ctx *ctx;
    uint64_t seed;
    int drawn;                      /* person in the studio, -1 none */
    bool white;                     /* behind a person there is nothing */
    bool matched;                   /* people wear shades of one colour */
    synth_person *person;
    synth_pose pose;
    pn_synth_view seen;
    synth_buffer samples, shadow;
    v3 *screen, *lit_from;          /* [vertices]: places in the two buffers */
    double scale, centre_x, centre_y;                   /* world to pixels */
    float *near_, *soft, *row;      /* [H,W]: depth of the person and its blur; scratch */
    v3 joint[PN_JOINTS];            /* exactly, seen or not; pixels, whole ones at their centres */
    pn_pose17 clean;                /* of a dance: exact, and what a detector would say of what it sees */
    pn_pose noisy;
    double trust[PN_JOINTS];        /* the detector's */
    pn_landmarks landmarks;         /* of a face; pixels, whole ones at their centres */
};

/* ---- Writing whole sets ---------------------------------------------------------------------------------------- */

enum { SYNTH_PATH = 4096 };
typedef struct { int least, most; const char *why; } synth_views;       /* allowed; why not fewer */
pn_status pn_synth_check_options(pn_ctx *ctx, const char *call, const pn_synth_opt *o, synth_views views);
int pn_synth_train_share(const pn_synth_opt *o);        /* how many of the people, the first ones, are for training */

/* A thread's own: errors, a studio, and what a writer puts there for itself; all freed with it. */
typedef struct { pn_ctx *ctx; pn_synth *studio, *other; float *flow; pn_image merged; } synth_worker;
typedef pn_status synth_work(void *job, synth_worker *w, ptrdiff_t item);
typedef struct {
    pn_ctx *ctx;
    synth_worker *worker;
    int count;
    atomic_bool failed;
    synth_work *work;
    void *job;
} synth_crew;
pn_status pn_synth_hire(synth_crew *crew, pn_ctx *ctx, const char *call, const pn_synth_opt *opt);
/* Items 0 … items-1 on all threads; the first error of a worker is the context's. */
pn_status pn_synth_run(synth_crew *crew, ptrdiff_t items, synth_work *work, void *job);
void pn_synth_dismiss(synth_crew *crew);                /* also after a hire that failed, or none */

/* PN_ERR_LIMIT, in the name of `call`, for a size no person fits or the context does not allow. */
pn_status pn_synth_size_check(pn_ctx *ctx, const char *call, ptrdiff_t height, ptrdiff_t width);
/* Geometry without light: pose, projection, z-buffer; enough for the flow. */
void pn_synth_invite(pn_synth *s, uint64_t seed, int person);           /* who is in the studio from now on */
void pn_synth_place(pn_synth *s, uint64_t seed, int person, int view);
void pn_synth_light(pn_synth *s);
void pn_synth_annotate(pn_synth *s);
v3 pn_synth_to_screen(const pn_synth *s, v3 world);    /* in samples */
v3 pn_synth_to_pixel(const pn_synth *s, v3 world);     /* in pixels, whole numbers at their centres */
v3 pn_synth_on_head(const pn_synth *s, double x, double y, double z);  /* in shares of half the head's height */
void pn_synth_project(pn_synth *s);     /* pose to mesh to z-buffer, through a camera that is set */
void pn_synth_show(pn_synth *s);        /* the same, of a mesh that has been bent */
/* Frame 0, 1 … of the clip of a person: see posenet/clips.h. As pn_synth_draw, and clean and noisy key points. */
void pn_synth_dance_draw(pn_synth *s, uint64_t seed, int person, int frame);
/* Frame of a clip of a person's face, and its landmarks. */
void pn_synth_face_draw(pn_synth *s, uint64_t seed, int person, int frame);
/* An object from azimuth 0 .. 17 (20 degrees each) and elevation 0 .. 2 (10 each). */
void pn_synth_object_draw(pn_synth *s, uint64_t seed, int object, int azimuth, int elevation);

#endif
