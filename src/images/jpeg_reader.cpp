#include "images/jpeg_reader.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>

// Needs size_t and FILE.
#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <exception>
#include <vector>

#include "core/text.h"
#include "images/byte_source.h"
#include "images/picture_format.h"

// libjpeg reports errors by a call that must not return. Ours jumps back to `jpeg_succeeds`, over
// frames that have nothing to destroy: libjpeg's own, and those of the functions here that say so.

namespace xattn::images {

struct JpegReader::Decoder {
  explicit Decoder(const io::File& file) : bytes(file) {}
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  ByteSource bytes;
  std::vector<std::uint8_t> cmyk;
  /// What went wrong: of libjpeg, or of our reading from the file.
  std::array<char, JMSG_LENGTH_MAX> message{};
  std::exception_ptr problem;

  /// The next block, or nothing after a problem.
  bool fill() noexcept {
    try {
      const auto block = bytes.next_block();
      source.next_input_byte = reinterpret_cast<const JOCTET*>(block.data());
      source.bytes_in_buffer = block.size();
      return true;
    } catch (...) {
      problem = std::current_exception();
      return false;
    }
  }
};

namespace {

/// A progressive picture has about ten; each takes time in proportion to the pixels, and next to no
/// bytes.
constexpr int kMostScans = 100;

// `Decoder` is private: libjpeg's callbacks get at it as the client's data, by these parts.
struct JpegClient {
  std::jmp_buf* jump;
  char* message;
  void* decoder;
  bool (*fill)(void* decoder);
};

JpegClient& client_of(j_common_ptr info) {
  return *static_cast<JpegClient*>(info->client_data);
}

// Jumps: has nothing to destroy.
[[noreturn]] void on_jpeg_error(j_common_ptr info) {
  auto& client = client_of(info);
  (*info->err->format_message)(info, client.message);
  std::longjmp(*client.jump, 1);
}

/// Whether the pixels are as they should be all the same: bytes between markers, versions, and scan
/// parameters that a sequential picture does not use.
bool is_harmless(int message_code) {
  return message_code == JWRN_EXTRANEOUS_DATA || message_code == JWRN_JFIF_MAJOR ||
         message_code == JWRN_ADOBE_XFORM || message_code == JWRN_NOT_SEQUENTIAL;
}

// Jumps: has nothing to destroy. Negative levels are warnings, others are traces.
void on_jpeg_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) on_jpeg_error(info);
}

void print_no_jpeg_message(j_common_ptr /*info*/) {}

void begin_jpeg_source(j_decompress_ptr /*info*/) {}

// Jumps: has nothing to destroy.
boolean fill_jpeg_source(j_decompress_ptr info) {
  const auto& client = client_of(reinterpret_cast<j_common_ptr>(info));
  if (!client.fill(client.decoder) || info->src->bytes_in_buffer == 0) {
    ERREXIT(info, JERR_INPUT_EOF);
  }
  return TRUE;
}

// Jumps: has nothing to destroy.
void skip_jpeg_source(j_decompress_ptr info, long count) {  // NOLINT(google-runtime-int)
  auto* source = info->src;
  auto left = count > 0 ? static_cast<std::size_t>(count) : 0;
  while (left > source->bytes_in_buffer) {
    left -= source->bytes_in_buffer;
    fill_jpeg_source(info);
  }
  source->next_input_byte += left;
  source->bytes_in_buffer -= left;
}

void end_jpeg_source(j_decompress_ptr /*info*/) {}

// Jumps: has nothing to destroy.
void watch_jpeg_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) {
    ERREXIT1(info, JERR_BAD_STATE, 0);  // told apart by the number of scans
  }
}

/// Whether `work` ended without an error of libjpeg's. `work` has nothing to destroy.
template <class Work>
bool jpeg_succeeds(std::jmp_buf& jump, const Work& work) {
  if (setjmp(jump) != 0) return false;  // NOLINT(cert-err52-cpp): libjpeg's way
  work();
  return true;
}

/// a · b / 255, rounded, as Pillow has it.
int times(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Of Adobe's inverted CMYK: what is stored is the light that each ink lets pass.
void convert_cmyk_line(const std::uint8_t* cmyk, std::uint8_t* rgb, std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) {
      const int value = cmyk[3] - times(255 - cmyk[c], cmyk[3]);
      rgb[c] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
}

}  // namespace

JpegReader::JpegReader(const io::File& file, std::int64_t max_pixels) : file_(file) {
  expect_format(file, PictureFormat::kJpeg);
  decoder_ = std::make_unique<Decoder>(file);
  auto* const decoder = decoder_.get();
  auto* const info = &decoder->info;
  JpegClient client{&decoder->jump, decoder->message.data(), decoder,
                    [](void* self) { return static_cast<Decoder*>(self)->fill(); }};

  info->err = jpeg_std_error(&decoder->errors);
  decoder->errors.error_exit = on_jpeg_error;
  decoder->errors.emit_message = on_jpeg_message;
  decoder->errors.output_message = print_no_jpeg_message;
  decoder->source.init_source = begin_jpeg_source;
  decoder->source.fill_input_buffer = fill_jpeg_source;
  decoder->source.skip_input_data = skip_jpeg_source;
  decoder->source.resync_to_restart = jpeg_resync_to_restart;
  decoder->source.term_source = end_jpeg_source;
  decoder->progress.progress_monitor = watch_jpeg_scans;
  info->client_data = &client;
  if (!jpeg_succeeds(decoder->jump, [=, &client] {
        jpeg_create_decompress(info);
        info->client_data = &client;
        info->src = &decoder->source;
        info->progress = &decoder->progress;
        jpeg_read_header(info, TRUE);
      })) {
    fail();
  }

  size_.height = info->image_height;
  size_.width = info->image_width;
  check_pixel_count(file.subject(), size_, max_pixels);
  const int components = info->num_components;
  if (components != 1 && components != 3 && components != 4) {
    file.fail(cat("has ", components, " components, expected grey (1), colour (3) or CMYK (4)"));
  }
  size_.channels = components == 1 ? 1 : 3;
  info->out_color_space = components == 1 ? JCS_GRAYSCALE : (components == 3 ? JCS_RGB : JCS_CMYK);
  if (components == 4) decoder->cmyk.resize(static_cast<std::size_t>(4 * size_.width));
}

JpegReader::~JpegReader() = default;

void JpegReader::fail() const {
  if (decoder_->problem) std::rethrow_exception(decoder_->problem);
  const auto read = decoder_->bytes.position() - decoder_->source.bytes_in_buffer;
  if (decoder_->info.input_scan_number > kMostScans) {
    file_.fail(cat("expected at most ", kMostScans, " scans of its pixels, got more"));
  }
  const bool at_end = decoder_->errors.msg_code == JERR_INPUT_EOF;
  file_.fail(at_end ? cat("is cut short: the picture goes on where the file ends, at byte ", read)
                    : cat("cannot be decoded, before byte ", read, ": ", decoder_->message.data()));
}

void JpegReader::read(std::uint8_t* to) {
  auto* const decoder = decoder_.get();
  auto* const info = &decoder->info;
  JpegClient client{&decoder->jump, decoder->message.data(), decoder,
                    [](void* self) { return static_cast<Decoder*>(self)->fill(); }};
  info->client_data = &client;
  const auto size = size_;
  std::uint8_t* const cmyk = decoder->cmyk.empty() ? nullptr : decoder->cmyk.data();
  if (!jpeg_succeeds(decoder->jump, [=] {
        jpeg_start_decompress(info);
        while (info->output_scanline < info->output_height) {
          std::uint8_t* const line = to + info->output_scanline * size.row_bytes();
          JSAMPROW rows[] = {cmyk ? cmyk : line};
          jpeg_read_scanlines(info, rows, 1);
          if (cmyk) convert_cmyk_line(cmyk, line, size.width);
        }
        jpeg_finish_decompress(info);
      })) {
    fail();
  }
}

}  // namespace xattn::images
