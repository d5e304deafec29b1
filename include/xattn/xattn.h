#pragma once

/// Everything that xattn offers.

#include <xattn/error.h>
#include <xattn/io/checkpoint.h>
#include <xattn/io/safetensors.h>
#include <xattn/io/state_dict.h>
#include <xattn/models/from_checkpoint.h>
#include <xattn/models/from_pretrained.h>
#include <xattn/models/save_pretrained.h>
#include <xattn/models/simple_unet.h>
#include <xattn/nn/cross_attention.h>
#include <xattn/ops/attention.h>
#include <xattn/ops/attention_path.h>
#include <xattn/ops/cross_attention.h>
#include <xattn/version.h>
