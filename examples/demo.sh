#!/bin/sh
# demo.sh BUILD [STEPS] - synthetic people, training, pictures of held-out people in poses nobody photographed, scores
set -eu
build=$1
steps=${2:-1500}
out=$build/demo
bin=$build/bin
started=$(date +%s)
part=$started

finished() {
    now=$(date +%s)
    echo "-- $1: $((now - part)) s"
    part=$now
}

rm -rf "$out"
mkdir -p "$out"
"$bin/posenet-data" synth --out "$out/people" --people 40 --views 6 --size 128x96 --seed 1
finished "data"
"$bin/posenet-train" --model gfla --preset tiny --data "$out/people" --out "$out/run" --size 128x96 \
    --steps "$steps" --batch 4 --seed 1 --sample-every $((steps / 5)) --save-every "$steps"
finished "training"
weights=$(ls "$out"/run/checkpoints/*.safetensors | tail -n 1)
"$bin/posenet-generate" --weights "$weights" --data "$out/people" --out "$out/generated" \
    --pairs "$out/people/fasion-resize-pairs-test.csv"
"$bin/posenet-evaluate" --generated "$out/generated" --data "$out/people" --protocol native \
    --pairs "$out/people/fasion-resize-pairs-test.csv" --json "$out/scores.json" | tee "$out/scores.txt"
finished "generation and scores"
cp "$(ls "$out"/run/samples/*.png | tail -n 1)" "$out/grid.png"
cp "$out/run/report.html" "$out/report.html"
echo
echo "Pictures (source, target pose, generated, truth):  $out/grid.png"
echo "Report:                                            $out/report.html"
echo "Scores on people the network never saw:            $out/scores.txt"
echo "All in $(($(date +%s) - started)) s."
