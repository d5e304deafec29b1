#pragma once

#include <vector>

namespace bada {

using Features = std::vector<double>;

/// Classes of features that are spread alike about their means, as a normal distribution with one
/// covariance for all (linear discriminant analysis): the score of class c at x is
/// xᵀ Σ⁻¹ μ_c - ½ μ_cᵀ Σ⁻¹ μ_c.
///
/// Reference: Fisher, "The use of multiple measurements in taxonomic problems" (1936).
class ClassModel {
 public:
  ClassModel() = default;

  /// Learns from samples, each of a class from 0 to `count` - 1. A class without a sample is never
  /// likely.
  ClassModel(const std::vector<Features>& samples, const std::vector<int>& classes, int count);

  /// The score of each class; the highest is the likeliest.
  std::vector<double> scores(const Features& features) const;

 private:
  std::vector<Features> weights_;
  std::vector<double> offsets_;
};

}  // namespace bada
