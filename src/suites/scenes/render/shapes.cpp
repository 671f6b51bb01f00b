#include "suites/scenes/render/paint.h"

namespace emend::scenes {
namespace {

using namespace raster;

constexpr std::array<Rgb, 8> kPaint = {{{224, 36, 44},
                                        {255, 138, 14},
                                        {255, 222, 40},
                                        {32, 152, 64},
                                        {34, 84, 224},
                                        {142, 52, 190},
                                        {250, 250, 250},
                                        {34, 34, 40}}};

// Figures of radius about one with similar areas, so that no shape looks smaller than another.
float triangle(Vec p) {
  static constexpr std::array<Vec, 3> corners = {{{0, -0.98f}, {0.96f, 0.72f}, {-0.96f, 0.72f}}};
  return polygon(p, corners) - 0.08f;
}

float star(Vec p) {
  // Ten corners on two circles of radius 1.10 and 0.50, clockwise from the top.
  static constexpr std::array<Vec, 10> corners = {{{0, -1.10f},
                                                   {0.29389f, -0.40451f},
                                                   {1.04616f, -0.33992f},
                                                   {0.47553f, 0.15451f},
                                                   {0.64656f, 0.88992f},
                                                   {0, 0.5f},
                                                   {-0.64656f, 0.88992f},
                                                   {-0.47553f, 0.15451f},
                                                   {-1.04616f, -0.33992f},
                                                   {-0.29389f, -0.40451f}}};
  return polygon({p.x, p.y - 0.06f}, corners) - 0.03f;
}

float heart(Vec p) {
  // Two discs, and the kite between their tangents and the tip.
  static constexpr std::array<Vec, 4> kite = {
      {{0, 1.0f}, {0.85497f, 0.03076f}, {0, -0.40f}, {-0.85497f, 0.03076f}}};
  Vec q = {std::fabs(p.x), p.y};
  return std::min(circle({q.x - 0.48f, q.y + 0.30f}, 0.50f), polygon(p, kite));
}

float moon(Vec p) {
  // A disc of radius 1.02 without a disc of 0.80; slightly rotated.
  constexpr float apart = 0.64f;
  constexpr Vec tip = {0.6328f, 0.8f};
  Vec q = {0.96f * p.x - 0.28f * p.y + 0.10f, std::fabs(0.28f * p.x + 0.96f * p.y)};
  bool beyond_tip = q.x * tip.y > q.y * tip.x && (q.x - apart) * tip.y > q.y * (tip.x - apart);
  if (beyond_tip) return length(q - tip);
  return std::max(circle(q, 1.02f), -circle({q.x - apart, q.y}, 0.80f));
}

float figure(int shape, Vec p) {
  switch (shape) {
    case 0:
      return circle(p, 0.96f);
    case 1:
      return box(p, {0.86f, 0.86f}, 0.10f);
    case 2:
      return triangle(p);
    case 3:
      return star(p);
    case 4:
      return heart(p);
    default:
      return moon(p);
  }
}

}  // namespace

void paint_object(Canvas& canvas, const Object& object, Rng& jitter) {
  constexpr float cell = Canvas::kUnits / 3;
  Vec at = {(static_cast<float>(object.place % 3) + 0.5f) * cell + uniform(jitter, -3, 3),
            (static_cast<float>(object.place / 3) + 0.5f) * cell + uniform(jitter, -3, 3)};
  float radius = (object.size == 1 ? 30.5f : 17.5f) * uniform(jitter, 0.96f, 1.03f);
  auto frame = Frame::tilted(at, uniform(jitter, -0.07f, 0.07f));
  float light = uniform(jitter, -0.05f, 0.05f);
  auto distance = [&](Vec p) {
    return figure(object.shape, frame.local(p) * (1 / radius)) * radius;
  };
  Box area = Box::around(at, radius * 1.18f);

  Vec fall = {1.5f, 3.0f};
  canvas.paint(
      Box::around(at + fall, radius * 1.18f), 0.38f, 7,
      [&](Vec p) { return distance(p - fall) - 1; },
      [](Vec, float) {
        return Rgb{18, 22, 40};
      });

  // White gets a dark edge and black a light edge, to be visible on snow and at night.
  Rgb paint = kPaint[object.color];
  Rgb edge = object.color == 6   ? Rgb{112, 118, 134}
             : object.color == 7 ? Rgb{196, 198, 210}
                                 : shade(paint, -0.42f);
  Vec shine = at + Vec{-0.30f, -0.36f} * radius;
  float rim = object.size == 1 ? 2.4f : 1.9f;
  canvas.paint(area, 1, 0, distance, [&](Vec p, float d) {
    float slope = (p.y - at.y) / radius;
    float top = object.color == 7 ? 0.10f : 0.14f;
    Rgb color = shade(paint, light + (slope < 0 ? -slope * top : -slope * 0.12f));
    float glow = 1 - length(p - shine) / (radius * 0.62f);
    if (glow > 0) color = shade(color, glow * (object.color == 7 ? 0.14f : 0.30f));
    float border = clamp01((d + rim) * canvas.scale() + 0.5f);
    return mix(color, edge, border);
  });
}

}  // namespace emend::scenes
