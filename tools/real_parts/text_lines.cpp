#include "text_lines.h"

#include <fmt/format.h>

#include <sstream>

#include "io/files/file.h"
#include "io/json/json.h"
#include "photo_sets.h"

namespace emend::photos {

std::vector<Fact> read_facts(const std::string& file, bool test) {
  std::vector<Fact> facts;
  size_t number = 0;
  for (const auto& row : read_json(file)) {
    if ((number++ % 2 == 1) != test) continue;
    facts.push_back({json_get<std::string>(row, "prompt", file),
                     " " + json_get<std::string>(row, "ground_truth", file),
                     " " + json_get<std::string>(row, "target_new", file),
                     json_get<std::string>(row, "rephrase_prompt", file)});
  }
  return facts;
}

std::vector<std::string> text_lines(const std::string& counterfact, const std::string& nq) {
  std::vector<std::string> lines;
  for (const auto& fact : read_facts(counterfact, /*test=*/false))
    lines.push_back(fact.prompt + fact.truth);
  std::istringstream text(read_file(nq));
  for (std::string line; std::getline(text, line);)
    if (!line.empty())
      lines.push_back(
          question_prompt(json_get<std::string>(parse_json(line, nq), "question", nq) + "?"));
  return lines;
}

}  // namespace emend::photos
