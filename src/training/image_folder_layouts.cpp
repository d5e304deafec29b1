// metadata.jsonl    {"file_name": "birds/1.png", "text": "a bird"} or {…, "text": ["a bird", …]}, a
// line a picture 1.png, 1.txt      where there is no metadata.jsonl: "a bird", a caption a line
#include "training/image_folder_layouts.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "core/text.h"
#include "core/utf8.h"
#include "io/json.h"
#include "io/mistaken.h"
#include "training/lines.h"
#include "xattn/core/error.h"

namespace xattn::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kFolderPlace = "read_image_folder";
constexpr std::string_view kMetadata = "metadata.jsonl";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// What is wrong with a text that must be UTF-8; empty where nothing is.
std::string utf8_problem(std::string_view text) {
  const auto at = find_invalid_utf8(text);
  return at == std::string_view::npos ? ""
                                      : cat("expected UTF-8, got an invalid byte at byte ", at);
}

std::string lower_extension(const fs::path& path) {
  auto extension = path.extension().string();
  for (auto& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

/// By its name. Formats that we do not read are pictures too: they are refused when they are read,
/// and not passed over.
bool is_picture_name(const fs::path& path) {
  static constexpr std::array<std::string_view, 13> kExtensions = {
      ".png",  ".jpg",  ".jpeg", ".webp", ".gif", ".bmp", ".tif",
      ".tiff", ".heic", ".heif", ".avif", ".jxl", ".ppm"};
  const auto extension = lower_extension(path);
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

/// The files of a folder and those below, as paths from it, in the order of their bytes; without
/// names that begin with a dot.
std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  const io::Subject subject{kFolderPlace, folder};
  fs::recursive_directory_iterator next(folder, error);
  const fs::recursive_directory_iterator end;
  while (!error && next != end) {
    const auto& path = next->path();
    std::error_code ignored;  // a link to nothing is no folder; it is refused when it is read
    const bool is_folder = next->is_directory(ignored);
    if (path.filename().string().starts_with('.')) {
      if (is_folder) next.disable_recursion_pending();
    } else if (!is_folder) {
      names.push_back(path.lexically_relative(folder).generic_string());
    }
    next.increment(error);
  }
  if (error) subject.fail(cat("cannot be listed: ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

/// "README.txt and 2 more"
std::string first_and_more(const std::vector<std::string>& names) {
  return names.size() == 1 ? quote(names[0])
                           : cat(quote(names[0]), " and ", names.size() - 1, " more");
}

class MetadataLayout {
 public:
  MetadataLayout(const std::string& folder, const std::vector<std::string>& files)
      : folder_(folder) {
    const io::File file(kFolderPlace, (fs::path(folder) / kMetadata).string());
    for_each_line(file, [&](const Line& line) {
      if (is_blank(line.text)) return;
      FolderEntry entry;
      entry.named_by = cat(kMetadata, " line ", line.number, ": ");
      const auto problem = read(line.text, entry.picture);
      if (!problem.empty()) entry.problem = entry.named_by + problem;
      found_.entries.push_back(std::move(entry));
    });
    add_notes(files);
  }

  FolderEntries take() { return std::move(found_); }

 private:
  /// Returns what is wrong with the line; empty where nothing is.
  std::string read(std::string_view text, CaptionedPicture& picture) {
    if (auto problem = utf8_problem(text); !problem.empty()) return problem;
    const auto [value, problem] = io::parse_json(text, {.levels = 16, .text_bytes = kLongestLine});
    if (!problem.empty()) return problem;
    if (!value.is_object()) return cat("expected a JSON object, got ", io::shown(value));
    for (const auto& item : value.items()) {
      if (item.key() != "file_name" && item.key() != "text") other_keys_.insert(item.key());
    }
    const auto name = value.find("file_name");
    if (name == value.end()) return "file_name: expected the path of a picture, got none";
    if (auto wrong = read_name(*name, picture); !wrong.empty()) return "file_name: " + wrong;
    const auto captions = value.find("text");
    if (captions == value.end()) {
      return cat(quote(picture.name), ": text: expected a caption, got none");
    }
    if (auto wrong = read_captions(*captions, picture); !wrong.empty()) {
      return cat(quote(picture.name), ": text: ", wrong);
    }
    return {};
  }

  std::string read_name(const json& value, CaptionedPicture& picture) {
    if (!value.is_string()) return cat("expected a text, got ", io::shown(value));
    const auto& given = value.get_ref<const std::string&>();
    if (given.empty() || given.find('\0') != std::string::npos) {
      return cat("expected the path of a picture, got ", quote(given));
    }
    const auto path = fs::path(given).lexically_normal();
    if (path.is_absolute() || *path.begin() == "..") {
      return cat("expected a path inside the folder, got ", quote(given));
    }
    picture.name = path.generic_string();
    picture.path = (fs::path(folder_) / path).string();
    if (!names_.insert(picture.name).second) {
      return cat("expected each picture once, got ", quote(given), " again");
    }
    return {};
  }

  static std::string read_captions(const json& value, CaptionedPicture& picture) {
    const auto expected = [](const json& got) {
      return cat("expected a caption or a list of captions, got ", io::shown(got));
    };
    if (!value.is_string() && !value.is_array()) return expected(value);
    if (value.is_array() && value.empty()) return "expected a caption, got an empty list";
    const auto list = value.is_array() ? value : json::array({value});
    for (const auto& caption : list) {
      if (!caption.is_string()) return expected(caption);
      picture.captions.push_back(caption.get<std::string>());
      if (is_blank(picture.captions.back())) return "expected a caption, got an empty one";
    }
    return {};
  }

  void add_notes(const std::vector<std::string>& files) {
    if (!other_keys_.empty()) {
      std::string keys;
      std::size_t shown = 0;
      for (const auto& key : other_keys_) {
        if (++shown > 10) break;
        keys += (shown == 1 ? "" : ", ") + quote(key);
      }
      if (other_keys_.size() > 10) keys += cat(" and ", other_keys_.size() - 10, " more");
      found_.notes.push_back(
          cat(kMetadata, ": file_name and text are used, and no other keys: ", keys));
    }
    std::vector<std::string> pictures, captions;
    for (const auto& file : files) {
      if (is_picture_name(file) && !names_.contains(file)) pictures.push_back(file);
      if (lower_extension(file) == ".txt") captions.push_back(file);
    }
    if (!pictures.empty()) {
      found_.notes.push_back(cat("pictures that ", kMetadata,
                                 " does not name are not used: ", first_and_more(pictures)));
    }
    if (!captions.empty()) {
      found_.notes.push_back(
          cat("texts are not used where there is a ", kMetadata, ": ", first_and_more(captions)));
    }
  }

  std::string folder_;
  FolderEntries found_;
  std::set<std::string> names_, other_keys_;
};

/// The captions in a file, one a line; returns what is wrong.
std::string read_caption_file(const std::string& folder, const std::string& name,
                              std::vector<std::string>& captions) {
  std::string problem;
  try {
    const io::File file(kFolderPlace, (fs::path(folder) / name).string());
    for_each_line(file, [&](const Line& line) {
      if (!problem.empty() || is_blank(line.text)) return;
      problem = utf8_problem(line.text);
      if (!problem.empty()) problem = cat(name, " line ", line.number, ": ", problem);
      captions.emplace_back(line.text);
    });
  } catch (const FileError& error) {
    return without_place(error.what());
  }
  if (problem.empty() && captions.empty()) {
    return cat(name, ": expected a caption, got an empty file");
  }
  return problem;
}

FolderEntries read_pairs(const std::string& folder, const std::vector<std::string>& files) {
  FolderEntries found;
  std::map<std::string, std::string> picture_of;  // by the captions' file
  std::vector<std::string> texts, others;
  for (const auto& name : files) {
    if (!is_picture_name(name)) {
      (lower_extension(name) == ".txt" ? texts : others).push_back(name);
      continue;
    }
    FolderEntry entry;
    entry.picture.name = name;
    entry.picture.path = (fs::path(folder) / name).string();
    const auto text = fs::path(name).replace_extension(".txt").generic_string();
    const auto [first, is_first] = picture_of.emplace(text, name);
    if (!is_first) {
      entry.problem =
          cat(name, ": expected one picture for ", text, ", got ", first->second, " before it");
    } else if (!std::binary_search(files.begin(), files.end(), text)) {
      entry.problem = cat(name, ": expected its captions in ", text, ", got no such file");
    } else {
      entry.problem = read_caption_file(folder, text, entry.picture.captions);
    }
    found.entries.push_back(std::move(entry));
  }
  const auto has_picture = [&](const std::string& text) { return picture_of.contains(text); };
  texts.erase(std::remove_if(texts.begin(), texts.end(), has_picture), texts.end());
  if (!texts.empty()) {
    found.notes.push_back(cat("texts without a picture are not used: ", first_and_more(texts)));
  }
  if (!others.empty()) {
    found.notes.push_back(
        cat("files that are neither pictures nor texts are not used: ", first_and_more(others)));
  }
  return found;
}

/// Layouts of Hugging Face that we do not read are not taken for pictures without captions.
void refuse_other_layouts(const std::string& folder, const std::vector<std::string>& files) {
  for (const auto& name : files) {
    const auto file = fs::path(name).filename().string();
    if (file == "metadata.csv" || file == "metadata.parquet") {
      io::Subject{kFolderPlace, folder}.fail(
          cat(name, ": expected ", kMetadata, ", a JSON object a line"));
    }
    if (file == kMetadata) {
      io::Subject{kFolderPlace, folder}.fail(
          cat(name, ": expected it in the folder itself; give the folder that it is in"));
    }
  }
}

}  // namespace

FolderEntries read_folder_entries(const std::string& folder) {
  const io::Subject subject{kFolderPlace, folder};
  std::error_code ignored;
  if (!io::exists(subject) || !fs::is_directory(folder, ignored)) {
    subject.fail(cat("expected a folder, got none", io::mistaken_path(folder)));
  }
  const auto files = files_below(folder);
  if (std::binary_search(files.begin(), files.end(), std::string(kMetadata))) {
    return MetadataLayout(folder, files).take();
  }
  refuse_other_layouts(folder, files);
  return read_pairs(folder, files);
}

}  // namespace xattn::training
