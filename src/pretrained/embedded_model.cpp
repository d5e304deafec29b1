// What ships beside the library:
//
//   share/xattn/bada/     the embedded model, as diffusers' save_pretrained lays it out
//
// XATTN_SHARE_PLACES, which CMake defines for this file, are the places of share/xattn: texts, in
// the order in which they are looked at; those that are relative are so to the code's own folder.
#include "xattn/pretrained/embedded_model.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "core/text.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

namespace fs = std::filesystem;

constexpr auto kShareVariable = "XATTN_SHARE_DIR";
constexpr auto kModelIndex = "bada/model_index.json";
constexpr const char* kSharePlaces[] = {XATTN_SHARE_PLACES};

bool holds_the_model(const fs::path& folder) {
  std::error_code error;  // what cannot be looked at is as good as missing
  return fs::is_regular_file(folder / kModelIndex, error);
}

/// The folder of the file that this code is linked into; empty where it cannot be told.
fs::path folder_of_this_code() {
  Dl_info info{};
  const auto* address = reinterpret_cast<const void*>(&folder_of_this_code);
  // A program's name here is the one that it was called by: without a folder, or from one that is
  // no longer the current one.
  const bool has_path =
      ::dladdr(address, &info) != 0 && info.dli_fname && fs::path(info.dli_fname).is_absolute();
  std::error_code error;
  return fs::canonical(has_path ? info.dli_fname : "/proc/self/exe", error).parent_path();
}

}  // namespace

std::string share_dir() {
  if (const char* named = std::getenv(kShareVariable); named && *named) {
    if (holds_the_model(named)) return named;
    std::error_code error;
    throw FileError(cat("[share_dir] ", kShareVariable, ": expected a folder with ", kModelIndex,
                        ", got ", named, ", which ",
                        fs::is_directory(named, error) ? "has none" : "is no folder"));
  }
  const auto from = folder_of_this_code();
  std::string looked_at;
  for (const auto* place : kSharePlaces) {
    const auto folder = (from / place).lexically_normal();
    if (!folder.is_absolute()) continue;  // never the working directory
    if (holds_the_model(folder)) return folder.string();
    looked_at += cat(looked_at.empty() ? "" : ", ", folder.string());
  }
  throw FileError(cat("[share_dir] the embedded model: expected ", kModelIndex, " in one of ",
                      looked_at, ", got none; ", kShareVariable, " names another place"));
}

EmbeddedModel embedded_model() {
  return {.folder = share_dir() + "/bada"};
}

}  // namespace xattn
