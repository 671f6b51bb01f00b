#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// A picture: a file, or generated pixels.
struct Picture {
  std::string path;  // empty for generated pixels
  std::shared_ptr<const Image> drawn;

  bool present() const { return !path.empty() || drawn; }
  Image load() const { return drawn ? *drawn : read_image(path); }
};

// The group of a probe. The groups are the cells of the T x I grid (De-VQA), with texts (edited,
// similar, unrelated) as rows and pictures (edited, similar, unrelated, none) as columns.
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
  portability,                // consequences of the edit
};

// One question that judges an edit.
struct Probe {
  Group group;
  Picture image;     // absent for a text-only probe
  std::string text;  // the question; a protocol adds the template
  // The expected answer: the target, or for locality the correct answer. Locality is judged by the
  // answer before the edit.
  std::string answer;
  // In RI and NI: the text is a rewording. In CI: the picture is another view.
  bool similar = false;
  std::string subject = {};  // the words of the text that the fact is about, if known
  // Identifies what the question asks about, if known: probes and edits with the same fact have
  // the same correct answer, whatever the wording and the view.
  std::string fact = {};
  // An answer whose probability is compared with that of `answer`; empty: none. For locality it is
  // the target of the edit, and for other groups the answer before the edit.
  std::string alternative = {};
};

// An edit with its probes: the answer to (image, prompt) should be `target`.
struct Record {
  std::string id;
  Picture image;
  std::string prompt;
  std::string before;  // `pred`: the model's answer before the edit, if known
  std::string target;  // `alt`
  std::vector<Probe> probes;
  std::string subject = {};  // the words of the prompt that the fact is about, if known
  std::string fact = {};     // see Probe
  // The correct answer for the picture, if known. A counterfactual edit contradicts it.
  std::string truth = {};
};

}  // namespace emend
