// Draws a contact sheet of the bundled world (rows of scenes, then the creatures), or of a suite of
// files: each edit's picture, next to it the one of M-Generality, and a line of text for each.
//   emend-contact-sheet OUT.png [SEED]
//   emend-contact-sheet OUT.png SUITE DATA [EDITS]

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "io/error.h"
#include "suites/scenes/scenes.h"
#include "suites/suite.h"

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
  void add(const Image& picture) {
    auto small = resize(picture, kSide, kSide);
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

// The world of Scenes.
Sheet world(uint64_t seed) {
  Rng rng(seed);
  int count = static_cast<int>(creatures().size());
  Sheet sheet(kSceneRows + count / kColumns);
  for (int i = 0; i < kSceneRows * kColumns; ++i)
    sheet.add(render(draw_scene(Split::pretrain, rng)));
  for (int i = 0; i < count; ++i) {
    Scene scene;
    scene.creature = i;
    scene.background = (i * 5 + i / kColumns) % 6;
    scene.jitter = rng();
    sheet.add(render(scene));
  }
  return sheet;
}

Sheet edits(const std::string& name, const std::string& data, size_t limit) {
  SuiteOptions options;
  options.data = data;
  options.limit = limit;
  const auto suite = open_suite(name, options);
  const int pairs = kColumns / 2, count = static_cast<int>(suite->size());
  Sheet sheet((count + pairs - 1) / pairs);
  for (size_t i = 0; i < suite->size(); ++i) {
    const auto record = suite->record(i);
    Image picture = record.image.load(), other = picture;
    std::string rephrase;
    for (const auto& probe : record.probes) {
      if (probe.group == Group::text_generality) rephrase = probe.text;
      if (probe.group == Group::image_generality) other = probe.image.load();
    }
    sheet.add(picture);
    sheet.add(other);
    std::printf("row %zu, pair %zu: %s | %s | before: %s | target: %s\n", i / pairs + 1,
                i % pairs + 1, record.prompt.c_str(), rephrase.c_str(), record.before.c_str(),
                record.target.c_str());
  }
  return sheet;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2)
    throw Error("emend-contact-sheet", "the output file is missing",
                "usage: emend-contact-sheet OUT.png [SEED], or OUT.png SUITE DATA [EDITS]");
  const auto number = [&](int i, uint64_t other) {
    return argc > i ? std::strtoull(argv[i], nullptr, 10) : other;
  };
  const auto sheet = argc > 3 ? edits(argv[2], argv[3], number(4, 50)) : world(number(2, 1));
  write_png(argv[1], sheet.image());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
