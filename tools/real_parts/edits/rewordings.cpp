#include "rewordings.h"

#include <cctype>
#include <regex>

namespace emend::photos {
namespace {

// Words after "is" or "are" that say where something is. "left of" is right, "left side" is not.
#define EMEND_PLACE                                                                               \
  "(?:(?:on|in|to|at|under|underneath|above|below|behind|beneath|near|inside|between|around|"    \
  "beside|over|opposite|against|left of|right of|next to|close to|attached to|found|kept|placed|" \
  "stuck|hung|hanging|hanged|present|seen|visible|available|mounted|fixed|lying|reflected)\\b)"

bool has_word(const std::string& text, const char* words) {
  return std::regex_search(
      text, std::regex(std::string("\\b(?:") + words + ")\\b", std::regex_constants::icase));
}

std::string replaced(const std::string& text, const char* from, const char* to) {
  return std::regex_replace(text, std::regex(from), to);
}

}  // namespace

const std::vector<RewordingRule>& rewording_rules() {
  static const std::vector<RewordingRule> rules = {
      {"name the color", "What is the color of (.+)", {"Name the color of $1."}},
      {"what color", "What colors? (?:is|are) (.+)", {"What is the color of $1?"}},
      {"number there",
       "How many (.+?) (?:are|is) there(.*)",
       {"What is the number of $1$2?", "Count the $1$2."}},
      {"number that",
       "How many ((?:(?! (?:do|does|did|has|have) ).)+?) (are|is|can) (.+)",
       {"What is the number of $1 that $2 $3?", "Count the $1 that $2 $3."}},
      {"number",
       "How many ((?:(?! (?:do|does|did|has|have|are|is|can) ).)+?)(?: are| is)?",
       {"What is the number of $1?", "Count the $1."}},
      {"which is the largest",
       "What is the (\\w+est) ((?:\\w+ )?object) (" EMEND_PLACE ".*)",
       {"Which $2 $3 is the $1?"}},
      {"which object",
       "What is the ((?:\\w+ )?object) (" EMEND_PLACE ".*)",
       {"Which $1 is $2?", "Name the $1 that is $2."}},
      {"which objects",
       "What are the ((?:\\w+ )?(?:objects|things)) (" EMEND_PLACE ".*)",
       {"Which $1 are $2?", "Name the $1 that are $2."}},
      {"the object that", "(?:What|Which) object is (.+)", {"What is the object that is $1?"}},
      {"the objects that",
       "(?:What|Which) objects are (.+)",
       {"What are the objects that are $1?"}},
      {"which object",
       "What is (" EMEND_PLACE ".*)",
       {"Which object is $1?", "Name the object that is $1."}},
      {"which objects",
       "What are (" EMEND_PLACE ".*)",
       {"Which objects are $1?", "Name the objects that are $1."}}};
  return rules;
}

std::vector<Rewording> reword_question(const std::string& question) {
  if (std::regex_search(question, std::regex("(?:image|photo|picture)\\d"))) return {};
  auto text = question;
  while (!text.empty() && (text.back() == '?' || text.back() == ' ')) text.pop_back();
  text = replaced(replaced(text, "\\bcolour", "color"), "\\bhanged\\b", "hung");
  std::vector<Rewording> all;
  for (const auto& rule : rewording_rules()) {
    std::smatch found;
    if (!std::regex_match(text, found, std::regex(rule.pattern))) continue;
    for (const char* replacement : rule.replacements) {
      auto reworded = replaced(found.format(replacement), "\\bclose to\\b", "near");
      all.push_back({replaced(reworded, "\\bbeneath\\b", "under"), rule.name});
    }
    break;
  }
  return all;
}

const std::vector<std::string>& caption_prompts() {
  static const std::vector<std::string> prompts = {"a picture of",
                                                   "an image of",
                                                   "a photograph of",
                                                   "a snapshot of",
                                                   "this picture depicts",
                                                   "this picture captures",
                                                   "describe this picture,",
                                                   "describe the image content,",
                                                   "describe the content of the image,",
                                                   "introduce the content of the picture,",
                                                   "give a detailed description of the picture,",
                                                   "provide a detailed description of the image,",
                                                   "provide a brief overview of the image content,",
                                                   "offer a rich description of the image,"};
  return prompts;
}

bool names_a_side(const std::string& text) {
  return has_word(text, "left\\w*|right\\w*|rigt|clockwise");
}

bool names_a_color(const std::string& text) {
  return has_word(text,
                  "colou?r\\w*|black|white|red|green|blue|yellow|brown|gray|grey|pink|orange|"
                  "purple|silver|golden|tan|maroon|violet|beige|cream");
}

#undef EMEND_PLACE

}  // namespace emend::photos
