#pragma once

/// Everything that xattn offers.

#include <xattn/error.h>
#include <xattn/io/checkpoint.h>
#include <xattn/io/safetensors.h>
#include <xattn/io/state_dict.h>
#include <xattn/models/from_checkpoint.h>
#include <xattn/models/simple_unet.h>
#include <xattn/models/unet_2d_condition_config.h>
#include <xattn/models/unet_2d_condition_model.h>
#include <xattn/nn/activations.h>
#include <xattn/nn/attention.h>
#include <xattn/nn/basic_transformer_block.h>
#include <xattn/nn/conv2d.h>
#include <xattn/nn/cross_attention.h>
#include <xattn/nn/cross_attn_down_block_2d.h>
#include <xattn/nn/cross_attn_up_block_2d.h>
#include <xattn/nn/down_block_2d.h>
#include <xattn/nn/downsample_2d.h>
#include <xattn/nn/feed_forward.h>
#include <xattn/nn/initialization.h>
#include <xattn/nn/linear.h>
#include <xattn/nn/resnet_block_2d.h>
#include <xattn/nn/text_context.h>
#include <xattn/nn/timestep_embedding.h>
#include <xattn/nn/timesteps.h>
#include <xattn/nn/transformer_2d_model.h>
#include <xattn/nn/unet_2d_block_options.h>
#include <xattn/nn/unet_mid_block_2d_cross_attn.h>
#include <xattn/nn/up_block_2d.h>
#include <xattn/nn/upsample_2d.h>
#include <xattn/ops/attention.h>
#include <xattn/ops/attention_path.h>
#include <xattn/ops/cross_attention.h>
#include <xattn/ops/linear.h>
#include <xattn/version.h>
