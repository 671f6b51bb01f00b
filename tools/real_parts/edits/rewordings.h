#pragma once

#include <string>
#include <vector>

namespace emend::photos {

// A question in other words, and the name of the rule that made it.
struct Rewording {
  std::string text, rule;
};

// A rule: a regular expression (ECMAScript) of a whole question without its question mark, and its
// replacements.
struct RewordingRule {
  const char *name, *pattern;
  std::vector<const char*> replacements;
};

// The rules for the questions of DAQUAR, in the order in which they are tried.
const std::vector<RewordingRule>& rewording_rules();

// The question in other words that ask for the same, by the first rule that fits. Empty: no rule
// fits, or the question names a picture by its number.
std::vector<Rewording> reword_question(const std::string& question);

// The rewordings of the prompt of captions that E-IC uses, except those that call a photo a
// painting.
const std::vector<std::string>& caption_prompts();

// Whether the text says where left or right is, so that a mirrored picture would make it wrong.
bool names_a_side(const std::string& text);
// Whether the text has the name of a color, or asks for a color.
bool names_a_color(const std::string& text);

}  // namespace emend::photos
