#include "training/sample_sheets.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "core/text.h"
#include "io/file.h"
#include "xattn/images/load_image.h"
#include "xattn/images/png.h"
#include "xattn/training/image_grid.h"

namespace xattn {
namespace {

namespace fs = std::filesystem;

constexpr auto kSampleSheets = "run_training";
constexpr std::size_t kMostRows = 10;

at::Tensor side_by_side(const std::vector<at::Tensor>& pictures) {
  return image_grid(pictures, {.columns = static_cast<int64_t>(pictures.size()), .gap = 2});
}

std::string step_name(int64_t step) {
  const auto digits = std::to_string(step);
  return cat("step-", std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0'), digits, ".png");
}

/// The sheets of a folder by their steps; other files are left alone.
std::map<int64_t, std::string> sheets_of(const std::string& folder) {
  std::map<int64_t, std::string> sheets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    long long step = 0;
    const auto name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), "step-%lld.png", &step) == 1 && name == step_name(step))
      sheets.emplace(step, entry.path().string());
  }
  return sheets;
}

}  // namespace

SampleSheets::SampleSheets(std::string folder) : folder_(std::move(folder)) {}

void SampleSheets::add(int64_t step, const std::vector<at::Tensor>& pictures) const {
  if (pictures.empty()) return;
  const auto folder = folder_ + "/samples";
  io::make_folder({kSampleSheets, folder});
  save_png(folder + "/" + step_name(step), side_by_side(pictures));
}

void SampleSheets::save_all(const std::vector<at::Tensor>& originals) const {
  const auto sheets = sheets_of(folder_ + "/samples");
  if (sheets.empty()) return;
  std::vector<at::Tensor> rows;
  std::vector<std::string> labels;
  if (!originals.empty()) {
    rows.push_back(side_by_side(originals));
    labels.emplace_back("originals");
  }
  const auto count = std::min(sheets.size(), kMostRows);
  for (std::size_t i = 1; i <= count; ++i) {
    const auto chosen =
        std::next(sheets.begin(), static_cast<int64_t>(i * sheets.size() / count) - 1);
    rows.push_back(load_image(chosen->second));
    labels.push_back(cat("step ", chosen->first));
  }
  save_png(folder_ + "/samples.png", image_grid(rows, {.columns = 1, .row_labels = labels}));
}

}  // namespace xattn
