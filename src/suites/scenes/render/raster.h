#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "io/image/image.h"

namespace emend::raster {

// A small rasterizer. All figures are signed distances (negative inside), painted with a smooth
// edge of one pixel. Only + - * / and sqrt are used, which give the same results on every machine.

// A point or a direction.
struct Vec {
  float x, y;
};
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y}; }
inline Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y}; }
inline Vec operator*(Vec a, float k) { return {a.x * k, a.y * k}; }
inline float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y; }
inline float length(Vec a) { return std::sqrt(dot(a, a)); }
inline float clamp01(float v) { return std::min(std::max(v, 0.0f), 1.0f); }

// A color.
struct Rgb {
  float r, g, b;  // 0 to 255
};
inline Rgb mix(Rgb a, Rgb b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}
inline Rgb shade(Rgb c, float t) {  // toward black below 0, toward white above
  return t < 0 ? mix(c, {0, 0, 0}, -t) : mix(c, {255, 255, 255}, t);
}

// Signed distances to figures around the origin; y points down.
inline float circle(Vec p, float radius) { return length(p) - radius; }
inline float box(Vec p, Vec half, float round) {
  Vec q = {std::fabs(p.x) - half.x + round, std::fabs(p.y) - half.y + round};
  Vec out = {std::max(q.x, 0.0f), std::max(q.y, 0.0f)};
  return length(out) + std::min(std::max(q.x, q.y), 0.0f) - round;
}
// A first-order approximation (exact on the edge, which is what is painted).
inline float ellipse(Vec p, Vec half) {
  float near = length({p.x / half.x, p.y / half.y});
  float slope = length({p.x / (half.x * half.x), p.y / (half.y * half.y)});
  return slope < 1e-6f ? -std::min(half.x, half.y) : near * (near - 1) / slope;
}
inline float capsule(Vec p, Vec from, Vec to, float radius) {
  Vec along = to - from, rel = p - from;
  float t = clamp01(dot(rel, along) / dot(along, along));
  return length(rel - along * t) - radius;
}
template <size_t N>
float polygon(Vec p, const std::array<Vec, N>& corners) {
  float nearest = 1e30f;
  bool inside = false;
  for (size_t i = 0, j = N - 1; i < N; j = i++) {
    Vec edge = corners[j] - corners[i], rel = p - corners[i];
    Vec away = rel - edge * clamp01(dot(rel, edge) / dot(edge, edge));
    nearest = std::min(nearest, dot(away, away));
    if ((corners[i].y > p.y) != (corners[j].y > p.y) &&
        p.x < edge.x * (p.y - corners[i].y) / edge.y + corners[i].x)
      inside = !inside;
  }
  float d = std::sqrt(nearest);
  return inside ? -d : d;
}

// Approximates sin(2 pi t) by parabolas, so that no math library is needed.
inline float wave(float t) {
  t -= std::floor(t);
  return t < 0.5f ? 16 * t * (0.5f - t) : -16 * (t - 0.5f) * (1 - t);
}

// A rotated coordinate system: local = turn(world - origin).
struct Frame {
  Vec origin;
  float cosine = 1, sine = 0;

  // `half` is the tangent of half the angle.
  static Frame tilted(Vec origin, float half) {
    float k = 1 + half * half;
    return {origin, (1 - half * half) / k, 2 * half / k};
  }
  Vec local(Vec p) const {
    Vec q = p - origin;
    return {q.x * cosine + q.y * sine, q.y * cosine - q.x * sine};
  }
};

// A rectangle that contains a figure.
struct Box {
  float left, top, right, bottom;
  static Box around(Vec center, float reach) {
    return {center.x - reach, center.y - reach, center.x + reach, center.y + reach};
  }
};

// A square picture that is painted.
class Canvas {
 public:
  static constexpr float kUnits = 224;  // coordinates are in pixels of a 224 x 224 picture

  explicit Canvas(int size)
      : size_(size), scale_(static_cast<float>(size) / kUnits), pixels_(size_t(size) * size) {}

  int size() const { return size_; }
  float scale() const { return scale_; }
  Rgb& at(int x, int y) { return pixels_[size_t(y) * size_ + x]; }
  float unit(int pixel) const { return (static_cast<float>(pixel) + 0.5f) / scale_; }

  // distance(Vec) in units, color(Vec, distance). The edge is `blur` units wide, at least one
  // pixel.
  template <typename Distance, typename Color>
  void paint(const Box& box, float alpha, float blur, Distance distance, Color color) {
    float soft = std::max(blur, 1 / scale_);
    int x0 = bound(box.left - soft), x1 = bound(box.right + soft + 1 / scale_);
    int y0 = bound(box.top - soft), y1 = bound(box.bottom + soft + 1 / scale_);
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) {
        Vec p = {unit(x), unit(y)};
        float d = distance(p);
        float cover = 0.5f - d / soft;
        if (cover <= 0) continue;
        Rgb& pixel = at(x, y);
        pixel = mix(pixel, color(p, d), alpha * std::min(cover, 1.0f));
      }
  }
  template <typename Distance>
  void fill(const Box& box, Rgb color, Distance distance) {
    paint(box, 1, 0, distance, [&](Vec, float) { return color; });
  }

  // Adds noise of about +-amplitude, equal for the three channels.
  Image finish(float amplitude, uint64_t seed) const;

 private:
  int bound(float unit) const {
    return std::min(std::max(static_cast<int>(unit * scale_), 0), size_);
  }

  int size_;
  float scale_;
  std::vector<Rgb> pixels_;
};

}  // namespace emend::raster
