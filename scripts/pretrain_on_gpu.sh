#!/usr/bin/env bash
# Pre-train on a GPU that is lent for some minutes, with torch, transformers 5, numpy and scikit-learn. First, where the data are:
#   python scripts/extract_features.py configs/astromer_surveys_small.yaml -o data/features
#   python scripts/pack_light_curves.py configs/astromer_surveys_small.yaml -o runs/pack/light_curves.npz
# Then, where the GPU is, with that file and this repository:
#   scripts/pretrain_on_gpu.sh runs/pack/light_curves.npz runs/gpu 540
#   scripts/pretrain_on_gpu.sh runs/pack/light_curves.npz runs/gpu 540 model_cards/astromer-surveys-small    # goes on from there
# It prints windows a second at several batch sizes, then trains the model of the recipe and two that leave surveys out. Compilation
# and scores take about 100 s of the seconds; a run that would pass them is cut short and saved. Checkpoints and log.txt lie in the
# output folder. An H100 shows this recipe's model about 27 000 views a second.
set -euo pipefail
pack=${1:-runs/pack/light_curves.npz} output=${2:-runs/gpu} total=${3:-540} start=${4:-}
cd "$(dirname "$0")/.."
python3 scripts/pretrain_on_gpu.py "$pack" -o "$output" --throughput --deadline $((total - 30)) --runs "[
  {\"name\": \"main\", \"seconds\": $(((total - 130) * 60 / 100))${start:+, \"start\": \"$start\", \"learning_rate\": 8e-4}},
  {\"name\": \"without_asas\", \"seconds\": $(((total - 130) * 20 / 100)), \"exclude\": [\"asas_acvs\"]},
  {\"name\": \"without_catalina\", \"seconds\": $(((total - 130) * 20 / 100)), \"exclude\": [\"crts_css\", \"sss_catalina_south\"]}
]"
