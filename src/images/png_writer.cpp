#include "images/png_writer.h"

#include <png.h>

#include <array>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>
#include <vector>

#include "core/text.h"
#include "core/utf8.h"
#include "images/png_chunks.h"
#include "io/atomic_file.h"
#include "xattn/core/error.h"

// As png_reader.cpp: an error of libpng jumps over frames that have nothing to destroy.

namespace xattn::images {
namespace {

struct TextChunk {
  const char* type;
  std::string data;
};

/// Latin-1 of UTF-8, or nothing where it lacks a character.
std::optional<std::string> to_latin1(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid || character.code > 0xff) return std::nullopt;
    bytes.push_back(static_cast<char>(character.code));
    text.remove_prefix(character.size);
  }
  return bytes;
}

/// A keyword is 1 to 79 printable characters of Latin-1, and spaces only between words.
std::string keyword_of(const io::Subject& subject, const std::string& key) {
  const auto latin1 = to_latin1(key);
  bool good = latin1 && !latin1->empty() && latin1->size() <= 79 && latin1->front() != ' ' &&
              latin1->back() != ' ' && latin1->find("  ") == std::string::npos;
  if (good) {
    for (const char c : *latin1) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || (byte > 0x7e && byte < 0xa1)) good = false;
    }
  }
  if (!good) {
    throw ValueError(cat("[", subject.place, "] ", subject.path, ": keyword ", quote(key),
                         ": expected 1 to 79 printable characters of Latin-1, with single spaces "
                         "between them"));
  }
  return *latin1;
}

std::vector<TextChunk> make_text_chunks(const io::Subject& subject,
                                        const std::map<std::string, std::string>& texts) {
  std::vector<TextChunk> chunks;
  std::size_t total = 0;
  for (const auto& [key, text] : texts) {
    const auto keyword = keyword_of(subject, key);
    const auto refuse = [&, &name = key](std::string_view what) {
      throw ValueError(
          cat("[", subject.place, "] ", subject.path, ": text of ", quote(name), ": ", what));
    };
    if (!is_utf8(text)) refuse("expected UTF-8");
    if (text.find('\0') != std::string::npos) refuse("expected no zero bytes");
    total += 2 * (keyword.size() + text.size() + 8);
    if (total > kMostTexts) {
      refuse(cat("expected texts of at most ", kMostTexts / 2, " bytes in all, got more"));
    }
    const auto latin1 = to_latin1(text);
    // A zero byte, or five around and between what iTXt may say of the text and does not.
    chunks.push_back({latin1 ? "tEXt" : "iTXt", keyword});
    chunks.back().data.append(latin1 ? 1 : 5, '\0').append(latin1 ? *latin1 : text);
  }
  return chunks;
}

struct PngWriter {
  explicit PngWriter(const io::Subject& subject) : file(subject.place, subject.path) {}
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool write(const void* bytes, std::size_t count) noexcept {
    try {
      file.write(bytes, count);
      return true;
    } catch (...) {
      problem = std::current_exception();
      return false;
    }
  }

  io::AtomicFile file;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::array<char, 200> message{};
  std::exception_ptr problem;
};

[[noreturn]] void on_write_error(png_structp png, png_const_charp message) {
  auto& text = static_cast<PngWriter*>(png_get_error_ptr(png))->message;
  std::snprintf(text.data(), text.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_write_warning(png_structp /*png*/, png_const_charp /*message*/) {}

void write_png_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  auto* writer = static_cast<PngWriter*>(png_get_io_ptr(png));
  if (!writer->write(bytes, count)) png_error(png, "the file cannot be written");
}

void flush_png_bytes(png_structp /*png*/) {}

void write_all(png_structp png, png_infop info, const PictureSize& size, const std::uint8_t* pixels,
               const TextChunk* texts, std::size_t text_count) {
  static constexpr int kColors[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                    PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, static_cast<png_uint_32>(size.width),
               static_cast<png_uint_32>(size.height), 8, kColors[size.channels - 1],
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (std::size_t i = 0; i < text_count; ++i) {
    png_write_chunk(png, reinterpret_cast<png_const_bytep>(texts[i].type),
                    reinterpret_cast<png_const_bytep>(texts[i].data.data()), texts[i].data.size());
  }
  for (std::int64_t y = 0; y < size.height; ++y) {
    png_write_row(png, pixels + static_cast<std::size_t>(y) * size.row_bytes());
  }
  png_write_end(png, nullptr);
}

template <class Work>
bool writing_succeeds(png_structp png, const Work& work) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT(cert-err52-cpp): libpng's way
  work();
  return true;
}

}  // namespace

void write_png(const io::Subject& subject, const PictureSize& size, const std::uint8_t* pixels,
               const std::map<std::string, std::string>& texts) {
  const auto chunks = make_text_chunks(subject, texts);
  PngWriter writer(subject);
  writer.png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, on_write_error, on_write_warning);
  if (!writer.png) throw std::bad_alloc();
  writer.info = png_create_info_struct(writer.png);
  if (!writer.info) throw std::bad_alloc();
  png_set_write_fn(writer.png, &writer, write_png_bytes, flush_png_bytes);
  if (!writing_succeeds(writer.png, [&] {
        write_all(writer.png, writer.info, size, pixels, chunks.data(), chunks.size());
      })) {
    if (writer.problem) std::rethrow_exception(writer.problem);
    subject.fail(cat("cannot be written: ", writer.message.data()));
  }
  writer.file.commit();
}

}  // namespace xattn::images
