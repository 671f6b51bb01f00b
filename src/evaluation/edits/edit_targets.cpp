#include "evaluation/edits/edit_targets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "suites/random.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

using scenes::Rng;

const std::vector<std::string> kWords = {
    "umbrella", "guitar",    "elephant", "library",  "thunder",   "velvet",  "harbor",  "quarter",
    "wooden",   "silent",    "tomorrow", "running",  "beautiful", "nothing", "seven",   "airport",
    "kitchen",  "football",  "mountain", "keyboard", "zebra",     "jazz",    "oxygen",  "pixel",
    "yogurt",   "xylophone", "quiz",     "rhythm",   "vacuum",    "walnut",  "teacher", "bicycle"};
const std::vector<std::string> kNames = {
    "Paris",   "Anna Lee",  "Toronto", "Marie Curie", "Tokyo",    "Bob",       "Ludwig", "Xavier",
    "Zürich",  "Ada Byron", "Kenya",   "Mount Fuji",  "Florence", "Wei Zhang", "Oslo",   "Priya",
    "Nairobi", "El Greco",  "Quentin", "Lake Como",   "Saturn",   "Ivan",      "Nile",   "Yvonne"};

std::string random_number(Rng& rng) {
  const std::vector<size_t> limits = {10, 10, 100, 10000};
  return std::to_string(below(rng, pick(limits, rng)));
}

bool is_plain(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c); });
}

// Random letters and digits that the tokenizer splits into `count` tokens after a space.
std::string of_tokens(const Tokenizer& tokenizer, size_t count, Rng& rng) {
  for (;;) {
    std::vector<int64_t> ids;
    while (ids.size() < count) ids.push_back(below(rng, static_cast<size_t>(tokenizer.size())));
    auto text = tokenizer.decode(ids);
    if (!text.empty() && text.front() == ' ') text.erase(0, 1);
    // Allow at most one space between words.
    auto letters = text;
    const auto space = letters.find(' ');
    if (space != std::string::npos && space > 0 && space + 1 < letters.size())
      letters.erase(space, 1);
    if (is_plain(letters) && tokenizer.encode(" " + text, /*special=*/false).size() == count)
      return text;
  }
}

std::string target(const std::string& kind, const Tokenizer& tokenizer, Rng& rng) {
  if (kind == "number") return random_number(rng);
  if (kind == "word") return pick(kWords, rng);
  if (kind == "name") return pick(kNames, rng);
  if (kind == "two_tokens") return of_tokens(tokenizer, 2, rng);
  if (kind == "five_tokens") return of_tokens(tokenizer, 5, rng);
  return below(rng, 2) == 0 ? "yes" : "no";
}

scenes::Question question_of(const scenes::Scene& scene, Rng& rng) {
  auto kinds = scenes::kinds(scene);
  kinds.erase(std::remove(kinds.begin(), kinds.end(), scenes::Kind::caption), kinds.end());
  return scenes::draw_question(scene, pick(kinds, rng), rng);
}

TargetRequest draw_target(const std::string& kind, const Tokenizer& tokenizer, Rng& rng) {
  const auto scene = scenes::draw_scene(scenes::Split::eval, rng);
  TargetRequest request;
  request.kind = kind;
  request.edit.image.drawn = std::make_shared<const Image>(scenes::render(scene));
  if (kind == "caption") {
    const auto other = scenes::draw_scene(scenes::Split::eval, rng);
    request.edit.prompt = "a photo of";
    request.answer = scenes::draw_question(other, scenes::Kind::caption, rng).answer;
  } else {
    request.edit.prompt = scenes::wrap("Question: {} Short answer:", question_of(scene, rng).text);
    request.answer = target(kind, tokenizer, rng);
  }
  request.edit.target = " " + request.answer;
  return request;
}

}  // namespace

std::vector<TargetRequest> draw_targets(const Tokenizer& tokenizer, size_t count, uint64_t seed) {
  const std::array<const char*, 7> kinds = {"number",      "word",   "name",   "two_tokens",
                                            "five_tokens", "yes_no", "caption"};
  Rng rng(seed);
  std::vector<TargetRequest> all;
  for (size_t i = 0; i < count; ++i)
    all.push_back(draw_target(kinds[i % kinds.size()], tokenizer, rng));
  return all;
}

}  // namespace emend
