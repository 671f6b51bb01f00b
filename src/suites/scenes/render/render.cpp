#include "io/error.h"
#include "suites/scenes/render/paint.h"

namespace emend::scenes {
namespace {

void check(const Scene& scene) {
  auto within = [](int value, size_t count) {
    return value >= 0 && value < static_cast<int>(count);
  };
  bool good = within(scene.background, backgrounds().size()) && within(scene.creature_place, 3) &&
              within(scene.creature + 1, creatures().size() + 1);
  for (const auto& o : scene.objects)
    good = good && within(o.shape, shapes().size()) && within(o.color, colors().size()) &&
           within(o.size, sizes().size()) && within(o.place, kPlaces);
  if (!good)
    throw Error("suites::scenes", "a scene has an index out of range",
                "this is an error in emend; please report it");
}

}  // namespace

Image render(const Scene& scene, int size) {
  if (size < 8 || size > 4096)
    throw Error("suites::scenes", "cannot render at " + std::to_string(size) + " pixels",
                "use a size from 8 to 4096");
  check(scene);
  raster::Canvas canvas(size);
  // Each part has a separate random stream, so that parts in front do not move parts behind them.
  auto stream = [&](uint64_t part) { return Rng(mix(scene.jitter + part * 0x51ed2701u)); };
  auto rng = stream(1);
  paint_background(canvas, scene.background, rng);
  if (scene.creature >= 0) {
    rng = stream(2);
    paint_creature(canvas, creatures()[scene.creature], scene.creature_place, rng);
  }
  for (const auto& object : scene.objects) {
    rng = stream(3 + object.shape);
    paint_object(canvas, object, rng);
  }
  rng = stream(12);
  return canvas.finish(uniform(rng, 1.5f, 4.5f), rng());
}

}  // namespace emend::scenes
