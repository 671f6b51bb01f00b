#include "evaluation/edits/edit_question.h"

#include "evaluation/probes/augmentations.h"

namespace emend {

void each_default_probe(const EditQuestion& question, const DefaultProbes& defaults, uint64_t seed,
                        const TakeProbe& take) {
  auto add = [&](Group group, const Picture& image, const std::string& text,
                 const std::string& answer) {
    take({group, image, text, answer});
  };
  add(Group::reliability, question.image, question.prompt, question.target);

  const auto wordings = other_wordings(defaults.world, question.prompt);
  for (const auto& text : question.rephrasings.empty() ? wordings : question.rephrasings)
    add(Group::text_generality, question.image, text, question.target);
  for (const auto& picture : question.other_pictures)
    add(Group::image_generality, picture, question.prompt, question.target);
  if (question.other_pictures.empty() && question.image.present())
    for (auto& copy : altered_copies(question.image.load(), seed))
      add(Group::image_generality, {"", std::make_shared<const Image>(std::move(copy.image))},
          question.prompt, question.target);
  for (const auto& [text, answer] : question.consequences)
    add(Group::portability, question.image, text, answer);
  for (const auto& one : question.locality)
    add(one.image.present() ? Group::image_locality : Group::text_locality, one.image, one.prompt,
        one.answer);

  std::set<std::string> related(wordings.begin(), wordings.end());
  related.insert(question.prompt);
  each_unrelated_probe(defaults, seed, related, take);
}

Record default_record(const EditQuestion& question, const DefaultProbes& defaults, uint64_t seed) {
  Record record;
  record.id = "user";
  record.image = question.image;
  record.prompt = question.prompt;
  record.target = question.target;
  each_default_probe(question, defaults, seed,
                     [&](Probe probe) { record.probes.push_back(std::move(probe)); });
  return record;
}

}  // namespace emend
