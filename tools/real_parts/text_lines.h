#pragma once

#include <string>
#include <vector>

namespace emend::photos {

// A fact of CounterFact [Meng et al. 2022]: "The mother tongue of Danielle Darrieux is", " French",
// " English".
struct Fact {
  std::string prompt, truth, counterfact, rephrased;
};

// counterfact-edit.json, the list of EasyEdit. Facts with an even number are for training (`test`
// false), the others are held out. Throws emend::Error if a field is missing.
std::vector<Fact> read_facts(const std::string& file, bool test);

// Text-only lines, on which the trained model must answer as the unedited language model: facts of
// the training half, and questions of NQ-open (a `question` in each line of JSON) in the template
// of questions.
std::vector<std::string> text_lines(const std::string& counterfact, const std::string& nq);

}  // namespace emend::photos
