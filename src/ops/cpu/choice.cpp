#include "ops/cpu/choice.h"

#include <array>
#include <cstdlib>
#include <string_view>

#include "ops/cpu/kernels.h"

namespace xattn::cpu {
namespace {

bool is_amd() {
#ifdef XATTN_HAVE_X86_KERNELS
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

Processor processor_of(const Kernels& kernels) {
  const std::string_view name = kernels.name;
  if (name == "avx512" && is_amd()) return Processor::kAvx512;
  return name == "portable" ? Processor::kOther : Processor::kAvx2;
}

// Measured at the shapes of Stable Diffusion 1.5, 2.1 and XL on AMD and Intel, see
// docs/performance.md. With the least of vectors LibTorch's are faster.
bool kernels_are_faster() {
  static const bool are = use_kernels() && processor() != Processor::kOther;
  return are;
}

// On Intel MKL's products are at the machine's limit with AVX-512, ours 3 to 10 % behind.
bool products_are_faster() {
  static const bool are =
      kernels_are_faster() && (is_amd() || kernels().name != std::string_view("avx512"));
  return are;
}

}  // namespace

bool use_kernels() {
  static const bool use = [] {
    const char* name = std::getenv("XATTN_CPU_KERNELS");
    return !name || name != std::string_view("torch");
  }();
  return use;
}

Processor processor() {
  static const auto found = processor_of(kernels());
  return found;
}

bool linear_is_faster(int64_t rows, bool widens) {
  if (widens) return kernels_are_faster();
  // A single row is a product with a vector, which waits for memory alone.
  return rows > 1 && products_are_faster();
}

bool geglu_is_faster(int64_t rows) {
  return rows > 1 && kernels_are_faster();
}

bool self_attention_is_faster(int64_t queries, int64_t keys, int64_t width) {
  // Below, where nothing is measured, most of a tile is filled up with zeros. Wider heads, as an
  // autoencoder has, are a matter of products alone.
  constexpr int64_t kLeast = 8, kWide = 256;
  return queries >= kLeast && keys >= kLeast && width >= kLeast &&
         (width > kWide ? products_are_faster() : kernels_are_faster());
}

bool winograd_is_faster(int64_t pixels, int64_t stride) {
  // With a stride of 2 a pixel takes as many products as by definition; but LibTorch reorders the
  // weights first, for which few pixels make up badly.
  constexpr int64_t kFewPixels = 512;
  return pixels > 0 && (stride == 1 || (stride == 2 && pixels <= kFewPixels)) &&
         kernels_are_faster();
}

std::vector<WinogradWay> winograd_ways(int64_t images, int64_t height, int64_t width,
                                       Precision precision) {
  // On Intel transforming the weights of so few pixels takes longer than the products, and a small
  // tile makes less than half of them.
  const int64_t few_pixels = is_amd() ? 0 : 64;
  // Up to 256 large tiles on Intel, pixels are transformed first and weights pass by once. On AMD
  // that is faster up to 1024, but there a decoder's peak of memory grows by a tenth: 576 are an
  // image of 96×96. Far from there the other order is hopeless, or takes too much memory.
  const int64_t few_products = int64_t{36} * (is_amd() ? 576 : 256);
  constexpr int64_t kFar = 4, kMost = 1024 * int64_t{36};
  const bool small_is_best =
      precision == Precision::kPrecise || images * height * width <= few_pixels;
  std::vector<WinogradWay> ways;
  for (const int tile : small_is_best ? std::array{2, 4} : std::array{4, 2}) {
    if (tile == 4 && precision == Precision::kPrecise) continue;
    const auto tiles = images * ((height + tile - 1) / tile) * ((width + tile - 1) / tile),
               products = tiles * (tile + 2) * (tile + 2);
    const bool is_few = products <= few_products;
    ways.push_back({tile, is_few});
    if (is_few ? products * kFar > few_products : products <= kMost) {
      ways.push_back({tile, !is_few});
    }
  }
  return ways;
}

bool linear_conv2d_is_faster(int64_t pixels) {
  // LibTorch's convolutions are oneDNN's, whose products are ahead of MKL's for many rows.
  constexpr int64_t kManyPixels = 2048;
  return pixels > 0 && (pixels <= kManyPixels ? kernels_are_faster() : products_are_faster());
}

bool images_go_by_pixels() {
  return kernels_are_faster();
}

bool group_norm_is_faster(bool by_pixels, int64_t pixels) {
  // Short channels cost a call each.
  constexpr int64_t kFewest = 200;
  return (by_pixels || pixels >= kFewest) && kernels_are_faster();
}

}  // namespace xattn::cpu
