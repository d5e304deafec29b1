#include "ground.h"

namespace bada {
namespace {

constexpr Color kFacades[] = {{0.50f, 0.54f, 0.64f}, {0.62f, 0.57f, 0.55f}, {0.66f, 0.50f, 0.46f},
                              {0.74f, 0.68f, 0.60f}, {0.42f, 0.52f, 0.58f}, {0.56f, 0.54f, 0.66f}};
constexpr Color kLamp{1.0f, 0.84f, 0.46f};

enum class Roof { kFlat, kSteps, kPoint, kMast };

struct Building {
  float left, right, top;
  Color facade;
  Roof roof;
};

struct Block {
  /// Where the street is; how far the block is; how large windows are, 0 for none.
  float foot, far, window;
};

/// Shares of windows that are lit.
float lit_share(Sky sky) {
  switch (sky) {
    case Sky::kBlue:
      return 0;
    case Sky::kGrey:
      return 0.22f;
    case Sky::kDawn:
      return 0.22f;
    case Sky::kSunset:
      return 0.48f;
    case Sky::kNight:
      return 0.58f;
  }
  return 0;
}

void paint_roof(const Stage& stage, const Building& building, Color front, Color dark, float far) {
  const float middle = std::round((building.left + building.right) / 2);
  const float half = (building.right - building.left) / 2, top = building.top;
  switch (building.roof) {
    case Roof::kFlat:
      return;
    case Roof::kSteps:
      fill_box(stage.canvas,
               {middle - std::round(half * 0.6f), top - 4, middle + std::round(half * 0.6f), top},
               front);
      fill_box(
          stage.canvas,
          {middle - std::round(half * 0.3f), top - 8, middle + std::round(half * 0.3f), top - 4},
          front);
      return;
    case Roof::kPoint:
      fill_polygon(stage.canvas,
                   {{building.left, top}, {middle, top - half * 1.1f}, {building.right, top}},
                   mix(front, dark, 0.5f));
      return;
    case Roof::kMast:
      fill_box(stage.canvas, {middle - 3, top - 3, middle + 3, top}, front);
      draw_line(stage.canvas, {middle, top - 13}, {middle, top - 2}, 1.3f, dark);
      if (stage.palette.night > 0.5f)
        fill_disc(stage.canvas, {middle, top - 13}, 1.4f,
                  mix({1.0f, 0.35f, 0.30f}, stage.palette.haze, far));
      return;
  }
}

void paint_windows(const Stage& stage, const Building& building, const Block& block,
                   float front_right, Random& random) {
  const float size = block.window, step = size + 2.5f, share = lit_share(stage.scene.sky);
  const Color glass = stage.scene.sky == Sky::kBlue
                          ? mix(building.facade, stage.palette.sky_at(0.6f), 0.62f)
                          : building.facade * 0.62f;
  const Color unlit = mix(stage.scene.sky == Sky::kBlue ? glass : stage.palette.lit(glass, 0.2f),
                          stage.palette.haze, block.far);
  const Color lamp = mix(kLamp, stage.palette.haze, block.far * 0.8f);
  const float wide = front_right - building.left;
  const int columns = static_cast<int>((wide - 2) / step);
  if (columns < 1) return;
  const float margin = (wide - static_cast<float>(columns) * step + 2.5f) / 2;
  for (float y = building.top + 4; y < block.foot - 4; y += step + 0.5f) {
    for (int column = 0; column < columns; ++column) {
      const float x = building.left + margin + static_cast<float>(column) * step;
      const bool lit = random.chance(share);
      fill_box(stage.canvas, {x, y, x + size, y + size + 0.5f}, lit ? lamp : unlit,
               lit ? 0.95f : 0.75f);
    }
  }
}

void paint_building(const Stage& stage, const Building& building, const Block& block,
                    Random& random) {
  const auto& palette = stage.palette;
  const Color front = palette.lit(building.facade, 0.55f, block.far);
  const Color dark = palette.lit(building.facade * 0.62f, 0.0f, block.far);
  // The side away from the light is seen a little.
  const float wide = building.right - building.left;
  const float face = std::round(wide * 0.24f),
              right = building.right - (stage.layout.side < 0 ? face : 0);
  const float left = building.left + (stage.layout.side < 0 ? 0 : face);
  paint_roof(stage, building, front, dark, block.far);
  for (int y = static_cast<int>(building.top); y < static_cast<int>(block.foot) + 1; ++y) {
    const float down =
        (static_cast<float>(y) - building.top) / std::max(1.0f, block.foot - building.top);
    // Streets are in haze by day, and in lamplight by night.
    const Color air = mix(palette.haze, kLamp * 0.75f, palette.night * 0.55f);
    for (int x = std::max(0, static_cast<int>(building.left));
         x < std::min(kSize, static_cast<int>(building.right)); ++x) {
      const float fx = static_cast<float>(x);
      const bool lit = fx >= left && fx < right;
      const float cover = clamp01(static_cast<float>(y) + 1 - building.top);
      stage.canvas.blend(x, y, mix(lit ? front : dark, air, 0.20f * down * down), cover);
    }
  }
  if (block.window > 0) {
    Building shown = building;
    shown.left = left;
    shown.facade = building.facade;
    paint_windows(stage, shown, block, right, random);
  }
}

void paint_block(const Stage& stage, const Block& block, Random& random, float high, float low) {
  float x = random.uniform(-10, 0);
  while (x < kSize) {
    const float wide = std::round(random.uniform(12, 23) * mix(1.0f, 0.75f, block.far));
    // Few are high.
    const float tall = static_cast<float>(random.uniform());
    const float middle = x + wide / 2;
    float top = std::round(block.foot - mix(low, high, tall * tall));
    const Color facade = kFacades[random.integer(6)] * random.uniform(0.9f, 1.1f);
    const auto roof = static_cast<Roof>(random.integer(4));
    const float gap = random.chance(0.25) ? random.uniform(1, 5) : 0;
    for (const float at : {x, middle, x + wide}) {
      const float row = block.far > 0.1f ? stage.free_row(at) : stage.low_row(at);
      top = std::max(top, std::ceil(row));
    }
    const Building building{std::round(x), std::round(x) + wide, top, facade, roof};
    if (top < block.foot - 5) paint_building(stage, building, block, random);
    x += wide + gap;
  }
}

/// A square in front, on which things may stand.
void paint_square(const Stage& stage, float foot) {
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  const Color stone{0.60f, 0.58f, 0.60f}, lamp = kLamp * 0.8f;
  for (int y = static_cast<int>(foot); y < kSize; ++y) {
    const float depth = (static_cast<float>(y) - foot) / (kSize - foot);
    for (int x = 0; x < kSize; ++x) {
      const float fx = static_cast<float>(x);
      Color color = stage.palette.lit(stone, 0.55f - 0.35f * depth);
      // Wet stones, that show the lamps of the town.
      const float glow =
          stage.palette.night * (1 - depth) * (0.30f + 0.30f * noise.fractal(fx / 9, depth * 2, 2));
      color = mix(color, lamp, clamp01(glow) * 0.7f);
      // Rows of slabs, wider towards the viewer.
      const float row = 9 * std::sqrt(depth);
      color = color * (1 - 0.05f * smooth_step(0.30f, 0.50f, std::abs(row - std::round(row))));
      stage.canvas.at(x, y) = y == static_cast<int>(foot) ? color * 1.1f : color;
    }
  }
}

}  // namespace

void paint_city(const Stage& stage) {
  auto random = stage.random(kGroundPart);
  const float foot = std::floor(stage.layout.horizon);
  paint_block(stage, {foot, 0.62f, 0}, random, 64, 26);
  paint_block(stage, {foot, 0.32f, 2}, random, 62, 20);
  paint_block(stage, {foot, 0, 3}, random, 50, 14);
  paint_square(stage, foot);
}

}  // namespace bada
