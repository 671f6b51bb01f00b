#pragma once

#include "suites/random.h"
#include "suites/scenes/render/raster.h"
#include "suites/scenes/scenes.h"

// Functions that paint the parts of a scene, from back to front.
namespace emend::scenes {

// A random number in [low, high), in steps of 1/65536 of the range.
inline float uniform(Rng& rng, float low, float high) {
  return low + (high - low) * (static_cast<float>(below(rng, 65536)) / 65536);
}

void paint_background(raster::Canvas& canvas, int background, Rng& jitter);
void paint_creature(raster::Canvas& canvas, const Creature& creature, int column, Rng& jitter);
void paint_object(raster::Canvas& canvas, const Object& object, Rng& jitter);

}  // namespace emend::scenes
