#include "photo_edits.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "caption_scores.h"
#include "evaluation/protocol/metrics.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "photo_views.h"
#include "rewordings.h"
#include "suites/random.h"

namespace emend::photos {
namespace {

constexpr const char* kEditsPlace = "photos::edits";

// flickr8k/1000.jpg -> flickr8k_1000.jpg
std::string file_name(const Photo& photo) {
  auto name = photo.name + (frame_number(photo) ? ".jpg" : "");
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

std::string stem(const std::string& name) { return name.substr(0, name.rfind('.')); }

// Whether the words of the answer occur in the question: such an edit teaches nothing.
bool names_its_answer(const Question& question) {
  const auto text = " " + fmt::format("{}", fmt::join(caption_words(question.text), " ")) + " ";
  return text.find(fmt::format(" {} ", fmt::join(caption_words(question.answer), " "))) !=
         text.npos;
}

// What must stay right in an altered copy.
std::string said_about(const Photo& photo, const std::string& question, const std::string& target) {
  auto text = question + " " + target;
  for (const auto& caption : photo.captions) text += " " + caption;
  return text;
}

}  // namespace

std::vector<TextFact> read_text_facts(const std::string& file, bool held_out) {
  std::vector<TextFact> facts;
  std::istringstream text(read_file(file));
  size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || (number++ % 2 == 1) != held_out) continue;
    const auto row = parse_json(line, file);
    const auto answers = json_get<std::vector<std::string>>(row, "answer", file);
    if (answers.empty())
      throw Error(kEditsPlace, fmt::format("'{}' has no answer in line {}", file, number),
                  "each line is {question, answer: [...]}, as in NQ-open");
    facts.push_back({json_get<std::string>(row, "question", file), answers[0]});
  }
  if (facts.empty())
    throw Error(kEditsPlace, fmt::format("'{}' has no questions", file), "use a file of NQ-open");
  return facts;
}

std::vector<EditDraft> draft_questions(size_t photo, const std::vector<Photo>& photos,
                                       const PhotoNeighbors& neighbors, size_t count,
                                       std::mt19937_64& rng) {
  const auto& questions = photos[photo].questions;
  std::vector<size_t> usable;
  for (size_t i = 0; i < questions.size(); ++i)
    if (questions[i].answer.find(',') == std::string::npos && !names_its_answer(questions[i]) &&
        !reword_question(questions[i].text).empty())
      usable.push_back(i);
  if (usable.empty()) return {};
  auto chosen = pick(usable, rng);
  std::optional<size_t> other_frame;
  for (const auto& frame : other_frames(photo, photos, neighbors))
    if (!other_frame && std::count(usable.begin(), usable.end(), frame.question) > 0) {
      other_frame = frame.photo;
      chosen = frame.question;
    }
  std::vector<EditDraft> drafts;
  while (true) {
    const auto& question = questions[chosen];
    const auto reworded = pick(reword_question(question.text), rng);
    EditDraft draft{photo,         question.text, question.answer, reworded.text,
                    reworded.rule, other_frame,   ""};
    draft.view = pick(possible_views(said_about(photos[photo], draft.question, draft.target)), rng);
    drafts.push_back(draft);
    std::erase(usable, chosen);
    if (drafts.size() >= count || usable.empty()) return drafts;
    chosen = pick(usable, rng);
    other_frame.reset();
  }
}

EditDraft draft_caption(size_t photo, const std::vector<Photo>& photos, std::mt19937_64& rng) {
  const auto& captions = photos[photo].captions;
  EditDraft draft;
  draft.photo = photo;
  draft.question = kCaptionPrompt;
  draft.target = captions[typical_caption(captions)];
  draft.rephrase = pick(caption_prompts(), rng);
  draft.rephrase_rule = "prompt of E-IC";
  draft.view = pick(possible_views(said_about(photos[photo], "", "")), rng);
  return draft;
}

size_t typical_caption(const std::vector<std::string>& captions) {
  std::vector<std::set<std::string>> words;
  for (const auto& caption : captions) {
    const auto all = caption_words(caption);
    words.emplace_back(all.begin(), all.end());
  }
  size_t best = 0;
  double most = -1;
  for (size_t i = 0; i < words.size(); ++i) {
    double sum = 0;
    for (size_t j = 0; j < words.size(); ++j) {
      if (i == j) continue;
      size_t shared = 0;
      for (const auto& word : words[i]) shared += words[j].count(word);
      const auto together = words[i].size() + words[j].size() - shared;
      if (together > 0) sum += static_cast<double>(shared) / static_cast<double>(together);
    }
    if (sum > most) most = sum, best = i;
  }
  return best;
}

bool is_mistake(const std::string& answer, const std::string& human) {
  const auto plain = [](const std::string& text) {
    return std::regex_replace(vqa_normalized(text), std::regex("\\bpicture"), "photo");
  };
  const auto a = plain(answer), b = plain(human);
  return a != b && a + "s" != b && a != b + "s";
}

EditWriter::EditWriter(const std::string& folder, const std::vector<Photo>& photos,
                       const std::vector<Photo>& elsewhere, const std::vector<TextFact>& texts,
                       uint64_t seed)
    : folder_(folder), photos_(photos), elsewhere_(elsewhere), texts_(texts), rng_(mix(seed + 1)) {
  for (const char* name : {"images", "rephrased"}) make_folders(folder + "/" + name);
  shuffle(texts_, rng_);
}

std::string EditWriter::copied(const Photo& photo) {
  const auto name = "images/" + file_name(photo), path = folder_ + "/" + name;
  if (!is_file(path)) write_file(path, read_file(photo.file));
  return name;
}

void EditWriter::altered(nlohmann::json& row, const Photo& photo, const std::string& view) {
  const auto image = read_image(photo.file);
  const auto visible = visible_view(image, view);
  const auto name = fmt::format("rephrased/{}_{}.png", stem(file_name(photo)), visible);
  if (const auto path = folder_ + "/" + name; !is_file(path))
    write_png(path, view_of(image, visible));
  row["image_rephrase"] = name;
  row["made_by"]["image_rephrase"] = visible;
}

// A photo without questions is asked what is in it; its first caption is the answer in the row.
void EditWriter::locality(nlohmann::json& row, const Photo& photo, const std::string& prompt,
                          const std::string& how) {
  std::vector<Question> others;
  for (const auto& question : photo.questions)
    if (question.text != prompt) others.push_back(question);
  if (others.empty() && !photo.captions.empty())
    others.push_back({"What is in the photo?", photo.captions[0]});
  if (others.empty()) others = photo.questions;
  const auto& asked = pick(others, rng_);
  row["m_loc"] = copied(photo);
  row["m_loc_q"] = asked.text;
  row["m_loc_a"] = asked.answer;
  row["made_by"]["m_loc"] = how;
}

void EditWriter::add(const EditDraft& draft, const std::string& answer,
                     std::optional<size_t> nearest) {
  const auto& photo = photos_[draft.photo];
  const auto& fact = texts_[rows_.size() % texts_.size()];
  nlohmann::json row = {{"src", draft.question},
                        {"pred", answer},
                        {"rephrase", draft.rephrase},
                        {"alt", draft.target},
                        {"image", copied(photo)},
                        {"loc", "nq question: " + fact.question},
                        {"loc_ans", fact.answer}};
  row["made_by"]["rephrase"] = draft.rephrase_rule;
  if (draft.frame) {
    row["image_rephrase"] = copied(photos_[*draft.frame]);
    row["made_by"]["image_rephrase"] = "frame";
  } else {
    altered(row, photo, draft.view);
  }
  if (!photo.license.empty())
    row["photo"] = {{"license", photo.license}, {"source", photo.source}};
  auto near = row;
  std::vector<const Photo*> others;
  for (const auto& one : elsewhere_)
    if (can_be_unrelated(one, photo)) others.push_back(&one);
  if (others.empty())
    throw Error(kEditsPlace, fmt::format("no other photo than {} has questions", photo.name),
                "M-Locality needs questions about photos of other rooms; give more photos");
  locality(row, *pick(others, rng_), draft.question, "random photo");
  rows_.push_back(row);
  if (!nearest) return;
  locality(near, photos_[*nearest], draft.question, "nearest photo");
  near_.push_back(near);
}

void EditWriter::commit(const std::string& split) const {
  write_json(fmt::format("{}/{}.json", folder_, split), rows_);
  if (!near_.empty()) write_json(folder_ + "/near.json", near_);
}

}  // namespace emend::photos
