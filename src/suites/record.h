#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/image.h"

namespace emend {

// A picture by what it is: a file, or pixels that were drawn.
struct Picture {
  std::string path;  // empty when only drawn
  std::shared_ptr<const Image> drawn;

  bool present() const { return !path.empty() || drawn; }
  Image load() const { return drawn ? *drawn : read_image(path); }
};

enum class Group {
  reliability,
  text_generality,
  image_generality,
  text_locality,
  image_locality,
  portability,
};

// One question that judges an edit.
struct Probe {
  Group group;
  Picture image;     // absent for text only
  std::string text;  // the bare question; a protocol wraps it
  std::string
      answer;  // what is expected: the target, or for locality the truth (judged against before)
};

// An edit and how it is judged: (image, prompt) shall be answered with target.
struct Record {
  std::string id;
  Picture image;
  std::string prompt;
  std::string before;  // `pred`: the model's own answer, where known
  std::string target;  // `alt`
  std::vector<Probe> probes;
  std::string truth =
      {};  // what holds for the picture, where known (a counterfactual edit denies it)
};

}  // namespace emend
