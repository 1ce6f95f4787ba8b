/* tests/programs/test_bench.c - posenet-bench: what it prints and writes, and what it compares; never how fast it was */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY "sigmoid/1x1x64x64/forward"
#define BENCH "posenet-bench --threads 1 --quiet"

/* ---- Results ----------------------------------------------------------------------------------------------------- */

static const cJSON *row(const cJSON *root, const char *name)
{
    const cJSON *r;
    cJSON_ArrayForEach(
        r, cJSON_GetObjectItem(root, "benchmarks")) if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(r, "name")),
                                                               name) == 0) return r;
    ck_abort_msg("there is no row '%s'", name);
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *n = cJSON_GetObjectItem(o, key);
    if (!cJSON_IsNumber(n)) ck_abort_msg("'%s' is no number", key);
    return n->valuedouble;
}

static void text_is(const cJSON *o, const char *key, const char *expected)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, key));
    if (!text || (expected && strcmp(text, expected) != 0)) ck_abort_msg("'%s' is '%s'", key, text ? text : "no text");
}

static void is_google_benchmark(const char *file)
{
    cJSON *root = cJSON_Parse(slurp(file, NULL));
    ck_assert_ptr_nonnull(root);
    const cJSON *context = cJSON_GetObjectItem(root, "context");
    text_is(context, "date", NULL);
    text_is(context, "host_name", NULL);
    text_is(context, "executable", "posenet-bench");
    text_is(context, "library_build_type", NULL);
    ck_assert(number(context, "num_cpus") >= 1);
    number(context, "mhz_per_cpu");
    ck_assert(cJSON_IsBool(cJSON_GetObjectItem(context, "cpu_scaling_enabled")));
    ck_assert(cJSON_IsArray(cJSON_GetObjectItem(context, "caches")));
    ck_assert(cJSON_IsArray(cJSON_GetObjectItem(context, "load_avg")));
    ck_assert(number(cJSON_GetObjectItem(context, "posenet_ceilings"), "flops") > 0);

    const cJSON *once = row(root, ENTRY), *median = row(root, ENTRY "_median");
    text_is(once, "run_name", ENTRY);
    text_is(once, "run_type", "iteration");
    text_is(once, "time_unit", NULL);
    ck_assert(number(once, "iterations") >= 1 && number(once, "real_time") > 0 && number(once, "cpu_time") >= 0);
    text_is(median, "run_type", "aggregate");
    text_is(median, "aggregate_name", "median");
    ck_assert(number(median, "real_time") > 0 && number(median, "bytes_per_second") > 0);
    number(row(root, ENTRY "_stddev"), "real_time");
    cJSON_Delete(root);
}

START_TEST(results_are_a_table_and_a_file_that_can_be_compared_with)
{
    const char *file = world("bench.json");
    const result first = run(BENCH " --filter ^%s$ --json %s", ENTRY, file);
    exits(first, 0);
    says(first.out, "multiply-add");
    says(first.out, "\n" ENTRY " ");
    says_not(first.out, "conv2d");
    is_google_benchmark(file);
    const result second = run(BENCH " --filter ^%s$ --compare %s", ENTRY, file);
    exits(second, 0);
    says(second.out, "then/now");
    says(second.out, "0 entries are not in ");
}
END_TEST

/* Google Benchmark without repetitions writes one row for an entry, and older ones no run_name; with them, aggregates. */
START_TEST(files_of_google_benchmark_are_understood)
{
    spill(
        world("foreign.json"),
        "{\"context\": {\"num_cpus\": 4}, \"benchmarks\": [\n"
        "{\"name\": \"sigmoid/1x1x64x64/forward\", \"real_time\": 3.5, \"cpu_time\": 3.5, \"time_unit\": \"s\"},\n"
        "{\"name\": \"sigmoid/1x1x64x64/backward_median\", \"run_name\": \"sigmoid/1x1x64x64/backward\",\n"
        " \"run_type\": \"aggregate\", \"aggregate_name\": \"median\", \"real_time\": 0.001, \"time_unit\": \"ns\"},\n"
        "{\"name\": \"sigmoid/1x1x64x64/backward_stddev\", \"run_name\": \"sigmoid/1x1x64x64/backward\",\n"
        " \"run_type\": \"aggregate\", \"aggregate_name\": \"stddev\", \"real_time\": 0.0001, \"time_unit\": \"ns\"},\n"
        "{\"name\": \"BM_failed\", \"error_occurred\": true, \"error_message\": \"none\"}]}\n");
    const result r = run(BENCH " --filter ^sigmoid/1x1x --compare %s", world("foreign.json"));
    exits(r, 0);
    says(r.out, "1 faster, 1 slower, 0 the same; 0 entries are not in ");
    says(r.out, "3.50 s");
}
END_TEST

/* ---- Mistakes ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *more;
    int code;
    const char *message;
} lines[] = {
    { "--filtre conv", 2, "unknown option --filtre; did you mean --filter?" },
    { "--filter [", 2, "--filter is '[', which is no extended regular expression" },
    { "--filter no-such-thing", 2, "no entry matches --filter 'no-such-thing'; they are named op/shape/pass" },
    { "--peers --filter no-such-thing", 2, "no row of --peers matches --filter 'no-such-thing'" },
    { "--peers --json x", 2, "--peers prints ratios; run it without --json and --compare" },
    { "--filter sigmoid --compare nowhere.json", 1, "cannot open nowhere.json: No such file" },
};

START_TEST(a_wrong_line_is_explained_before_anything_is_measured)
{
    const result r = run(BENCH " %s", lines[_i].more);
    explains(r, lines[_i].code, lines[_i].message);
    ck_assert_str_eq(r.out, "");
}
END_TEST

START_TEST(a_file_to_compare_with_that_is_none_is_named_with_the_remedy)
{
    static const struct {
        const char *content, *message;
    } files[] = {
        { "", "bad.json is not JSON, or is cut off; write it anew with posenet-bench --json" },
        { "{\"benchmarks\": [", "bad.json is not JSON, or is cut off" },
        { "{\"context\": {}}", "bad.json has no array \"benchmarks\"; expected a file that posenet-bench --json" },
        { "[1, 2]", "bad.json has no array \"benchmarks\"" },
        { "{\"benchmarks\": [1, {\"name\": 3}, {\"name\": \"x\", \"real_time\": \"fast\"}]}",
          "bad.json holds no entry with a name" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        spill(world("bad.json"), files[i].content);
        const result r = run(BENCH " --filter sigmoid --compare %s", world("bad.json"));
        explains(r, 3, files[i].message);
        ck_assert_str_eq(r.out, "");
    }
}
END_TEST

START_TEST(help_names_what_the_bench_takes)
{
    const result r = run("posenet-bench --help");
    exits(r, 0);
    says(r.out, "--filter RE");
    says(r.out, "--peers");
    says(r.out, "Exit status: 0 ok");
    says(run("posenet-bench --version").out, "posenet-bench 0.");
    explains(run("posenet-bench --turns no/such/entry 1"), 1, "there is no entry 'no/such/entry'");
}
END_TEST

START_TEST(peers_that_are_not_there_are_left_out)
{
    setenv("PATH", "/nowhere", 1);
    const result r = run(BENCH " --peers --filter Adam");
    exits(r, 0);
    says(r.out, "PyTorch: no python3 in PATH imports it; its rows are left out");
    says(r.out, "OpenVINO: no python3 in PATH imports it");
}
END_TEST

TCase *program_bench_cases(void)
{
    TCase *tc = tcase_create("bench");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, peers_that_are_not_there_are_left_out);
    tcase_add_test(tc, results_are_a_table_and_a_file_that_can_be_compared_with);
    tcase_add_test(tc, files_of_google_benchmark_are_understood);
    tcase_add_loop_test(tc, a_wrong_line_is_explained_before_anything_is_measured, 0, sizeof lines / sizeof *lines);
    tcase_add_test(tc, a_file_to_compare_with_that_is_none_is_named_with_the_remedy);
    tcase_add_test(tc, help_names_what_the_bench_takes);
    return tc;
}
