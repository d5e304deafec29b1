#!/bin/sh
# Judges a model by the 400 prompts: a picture for each into OUT_DIR, and how many show what was asked for.
#
#   examples/bada/judge.sh BIN_DIR MODEL OUT_DIR
set -eu
[ $# -eq 3 ] || { echo "usage: judge.sh BIN_DIR MODEL OUT_DIR" >&2; exit 2; }
mkdir -p "$3"
"$1/bada-scenes" --prompts "$3/prompts.jsonl"
sed -E 's/^\{"text":"([^"]*)".*/\1/' "$3/prompts.jsonl" >"$3/prompts.txt"
awk '{ sub(/^\{/, sprintf("{\"file_name\":\"picture-%04d.png\",", NR)); print }' "$3/prompts.jsonl" >"$3/metadata.jsonl"
"$1/xattn" generate --model "$2" --prompt-file "$3/prompts.txt" --steps 25 --guidance-scale 4 --seed 0 --force \
  --output "$3/picture.png"
"$1/bada-judge" "$3"
