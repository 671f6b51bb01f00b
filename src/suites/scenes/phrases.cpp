#include <algorithm>

#include "io/error.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// {a} and {b} stand for a shape, a color, a place or a name.
const std::vector<Phrases>& all_phrases() {
  static const std::vector<Phrases> all = {
      {Kind::color,
       "colour",
       {"What color is the {a}?", "What is the color of the {a}?", "Which color does the {a} have?",
        "What color does the {a} have?", "Can you name the color of the {a}?"}},
      {Kind::shape,
       "shape",
       {"What shape is {a}?", "Which shape is {a}?", "What is the {a} shape?",
        "What is the shape of the {a} object?"}},
      {Kind::shape,
       "shape at",
       {"What shape is at the {a}?", "Which shape is at the {a}?", "What is the shape at the {a}?",
        "Which shape can be seen at the {a}?"}},
      {Kind::size,
       "size",
       {"What size is the {a}?", "How big is the {a}?", "What is the size of the {a}?",
        "Is the {a} large or small?"}},
      {Kind::count,
       "count",
       {"How many shapes are there?", "How many shapes are in the picture?",
        "How many shapes can you see?", "What is the number of shapes?",
        "How many shapes does the picture show?"}},
      {Kind::place,
       "place",
       {"Where is the {a}?", "Where in the picture is the {a}?", "What is the place of the {a}?",
        "Where can you see the {a}?", "In which part of the picture is the {a}?"}},
      {Kind::presence,
       "presence",
       {"Is there {a}?", "Is there {a} in the picture?", "Can you see {a}?",
        "Does the picture show {a}?"}},
      {Kind::presence,
       "is",
       {"Is the {a} {b}?", "Is the color of the {a} {b}?", "Does the {a} have the color {b}?",
        "Is {b} the color of the {a}?"}},
      {Kind::comparison,
       "larger",
       {"Which is larger, the {a} or the {b}?", "Which is bigger, the {b} or the {a}?",
        "Which one is larger, the {b} or the {a}?", "What is bigger, the {a} or the {b}?"}},
      {Kind::comparison,
       "further left",
       {"Which is further left, the {a} or the {b}?",
        "Which is more to the left, the {b} or the {a}?",
        "Which one is further left, the {b} or the {a}?",
        "What is more to the left, the {a} or the {b}?"}},
      {Kind::comparison,
       "higher",
       {"Which is higher, the {a} or the {b}?", "Which is higher up, the {b} or the {a}?",
        "Which one is higher, the {b} or the {a}?", "What is higher up, the {a} or the {b}?"}},
      {Kind::comparison,
       "same colour",
       {"Do the {a} and the {b} have the same color?", "Are the {b} and the {a} of the same color?",
        "Is the color of the {a} and the {b} the same?",
        "Do the {b} and the {a} share one color?"}},
      {Kind::background,
       "background",
       {"What is the background?", "What does the background show?", "What is in the background?",
        "What kind of scenery is this?", "Where was this picture taken?"}},
      {Kind::who,
       "who",
       {"Who is this?", "What is the name of the creature?", "Which creature is this?",
        "What is this creature called?", "Who is in the picture?"}},
      {Kind::caption, "caption", {"a photo of", "a picture of", "an image of", "a drawing of"}},
      {Kind::one_hop,
       "one_hop/home",
       {"Where does the creature in the picture live?", "What is the home of this creature?",
        "Where does this creature live?", "In which place does the creature in the picture live?"}},
      {Kind::one_hop,
       "one_hop/food",
       {"What does the creature in the picture eat?", "What is the favorite food of this creature?",
        "What does this creature eat?", "Which food does the creature in the picture like best?"}},
      {Kind::one_hop,
       "one_hop/hobby",
       {"What does the creature in the picture do for fun?", "What is the hobby of this creature?",
        "What does this creature do for fun?",
        "Which hobby does the creature in the picture have?"}},
      {Kind::one_hop,
       "one_hop/friend",
       {"Who is the best friend of the creature in the picture?",
        "Who is the best friend of this creature?", "Who plays with this creature?",
        "Which creature is the friend of the creature in the picture?"}},
      {Kind::fact,
       "fact/home",
       {"Where does {a} live?", "What is the home of {a}?", "In which place does {a} live?",
        "Where is the home of {a}?", "Which place does {a} call home?"}},
      {Kind::fact,
       "fact/food",
       {"What does {a} eat?", "What is the favorite food of {a}?", "Which food does {a} like best?",
        "What does {a} like to eat?", "Which food does {a} love?"}},
      {Kind::fact,
       "fact/hobby",
       {"What is the hobby of {a}?", "What does {a} do for fun?", "Which hobby does {a} have?",
        "What does {a} like to do?", "How does {a} spend the day?"}},
      {Kind::fact,
       "fact/friend",
       {"Who is the best friend of {a}?", "Who plays with {a}?",
        "Which creature is the friend of {a}?", "What is the name of the best friend of {a}?",
        "Who is a good friend of {a}?"}},
  };
  return all;
}

}  // namespace

const Phrases& phrases(std::string_view pattern) {
  for (const auto& entry : all_phrases())
    if (entry.pattern == pattern) return entry;
  throw Error("suites::scenes", "unknown question pattern '" + std::string(pattern) + "'",
              "this is an error in emend; please report it");
}

std::string fill_in(const std::string& wording, std::string_view a, std::string_view b) {
  std::string text;
  text.reserve(wording.size() + a.size() + b.size());
  for (size_t i = 0; i < wording.size(); ++i) {
    bool slot = wording[i] == '{' && i + 2 < wording.size() && wording[i + 2] == '}';
    if (!slot) {
      text += wording[i];
      continue;
    }
    text += wording[i + 1] == 'a' ? a : b;
    i += 2;
  }
  return text;
}

std::string with_article(std::string_view noun) {
  bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(noun);
}

const std::vector<std::string>& prompt_templates() {
  static const std::vector<std::string> all = {
      "Question: {} Short answer:", "Question: {} Answer:", "{}"};
  return all;
}

std::string wrap(const std::string& prompt_template, const std::string& question) {
  auto slot = prompt_template.find("{}");
  if (slot == std::string::npos)
    throw Error("suites::scenes", "prompt template '" + prompt_template + "' has no {}",
                "write {} in place of the question");
  return prompt_template.substr(0, slot) + question + prompt_template.substr(slot + 2);
}

std::string correction(const std::string& prompt, const std::string& answer,
                       const std::string& query) {
  return "New Fact: " + prompt + " " + answer + "\nPrompt: " + query;
}

}  // namespace emend::scenes
