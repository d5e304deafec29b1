#include "images/support/reading.h"

#include <gtest/gtest.h>

#include "core/utf8.h"
#include "images/jpeg_reader.h"
#include "images/orientation.h"
#include "images/picture_format.h"
#include "images/png_chunks.h"
#include "images/png_reader.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

template <class Reader>
ReadPicture read_with(const io::File& file) {
  Reader reader(file, kMostPixels);
  ReadPicture picture{reader.size(), std::vector<std::uint8_t>(reader.size().bytes())};
  reader.read(picture.pixels.data());
  return picture;
}

}  // namespace

ReadPicture read_picture(const std::string& path) {
  const io::File file("test", path);
  images::orientation(file);
  if (images::picture_format(file) == images::PictureFormat::kJpeg) {
    return read_with<images::JpegReader>(file);
  }
  images::read_png_texts(file, {});
  return read_with<images::PngReader>(file);
}

bool picture_reads(const std::string& path) {
  try {
    read_picture(path);
    return true;
  } catch (const FileError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[test] " + path + ": ")) << message;
    EXPECT_TRUE(is_utf8(message)) << message;
    return false;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected a FileError, got " << error.what();
    return false;
  }
}

void expect_picture_refused(const std::string& path, const std::string& reason) {
  try {
    read_picture(path);
    ADD_FAILURE() << "is read, expected: " << reason;
  } catch (const FileError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[test] " + path + ": ")) << message;
    EXPECT_NE(message.find(reason), message.npos) << message << "\nexpected: " << reason;
  }
}

}  // namespace xattn::testing
