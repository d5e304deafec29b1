// safetensors: "latents" [N, V, 2, C, h, w]; metadata {"format": "xattn-latents", "made_of": JSON
// of MadeOf}
#include "xattn/training/latent_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "core/check.h"
#include "core/scalar_type.h"
#include "core/sha256.h"
#include "core/text.h"
#include "io/atomic_file.h"
#include "io/json.h"
#include "io/safetensors_header.h"
#include "io/weights_file.h"
#include "xattn/images/load_image.h"
#include "xattn/io/state_dict.h"
#include "xattn/training/picture_loader.h"

namespace xattn {
namespace {

constexpr auto kCache = "LatentCache";
constexpr auto kFormat = "xattn-latents";
constexpr auto kLatents = "latents";

/// What made the latents, by a name for people.
using MadeOf = std::map<std::string, std::string>;

std::string hash_of_encoder(const AutoencoderKLImpl& autoencoder) {
  Sha256 hash;
  for (const auto& item : state_dict(autoencoder)) {
    const auto& key = item.key();
    if (!key.starts_with("encoder.") && !key.starts_with("quant_conv.")) continue;
    const auto plain = item.value().detach().cpu().contiguous();
    hash.add(cat(key, "\n", dtype_text(plain.scalar_type()), shape_text(plain.sizes()), "\n"));
    hash.add(plain.const_data_ptr(), plain.nbytes());
  }
  hash.add(autoencoder.config.to_json());
  if (autoencoder.use_tiling) {
    hash.add(cat("tiles of ", autoencoder.tile_sample_min_size, ", ",
                 autoencoder.tile_latent_min_size, ", overlap ",
                 std::to_string(autoencoder.tile_overlap_factor)));
  }
  return hash.hex_digest();
}

std::string hash_of_pictures(const std::vector<CaptionedPicture>& pictures) {
  Sha256 hash;
  for (const auto& picture : pictures) {
    struct stat status {};
    if (::stat(picture.path.c_str(), &status) != 0) {
      io::Subject{kCache, picture.path}.fail(cat("cannot be examined: ", std::strerror(errno)));
    }
    hash.add(picture.name.c_str(), picture.name.size() + 1);
    hash.add(cat(status.st_size, " ", status.st_mtim.tv_sec, " ", status.st_mtim.tv_nsec, "\n"));
  }
  return hash.hex_digest();
}

/// How two of them differ, in words; empty where they do not.
std::string difference_of(const MadeOf& made, const MadeOf& wanted) {
  std::string text;
  for (const auto& [name, value] : wanted) {
    const auto found = made.find(name);
    if (found == made.end() || found->second != value) {
      text += cat(text.empty() ? "" : " and ", "the ", name);
    }
  }
  return text.empty() ? "" : text + " changed";
}

/// The part of `WeightsFile` that a cache needs, checked once.
struct CacheFile {
  explicit CacheFile(const io::Subject& subject)
      : file(io::WeightsFile::open(subject.place, subject.path)) {
    for (const auto& [name, value] : file->contents().attributes) {
      const auto* text = std::get_if<std::string>(&value);
      if (text && name == "format") format = *text;
      if (text && name == "made_of") made_of_text = *text;
    }
    const auto& tensors = file->contents().tensors;
    if (format != kFormat || tensors.size() != 1 || tensors[0].name != kLatents ||
        tensors[0].shape.size() != 6) {
      subject.fail("expected latents that xattn keeps, or no file, got another file");
    }
    const auto object = io::read_json_object(subject, made_of_text);
    for (const auto& item : object.items()) {
      if (item.value().is_string()) made_of[item.key()] = item.value().get<std::string>();
    }
  }

  std::unique_ptr<io::WeightsFile> file;
  std::string format, made_of_text;
  MadeOf made_of;
};

}  // namespace

struct LatentCache::Contents {
  Contents(const std::string& path, std::vector<CaptionedPicture> pictures,
           const ImageTransform& transform)
      : subject{kCache, path}, pictures(std::move(pictures)), transform(transform) {}

  void make(AutoencoderKLImpl& autoencoder, const MadeOf& made_of,
            const LatentCacheOptions& options) const;
  void open();

  io::Subject subject;
  std::vector<CaptionedPicture> pictures;
  ImageTransform transform;
  std::string made_because;
  std::unique_ptr<io::WeightsFile> file;
  /// `[N, V, 2, C, h, w]`
  std::vector<int64_t> sizes;
  at::ScalarType dtype = at::kFloat;
  int64_t picture_bytes = 0;
};

void LatentCache::Contents::make(AutoencoderKLImpl& autoencoder, const MadeOf& made_of,
                                 const LatentCacheOptions& options) const {
  const at::NoGradGuard no_gradients;
  const auto& input = autoencoder.encoder->conv_in->inputs_like();
  const auto count = static_cast<int64_t>(pictures.size());
  const bool flips = transform.options().random_flip;
  std::unique_ptr<io::AtomicFile> out;
  for (int64_t first = 0; first < count; first += options.batch_size) {
    const auto end = std::min(first + options.batch_size, count);
    std::vector<at::Tensor> images;
    for (auto i = first; i < end; ++i) {
      const auto pixels = load_image(pictures[static_cast<size_t>(i)].path, options.read);
      at::Generator none;
      auto where = ImageTransform({.resolution = transform.options().resolution})
                       .draw(pixels.size(0), pixels.size(1), none);
      images.push_back(transform.apply(pixels, where));
      where.flip = true;
      if (flips) images.push_back(transform.apply(pixels, where));
    }
    const auto given = at::stack(images).to(input.device(), input.scalar_type());
    const auto posterior = autoencoder.encode(given);
    const auto latents = at::stack({posterior.mean, posterior.std}, 1).cpu().contiguous();
    const int64_t variants = flips ? 2 : 1;
    for (auto i = first; i < end; ++i) {
      const auto own = latents.narrow(0, (i - first) * variants, variants);
      if (!at::isfinite(own).all().item<bool>()) {
        io::Subject{kCache, pictures[static_cast<size_t>(i)].path}.fail(
            cat("expected finite latents, got others; the autoencoder computes in ",
                dtype_text(input.scalar_type())));
      }
    }
    if (!out) {
      // Now their shape is known.
      std::vector<int64_t> shape = {count, variants};
      for (const auto size : latents.sizes().slice(1)) shape.push_back(size);
      const auto layout = io::make_safetensors_header(
          subject, {{kLatents, *to_dtype(latents.scalar_type()), shape}},
          {{"format", kFormat}, {"made_of", nlohmann::json(made_of).dump()}});
      out = std::make_unique<io::AtomicFile>(subject.place, subject.path);
      out->write(layout.header.data(), layout.header.size());
    }
    out->write(latents.const_data_ptr(), latents.nbytes());
    if (options.progress) options.progress(end, count);
  }
  out->commit();
}

void LatentCache::Contents::open() {
  file = CacheFile(subject).file;
  const auto& record = file->contents().tensors[0];
  const auto type = to_scalar_type(record.dtype);
  const int64_t variants = transform.options().random_flip ? 2 : 1;
  const bool fits = record.shape[0] == static_cast<int64_t>(pictures.size()) &&
                    record.shape[1] == variants && record.shape[2] == 2;
  if (!fits || !type || !at::isFloatingType(*type)) {
    subject.fail(cat("latents: expected floating-point [", pictures.size(), ", ", variants,
                     ", 2, C, h, w], got ", name(record.dtype), " ", shape_text(record.shape)));
  }
  sizes = record.shape;
  dtype = *type;
  picture_bytes = static_cast<int64_t>(file->storage_size(record.storage)) / sizes[0];
}

LatentCache::LatentCache(const std::string& path, AutoencoderKL autoencoder,
                         std::vector<CaptionedPicture> pictures, const ImageTransform& transform,
                         const LatentCacheOptions& options)
    : contents_(std::make_unique<Contents>(path, std::move(pictures), transform)) {
  if (transform.options().crop == Crop::kRandom) {
    throw_value_error(kCache, "transform", "a crop in the centre, for latents are computed once",
                      "random crops (" + transform.text() + ")");
  }
  if (contents_->pictures.empty()) throw_value_error(kCache, "pictures", "pictures", "none");
  check_at_least(kCache, "batch_size", options.batch_size, 1);

  const MadeOf wanted = {{"autoencoder", hash_of_encoder(*autoencoder)},
                         {"pictures", hash_of_pictures(contents_->pictures)},
                         {"transform", transform.text()}};
  contents_->made_because = io::exists(contents_->subject)
                                ? difference_of(CacheFile(contents_->subject).made_of, wanted)
                                : "there was none";
  if (!contents_->made_because.empty()) contents_->make(*autoencoder, wanted, options);
  contents_->open();
}

LatentCache::~LatentCache() = default;
LatentCache::LatentCache(LatentCache&&) noexcept = default;
LatentCache& LatentCache::operator=(LatentCache&&) noexcept = default;

const std::string& LatentCache::made_because() const {
  return contents_->made_because;
}

LatentBatch LatentCache::read(const std::vector<LatentChoice>& choices) const {
  const auto& sizes = contents_->sizes;
  const auto& record = contents_->file->contents().tensors[0];
  auto latents = at::empty({static_cast<int64_t>(choices.size()), 2, sizes[3], sizes[4], sizes[5]},
                           contents_->dtype);
  const auto bytes = contents_->picture_bytes / sizes[1];
  auto* to = static_cast<char*>(latents.mutable_data_ptr());
  for (const auto& [picture, flip] : choices) {
    if (picture < 0 || picture >= sizes[0]) {
      throw_value_error(kCache, "picture", cat("0 to ", sizes[0] - 1), std::to_string(picture));
    }
    if (flip && sizes[1] == 1) {
      throw_value_error(kCache, "flip", "false, for the transform has no flips", "true");
    }
    const auto at = picture * contents_->picture_bytes + (flip ? bytes : 0);
    contents_->file->read_piece(record.storage, static_cast<std::uint64_t>(at), to,
                                static_cast<size_t>(bytes));
    to += bytes;
  }
  return {latents.select(1, 0), latents.select(1, 1), {}};
}

LatentBatch LatentCache::batch(const std::vector<PictureTurn>& turns) const {
  std::vector<LatentChoice> choices;
  std::vector<std::string> captions;
  const auto resolution = contents_->transform.options().resolution;
  for (const auto& turn : turns) {
    if (turn.picture < 0 || turn.picture >= contents_->sizes[0]) {
      throw_value_error(kCache, "picture", cat("0 to ", contents_->sizes[0] - 1),
                        std::to_string(turn.picture));
    }
    auto generator = turn.generator();
    captions.push_back(
        draw_caption(contents_->pictures[static_cast<size_t>(turn.picture)], generator));
    const auto drawn = contents_->transform.draw(resolution, resolution, generator);
    choices.push_back({turn.picture, drawn.flip});
  }
  auto batch = read(choices);
  batch.captions = std::move(captions);
  return batch;
}

}  // namespace xattn
