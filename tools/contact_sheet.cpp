// Draws a contact sheet of the bundled world: rows of scenes, then the creatures.
//   emend-contact-sheet OUT.png [SEED]

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "io/error.h"
#include "suites/scenes/scenes.h"

namespace {

using namespace emend;
using namespace emend::scenes;

constexpr int kColumns = 8, kSceneRows = 4, kSide = 120, kGap = 4;

class Sheet {
 public:
  explicit Sheet(int rows) {
    image_.width = kColumns * (kSide + kGap) + kGap;
    image_.height = rows * (kSide + kGap) + kGap;
    image_.rgb.assign(size_t(image_.width) * image_.height * 3, 255);
  }
  void add(const Scene& scene) {
    auto small = resize(render(scene), kSide, kSide);
    int left = next_ % kColumns * (kSide + kGap) + kGap;
    int top = next_ / kColumns * (kSide + kGap) + kGap;
    for (int y = 0; y < kSide; ++y)
      std::copy_n(&small.rgb[size_t(y) * kSide * 3], kSide * 3,
                  &image_.rgb[(size_t(top + y) * image_.width + left) * 3]);
    ++next_;
  }
  const Image& image() const { return image_; }

 private:
  Image image_;
  int next_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2)
    throw Error("emend-contact-sheet", "the output file is missing",
                "usage: emend-contact-sheet OUT.png [SEED]");
  Rng rng(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  int count = static_cast<int>(creatures().size());
  Sheet sheet(kSceneRows + count / kColumns);
  for (int i = 0; i < kSceneRows * kColumns; ++i) sheet.add(draw_scene(Split::pretrain, rng));
  for (int i = 0; i < count; ++i) {
    Scene scene;
    scene.creature = i;
    scene.background = (i * 5 + i / kColumns) % 6;
    scene.jitter = rng();
    sheet.add(scene);
  }
  write_png(argv[1], sheet.image());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
