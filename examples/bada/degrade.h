#pragma once

#include "picture.h"
#include "random.h"

namespace bada {

/// The mean of each pixel and its eight neighbours, `times` over.
Picture blurred(const Picture& picture, int times = 1);

/// Each value off by up to `most`, uniformly.
Picture noisy(const Picture& picture, int most, Random& random);

}  // namespace bada
