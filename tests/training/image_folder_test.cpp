#include "xattn/training/image_folder.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "images/support/pictures.h"
#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

/// A folder of small pictures and texts.
class DataFolder {
 public:
  std::string path() const { return folder_.path().string(); }

  DataFolder& file(const std::string& name, std::string_view bytes) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    write_bytes(folder_ / name, bytes);
    return *this;
  }
  DataFolder& png(const std::string& name) { return file(name, png_file()); }

 private:
  TemporaryFolder folder_;
};

std::string message_of(const std::string& folder, const ImageFolderOptions& options = {}) {
  try {
    read_image_folder(folder, options);
  } catch (const FileError& error) {
    return error.what();
  }
  return "no error";
}

/// Expects that the folder is refused, with this behind its path.
void expect_folder_refused(const DataFolder& data, const std::string& what) {
  EXPECT_EQ(message_of(data.path()), cat("[read_image_folder] ", data.path(), ": ", what));
}

TEST(ImageFolder, ReadsMetadata) {
  DataFolder data;
  data.png("b.png").file("birds/a.jpg", jpeg_file());
  data.file("metadata.jsonl",
            "{\"file_name\": \"b.png\", \"text\": \"a sea\"}\r\n\n"
            "{\"text\": [\"a bird\", \"새 한 마리\"], \"file_name\": \"./birds/a.jpg\"}");
  const auto folder = read_image_folder(data.path());
  EXPECT_EQ(folder.path, data.path());
  ASSERT_EQ(folder.pictures.size(), 2u);
  EXPECT_EQ(folder.pictures[0].name, "b.png");
  EXPECT_EQ(folder.pictures[0].captions, std::vector<std::string>{"a sea"});
  EXPECT_EQ(folder.pictures[1].name, "birds/a.jpg");
  EXPECT_EQ(folder.pictures[1].path, data.path() + "/birds/a.jpg");
  EXPECT_EQ(folder.pictures[1].captions, (std::vector<std::string>{"a bird", "새 한 마리"}));
  EXPECT_TRUE(folder.skipped.empty());
  EXPECT_TRUE(folder.notes.empty());
}

TEST(ImageFolder, ReadsPicturesBesideTexts) {
  DataFolder data;
  data.png("b.PNG").file("b.txt", "a sea\n\n  \nthe sea, again\r\n");
  data.png("a/x.y.png").file("a/x.y.txt", "a bird");
  data.png(".hidden.png").png(".thumbnails/a.png");
  const auto folder = read_image_folder(data.path());
  ASSERT_EQ(folder.pictures.size(), 2u);
  EXPECT_EQ(folder.pictures[0].name, "a/x.y.png");
  EXPECT_EQ(folder.pictures[0].captions, std::vector<std::string>{"a bird"});
  EXPECT_EQ(folder.pictures[1].captions, (std::vector<std::string>{"a sea", "the sea, again"}));
  EXPECT_TRUE(folder.notes.empty());
}

TEST(ImageFolder, SaysWhatItDoesNotUse) {
  DataFolder data;
  data.png("a.png").png("b.png").png("c.png").file("b.txt", "b");
  data.file("metadata.jsonl", "{\"file_name\":\"a.png\",\"text\":\"a\",\"label\":3,\"id\":null}\n");
  EXPECT_EQ(read_image_folder(data.path()).notes,
            (std::vector<std::string>{
                "metadata.jsonl: file_name and text are used, and no other keys: 'id', 'label'",
                "pictures that metadata.jsonl does not name are not used: 'b.png' and 1 more",
                "texts are not used where there is a metadata.jsonl: 'b.txt'"}));
  DataFolder pairs;
  pairs.png("a.png").file("a.txt", "a").file("README.txt", "about").file("notes.md", "");
  EXPECT_EQ(read_image_folder(pairs.path()).notes,
            (std::vector<std::string>{
                "texts without a picture are not used: 'README.txt'",
                "files that are neither pictures nor texts are not used: 'notes.md'"}));
}

TEST(ImageFolder, NamesTheLineOfMetadata) {
  const auto line = [](const std::string& text, const std::string& what) {
    DataFolder data;
    data.png("a.png").png("b.png");
    data.file("metadata.jsonl", "{\"file_name\":\"a.png\",\"text\":\"a\"}\n" + text + "\n");
    expect_folder_refused(data, "metadata.jsonl line 2: " + what);
  };
  line("{\"file_name\":\"b.png\"}", "'b.png': text: expected a caption, got none");
  line("{\"text\":\"b\"}", "file_name: expected the path of a picture, got none");
  line("{\"file_name\":7,\"text\":\"b\"}", "file_name: expected a text, got 7");
  line("{\"file_name\":\"\",\"text\":\"b\"}", "file_name: expected the path of a picture, got ''");
  line("{\"file_name\":\"b.png\",\"text\":[]}",
       "'b.png': text: expected a caption, got an empty list");
  line("{\"file_name\":\"b.png\",\"text\":\" \"}",
       "'b.png': text: expected a caption, got an empty one");
  line("{\"file_name\":\"b.png\",\"text\":[\"b\",3]}",
       "'b.png': text: expected a caption or a list of captions, got 3");
  line("{\"file_name\":\"b.png\",\"text\":null}",
       "'b.png': text: expected a caption or a list of captions, got null");
  line("{\"file_name\":\"a.png\",\"text\":\"a\"}",
       "file_name: expected each picture once, got 'a.png' again");
  line("{\"file_name\":\"x/../a.png\",\"text\":\"a\"}",
       "file_name: expected each picture once, got 'x/../a.png' again");
  for (const auto* outside : {"../b.png", "x/../../b.png", "/etc/passwd", ".."}) {
    line(cat("{\"file_name\":\"", outside, "\",\"text\":\"b\"}"),
         cat("file_name: expected a path inside the folder, got '", outside, "'"));
  }
  line("{\"file_name\":\"b.png\\u0000.txt\",\"text\":\"b\"}",
       "file_name: expected the path of a picture, got 'b.png\\x00.txt'");
  line("[1]", "expected a JSON object, got [1]");
  line("{\"file_name\":\"b.png\",\"text\":\"b\xff\"}",
       "expected UTF-8, got an invalid byte at byte 30");
  line("{\"file_name\":\"b.png\",", "expected a JSON object, got an error at byte 22");
}

TEST(ImageFolder, NamesThePicture) {
  const auto picture = [](const std::string& bytes, const std::string& what) {
    DataFolder data;
    data.file("a.png", bytes).file("metadata.jsonl", "{\"file_name\":\"a.png\",\"text\":\"a\"}\n");
    const auto message = message_of(data.path());
    EXPECT_TRUE(message.starts_with(cat("[read_image_folder] ", data.path(),
                                        ": metadata.jsonl line 1: ", data.path(), "/a.png: ")))
        << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  picture("", "");
  picture("GIF89a and so on", "a GIF picture");
  picture(png_file().substr(0, 20), "");
  DataFolder missing;
  missing.file("metadata.jsonl", "{\"file_name\":\"a.png\",\"text\":\"a\"}\n");
  EXPECT_NE(message_of(missing.path()).find("/a.png: cannot be opened: No such file"),
            std::string::npos);
  DataFolder large;
  large.png("a.png").file("a.txt", "a");
  EXPECT_NE(message_of(large.path(), {.read = {.max_pixels = 5}}).find("/a.png: "),
            std::string::npos);
}

TEST(ImageFolder, NamesTheTextBesideAPicture) {
  DataFolder none;
  none.png("a.png");
  expect_folder_refused(none, "a.png: expected its captions in a.txt, got no such file");
  DataFolder empty;
  empty.png("a.png").file("a.txt", " \n");
  expect_folder_refused(empty, "a.txt: expected a caption, got an empty file");
  DataFolder bytes;
  bytes.png("a.png").file("a.txt", "good\nb\xc3\x28\n");
  expect_folder_refused(bytes, "a.txt line 2: expected UTF-8, got an invalid byte at byte 1");
  DataFolder twice;
  twice.png("a.jpg").png("a.png").file("a.txt", "a");
  expect_folder_refused(twice, "a.png: expected one picture for a.txt, got a.jpg before it");
  DataFolder webp;
  webp.file("a.webp", "RIFF....WEBP").file("a.txt", "a");
  EXPECT_NE(message_of(webp.path()).find("a WebP picture"), std::string::npos);
}

TEST(ImageFolder, RefusesOtherLayoutsByName) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of(folder / "none"),
            cat("[read_image_folder] ", folder / "none", ": expected a folder, got none"));
  expect_folder_refused(DataFolder(),
                        "expected pictures and captions, got none: a metadata.jsonl, or PNG and "
                        "JPEG files beside .txt files of the same name");
  DataFolder csv;
  csv.png("a.png").file("metadata.csv", "file_name,text\na.png,a\n");
  expect_folder_refused(csv, "metadata.csv: expected metadata.jsonl, a JSON object a line");
  DataFolder split;
  split.png("train/a.png").file("train/metadata.jsonl", "");
  expect_folder_refused(
      split,
      "train/metadata.jsonl: expected it in the folder itself; give the folder that it is in");
  DataFolder empty;
  empty.file("metadata.jsonl", "\n");
  EXPECT_NE(message_of(empty.path()).find("got none"), std::string::npos);
  DataFolder endless;
  endless.file("metadata.jsonl", std::string((1 << 20) + 1, ' '));
  EXPECT_NE(
      message_of(endless.path()).find("metadata.jsonl: line 1: expected at most 1048576 bytes"),
      std::string::npos);
}

TEST(ImageFolder, ListsTenProblemsAndCountsTheRest) {
  DataFolder data;
  std::string lines;
  for (int i = 0; i < 12; ++i) lines += cat("{\"file_name\":\"", i, ".png\"}\n");
  data.file("metadata.jsonl", lines);
  const auto message = message_of(data.path());
  EXPECT_NE(message.find(": 12 of 12 pictures cannot be used: metadata.jsonl line 1: '0.png': "),
            std::string::npos);
  EXPECT_NE(message.find("; metadata.jsonl line 10: "), std::string::npos);
  EXPECT_EQ(message.find("line 11: "), std::string::npos);
  EXPECT_TRUE(message.ends_with("; and 2 more")) << message;
}

TEST(ImageFolder, GoesOnWithoutBadOnesAndListsThem) {
  DataFolder data;
  auto damaged = png_file();
  damaged[damaged.size() - 20] ^= 1;  // in the pixels
  data.png("good.png").file("damaged.png", damaged);
  data.file("metadata.jsonl",
            "{\"file_name\":\"damaged.png\",\"text\":\"a\"}\n{\"file_name\":\"good.png\",\"text\":"
            "\"b\"}\n{\"file_name\":\"none.png\",\"text\":\"c\"}\nx\n");
  const auto folder = read_image_folder(data.path(), {.skip_bad = true});
  ASSERT_EQ(folder.pictures.size(), 1u);
  EXPECT_EQ(folder.pictures[0].name, "good.png");
  ASSERT_EQ(folder.skipped.size(), 3u);
  EXPECT_TRUE(folder.skipped[0].starts_with("metadata.jsonl line 1: ")) << folder.skipped[0];
  EXPECT_TRUE(folder.skipped[1].starts_with("metadata.jsonl line 3: ")) << folder.skipped[1];
  EXPECT_TRUE(folder.skipped[2].starts_with("metadata.jsonl line 4: ")) << folder.skipped[2];

  // Nothing good at all is an error still.
  data.file("metadata.jsonl", "x\n");
  EXPECT_NE(message_of(data.path(), {.skip_bad = true}).find("metadata.jsonl line 1: "),
            std::string::npos);
}

TEST(ImageFolder, FindsDamageBehindTheHeaderWhereAsked) {
  DataFolder data;
  auto damaged = png_file();
  damaged[damaged.size() - 20] ^= 1;
  data.file("a.png", damaged).file("a.txt", "a");
  EXPECT_EQ(read_image_folder(data.path()).pictures.size(), 1u);
  EXPECT_NE(message_of(data.path(), {.check = PictureCheck::kWhole}).find("/a.png: "),
            std::string::npos);
}

TEST(ImageFolder, ThousandsOfPictures) {
  DataFolder data;
  std::string lines;
  for (int i = 0; i < 3000; ++i) {
    data.png(cat(i % 7, "/", i, ".png"));
    lines += cat("{\"file_name\":\"", i % 7, "/", i, ".png\",\"text\":\"", i, "\"}\n");
  }
  data.file("metadata.jsonl", lines);
  const auto folder = read_image_folder(data.path(), {.check = PictureCheck::kWhole});
  ASSERT_EQ(folder.pictures.size(), 3000u);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(folder.pictures[static_cast<std::size_t>(i)].captions[0], std::to_string(i));
  }
}

}  // namespace
}  // namespace xattn::testing
