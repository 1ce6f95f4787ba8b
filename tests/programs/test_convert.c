/* tests/programs/test_convert.c - files of torch.save given to the programs; posenet-convert */
#include "programs/programs.h"

#include <stdio.h>
#include <string.h>

#define FILES PN_TEST_DATA "/io/torch/"

START_TEST(a_file_is_converted_and_listed)
{
    const char *out = world("types.safetensors");
    result r = run("posenet-convert " FILES "types_legacy.pth %s", out);
    exits(r, 0);
    says(r.out, "types.safetensors: 14 tensors\n");
    static const char *const files[] = { FILES "types_legacy.pth", NULL };
    for (int i = 0; i < 2; i++) {
        r = run("posenet-convert --list %s", files[i] ? files[i] : out);
        exits(r, 0);
        says(r.out, "BF16 [2,3] bf16\n");
        says(r.out, "F64  [] scalar\n");
        says(r.out, "F32  [0,3] empty\n");
        says(r.out, "14 tensors, 66 numbers\n");
    }
}
END_TEST

START_TEST(what_it_cannot_do_is_explained)
{
    explains(run("posenet-convert"), 2, "0 files are named, expected IN.pth OUT.safetensors");
    explains(run("posenet-convert a.pth"), 2, "1 file is named, expected IN.pth OUT.safetensors");
    explains(run("posenet-convert --list a b"), 2, "2 files are named, expected --list FILE");
    explains(run("posenet-convert a.pth b.pth"), 2,
             "the file to write is 'b.pth', expected a name that ends in .safetensors");
    explains(run("posenet-convert --list nowhere.pth"), 1, "cannot open nowhere.pth: No such file");
    explains(run("posenet-convert " FILES "bad_runs_zip.pth %s", world("runs.safetensors")), 3,
             "bad_runs_zip.pth: data.pkl needs 'posix.system', which is refused");
    ck_assert(!there(world("runs.safetensors")));
    ck_assert(!there("ran")); /* what running it would have left here */
}
END_TEST

static result generate(const char *weights, const char *out)
{
    const char *people = world("people/fasion-resize-annotation-test.csv");
    char *pairs = slurp(world("people/fasion-resize-pairs-test.csv"), NULL);
    strtok(pairs, ",\n");
    strtok(NULL, ",\n");
    const char *from = strtok(NULL, ",\n"), *to = strtok(NULL, ",\n");
    return run("posenet-generate --model gfla --weights %s --size 64x64 --source %s --source-pose %s:%s --target-pose "
               "%s:%s --out %s",
               weights, world("people/test/%s", from), people, from, people, to, out);
}

START_TEST(published_weights_generate_as_they_are_and_converted)
{
    const result r = generate(FILES "gfla_net_G.pth", world("pth.npy"));
    explains(r, 0, "gfla_net_G.pth: 196 tensors loaded, 0 not there, 0 of another shape, for the generator\n");
    says_not(r.err, "left over");
    exits(run("posenet-convert " FILES "gfla_net_G.pth %s", world("g.safetensors")), 0);
    exits(generate(world("g.safetensors"), world("converted.npy")), 0);
    same_bytes(world("pth.npy"), world("converted.npy"));
}
END_TEST

START_TEST(weights_of_stage_1_start_stage_2_and_that_is_said_to_be_usual)
{
    const result r = run(
        TRAIN " --set base=2 --set cap=4 --set flow_base=2 --set flow_cap=4 --set hidden=2 --data %s --out %s "
              "--stage full --steps 1 --init " FILES "gfla_stage1.pth",
        PEOPLE, world("stage2"));
    exits(r, 0);
    says(r.err, "gfla_stage1.pth: every name begins with 'module.', which is left out\n");
    says(r.err, "gfla_stage1.pth: 84 tensors loaded, 112 not there, 0 of another shape, for the generator\n");
    says(r.err, "these keep their values: source (24), target (88); that is usual for weights of an earlier stage\n");
    says(r.err, "gfla_stage1.pth: 1 left over, not used: flow_net.unused.weight\n");
}
END_TEST

TCase *convert_cases(void)
{
    TCase *tc = tcase_create("convert");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, a_file_is_converted_and_listed);
    tcase_add_test(tc, what_it_cannot_do_is_explained);
    tcase_add_test(tc, published_weights_generate_as_they_are_and_converted);
    tcase_add_test(tc, weights_of_stage_1_start_stage_2_and_that_is_said_to_be_usual);
    return tc;
}
