#!/usr/bin/env bash
# Pre-train on a GPU that is lent for some minutes, with what its PyTorch image has. First, where the data are:
#   python scripts/extract_features.py configs/astromer_surveys_small.yaml -o data/features
#   python scripts/pack_light_curves.py configs/astromer_surveys_small.yaml -o runs/pack/light_curves.npz
# Then, where the GPU is, with that file and this repository:
#   scripts/pretrain_on_gpu.sh runs/pack/light_curves.npz runs/gpu 540
# It prints windows a second at several batch sizes, trains the model of the recipe and the two that leave a survey out, and ends
# before the seconds are over. Checkpoints and log.txt lie in the output folder.
set -euo pipefail
pack=${1:-runs/pack/light_curves.npz} output=${2:-runs/gpu} total=${3:-540}
cd "$(dirname "$0")/.."
python3 scripts/pretrain_on_gpu.py "$pack" -o "$output" --throughput --deadline $((total - 45)) --runs "[
  {\"name\": \"main\", \"seconds\": $((total * 5 / 10))},
  {\"name\": \"without_asas\", \"seconds\": $((total * 15 / 100)), \"exclude\": [\"asas_acvs\"]},
  {\"name\": \"without_catalina\", \"seconds\": $((total * 15 / 100)), \"exclude\": [\"crts_css\", \"sss_catalina_south\"]}
]"
