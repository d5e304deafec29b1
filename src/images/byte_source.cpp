#include "images/byte_source.h"

#include <algorithm>
#include <cstring>

#include "core/text.h"

namespace xattn::images {

void ByteSource::fill() {
  end_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_.size() - offset_));
  next_ = 0;
  file_.read(offset_, buffer_.data(), end_);
  offset_ += end_;
}

void ByteSource::read(void* to, std::size_t count) {
  if (count > file_.size() - position()) {
    file_.fail(cat("is cut short: expected ", count, " bytes at byte ", position(),
                   ", the file ends at byte ", file_.size()));
  }
  auto* next = static_cast<char*>(to);
  while (count > 0) {
    if (next_ == end_) fill();
    const auto part = std::min(count, end_ - next_);
    std::memcpy(next, buffer_.data() + next_, part);
    next_ += part;
    next += part;
    count -= part;
  }
}

std::string_view ByteSource::next_block() {
  if (next_ == end_) fill();
  const std::string_view block(buffer_.data() + next_, end_ - next_);
  next_ = end_;
  return block;
}

}  // namespace xattn::images
