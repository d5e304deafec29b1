#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/pretrained/save_pretrained.h"

namespace xattn {

/// A model of whichever class: every class that a folder may hold is in this list, and in no other.
///
/// `std::get_if<UNet2DConditionModel>(&model)` and `std::visit` give the module itself.
using AnyModel =
    std::variant<AutoencoderKL, CLIPTextModel, CLIPTextModelWithProjection, UNet2DConditionModel>;

/// Loads the model of a folder, whose config.json says of which class it is.
///
/// Throws: as `from_pretrained`, and `ValueError` for a class that is not in the list.
XATTN_API AnyModel open_pretrained(const std::string& folder,
                                   const PretrainedOptions& options = {});

/// Makes the model of a folder and checks that its files of weights fit, without reading them: the
/// parameters have no particular values.
///
/// Throws: as `open_pretrained`.
XATTN_API AnyModel check_pretrained(const std::string& folder,
                                    const PretrainedOptions& options = {});

/// As `save_pretrained` of the model's class.
XATTN_API void save_pretrained(const AnyModel& model, const std::string& folder,
                               const SavePretrainedOptions& options = {});

/// "UNet2DConditionModel": the class of a model, as its config.json names it.
XATTN_API std::string class_name_of(const AnyModel& model);

/// The model as a module.
XATTN_API std::shared_ptr<torch::nn::Module> module_of(const AnyModel& model);

/// Where a tensor of this key in a file of the model's weights goes.
XATTN_API std::vector<KeyTarget> map_key(const AnyModel& model, const std::string& key);

/// The names of all classes.
XATTN_API std::vector<std::string> model_classes();

}  // namespace xattn
