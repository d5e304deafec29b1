#pragma once

/// Everything that xattn offers.

#include <xattn/error.h>
#include <xattn/io/checkpoint.h>
#include <xattn/io/safetensors.h>
#include <xattn/io/state_dict.h>
#include <xattn/models/clip_text_config.h>
#include <xattn/models/clip_text_model.h>
#include <xattn/models/clip_text_transformer.h>
#include <xattn/models/from_checkpoint.h>
#include <xattn/models/from_pretrained.h>
#include <xattn/models/save_pretrained.h>
#include <xattn/models/simple_unet.h>
#include <xattn/nn/activations.h>
#include <xattn/nn/attention.h>
#include <xattn/nn/clip_attention.h>
#include <xattn/nn/clip_encoder.h>
#include <xattn/nn/clip_encoder_layer.h>
#include <xattn/nn/clip_mlp.h>
#include <xattn/nn/clip_text_embeddings.h>
#include <xattn/nn/conv2d.h>
#include <xattn/nn/cross_attention.h>
#include <xattn/nn/downsample_2d.h>
#include <xattn/nn/initialization.h>
#include <xattn/nn/linear.h>
#include <xattn/nn/resnet_block_2d.h>
#include <xattn/nn/upsample_2d.h>
#include <xattn/ops/attention.h>
#include <xattn/ops/attention_path.h>
#include <xattn/ops/cross_attention.h>
#include <xattn/version.h>
