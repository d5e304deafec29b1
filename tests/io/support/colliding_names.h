#pragma once

#include <string>
#include <vector>

namespace xattn::testing {

/// `count` names, at most 104976, of 64 small letters each, to which libstdc++'s `std::hash` gives
/// one value. Another library's spreads them.
std::vector<std::string> colliding_names(std::size_t count);

/// `count` names that begin with `prefix`, of which `crowd` share a bucket in a table made for
/// `count`, once the prefix is cut off. Whatever the library's hash, they are found by trying.
std::vector<std::string> names_with_a_crowd(const std::string& prefix, std::size_t count,
                                            std::size_t crowd);

}  // namespace xattn::testing
