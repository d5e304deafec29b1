#pragma once

#include <string>
#include <vector>

namespace xattn::testing {

struct ZipItem {
  std::string name;
  std::string data;
  bool deflate = false;
  /// What the headers say instead of the truth, where not negative.
  long long claimed_size = -1;
};

/// A zip as PyTorch writes it, from items below the root folder "m".
std::string make_zip(const std::vector<ZipItem>& items);

/// A torch.save archive of a pickle and the storages data/0, data/1, ….
std::string make_archive(const std::string& pickle, const std::vector<std::string>& storages = {});

}  // namespace xattn::testing
