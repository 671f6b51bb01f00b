#include "suites/scenes/render/paint.h"

namespace emend::scenes {
namespace {

using namespace raster;

constexpr std::array<Rgb, 8> kSkin = {{{222, 62, 66},
                                       {248, 150, 40},
                                       {250, 220, 70},
                                       {82, 184, 74},
                                       {44, 190, 196},
                                       {62, 104, 226},
                                       {152, 84, 212},
                                       {248, 138, 192}}};
constexpr Rgb kBone = {250, 240, 214}, kInk = {36, 34, 46};

// Bodies stand on y = 46 and reach up to about -42. Ears are at the top of the head.
struct Build {
  float top, half_width;  // top and half width of the head
  Vec eyes;               // point between the eyes
};
constexpr std::array<Build, 6> kBuilds = {{{-40, 24, {0, -10}},
                                           {-36, 28, {0, -10}},
                                           {-48, 15, {0, -18}},
                                           {-40, 7, {0, 4}},
                                           {-16, 23, {0, 4}},
                                           {-42, 24, {0, -12}}}};

float body(int kind, Vec p) {
  switch (kind) {
    case 0:
      return circle({p.x, p.y - 3}, 43);
    case 1:
      return box({p.x, p.y - 5}, {40, 41}, 12);
    case 2:
      return ellipse({p.x, p.y + 2}, {30, 48});
    case 3: {
      static constexpr std::array<Vec, 3> corners = {{{0, -34}, {38, 38}, {-38, 38}}};
      return polygon(p, corners) - 8;
    }
    case 4:
      return ellipse({p.x, p.y - 14}, {45, 32});
    default: {
      // A dome with a wavy hem.
      float hem = 42 + 5 * wave(p.x / 20 + 0.25f);
      float side = std::max(std::fabs(p.x) - 36, p.y - hem);
      return p.y < -6 ? circle({p.x, p.y + 6}, 36) : side;
    }
  }
}

// One ear of a pair at `side` +-1, relative to its base; |distance|, the caller selects the color.
float ear(int kind, const Build& build, Vec p) {
  float x = std::fabs(p.x) - build.half_width, y = p.y - build.top;
  switch (kind) {
    case 0:
      return circle({x - 2, y + 3}, 14);
    case 1: {
      static constexpr std::array<Vec, 3> corners = {{{-12, 10}, {10, -22}, {14, 16}}};
      return polygon(Vec{x, y}, corners) - 2;
    }
    case 2:
      return capsule({std::fabs(p.x), p.y}, {build.half_width * 0.55f, build.top + 6},
                     {build.half_width * 0.55f + 6, build.top - 24}, 8.5f);
    case 3: {  // horns: two crescents
      Vec q = {x - 2, y + 10};
      return std::max(circle(q, 18), std::max(-circle({q.x + 10, q.y + 6}, 17), -q.x - 10));
    }
    case 4: {  // antennae
      Vec q = {std::fabs(p.x), p.y};
      Vec tip = {build.half_width * 0.5f + 9, build.top - 24};
      return std::min(capsule(q, {build.half_width * 0.4f, build.top + 6}, tip, 2.2f),
                      circle(q - tip, 7));
    }
    default: {  // a crest of spikes
      static constexpr std::array<Vec, 7> corners = {
          {{-24, 12}, {-20, -12}, {-9, -2}, {0, -24}, {9, -2}, {20, -12}, {24, 12}}};
      return polygon(Vec{p.x, y}, corners) - 1;
    }
  }
}

bool marked(int pattern, Vec p) {
  static constexpr std::array<Vec, 9> spots = {{{-26, -22},
                                                {24, -26},
                                                {-30, 8},
                                                {31, 4},
                                                {-20, 32},
                                                {18, 34},
                                                {0, -38},
                                                {-2, 40},
                                                {36, 28}}};
  switch (pattern) {
    case 1:
      for (Vec s : spots)
        if (circle(p - s, 8.5f) < 0) return true;
      return false;
    case 2: {
      float t = (p.y + 60) / 19;
      return t - std::floor(t) < 0.42f;
    }
    default:
      return false;
  }
}

void paint_eyes(Canvas& canvas, int count, const Frame& frame, Vec at, Vec gaze) {
  static constexpr std::array<std::array<Vec, 3>, 3> layout = {
      {{{{0, 0}, {}, {}}}, {{{-13, 0}, {13, 0}, {}}}, {{{-19, 2}, {0, -5}, {19, 2}}}}};
  float white = count == 0 ? 15.0f : count == 1 ? 10.5f : 8.5f;
  for (int i = 0; i <= count; ++i) {
    Vec middle = at + layout[count][i];
    auto ball = [&](Vec offset, float r, Rgb color) {
      canvas.fill(Box::around(frame.origin + middle, white + 5), color,
                  [&, offset, r](Vec p) { return circle(frame.local(p) - middle - offset, r); });
    };
    ball({0, 0}, white + 1.4f, kInk);
    ball({0, 0}, white, {255, 255, 255});
    ball(gaze * (white * 0.3f), white * 0.55f, kInk);
    ball(gaze * (white * 0.3f) + Vec{-white * 0.18f, -white * 0.2f}, white * 0.18f,
         {255, 255, 255});
  }
}

void paint_mouth(Canvas& canvas, const Frame& frame, Vec at) {
  // A smile: the lower edge of a ring.
  canvas.fill(Box::around(frame.origin + at, 15), kInk, [&](Vec p) {
    Vec q = frame.local(p) - at;
    float ring = std::fabs(circle(q, 10)) - 1.5f;
    return std::max(ring, 4 - q.y);
  });
}

}  // namespace

void paint_creature(Canvas& canvas, const Creature& creature, int column, Rng& jitter) {
  constexpr std::array<float, 3> columns = {50, 112, 174};
  Vec at = {columns[column] + uniform(jitter, -3, 3), 122 + uniform(jitter, -4, 4)};
  auto frame = Frame::tilted(at, uniform(jitter, -0.045f, 0.045f));
  float light = uniform(jitter, -0.05f, 0.05f);
  Vec gaze = {uniform(jitter, -1, 1), uniform(jitter, -0.6f, 0.8f)};
  const Build& build = kBuilds[creature.body];
  Rgb skin = shade(kSkin[creature.color], light), edge = shade(skin, -0.5f);
  Box area = {at.x - 56, at.y - 90, at.x + 56, at.y + 58};

  canvas.paint(
      {at.x - 54, at.y + 38, at.x + 54, at.y + 66}, 0.36f, 9,
      [&](Vec p) {
        return ellipse({p.x - at.x, p.y - at.y - 52}, {42, 8});
      },
      [](Vec, float) {
        return Rgb{18, 22, 40};
      });

  auto part = [&](const Box& where, Rgb color, auto distance) {
    canvas.paint(
        where, 1, 0, [&](Vec p) { return distance(frame.local(p)); },
        [&](Vec, float d) {
          return mix(color, edge, clamp01((d + 2.2f) * canvas.scale() + 0.5f));
        });
  };
  part({at.x - 40, at.y + 30, at.x + 40, at.y + 62}, shade(skin, -0.22f), [&](Vec p) {
    return ellipse({std::fabs(p.x) - 18, p.y - 48}, {13, 8});
  });
  Rgb ears = creature.ears == 3 || creature.ears == 5 ? kBone : shade(skin, -0.08f);
  part({area.left, area.top, area.right, at.y + 10}, ears,
       [&](Vec p) { return ear(creature.ears, build, p); });

  Rgb mark = shade(skin, -0.36f), belly = shade(skin, 0.62f);
  canvas.paint(
      area, 1, 0, [&](Vec p) { return body(creature.body, frame.local(p)); },
      [&](Vec world, float d) {
        Vec p = frame.local(world);
        Rgb color = marked(creature.pattern, p) ? mark : skin;
        if (creature.pattern == 3)
          color = mix(color, belly, clamp01(0.5f - ellipse({p.x, p.y - 26}, {24, 20})));
        color = shade(color, p.y < 0 ? -p.y * 0.0030f : -p.y * 0.0032f);
        return mix(color, edge, clamp01((d + 2.4f) * canvas.scale() + 0.5f));
      });
  paint_eyes(canvas, creature.eyes, frame, build.eyes, gaze);
  paint_mouth(canvas, frame, {0, build.eyes.y + 16});
}

}  // namespace emend::scenes
