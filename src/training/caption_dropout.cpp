#include "xattn/training/caption_dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include <vector>

#include "core/check.h"

namespace xattn {

at::Tensor draw_caption_dropout(int64_t batch, double probability,
                                const std::optional<at::Generator>& generator) {
  if (!(probability >= 0 && probability <= 1)) {
    throw_value_error("draw_caption_dropout", "probability", "0 to 1",
                      fmt::format("{}", probability));
  }
  return at::rand({batch}, generator, at::dtype(at::kFloat)) < probability;
}

at::Tensor drop_captions(const at::Tensor& captions, const at::Tensor& dropped,
                         const at::Tensor& empty) {
  constexpr auto kPlace = "drop_captions";
  if (!captions.defined() || captions.dim() < 2)
    throw_value_error(kPlace, "captions", "[B, T] or [B, T, E]",
                      captions.defined() ? shape_text(captions.sizes()) : "an undefined tensor");
  check_shape(kPlace, "dropped", dropped, {captions.size(0)});
  const auto one = captions.sizes().slice(1);
  const bool fits = empty.defined() && empty.scalar_type() == captions.scalar_type() &&
                    (empty.sizes() == one || (empty.dim() == captions.dim() && empty.size(0) == 1 &&
                                              empty.sizes().slice(1) == one));
  if (!fits) {
    throw_value_error(kPlace, "empty", dtype_text(captions.scalar_type()) + " " + shape_text(one),
                      empty.defined()
                          ? dtype_text(empty.scalar_type()) + " " + shape_text(empty.sizes())
                          : "an undefined tensor");
  }
  std::vector<int64_t> each(static_cast<size_t>(captions.dim()), 1);
  each[0] = captions.size(0);
  return at::where(dropped.to(captions.device()).view(each), empty, captions);
}

}  // namespace xattn
