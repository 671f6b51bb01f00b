#include <vector>

#include "suites/scenes/render/paint.h"

namespace emend::scenes {
namespace {

using namespace raster;

// A wavy line of hills, dunes or water, with the ground below it.
struct Ridge {
  float height;  // height of the line, from the top
  float swing, turns;
  Rgb near, deep;  // at the line, and 120 units below it
};

void sky(Canvas& canvas, Rgb top, Rgb middle, Rgb bottom) {
  for (int y = 0; y < canvas.size(); ++y) {
    float t = canvas.unit(y) / Canvas::kUnits * 2;
    Rgb color = t < 1 ? mix(top, middle, t) : mix(middle, bottom, t - 1);
    for (int x = 0; x < canvas.size(); ++x) canvas.at(x, y) = color;
  }
}

void ridge(Canvas& canvas, const Ridge& r, Rng& jitter) {
  float phase = uniform(jitter, 0, 1), lift = uniform(jitter, -5, 5);
  std::vector<float> line(canvas.size());
  for (int x = 0; x < canvas.size(); ++x) {
    float t = canvas.unit(x) / Canvas::kUnits * r.turns + phase;
    line[x] = r.height + lift + r.swing * wave(t) + r.swing * 0.4f * wave(t * 2.3f + 0.2f);
  }
  float reach = 1.4f * std::fabs(r.swing);
  int first = static_cast<int>((r.height + lift - reach) * canvas.scale()) - 1;
  for (int y = std::max(first, 0); y < canvas.size(); ++y) {
    float unit = canvas.unit(y);
    for (int x = 0; x < canvas.size(); ++x) {
      float depth = unit - line[x];
      float cover = clamp01(depth * canvas.scale() + 0.5f);
      Rgb ground = mix(r.near, r.deep, clamp01(depth * (1 / 120.0f)));
      Rgb& pixel = canvas.at(x, y);
      pixel = mix(pixel, ground, cover);
    }
  }
}

// Soft dots: stars, snowflakes, flowers.
void dots(Canvas& canvas, int count, Box area, float radius, Rgb color, float alpha, Rng& jitter) {
  for (int i = 0; i < count; ++i) {
    Vec at = {uniform(jitter, area.left, area.right), uniform(jitter, area.top, area.bottom)};
    float r = radius * uniform(jitter, 0.6f, 1.2f);
    canvas.paint(
        Box::around(at, r), alpha, 0.8f, [&](Vec p) { return circle(p - at, r); },
        [&](Vec, float) { return color; });
  }
}

// Flat strokes: clouds, waves, ripples in sand.
void strokes(Canvas& canvas, int count, Box area, float reach, float radius, Rgb color, float alpha,
             Rng& jitter) {
  for (int i = 0; i < count; ++i) {
    Vec at = {uniform(jitter, area.left, area.right), uniform(jitter, area.top, area.bottom)};
    float r = reach * uniform(jitter, 0.5f, 1.0f);
    canvas.paint(
        {at.x - r - radius, at.y - radius, at.x + r + radius, at.y + radius}, alpha, 1.5f,
        [&](Vec p) {
          return capsule(p, {at.x - r, at.y}, {at.x + r, at.y}, radius);
        },
        [&](Vec, float) { return color; });
  }
}

void tufts(Canvas& canvas, int count, Rgb color, Rng& jitter) {
  for (int i = 0; i < count; ++i) {
    Vec at = {uniform(jitter, 6, 218), uniform(jitter, 110, 220)};
    for (float lean : {-2.5f, 0.0f, 2.5f})
      canvas.fill(Box::around(at, 8), color, [&](Vec p) {
        return capsule(p, at, {at.x + lean, at.y - 6 + std::fabs(lean)}, 0.7f);
      });
  }
}

void meadow(Canvas& canvas, Rng& jitter) {
  sky(canvas, {178, 222, 244}, {214, 240, 240}, {214, 240, 240});
  strokes(canvas, 3, {20, 12, 204, 40}, 22, 5, {255, 255, 255}, 0.55f, jitter);
  ridge(canvas, {62, 9, 1.1f, {164, 208, 126}, {140, 192, 104}}, jitter);
  ridge(canvas, {86, 7, 1.6f, {146, 200, 104}, {124, 184, 84}}, jitter);
  ridge(canvas, {150, 6, 0.9f, {134, 192, 90}, {112, 172, 74}}, jitter);
  tufts(canvas, 9, {98, 160, 66}, jitter);
  dots(canvas, 9, {6, 105, 218, 220}, 1.6f, {255, 240, 245}, 0.9f, jitter);
}

void cactus(Canvas& canvas, Vec foot, float k) {
  auto limb = [&](Vec from, Vec to, float r) {
    Vec a = foot + from * k, b = foot + to * k;
    canvas.fill({std::min(a.x, b.x) - r, std::min(a.y, b.y) - r, std::max(a.x, b.x) + r,
                 std::max(a.y, b.y) + r},
                {138, 158, 98}, [&](Vec p) { return capsule(p, a, b, r * k); });
  };
  limb({0, 0}, {0, -20}, 2.6f);
  limb({0, -8}, {7, -8}, 1.8f);
  limb({7, -8}, {7, -15}, 1.8f);
  limb({0, -5}, {-6, -5}, 1.8f);
  limb({-6, -5}, {-6, -12}, 1.8f);
}

void desert(Canvas& canvas, Rng& jitter) {
  sky(canvas, {250, 226, 176}, {252, 238, 206}, {252, 238, 206});
  ridge(canvas, {66, 8, 1.2f, {236, 204, 146}, {226, 188, 124}}, jitter);
  cactus(canvas, {uniform(jitter, 20, 204), 82}, 0.9f);
  cactus(canvas, {uniform(jitter, 20, 204), 92}, 0.8f);
  ridge(canvas, {98, 10, 0.8f, {228, 190, 124}, {214, 170, 102}}, jitter);
  ridge(canvas, {158, 8, 1.0f, {220, 178, 110}, {200, 154, 88}}, jitter);
  strokes(canvas, 9, {10, 110, 214, 218}, 13, 0.9f, {198, 152, 88}, 0.5f, jitter);
}

void snow(Canvas& canvas, Rng& jitter) {
  sky(canvas, {196, 214, 232}, {218, 230, 242}, {226, 236, 246});
  ridge(canvas, {70, 10, 1.2f, {226, 236, 246}, {214, 226, 240}}, jitter);
  ridge(canvas, {104, 8, 0.9f, {240, 246, 252}, {224, 234, 246}}, jitter);
  ridge(canvas, {160, 7, 1.1f, {248, 251, 255}, {232, 240, 250}}, jitter);
  dots(canvas, 34, {0, 0, 224, 224}, 1.7f, {255, 255, 255}, 0.9f, jitter);
}

void night(Canvas& canvas, Rng& jitter) {
  sky(canvas, {14, 18, 52}, {28, 34, 84}, {44, 50, 108});
  dots(canvas, 46, {0, 0, 224, 150}, 0.9f, {236, 238, 255}, 0.9f, jitter);
  ridge(canvas, {160, 9, 1.1f, {32, 40, 82}, {22, 28, 62}}, jitter);
  ridge(canvas, {186, 7, 0.8f, {24, 30, 66}, {16, 20, 46}}, jitter);
}

void sea(Canvas& canvas, Rng& jitter) {
  sky(canvas, {196, 232, 246}, {226, 244, 248}, {226, 244, 248});
  strokes(canvas, 3, {20, 10, 204, 34}, 22, 5, {255, 255, 255}, 0.6f, jitter);
  ridge(canvas, {54, 1.0f, 3, {104, 190, 212}, {70, 160, 196}}, jitter);
  ridge(canvas, {96, 2.5f, 4, {86, 176, 206}, {58, 146, 188}}, jitter);
  ridge(canvas, {138, 3.0f, 3.5f, {74, 164, 200}, {48, 132, 178}}, jitter);
  ridge(canvas, {184, 3.5f, 3, {62, 150, 190}, {38, 116, 164}}, jitter);
  strokes(canvas, 14, {8, 66, 216, 218}, 9, 0.9f, {214, 242, 250}, 0.6f, jitter);
}

void sunset(Canvas& canvas, Rng& jitter) {
  sky(canvas, {128, 86, 146}, {236, 128, 128}, {255, 196, 122});
  strokes(canvas, 6, {10, 20, 214, 110}, 34, 2.6f, {255, 196, 170}, 0.4f, jitter);
  ridge(canvas, {164, 8, 1.0f, {172, 92, 112}, {140, 72, 104}}, jitter);
  ridge(canvas, {192, 6, 0.8f, {118, 62, 96}, {92, 46, 84}}, jitter);
}

}  // namespace

void paint_background(Canvas& canvas, int background, Rng& jitter) {
  static constexpr std::array<void (*)(Canvas&, Rng&), 6> painters = {meadow, desert, snow,
                                                                      night,  sea,    sunset};
  painters.at(background)(canvas, jitter);
}

}  // namespace emend::scenes
