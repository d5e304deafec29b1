#pragma once

#include "class_model.h"
#include "picture.h"

namespace bada {

/// What tells sky and land: of each of eight bands of 16 rows, the mean red, green and blue, how
/// much brightness varies, and how much it changes from pixel to pixel across and down. 48 numbers,
/// values from 0 to 1.
Features band_features(const Picture& picture);

}  // namespace bada
