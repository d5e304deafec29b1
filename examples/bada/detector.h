#pragma once

#include <memory>

#include "picture.h"
#include "scene.h"

namespace bada {

/// Reads sky, ground and thing back from a picture.
///
/// It learns from some 900 rendered scenes, also blurred and noisy ones, when it is made, which
/// takes about ten seconds of a processor. Sky and ground are told together by the colours and the
/// unrest of eight bands of the picture. For each thing, every pixel says by its colour how much
/// likelier it is on that thing than in this landscape; the sum over the outlines that the thing
/// has had, at its best place, is the thing's score; and by all scores one is chosen that makes
/// sense here.
class Detector {
 public:
  Detector();
  ~Detector();
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  Scene detect(const Picture& picture) const;

 private:
  struct Learned;
  std::unique_ptr<const Learned> learned_;
};

}  // namespace bada
