#include "images/png_chunks.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "core/text.h"
#include "core/utf8.h"
#include "images/picture_format.h"

// A PNG file is a signature of eight bytes and chunks: the data's length (four bytes, big-endian),
// the type (four letters), the data, and a CRC-32 of type and data.
//
//     tEXt   keyword \0 text                                           both in Latin-1
//     zTXt   keyword \0 \0 deflated text                               both in Latin-1
//     iTXt   keyword \0 compressed? \0 language \0 keyword \0 text     the last two in UTF-8

namespace xattn::images {
namespace {

constexpr std::uint64_t kSignature = 8, kFrame = 12;

std::uint32_t load_be32(const char* from) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(from[i]);
  return value;
}

[[noreturn]] void fail_at(const io::File& file, const PngChunk& chunk, std::string_view what) {
  file.fail(cat("chunk ", quote(chunk.type), " at byte ", chunk.offset, ": ", what));
}

std::string inflate_text(const io::File& file, const PngChunk& chunk, std::string_view packed) {
  std::string text(kMostInflatedText + 1, '\0');
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int result = inflate(&stream, Z_FINISH);
  const auto size = text.size() - stream.avail_out;
  inflateEnd(&stream);
  if (size > kMostInflatedText) {
    fail_at(file, chunk, cat("expected a text of at most ", kMostInflatedText, " bytes, got more"));
  }
  if (result != Z_STREAM_END) fail_at(file, chunk, "the compressed text is damaged");
  text.resize(size);
  return text;
}

/// Cuts off what stands before the next zero byte, and that byte.
std::string_view take_word(const io::File& file, const PngChunk& chunk, std::string_view& rest) {
  const auto end = rest.find('\0');
  if (end == std::string_view::npos)
    fail_at(file, chunk, "expected a zero byte after each of its words");
  const auto word = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return word;
}

/// `data` is what follows the keyword.
std::string text_of(const io::File& file, const PngChunk& chunk, std::string_view data) {
  if (chunk.type == "tEXt") return from_latin1(data);
  if (chunk.type == "zTXt") {
    if (data.empty() || data[0] != 0) {
      fail_at(file, chunk, "expected compression method 0, which is the only one");
    }
    return from_latin1(inflate_text(file, chunk, data.substr(1)));
  }
  if (data.size() < 2 || static_cast<unsigned char>(data[0]) > 1 ||
      (data[0] == 1 && data[1] != 0)) {
    fail_at(file, chunk, "expected compression flag 0 or 1 and method 0");
  }
  const bool compressed = data[0] == 1;
  data.remove_prefix(2);
  take_word(file, chunk, data);  // the language
  take_word(file, chunk, data);  // the keyword in that language
  auto text = compressed ? inflate_text(file, chunk, data) : std::string(data);
  if (!is_utf8(text)) fail_at(file, chunk, "expected UTF-8");
  return text;
}

}  // namespace

std::string from_latin1(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, static_cast<unsigned char>(byte));
  return text;
}

void visit_png_chunks(const io::File& file, const std::function<void(const PngChunk&)>& visit) {
  expect_format(file, PictureFormat::kPng);
  std::uint64_t offset = kSignature;
  while (true) {
    std::array<char, 8> start;
    if (file.size() - offset < kFrame) {
      file.fail(cat("is cut short: expected a chunk at byte ", offset, ", the file ends at byte ",
                    file.size()));
    }
    file.read(offset, start.data(), start.size());
    const PngChunk chunk{{start.data() + 4, 4}, offset, load_be32(start.data())};
    if (!std::all_of(chunk.type.begin(), chunk.type.end(),
                     [](unsigned char c) { return std::isalpha(c) != 0; })) {
      fail_at(file, chunk, "expected a type of four letters");
    }
    if (chunk.length > file.size() - offset - kFrame) {
      fail_at(file, chunk,
              cat("expected ", chunk.length, " bytes, the file ends at byte ", file.size()));
    }
    visit(chunk);
    if (chunk.type == "IEND") return;
    offset += kFrame + chunk.length;
  }
}

std::string read_png_chunk(const io::File& file, const PngChunk& chunk) {
  auto data = file.read(chunk.offset + 8, chunk.length + std::size_t{4});
  const auto expected = load_be32(data.data() + chunk.length);
  data.resize(chunk.length);
  auto got = crc32_z(0, reinterpret_cast<const Bytef*>(chunk.type.data()), chunk.type.size());
  got = crc32_z(got, reinterpret_cast<const Bytef*>(data.data()), data.size());
  if (got != expected) {
    fail_at(file, chunk,
            cat("expected CRC ", hex(expected), ", got ", hex(got), ": the file is damaged"));
  }
  return data;
}

std::map<std::string, std::string> read_png_texts(
    const io::File& file, const std::function<bool(std::string_view)>& wanted) {
  constexpr std::size_t kLongestKeyword = 79;
  std::map<std::string, std::string> texts;
  std::size_t total = 0;
  const auto count = [&](const PngChunk& chunk, std::size_t bytes) {
    total += bytes;
    if (total > kMostTexts) {
      fail_at(file, chunk,
              cat("expected texts of at most ", kMostTexts, " bytes in all, got more"));
    }
  };
  visit_png_chunks(file, [&](const PngChunk& chunk) {
    if (chunk.type != "tEXt" && chunk.type != "zTXt" && chunk.type != "iTXt") return;
    // The keyword alone, before a long text is read for nothing.
    const auto start =
        file.read(chunk.offset + 8, std::min<std::size_t>(chunk.length, kLongestKeyword + 1));
    const auto end = start.find('\0');
    if (end == 0 || end == std::string::npos) {
      fail_at(file, chunk, "expected a keyword of 1 to 79 bytes and a zero byte");
    }
    auto keyword = from_latin1(std::string_view(start).substr(0, end));
    if (wanted && !wanted(keyword)) return;
    count(chunk, chunk.length);
    const auto data = read_png_chunk(file, chunk);
    auto text = text_of(file, chunk, std::string_view(data).substr(end + 1));
    count(chunk, text.size());
    texts[std::move(keyword)] = std::move(text);
  });
  return texts;
}

}  // namespace xattn::images
