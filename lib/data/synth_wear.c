/* lib/data/synth_wear.c - who a synthetic person is: colouring and wardrobe */
#include "data/synth.h"

static v3 pick(const v3 *list, int n, double jitter, pn_rng *rng)
{
    const v3 c = list[pn_rng_below(rng, n)];
    const double shade = synth_between(rng, -jitter, jitter);
    return v3_make(synth_clamp(c.x + shade + synth_between(rng, -jitter, jitter), 0.03, 0.98),
                   synth_clamp(c.y + shade + synth_between(rng, -jitter, jitter), 0.03, 0.98),
                   synth_clamp(c.z + shade + synth_between(rng, -jitter, jitter), 0.03, 0.98));
}

v3 pn_synth_cloth_colour(pn_rng *rng)
{
    static const v3 colours[] = {
        { .10, .10, .11 }, { .13, .13, .15 }, { .27, .28, .30 }, { .12, .16, .31 }, { .17, .27, .47 },
        { .93, .93, .92 }, { .91, .88, .80 }, { .78, .68, .53 }, { .62, .43, .26 }, { .36, .23, .16 },
        { .44, .11, .17 }, { .78, .14, .17 }, { .92, .42, .35 }, { .90, .38, .56 }, { .94, .75, .74 },
        { .88, .66, .20 }, { .42, .44, .25 }, { .14, .36, .27 }, { .10, .45, .47 }, { .48, .68, .84 },
        { .66, .58, .80 }, { .40, .20, .46 }, { .58, .59, .60 }, { .20, .42, .72 },
    };
    return pick(colours, sizeof colours / sizeof *colours, 0.03, rng);
}

static double brightness(v3 c) { return 0.3 * c.x + 0.59 * c.y + 0.11 * c.z; }

static v3 contrast_to(v3 ground, pn_rng *rng)   /* a colour that can be told from the ground */
{
    for (int i = 0; i < 12; i++) {
        const v3 c = pn_synth_cloth_colour(rng);
        if (fabs(brightness(c) - brightness(ground)) > 0.22) return c;
    }
    return brightness(ground) > 0.5 ? v3_make(0.12, 0.12, 0.16) : v3_make(0.93, 0.92, 0.90);
}

/* ---- Cloth ----------------------------------------------------------------------------------------------------- */

typedef enum { FOR_TOP, FOR_BOTTOM, FOR_DRESS, FOR_COAT, USES } use;

static synth_pattern choose_pattern(use u, pn_rng *rng)
{
    static const double share[USES][SYNTH_PATTERNS] = {   /* plain stripes pin checks plaid dots flowers denim knit */
        [FOR_TOP]    = { .38, .17, .05, .08, .08, .08, .06, .02, .08 },
        [FOR_BOTTOM] = { .40, .01, .05, .03, .05, .02, .02, .42, .00 },
        [FOR_DRESS]  = { .34, .13, .08, .06, .06, .13, .18, .02, .00 },
        [FOR_COAT]   = { .55, .00, .05, .05, .10, .00, .00, .15, .10 },
    };
    double r = pn_rng_uniform(rng);
    int i = 0;
    while (i < SYNTH_PATTERNS - 1 && r >= share[u][i]) r -= share[u][i++];
    return (synth_pattern)i;
}

static synth_material choose_cloth(use u, synth_cut cut, pn_rng *rng)
{
    static const double repeat[SYNTH_PATTERNS] = { .03, .036, .016, .024, .056, .030, .046, .03, .012 };
    static const v3 denims[] = {
        { .16, .22, .36 }, { .24, .34, .50 }, { .45, .57, .70 }, { .11, .12, .16 }, { .62, .71, .80 },
    };
    synth_material m = { .stuff = SYNTH_CLOTH, .pattern = choose_pattern(u, rng), .cut = cut };
    m.colour = m.pattern == SYNTH_DENIM ? pick(denims, 5, 0.02, rng) : pn_synth_cloth_colour(rng);
    m.second = m.pattern == SYNTH_KNIT ? v3_mul(m.colour, 0.82) : contrast_to(m.colour, rng);
    m.ink = contrast_to(m.colour, rng);
    const bool two_faced = m.pattern != SYNTH_DENIM && synth_chance(rng, 0.22);
    m.back = two_faced ? v3_mix(m.colour, m.second, 0.55) : v3_mul(m.colour, 0.93);
    /* an even number of repeats: the seam behind matches */
    const double round = 2.0 * SYNTH_PI * SYNTH_AROUND;
    m.scale = round / (2.0 * floor(0.5 * round / (repeat[m.pattern] * synth_between(rng, 0.75, 1.35)) + 0.5));
    if (u == FOR_TOP && m.pattern == SYNTH_PLAIN && cut == SYNTH_TOP_CUT && synth_chance(rng, 0.55)) {
        m.print = 1 + (int)pn_rng_below(rng, 7);
        if (synth_chance(rng, 0.5)) m.number = 1 + (int)pn_rng_below(rng, 99);
    }
    m.folds = synth_between(rng, 0.5, 1.0);
    m.gloss = synth_chance(rng, 0.15) ? 0.16 : 0.03;
    m.seed = pn_rng_u32(rng);
    return m;
}

static void set_plain(synth_material *m, v3 colour)
{
    m->pattern = SYNTH_PLAIN;
    m->colour = colour;
    m->back = v3_mul(colour, 0.93);
}

static int add_material(synth_person *p, synth_material m)
{
    if (p->materials == SYNTH_MATERIALS) return p->materials - 1;
    p->material[p->materials] = m;
    return p->materials++;
}

/* ---- Garments -------------------------------------------------------------------------------------------------- */

static int limb_label(synth_side s, bool leg) { return (leg ? 16 : 14) + (s == SYNTH_RIGHT); }

static void sleeves(synth_person *p, double to, double loose, int label, int material)
{
    for (int s = 0; s < 2; s++)
        pn_synth_tube(&p->mesh, &p->body,
                      (synth_tube){ .side = (synth_side)s, .from = -1.0, .to = to,
                                    .off_from = fmin(0.0045 + 0.3 * loose, 0.006), .off_to = 0.004 + loose,
                                    .rows = 6 + (int)(10.0 * to), .cols = 19, .label = label,
                                    .material = material, .flags = SYNTH_OPEN });
}

static void bare_arms(synth_person *p, double from)     /* below the sleeve, or with the shoulder when from < 0 */
{
    for (int s = 0; s < 2; s++) {
        if (from < 1.9)
            pn_synth_tube(&p->mesh, &p->body,
                          (synth_tube){ .side = (synth_side)s, .from = from, .to = 2.02, .rows = 22, .cols = 17,
                                        .label = limb_label((synth_side)s, false), .material = SYNTH_M_SKIN });
        pn_synth_hand(&p->mesh, &p->body, (synth_side)s);
    }
}

static void bare_legs(synth_person *p, double from)
{
    for (int s = 0; s < 2; s++)
        pn_synth_tube(&p->mesh, &p->body,
                      (synth_tube){ .side = (synth_side)s, .leg = true, .from = from, .to = 2.03, .rows = 24,
                                    .cols = 19, .label = limb_label((synth_side)s, true),
                                    .material = SYNTH_M_SKIN });
}

static void bare_chest(synth_person *p)
{
    pn_synth_wrap(&p->mesh, &p->body,
                  (synth_wrap){ .hem = 0.70, .front = 0.869, .side = 0.869, .back = 0.869, .rows = 20, .cols = 33,
                                .label = 13, .material = SYNTH_M_SKIN });
}

/* front, side, back, how pointed, sleeve's end; negative: none */
typedef struct { double front, side, back, vee; } neck;
static const neck necks[] = {
    { 0.824, 0.843, 0.841, 0.0 }, { 0.797, 0.838, 0.832, 0.0 }, { 0.772, 0.842, 0.839, 1.0 },
    { 0.819, 0.830, 0.829, 0.0 }, { 0.848, 0.852, 0.850, 0.0 },
};
static const neck strappy[] = {
    { 0.775, 0.826, 0.800, 0.0 }, { 0.765, 0.824, 0.790, 0.6 }, { 0.800, 0.828, 0.815, 0.0 },
};

static double choose_sleeve(bool bare, bool woman, pn_rng *rng)
{
    const double r = pn_rng_uniform(rng);
    if (bare || (woman && r < 0.16)) return -1.0;
    if (r < 0.52) return synth_between(rng, 0.42, 0.68);
    return r < 0.60 ? synth_between(rng, 1.25, 1.5) : 1.95;
}

static void trunk_cloth(synth_person *p, const neck *n, synth_wrap s)
{
    s.front = n->front;
    s.side = n->side;
    s.back = n->back;
    s.vee = n->vee;
    s.rows = 30;
    s.cols = 49;
    s.flags = SYNTH_OPEN;
    pn_synth_wrap(&p->mesh, &p->body, s);
}

static void wear_top(synth_person *p, bool tucked, bool under_coat, pn_rng *rng)
{
    const bool shirt = synth_chance(rng, p->body.woman ? 0.15 : 0.30);
    const double sleeve = choose_sleeve(false, p->body.woman && !shirt, rng),
                 loose = synth_between(rng, 0.002, 0.012);
    synth_material m = choose_cloth(FOR_TOP, shirt ? SYNTH_SHIRT_CUT : SYNTH_TOP_CUT, rng);
    const neck *n = sleeve < 0.0 ? &strappy[pn_rng_below(rng, 3)] : shirt ? &necks[4]
                : &necks[pn_rng_below(rng, p->body.woman ? 4 : 3)];
    m.hem = tucked ? 0.59 : synth_between(rng, 0.485, 0.535);
    m.top = n->front;
    if (shirt) m.number = m.print = 0;
    const int cloth = add_material(p, m);
    synth_material other = m;
    other.back = v3_mul(m.colour, 0.93);
    other.cut = SYNTH_SLEEVE_CUT;
    if (synth_chance(rng, 0.22)) set_plain(&other, m.second);
    const int arm = add_material(p, other);
    trunk_cloth(p, n,
                (synth_wrap){ .hem = m.hem, .off_hem = tucked ? 0.005 : 0.011 + loose, .off_top = 0.0045,
                              .label = 5, .material = cloth });
    if (shirt || (n == &necks[0] && synth_chance(rng, 0.25)))
        pn_synth_wrap(&p->mesh, &p->body,
                      (synth_wrap){ .hem = 0.828, .off_hem = 0.010, .off_top = 0.006, .front = 0.852,
                                    .side = 0.860, .back = 0.866, .gap = shirt ? 0.14 : 0.0, .rows = 5,
                                    .cols = 33, .label = 5, .material = cloth, .flags = SYNTH_OPEN });
    if (under_coat) return;
    if (sleeve > 0.0) sleeves(p, sleeve, sleeve > 1.0 ? 0.6 * loose : loose + 0.004, 5, arm);
    bare_arms(p, sleeve > 0.0 ? sleeve - 0.2 : -1.0);
}

static void wear_coat(synth_person *p, pn_rng *rng)
{
    const double gap = synth_between(rng, 0.16, 0.42);
    const bool lengthy = synth_chance(rng, 0.4);
    synth_material m = choose_cloth(FOR_COAT, SYNTH_SHIRT_CUT, rng);
    m.hem = lengthy ? synth_between(rng, 0.30, 0.42) : synth_between(rng, 0.475, 0.53);
    m.top = 0.84;
    m.folds *= 0.7;
    m.back = v3_mul(m.colour, 0.93);
    const int cloth = add_material(p, m);
    synth_material arm = m;
    arm.cut = SYNTH_SLEEVE_CUT;
    if (synth_chance(rng, 0.25)) set_plain(&arm, m.second);
    const int arms = add_material(p, arm);
    const double body = lengthy ? 0.50 : m.hem;
    trunk_cloth(p, &(neck){ 0.815, 0.850, 0.848, 0.9 },
                (synth_wrap){ .hem = body, .off_hem = 0.024, .off_top = 0.012, .gap = gap, .label = 7,
                              .material = cloth });
    if (lengthy)
        pn_synth_skirt(&p->mesh, &p->body,
                       (synth_skirt){ .top = 0.52, .hem = m.hem, .off_top = 0.023, .off = 0.025, .flare = 0.5,
                                      .gap = gap, .rows = 16, .cols = 49, .label = 7, .material = cloth });
    sleeves(p, 1.95, 0.008, 7, arms);
    bare_arms(p, 2.0);
}

static void wear_trousers(synth_person *p, bool over, pn_rng *rng)
{
    const bool shorts = synth_chance(rng, 0.18);
    const double fit = pn_rng_uniform(rng), cropped = synth_between(rng, 1.70, 1.85);
    const double end = shorts ? synth_between(rng, 0.42, 0.85) : synth_chance(rng, 0.75) ? 1.95 : cropped;
    synth_material m = choose_cloth(FOR_BOTTOM, SYNTH_TROUSER_CUT, rng);
    m.top = over ? 0.615 : 0.595;
    m.hem = 0.44;
    m.gloss = 0.03;
    m.back = v3_mul(m.colour, 0.92);
    const int cloth = add_material(p, m);
    const double wide = shorts ? 0.012 : fit < 0.45 ? 0.003 : fit < 0.85 ? 0.010 : 0.034;
    pn_synth_wrap(&p->mesh, &p->body,
                  (synth_wrap){ .hem = 0.445, .off_hem = 0.005, .off_top = over ? 0.009 : 0.004, .front = m.top,
                                .side = m.top, .back = m.top, .rows = 12, .cols = 41, .label = 9,
                                .material = cloth, .flags = SYNTH_OPEN });
    for (int s = 0; s < 2; s++)
        pn_synth_tube(&p->mesh, &p->body,
                      (synth_tube){ .side = (synth_side)s, .leg = true, .from = -1.0, .to = end,
                                    .off_from = 0.0045, .off_to = wide, .rows = shorts ? 14 : 26, .cols = 23,
                                    .label = 9, .material = cloth, .flags = SYNTH_OPEN });
    bare_legs(p, end - 0.2);
}

static void wear_skirt(synth_person *p, bool over, pn_rng *rng)
{
    synth_material m = choose_cloth(FOR_DRESS, SYNTH_DRESS_CUT, rng);
    const double kind = pn_rng_uniform(rng);
    m.top = over ? 0.615 : 0.60;
    const double knee = synth_between(rng, 0.25, 0.32), calf = synth_between(rng, 0.10, 0.17);
    m.hem = kind < 0.5 ? synth_between(rng, 0.35, 0.40) : kind < 0.85 ? knee : calf;
    const double flare = synth_chance(rng, 0.4) ? 0.1 : synth_between(rng, 1.2, 3.2) * (m.hem > 0.2 ? 1.0 : 0.45);
    p->stance.narrow = flare < 0.5 && m.hem < 0.36;
    pn_synth_skirt(&p->mesh, &p->body,
                   (synth_skirt){ .top = m.top, .hem = m.hem, .off_top = over ? 0.009 : 0.006, .off = 0.010,
                                  .flare = flare, .pleats = 14.0, .pleat_depth = flare > 0.5 ? 0.045 : 0.0,
                                  .rows = 26, .cols = 73, .label = 12, .material = add_material(p, m) });
    bare_legs(p, 0.15);
}

static void wear_dress(synth_person *p, bool under_coat, pn_rng *rng)
{
    synth_material m = choose_cloth(FOR_DRESS, SYNTH_DRESS_CUT, rng);
    const double sleeve = choose_sleeve(synth_chance(rng, 0.45), true, rng), kind = pn_rng_uniform(rng);
    const neck *n = sleeve < 0.0 ? &strappy[pn_rng_below(rng, 3)] : &necks[pn_rng_below(rng, 4)];
    m.top = n->front;
    const double knee = synth_between(rng, 0.24, 0.31), calf = synth_between(rng, 0.06, 0.15);
    m.hem = kind < 0.5 ? synth_between(rng, 0.34, 0.40) : kind < 0.75 ? knee : calf;
    const double flare = synth_chance(rng, 0.35) ? 0.15 : synth_between(rng, 0.9, 2.6) * (m.hem > 0.2 ? 1.0 : 0.45);
    p->stance.narrow = flare < 0.5 && m.hem < 0.36;
    const int cloth = add_material(p, m);
    trunk_cloth(p, n,
                (synth_wrap){ .hem = 0.595, .off_hem = 0.0085, .off_top = 0.0045, .label = 6,
                              .material = cloth });
    pn_synth_skirt(&p->mesh, &p->body,
                   (synth_skirt){ .top = 0.61, .hem = m.hem, .off_top = 0.009, .off = 0.011, .flare = flare,
                                  .pleats = 13.0, .pleat_depth = flare > 0.5 ? 0.04 : 0.0, .rows = 30, .cols = 73,
                                  .label = 6, .material = cloth });
    bare_legs(p, 0.15);
    if (under_coat) return;
    m.cut = SYNTH_SLEEVE_CUT;
    m.back = v3_mul(m.colour, 0.93);
    if (sleeve > 0.0) sleeves(p, sleeve, 0.005, 6, add_material(p, m));
    bare_arms(p, sleeve > 0.0 ? sleeve - 0.2 : -1.0);
}

static synth_footwear choose_footwear(bool woman, pn_rng *rng)
{
    static const double share[2][SYNTH_FOOTWEAR] = { { .58, .24, .00, .18 }, { .34, .18, .30, .18 } };
    double r = pn_rng_uniform(rng);
    int i = 0;
    while (i < SYNTH_FOOTWEAR - 1 && r >= share[woman][i]) r -= share[woman][i++];
    return (synth_footwear)i;
}

static void wear_shoes(synth_person *p, pn_rng *rng)
{
    const synth_footwear kind = choose_footwear(p->body.woman, rng);
    static const v3 leathers[] = {
        { .08, .08, .08 }, { .33, .20, .12 }, { .55, .36, .21 }, { .93, .92, .90 }, { .45, .12, .14 },
        { .72, .60, .46 },
    };
    synth_material m = { .stuff = SYNTH_SHOE, .colour = pick(leathers, 6, 0.03, rng),
                         .gloss = kind == SYNTH_SNEAKER ? 0.05 : 0.25,
                         .seed = pn_rng_u32(rng), .folds = 0.15 };
    if (kind == SYNTH_SNEAKER && synth_chance(rng, 0.5)) m.colour = pn_synth_cloth_colour(rng);
    m.second = kind == SYNTH_SNEAKER ? v3_make(0.93, 0.93, 0.92) : v3_mul(m.colour, 0.45);
    m.back = contrast_to(m.colour, rng);
    m.print = kind == SYNTH_SNEAKER;
    if (kind == SYNTH_PUMP) p->stance.heel = synth_between(rng, 0.028, 0.052);
    const int material = add_material(p, m);
    for (int s = 0; s < 2; s++) pn_synth_shoe(&p->mesh, &p->body, (synth_side)s, kind, material);
}

void pn_synth_dress(synth_person *p, pn_rng *rng)
{
    const bool woman = p->body.woman, coat = synth_chance(rng, woman ? 0.16 : 0.28),
               tucked = synth_chance(rng, woman ? 0.45 : 0.2);
    const double r = pn_rng_uniform(rng);
    bare_chest(p);
    if (woman && r < 0.36) wear_dress(p, coat, rng);
    else {
        wear_top(p, tucked, coat, rng);
        if (woman && r < 0.58) wear_skirt(p, tucked, rng);
        else wear_trousers(p, tucked, rng);
    }
    if (coat) wear_coat(p, rng);
    wear_shoes(p, rng);
}

/* Sleeves go with what they belong to; brightness falls from the trunk to the feet. */
static double shade_of(const synth_material *m, bool first)
{
    if (m->stuff == SYNTH_SHOE) return 0.4;
    return !first && (m->cut == SYNTH_TROUSER_CUT || m->cut == SYNTH_DRESS_CUT) ? 0.6 : 1.0;
}

void pn_synth_match(synth_person *p)
{
    const v3 white = v3_make(0.98, 0.98, 0.98), main = p->material[SYNTH_M_FREE].colour;
    for (int i = SYNTH_M_FREE; i < p->materials; i++) {
        synth_material *m = &p->material[i];
        m->colour = v3_mul(main, shade_of(m, i == SYNTH_M_FREE));
        m->back = v3_mul(m->colour, 0.93);
        m->second = m->ink = brightness(m->colour) > 0.4 ? v3_mul(m->colour, 0.5) : v3_mix(m->colour, white, 0.5);
    }
}

/* ---- Person ---------------------------------------------------------------------------------------------------- */

static void choose_colouring(synth_person *p, pn_rng *rng)
{
    static const v3 skins[] = {
        { .96, .80, .71 }, { .94, .77, .67 }, { .91, .73, .61 }, { .86, .66, .53 }, { .77, .57, .44 },
        { .62, .43, .32 }, { .46, .31, .23 }, { .36, .24, .18 },
    };
    static const v3 hairs[] = {
        { .07, .06, .06 }, { .12, .09, .08 }, { .21, .14, .10 }, { .31, .20, .13 }, { .42, .22, .12 },
        { .55, .39, .22 }, { .74, .57, .34 }, { .84, .71, .48 }, { .60, .59, .58 },
    };
    static const v3 irises[] = { { .22, .13, .08 }, { .20, .34, .48 }, { .27, .36, .22 }, { .13, .09, .07 } };
    const ptrdiff_t tone = pn_rng_below(rng, 8);
    const v3 skin = pick(&skins[tone], 1, 0.015, rng), hair = pick(hairs, tone > 4 ? 3 : 9, 0.015, rng);
    const uint32_t seed = pn_rng_u32(rng);
    p->material[SYNTH_M_SKIN] = (synth_material){ .stuff = SYNTH_SKIN, .colour = skin, .gloss = 0.06, .seed = seed };
    p->material[SYNTH_M_HAIR] = (synth_material){ .stuff = SYNTH_HAIR, .colour = hair, .gloss = 0.22,
                            .seed = seed ^ 77u };
    p->material[SYNTH_M_FACE] = (synth_material){ .stuff = SYNTH_FACE, .colour = skin, .second = hair, .gloss = 0.06,
                            .seed = seed };
    synth_material *face = &p->material[SYNTH_M_FACE];
    face->iris = irises[tone > 4 ? 3 : pn_rng_below(rng, 4)];
    face->makeup = p->body.woman ? pn_rng_uniform(rng) : 0.0;
    face->beard = !p->body.woman && synth_chance(rng, 0.5) ? synth_between(rng, 0.15, 0.9) : 0.0;
    face->lips = v3_mix(v3_each(skin, v3_make(0.86, 0.60, 0.58)), v3_make(0.72, 0.12, 0.18),
                        0.65 * face->makeup * face->makeup);
    p->materials = SYNTH_M_FREE;
    const double wall = synth_between(rng, 0.84, 0.96), warm = synth_between(rng, -0.012, 0.014);
    p->wall = v3_make(wall + warm, wall, wall - warm);
}

void pn_synth_person_make(synth_person *p, uint64_t seed, int person)
{
    pn_rng rng = pn_rng_make(seed, (uint64_t)person << 20);
    p->mesh.sheets = p->mesh.vertices = p->mesh.triangles = 0;
    p->stance = (synth_stance){ 0 };
    p->plain = false;
    pn_synth_body_make(&p->body, &rng);
    choose_colouring(p, &rng);
    pn_synth_dress(p, &rng);
    pn_synth_head(p, &rng);
}
