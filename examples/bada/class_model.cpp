#include "class_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace bada {
namespace {

using Matrix = std::vector<Features>;

/// The lower triangle L of a positive definite matrix A = L Lᵀ.
Matrix cholesky(Matrix a) {
  for (size_t j = 0; j < a.size(); ++j) {
    for (size_t k = 0; k < j; ++k) a[j][j] -= a[j][k] * a[j][k];
    a[j][j] = std::sqrt(a[j][j]);
    for (size_t i = j + 1; i < a.size(); ++i) {
      for (size_t k = 0; k < j; ++k) a[i][j] -= a[i][k] * a[j][k];
      a[i][j] /= a[j][j];
    }
  }
  return a;
}

/// The x of L Lᵀ x = b.
Features solve(const Matrix& l, Features b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= l[i][k] * b[k];
    b[i] /= l[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= l[k][i] * b[k];
    b[i] /= l[i][i];
  }
  return b;
}

double dot(const Features& a, const Features& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

ClassModel::ClassModel(const std::vector<Features>& samples, const std::vector<int>& classes,
                       int count) {
  const size_t size = samples.front().size();
  std::vector<Features> means(static_cast<size_t>(count), Features(size));
  std::vector<double> numbers(static_cast<size_t>(count));
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto c = static_cast<size_t>(classes[s]);
    ++numbers[c];
    for (size_t i = 0; i < size; ++i) means[c][i] += samples[s][i];
  }
  for (size_t c = 0; c < means.size(); ++c) {
    for (auto& value : means[c]) value /= std::max(numbers[c], 1.0);
  }
  Matrix covariance(size, Features(size));
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto& mean = means[static_cast<size_t>(classes[s])];
    for (size_t i = 0; i < size; ++i) {
      const double away = (samples[s][i] - mean[i]) / static_cast<double>(samples.size());
      for (size_t k = 0; k <= i; ++k) covariance[i][k] += away * (samples[s][k] - mean[k]);
    }
  }
  // Few samples make features seem more alike than they are: trust their own spread a little more.
  constexpr double kShrink = 0.05, kLeast = 1e-7;
  for (size_t i = 0; i < size; ++i) {
    for (size_t k = 0; k < i; ++k) covariance[i][k] *= 1 - kShrink;
    covariance[i][i] += kLeast;
  }
  const auto triangle = cholesky(std::move(covariance));
  for (size_t c = 0; c < means.size(); ++c) {
    weights_.push_back(solve(triangle, means[c]));
    offsets_.push_back(numbers[c] > 0 ? -0.5 * dot(weights_.back(), means[c])
                                      : -std::numeric_limits<double>::infinity());
  }
}

std::vector<double> ClassModel::scores(const Features& features) const {
  std::vector<double> made;
  for (size_t c = 0; c < weights_.size(); ++c)
    made.push_back(dot(weights_[c], features) + offsets_[c]);
  return made;
}

}  // namespace bada
