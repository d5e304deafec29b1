// Names that a file has chosen to meet in one bucket of a table of hashes.
#include "io/support/colliding_names.h"

#include <gtest/gtest.h>

#include <functional>

#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "support/processor_time.h"

namespace xattn::testing {
namespace {

using namespace std::string_literals;
using Names = std::vector<std::string>;

std::string safetensors_of(const Names& names) {
  std::string header;
  for (const auto& name : names) {
    header += (header.empty() ? "{\"" : ",\"") + name +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  header += "}";
  return pickles::le(header.size(), 8) + header;
}

/// One tensor with many names.
std::string archive_of(const Names& names) {
  pickles::Tensor parts;
  parts.size = "(" + pickles::integer(4) + "t";
  parts.stride = "(" + pickles::integer(1) + "t";
  std::string items = "}(";
  for (const auto& name : names) {
    items += pickles::text(name) + (items.size() == 2 ? pickles::tensor(parts) + "q\0"s : "h\0"s);
  }
  return make_archive(pickles::program(items + "u"), {std::string(16, '\1')});
}

class CollidingNames : public ::testing::Test {
 protected:
  std::string write(const std::string& bytes) { return write_bytes(folder_ / "file", bytes); }

  TemporaryFolder folder_;
};

TEST_F(CollidingNames, AreRefusedWhereABucketHasMoreThanSixteen) {
  for (const auto& make_file : {safetensors_of, archive_of}) {
    EXPECT_TRUE(reads(write(make_file(names_with_a_crowd("", 200, 16)))));
    expect_refused(write(make_file(names_with_a_crowd("", 200, 17))),
                   "expected names that a hash table spreads, got more than 16 in one");
  }
}

TEST_F(CollidingNames, AreRefusedInTime) {
#ifdef __GLIBCXX__
  const auto names = colliding_names(100'000);
  for (const auto& name : names) {
    ASSERT_EQ(std::hash<std::string>()(name), std::hash<std::string>()(names[0]));
  }
  for (const auto& make_file : {safetensors_of, archive_of}) {
    const auto bytes = make_file(names);
    const auto path = write(bytes);
    const ProcessorTime time;
    expect_refused(path, "tensor '" + names[16].substr(0, 16));
    EXPECT_LT(time.seconds(), 2 + 1e-6 * static_cast<double>(bytes.size()));
  }
#else
  GTEST_SKIP() << "the names collide in libstdc++ alone";
#endif
}

}  // namespace
}  // namespace xattn::testing
