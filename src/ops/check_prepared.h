#pragma once

#include <string_view>
#include <vector>

#include "xattn/ops/prepared_text.h"

namespace xattn {

/// The parameters by which a prepared text knows its layer.
std::vector<at::Tensor> parameters_of(const CrossAttentionWeights& weights);

/// Throws `ValueError` unless the text was prepared by the layer of these weights, and they are
/// still as they were.
void check_prepared(std::string_view place, const PreparedText& text,
                    const CrossAttentionWeights& weights);

}  // namespace xattn
