#!/bin/sh
# ablate.sh - the claims of GLocal and RSA-GAN on synthetic people: the same training time for every row, scores on people no network saw
#
#   MODEL=glocal    pose: base (global code, point by point), with the graph, with local structure, with both, both without the
#                   carried colours; whole regions missing: their code zero, the picture's, or the graph's
#   MODEL=rsa_gan   all of it; without semantic maps (K = 1); each module removed; the token attention alone; without the carried
#                   colours; and what mistakes in the sources' label maps cost with and without the module that repairs them,
#                   trained on right maps and on maps with mistakes
#
# BIN is the folder of the programs, OUT gets everything, PRESET is small or tiny, SEED that of the training, STEPS those of the
# slowest row; the others take more by as much as their steps are shorter. SYNTH has more options for the people, such as --matched:
# with an OUT of its own. Two rows train at a time, on a thread each. A row that is there is not trained again, and one that was
# interrupted goes on from its latest checkpoint.
# PN_ABLATE_SHORT=1 takes a few steps only: to see that it all runs.
set -eu
: "${BIN:=build/bin}" "${MODEL:=glocal}" "${OUT:=build/ablation}" "${PRESET:=small}" "${SEED:=1}" "${STEPS:=4000}" "${SYNTH:=}"
people=200 views=6 size=128x96 shares="0.1 0.2 0.4"
if [ "${PN_ABLATE_SHORT:-}" = 1 ]; then people=5 views=2 PRESET=tiny size=64x48 STEPS=4; fi
data=$OUT/people
mkdir -p "$OUT"
# shellcheck disable=SC2086
[ -d "$data" ] || "$BIN/posenet-data" synth --out "$data" --people $people --views $views --size 128x96 --seed 7 $SYNTH

warm=""
[ "$MODEL" != glocal ] || warm="--set tau_warm=$((STEPS / 2))"

# NAME PER-MILLE-OF-STEPS SETTINGS: trained, with what it makes and its scores beside it
# shellcheck disable=SC2086
row() {
    name=$1-$SEED steps=$((STEPS * $2 / 1000)) run=$OUT/$1-$SEED
    shift 2
    [ -f "$run/scores.json" ] && return
    weights=$run/checkpoints/step_$(printf %07d $steps).safetensors
    if [ -f "$weights" ]; then
        :
    elif [ -n "$(ls "$run"/checkpoints/*.safetensors 2>/dev/null)" ]; then
        "$BIN/posenet-train" --resume --out "$run" --quiet
    else
        rm -rf "$run"
        "$BIN/posenet-train" --model "$MODEL" --preset "$PRESET" --size $size --data "$data" --out "$run" --batch 2 --steps $steps \
            $warm --threads 1 --seed "$SEED" --sample-every $STEPS --save-every $((STEPS / 4)) --quiet "$@"
    fi
    [ -f "$weights" ] || { echo "$name: stopped before step $steps; the same command goes on with it" >&2; return 1; }
    case " $* " in
    *" inpaint "*)
        "$BIN/posenet-inpaint" --weights "$weights" --data "$data" --kind region --out "$run/made" --threads 1 --quiet
        "$BIN/posenet-evaluate" --task inpaint --kind region --generated "$run/made" --data "$data" --json "$run/scores.json" \
            --threads 1 > "$run/scores.txt" ;;
    *)
        "$BIN/posenet-generate" --weights "$weights" --data "$data" --pairs "$data/fasion-resize-pairs-test.csv" --out "$run/made" \
            --threads 1 --quiet
        "$BIN/posenet-evaluate" --generated "$run/made" --data "$data" --json "$run/scores.json" --threads 1 > "$run/scores.txt" ;;
    esac
    echo "$name: $steps steps"
}

# What NAME-SEED makes of people whose label maps have mistakes; scored with the right maps.
noisy() {
    run=$OUT/$1-$SEED
    [ -f "$run/scores.json" ] || return 0                   # stopped before its last step
    weights=$(ls "$run"/checkpoints/*.safetensors | tail -n 1)
    for share in $shares; do
        [ -f "$run/scores_$share.json" ] && continue
        "$BIN/posenet-generate" --weights "$weights" --data "$OUT/mistakes_$share" --pairs "$data/fasion-resize-pairs-test.csv" \
            --out "$run/made_$share" --threads 1 --quiet
        "$BIN/posenet-evaluate" --generated "$run/made_$share" --data "$data" --json "$run/scores_$share.json" --threads 1 \
            > "$run/scores_$share.txt"
    done
}

missing="--task inpaint --set mask_kind=region"
# shellcheck disable=SC2086
half() {
    case $MODEL-$1 in
    glocal-1)
        row base 1055 --task pose --set occl_rule=global --set lst_mode=point
        row lst 1040 --task pose --set occl_rule=global
        row plain 1000 --task pose --set lst_colours=0
        row zero 1044 $missing --set occl_rule=zero ;;
    glocal-2)
        row ggr 1015 --task pose --set lst_mode=point
        row both 1000 --task pose
        row graph 1000 $missing
        row global 1044 $missing --set occl_rule=global ;;
    rsa_gan-1)
        row all 1000
        row norpsf 1000 --set rpsf=off
        row plain 1000 --set out_colours=0
        row token 1000 --set gdcca_attn=token ;;
    rsa_gan-2)
        row one 1010 --set K=1
        row nopcgsi 1170 --set pcgsi=off
        row nogdcca 1180 --set gdcca=off
        row taught 1000 --set mistakes=0.2
        row taught_norpsf 1000 --set mistakes=0.2 --set rpsf=off ;;
    esac
}
case $MODEL in
glocal)  names="base ggr lst both plain zero global graph" ;;
rsa_gan) names="all one norpsf nopcgsi nogdcca token plain taught taught_norpsf" ;;
*)       echo "ablate.sh: MODEL is '$MODEL', expected glocal or rsa_gan" >&2; exit 2 ;;
esac
half 1 &
half 2
wait
if [ "$MODEL" = rsa_gan ]; then
    for share in $shares; do
        [ -d "$OUT/mistakes_$share" ] && continue
        cp -r "$data" "$OUT/mistakes_$share"
        "$BIN/posenet-data" mistakes --share $share --out "$OUT/mistakes_$share/test_lip20" "$data/test_lip20"
    done
    { noisy all; noisy taught; } &
    noisy norpsf
    noisy taught_norpsf
    wait
fi
for name in $names; do
    echo "== $name"
    for scores in "$OUT/$name-$SEED"/scores*.txt; do
        share=$(basename "$scores" .txt | cut -d_ -s -f2)
        [ -z "$share" ] || echo "-- label maps with mistakes, $share of their classes"
        grep -v -e '^skipped' -e '^protocol' -e 'key points on a grid' -e ' pairs, ' "$scores" || true
    done
done
