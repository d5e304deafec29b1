#include "io/support/colliding_names.h"

#include <array>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

namespace xattn::testing {
namespace {

// libstdc++ takes eight bytes at a time and has nothing but a number between them. Each of these
// texts leads from the number that begins a text of 64 bytes back to itself, so that any four, one
// behind the other, have one hash. Their first halves were tried, their second halves computed.
constexpr std::array<std::string_view, 18> kParts = {
    "hvfpgfjihoqhebuv", "rlwzwphhhtbsxcqq", "ngcvoiungxcehhhv", "otvnvnnfyspzjyxm",
    "xfiqahpnovmzzihe", "wpjqwokrjzywjdol", "ubskbiuptgdvvjrl", "crbdadgfomeokbqn",
    "tfmkyjxzuhcgsgqe", "kgyqjvdigyyefomd", "pjjemmaeoqpdkrrb", "bqaqgzuhlzalbwmz",
    "kmpvfucscjrqezam", "ppkkedfukniyhoxt", "nrsdawbtphgilnve", "wigvdbwjvfbahkzm",
    "cfoazyfqhtloxkdq", "bvyaxuskptabryvh"};

}  // namespace

std::vector<std::string> colliding_names(std::size_t count) {
  constexpr auto kBase = kParts.size();
  if (count > kBase * kBase * kBase * kBase) throw std::out_of_range("colliding_names");
  std::vector<std::string> names(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto digits = i;
    for (int part = 0; part < 4; ++part, digits /= kBase) names[i] += kParts[digits % kBase];
  }
  return names;
}

std::vector<std::string> names_with_a_crowd(const std::string& prefix, std::size_t count,
                                            std::size_t crowd) {
  std::unordered_map<std::string, std::size_t> table;
  table.reserve(count);
  std::array<std::size_t, 2> wanted = {count - crowd, crowd};
  std::vector<std::string> names;
  for (std::size_t i = 0; names.size() < count; ++i) {
    const auto name = std::to_string(i);
    auto& left = wanted[table.bucket(name) == 0];
    if (left == 0) continue;
    --left;
    names.push_back(prefix + name);
  }
  return names;
}

}  // namespace xattn::testing
