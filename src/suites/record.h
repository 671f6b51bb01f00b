#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// A picture by what it is: a file, or pixels that were drawn.
struct Picture {
  std::string path;  // empty when only drawn
  std::shared_ptr<const Image> drawn;

  bool present() const { return !path.empty() || drawn; }
  Image load() const { return drawn ? *drawn : read_image(path); }
};

// What a probe is for. With texts (edited, similar, unrelated) down and pictures (edited, similar,
// unrelated, none) across, these are the cells of the T x I grid (De-VQA).
enum class Group {
  reliability,                // edited text, edited picture
  text_generality,            // similar text, edited picture
  image_generality,           // edited text, similar picture
  both_generality,            // similar text, similar picture
  text_locality,              // unrelated text, no picture
  image_locality,             // unrelated text, unrelated picture
  random_image_locality,      // RI: edited or similar text, unrelated picture
  no_image_locality,          // NI: edited or similar text, no picture
  consistent_image_locality,  // CI: unrelated text, edited or similar picture
  portability,                // what follows from the edit
};

// Whether the answer shall stay as it was before the edit.
bool is_locality(Group group);

// One question that judges an edit.
struct Probe {
  Group group;
  Picture image;     // absent for text only
  std::string text;  // the bare question; a protocol wraps it
  std::string
      answer;  // what is expected: the target, or for locality the truth (judged against before)
  bool similar =
      false;  // in RI and NI: the text is a rewording; in CI: the picture is another view
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
