#!/bin/sh
# demo.sh - synthetic people, training, pictures of people the network never saw in new poses, scores
#
# BIN is the folder of the programs, OUT gets everything, MODEL is gfla, glocal or rsa_gan; glocal also completes people whose clothes are
# missing. PN_DEMO_SHORT=1 trains a few steps only: to see that it all runs.
set -eu
: "${BIN:=build/bin}" "${OUT:=build/demo}" "${MODEL:=gfla}"
people=160 views=6
case $MODEL in
gfla)   steps=3400 ;;
glocal) steps=2400 ;;
rsa_gan) steps=1000 ;;
*)      echo "demo.sh: MODEL is '$MODEL', expected gfla, glocal or rsa_gan" >&2; exit 2 ;;
esac
if [ "${PN_DEMO_SHORT:-}" = 1 ]; then people=5 views=3 steps=10; fi
case $MODEL in
gfla)   recipe="--stage full --decay $((steps / 2)) --set lambda_style=100" ;;
glocal) recipe="--task both --set mask_kind=region" ;;
rsa_gan) recipe="" ;;
esac
started=$(date +%s)
part=$started

finished() {
    now=$(date +%s)
    echo "-- $1: $((now - part)) s"
    part=$now
}

rm -rf "$OUT"
mkdir -p "$OUT"
"$BIN/posenet-data" synth --out "$OUT/people" --people $people --views $views --size 128x96 --seed 1
finished "data"
# shellcheck disable=SC2086
"$BIN/posenet-train" --model "$MODEL" --preset tiny --data "$OUT/people" --out "$OUT/run" --size 128x96 \
    $recipe --steps $steps --batch 2 --seed 1 --sample-every $((steps / 5)) --save-every $steps
finished "training"
weights=$(ls "$OUT"/run/checkpoints/*.safetensors | tail -n 1)
pairs=$OUT/people/fasion-resize-pairs-test.csv
"$BIN/posenet-generate" --weights "$weights" --data "$OUT/people" --pairs "$pairs" --out "$OUT/generated"
"$BIN/posenet-evaluate" --generated "$OUT/generated" --data "$OUT/people" --pairs "$pairs" --protocol native \
    --json "$OUT/scores.json" > "$OUT/scores.txt"
cat "$OUT/scores.txt"
if [ "$MODEL" = glocal ]; then
    "$BIN/posenet-inpaint" --weights "$weights" --data "$OUT/people" --kind region --out "$OUT/completed" --masks
    "$BIN/posenet-evaluate" --task inpaint --kind region --generated "$OUT/completed" --data "$OUT/people" > "$OUT/completed.txt"
    cat "$OUT/completed.txt"
fi
finished "generation and scores"
cp "$(ls "$OUT"/run/samples/*.png | tail -n 1)" "$OUT/grid.png"
cp "$OUT/run/report.html" "$OUT/report.html"
echo
echo "source, target pose, generated, truth; inside: $OUT/grid.png"
[ "$MODEL" != glocal ] || echo "people completed, and what was missing:      $OUT/completed/"
echo "curves, samples, configuration:              $OUT/report.html"
echo "scores on people the network never saw:      $OUT/scores.txt"
echo "$(($(date +%s) - started)) s in all"
