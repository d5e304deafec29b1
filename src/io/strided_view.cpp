#include "io/strided_view.h"

#include <algorithm>

namespace xattn::io {
namespace {

void split_into(const StridedCopy& copy, std::int64_t most, std::vector<StridedCopy>& parts) {
  if (copy.from_span() <= most) {
    parts.push_back(copy);
    return;
  }
  StridedCopy inner = copy;
  inner.sizes.erase(inner.sizes.begin());
  inner.from_strides.erase(inner.from_strides.begin());
  inner.to_strides.erase(inner.to_strides.begin());
  const auto stride = copy.from_strides.front(), span = inner.from_span();
  const auto rows = span > most ? 1 : (most - span) / stride + 1;
  for (std::int64_t row = 0; row < copy.sizes.front(); row += rows) {
    StridedCopy part = rows == 1 ? inner : copy;
    if (rows != 1) part.sizes.front() = std::min(rows, copy.sizes.front() - row);
    part.from = copy.from + row * stride;
    part.to = copy.to + row * copy.to_strides.front();
    split_into(part, most, parts);
  }
}

}  // namespace

StridedView view_of(const TensorRecord& record) {
  return {record.shape, record.strides, record.offset};
}

std::optional<StridedView> narrow(StridedView view, std::int64_t dim, std::int64_t start,
                                  std::int64_t length) {
  const auto dims = static_cast<std::int64_t>(view.shape.size());
  if (dim < 0 || dim >= dims) return std::nullopt;
  const auto at = static_cast<std::size_t>(dim);
  if (start < 0 || length < 0 || start > view.shape[at] || length > view.shape[at] - start)
    return std::nullopt;
  view.offset += start * view.strides[at];
  view.shape[at] = length;
  return view;
}

std::optional<StridedView> transpose(StridedView view, std::int64_t dim, std::int64_t other) {
  const auto dims = static_cast<std::int64_t>(view.shape.size());
  if (dim < 0 || other < 0 || dim >= dims || other >= dims) return std::nullopt;
  const auto a = static_cast<std::size_t>(dim), b = static_cast<std::size_t>(other);
  std::swap(view.shape[a], view.shape[b]);
  std::swap(view.strides[a], view.strides[b]);
  return view;
}

std::optional<StridedView> with_ones_of(const StridedView& view,
                                        const std::vector<std::int64_t>& shape) {
  StridedView result{shape, {}, view.offset};
  std::size_t at = 0;
  const auto skip_ones = [&] {
    while (at < view.shape.size() && view.shape[at] == 1) ++at;
  };
  for (const auto size : shape) {
    if (size == 1) {
      result.strides.push_back(1);
      continue;
    }
    skip_ones();
    if (at == view.shape.size() || view.shape[at] != size) return std::nullopt;
    result.strides.push_back(view.strides[at++]);
  }
  skip_ones();
  return at == view.shape.size() ? std::optional(std::move(result)) : std::nullopt;
}

std::int64_t StridedCopy::from_span() const {
  std::int64_t span = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) span += (sizes[i] - 1) * from_strides[i];
  return span;
}

bool StridedCopy::is_contiguous() const {
  return sizes.empty() ||
         (sizes.size() == 1 && from_strides.front() == 1 && to_strides.front() == 1);
}

std::optional<StridedCopy> make_copy(const StridedView& view,
                                     const std::vector<std::int64_t>& to_strides) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    if (view.shape[i] == 0) return std::nullopt;
    if (view.shape[i] > 1) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return view.strides[a] > view.strides[b]; });
  StridedCopy copy;
  copy.from = view.offset;
  for (const auto i : order) {
    const auto size = view.shape[i], from = view.strides[i], to = to_strides[i];
    // The dimension before it goes on where this one ends: they are one.
    if (!copy.sizes.empty() && copy.from_strides.back() == size * from &&
        copy.to_strides.back() == size * to) {
      copy.sizes.back() *= size;
      copy.from_strides.back() = from;
      copy.to_strides.back() = to;
      continue;
    }
    copy.sizes.push_back(size);
    copy.from_strides.push_back(from);
    copy.to_strides.push_back(to);
  }
  return copy;
}

std::vector<StridedCopy> split(const StridedCopy& copy, std::int64_t most) {
  std::vector<StridedCopy> parts;
  split_into(copy, std::max<std::int64_t>(most, 1), parts);
  return parts;
}

}  // namespace xattn::io
