#!/bin/sh
# Makes share/xattn/bada again from nothing, with xattn's commands alone: about three hours of one core.
#
#   examples/bada/train.sh BIN_DIR WORK_DIR
#
# BIN_DIR has xattn, bada-scenes and bada-judge (build/release/bin). Started again, it goes on where it was stopped.
set -eu
[ $# -eq 2 ] || { echo "usage: train.sh BIN_DIR WORK_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
export OMP_NUM_THREADS=1

[ -f data/metadata.jsonl ] || "$bin/bada-scenes" data --count 30000 --seed 1 --force

[ -f tokenizer/vocab.json ] ||
  "$bin/xattn" train tokenizer --data data --vocab-size 1236 --model-max-length 32 --output tokenizer

# First at half the size, where a picture costs a quarter.
train_autoencoder() {
  output=$1
  shift
  [ -f "$output/config.json" ] ||
    "$bin/xattn" train autoencoder --output "$output" --resume --data data --random-flip --train-batch-size 4 --threads 1 \
      --mixed-precision bf16 --no-channels-last --edge-weight 1 --kl-weight 1e-4 --lr-warmup-steps 100 --adam-beta2 0.99 \
      --adam-weight-decay 1e-4 --use-ema --ema-decay 0.999 --validation-steps 1000 "$@"
}
train_autoencoder small_autoencoder --config "$here/autoencoder.json" --resolution 64 --max-train-steps 7000 \
  --learning-rate 1.5e-3 --lr-scheduler constant_with_warmup
train_autoencoder autoencoder --model small_autoencoder --resolution 128 --max-train-steps 9000 \
  --learning-rate 1.2e-3 --lr-scheduler cosine

# First with min-SNR weights, which teach skies and lands; what thing is where is decided in noisier steps, which they neglect.
train_unet() {
  output=$1
  shift
  [ -f "$output/model_index.json" ] ||
    "$bin/xattn" train text-to-image --data data --resolution 128 --latents latents.safetensors --train-text-encoder \
      --output "$output" --resume --train-batch-size 32 --threads 1 --mixed-precision bf16 --no-channels-last \
      --caption-dropout 0.1 --learning-rate 1e-3 --lr-scheduler cosine --lr-warmup-steps 100 --use-ema --ema-decay 0.999 \
      --validation-steps 500 --validation-guidance-scale 4 --validation-prompt "파란 하늘이 있는 바다" \
      --validation-prompt "a red balloon over snowy mountains at dawn" --validation-prompt "starry night over a city" \
      --validation-prompt "초록 들판의 노란 집, 붉은 노을" "$@"
}
train_unet first_model --config "$here/text_to_image.json" --vae autoencoder --tokenizer tokenizer \
  --max-train-steps 3500 --snr-gamma 5
train_unet model --model first_model --max-train-steps 9000

rm -rf bada && mkdir bada
cp -r model/model_index.json model/scheduler model/tokenizer bada/
for part in unet text_encoder vae; do "$bin/xattn" convert model/$part bada/$part --dtype float16; done
# transformers would otherwise load the text encoder in the dtype of its file, and diffusers the others in float32.
sed -i 's/^{/{\n  "dtype": "float32",/' bada/text_encoder/config.json
"$here/judge.sh" "$bin" bada judged
