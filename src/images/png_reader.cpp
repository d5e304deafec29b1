#include "images/png_reader.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <new>
#include <vector>

#include "core/text.h"
#include "images/byte_source.h"
#include "images/picture_format.h"

// libpng reports errors by a call that must not return. Ours jumps back to `png_succeeds`, over
// frames that have nothing to destroy: libpng's own, and those of the functions here that say so.

namespace xattn::images {

struct PngMessages {
  using Text = std::array<char, 160>;
  Text error{};
  /// The last one; libpng warns of what is wrong with the sizes before it gives up.
  Text warning{};

  static void set(Text& text, const char* message) {
    std::snprintf(text.data(), text.size(), "%s", message);
  }
};

struct PngReader::Decoder {
  explicit Decoder(const io::File& file) : source(file) {}
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  ByteSource source;
  png_structp png = nullptr;
  png_infop info = nullptr;
  int passes = 1;
  /// Of 16-bit grey: the lines before they are narrowed, one or, where they are interlaced, all.
  bool narrows = false;
  std::vector<std::uint8_t> wide_lines;
  /// What went wrong: of libpng, or of our reading from the file.
  PngMessages messages;
  std::exception_ptr problem;
};

namespace {

/// What a deflated byte can stand for at the most.
constexpr std::uint64_t kMostInflation = 1032;

// Jumps: has nothing to destroy.
[[noreturn]] void on_png_error(png_structp png, png_const_charp message) {
  PngMessages::set(static_cast<PngMessages*>(png_get_error_ptr(png))->error, message);
  png_longjmp(png, 1);
}

void on_png_warning(png_structp png, png_const_charp message) {
  PngMessages::set(static_cast<PngMessages*>(png_get_error_ptr(png))->warning, message);
}

/// Whether `work` ended without an error of libpng's. `work` has nothing to destroy.
template <class Work>
bool png_succeeds(png_structp png, const Work& work) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT(cert-err52-cpp): libpng's way
  work();
  return true;
}

struct PngSource {
  ByteSource* source;
  std::exception_ptr* problem;

  bool read(void* to, std::size_t count) const noexcept {
    try {
      source->read(to, count);
      return true;
    } catch (...) {
      *problem = std::current_exception();
      return false;
    }
  }
};

// Jumps: has nothing to destroy.
void read_png_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (!source->read(to, count)) png_error(png, "the file cannot be read");
}

void narrow_line(const std::uint8_t* wide, std::uint8_t* to, const PictureSize& size) {
  const auto width = static_cast<std::size_t>(size.width);
  for (std::size_t x = 0; x < width; ++x) {
    if (size.channels == 1) {
      to[x] = wide[2 * x] == 0 ? wide[2 * x + 1] : 255;
    } else {
      to[2 * x] = wide[4 * x] == 0 ? wide[4 * x + 1] : 255;
      to[2 * x + 1] = wide[4 * x + 2];  // alpha from tRNS: 0 or all bits
    }
  }
}

}  // namespace

PngReader::PngReader(const io::File& file, std::int64_t max_pixels) : file_(file) {
  expect_format(file, PictureFormat::kPng);
  decoder_ = std::make_unique<Decoder>(file);
  auto& decoder = *decoder_;
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder.messages, on_png_error,
                                       on_png_warning);
  if (!decoder.png) throw std::bad_alloc();
  decoder.info = png_create_info_struct(decoder.png);
  if (!decoder.info) throw std::bad_alloc();
  read_header(max_pixels);
}

PngReader::~PngReader() = default;

void PngReader::fail() const {
  if (decoder_->problem) std::rethrow_exception(decoder_->problem);
  const auto& [error, warning] = decoder_->messages;
  file_.fail(cat("cannot be decoded, before byte ", decoder_->source.position(), ": ", error.data(),
                 warning[0] != 0 ? "; " : "", warning.data()));
}

void PngReader::read_header(std::int64_t max_pixels) {
  auto& decoder = *decoder_;
  auto* const png = decoder.png;
  auto* const info = decoder.info;
  PngSource source{&decoder.source, &decoder.problem};
  if (!png_succeeds(png, [=, &source] {
        png_set_read_fn(png, &source, read_png_bytes);
        // Sizes are ours to judge. Nothing that is broken is passed over, except an index that the
        // palette does not have: it is black, as in Pillow.
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
        png_set_benign_errors(png, 0);
        png_set_check_for_invalid_index(png, 0);
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
        png_read_info(png, info);
      })) {
    fail();
  }

  size_.height = png_get_image_height(png, info);
  size_.width = png_get_image_width(png, info);
  check_pixel_count(file_.subject(), size_, max_pixels);
  const auto most = kMostInflation * file_.size() / static_cast<std::uint64_t>(size_.height);
  if (png_get_rowbytes(png, info) > most) {
    file_.fail(cat("is cut short: ", size_.width, "×", size_.height, " pixels need more than its ",
                   file_.size(), " bytes"));
  }

  const bool grey16 =
      png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) == 16;
  int passes = 1;
  if (!png_succeeds(png, [=, &passes] {
        png_set_expand(png);  // palettes, few bits and tRNS
        if (!grey16) png_set_strip_16(png);
        passes = png_set_interlace_handling(png);
        png_read_update_info(png, info);
      })) {
    fail();
  }
  decoder.passes = passes;
  size_.channels = png_get_channels(png, info);
  decoder.narrows = grey16;
  if (grey16) {
    decoder.wide_lines.resize(2 * (passes > 1 ? size_.bytes() : size_.row_bytes()));
  }
}

void PngReader::read(std::uint8_t* to) {
  auto& decoder = *decoder_;
  auto* const png = decoder.png;
  auto* const info = decoder.info;
  PngSource source{&decoder.source, &decoder.problem};
  const auto size = size_;
  const int passes = decoder.passes;
  std::uint8_t* const wide = decoder.narrows ? decoder.wide_lines.data() : nullptr;
  if (!png_succeeds(png, [=, &source] {
        png_set_read_fn(png, &source, read_png_bytes);
        for (int pass = 0; pass < passes; ++pass) {
          for (std::int64_t y = 0; y < size.height; ++y) {
            std::uint8_t* const line = to + static_cast<std::size_t>(y) * size.row_bytes();
            if (!wide) {
              png_read_row(png, line, nullptr);
              continue;
            }
            const std::size_t kept = passes > 1 ? static_cast<std::size_t>(y) : 0;
            std::uint8_t* const wide_line = wide + 2 * kept * size.row_bytes();
            png_read_row(png, wide_line, nullptr);
            if (pass + 1 == passes) narrow_line(wide_line, line, size);
          }
        }
        png_read_end(png, info);
      })) {
    fail();
  }
}

}  // namespace xattn::images
