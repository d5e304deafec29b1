#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace xattn::apps {

/// A whole number of 1 or more.
CLI::Validator positive_integer();
/// A whole number of 0 or more.
CLI::Validator whole_number();
/// A whole number from `least` to `most`.
CLI::Validator whole_number_between(int64_t least, int64_t most);
/// A finite number above 0.
CLI::Validator positive_number();
/// A finite number.
CLI::Validator any_number();
/// A number from `least` to `most`.
CLI::Validator number_between(double least, double most);

/// The bytes that "500KB", "1.5 GB" or "20000" stands for: KB, MB, GB and TB are powers of 1000 as
/// in Python's `max_shard_size`, KiB, MiB, GiB and TiB of 1024.
///
/// Throws: `UsageError`, which names `option`.
int64_t parse_bytes(const std::string& option, const std::string& text);

/// Throws `UsageError` where one of these options is given, "--variant: expected none for a file".
void refuse_options(const CLI::App& command, const std::vector<std::string>& options,
                    const std::string& input);

/// Throws `UsageError` where writing to `output` would write over an input, a file or one in a
/// folder, under whichever name.
void check_output(const std::string& option, const std::string& output,
                  const std::vector<std::string>& inputs);

/// Throws `FileError` "[place] path: …" where a file cannot be made there. One beside it is made,
/// and goes again: nothing says it better.
void try_out(const std::string& place, const std::string& path);

}  // namespace xattn::apps
