#pragma once

#include <array>
#include <vector>

#include "class_model.h"
#include "color_table.h"
#include "outline.h"
#include "scene.h"

namespace bada {

/// On land and at sea things look different: lighthouses stand on rocks there.
inline constexpr size_t kPlaces = 2;
inline size_t place_of(Ground ground) {
  return ground == Ground::kSea ? 1 : 0;
}

/// How well each thing is seen in a picture.
class ThingScores {
 public:
  /// One picture to learn from: with its thing, and without.
  struct Example {
    Scene scene;
    Picture with, without;
  };

  /// Learns the colours of things and landscapes, and the things' outlines.
  explicit ThingScores(const std::vector<Example>& examples);

  /// A score for each thing but `kNone`, in their order; the higher, the better. What makes no
  /// sense in that landscape has `kNoScore`.
  Features of(const Picture& picture, Sky sky, Ground ground) const;

  static constexpr double kNoScore = -1e9;

 private:
  static constexpr int kBands = 8;

  using Logarithms = std::vector<float>;

  /// By how much a pixel's colour is likelier on the thing than in the landscape, in the map.
  HalfMap likelihood(const std::vector<int>& boxes, const Scene& scene) const;

  std::array<std::array<Logarithms, kThings>, kSkies> thing_colors_;
  /// Landscapes' colours are those of an eighth of the picture's height: sand at the foot is no
  /// reason not to see a sun above.
  std::array<std::array<std::array<Logarithms, kBands>, kGrounds>, kSkies> land_colors_;
  /// The outlines that a thing has had, and the rows of the map where its middle may be.
  struct Shapes {
    std::vector<Outline> outlines;
    int first_row = kHalf, last_row = 0;
  };
  std::array<std::array<Shapes, kThings>, kPlaces> shapes_;
};

}  // namespace bada
