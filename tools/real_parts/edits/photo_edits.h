#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "neighbors.h"
#include "photo_sets.h"

namespace emend::photos {

// A question of NQ-open and its first answer.
struct TextFact {
  std::string question, answer;
};
// Every second question of a file of NQ-open (lines of {question, answer: [...]}): those with odd
// numbers for `held_out`, and the others for training, so that no question is in both. Throws
// emend::Error for another layout.
std::vector<TextFact> read_text_facts(const std::string& file, bool held_out);

// An edit before the model was asked: what to ask about a photo, and how the probes ask.
struct EditDraft {
  size_t photo;  // index
  std::string question, target;
  std::string rephrase, rephrase_rule;
  std::optional<size_t> frame;  // another frame of the room; none: an altered copy
  std::string view;             // name of the altered copy
};

// Up to `count` questions about the photo: the first with another frame of the room, or else a
// random one, and then random ones. Their answers are one thing (not a list) that the question does
// not name, and a rule rewords them. Empty: no question is like this.
std::vector<EditDraft> draft_questions(size_t photo, const std::vector<Photo>& photos,
                                       const PhotoNeighbors& neighbors, size_t count,
                                       std::mt19937_64& rng);
// The caption that shares most words with the others, with a random rewording of the prompt.
EditDraft draft_caption(size_t photo, const std::vector<Photo>& photos, std::mt19937_64& rng);

// Index of the caption with the largest mean overlap of words (intersection / union) with the
// others.
size_t typical_caption(const std::vector<std::string>& captions);

// Whether the model's answer is another one than the human's: not the same after the normalization
// of VQA, not only its singular or plural, and not "picture" instead of "photo".
bool is_mistake(const std::string& answer, const std::string& human);

// Writes rows of MMEdit and their pictures, named relative to the folder.
class EditWriter {
 public:
  // `elsewhere`: the photos with questions for M-Locality. Creates the folder.
  EditWriter(const std::string& folder, const std::vector<Photo>& photos,
             const std::vector<Photo>& elsewhere, const std::vector<TextFact>& texts,
             uint64_t seed);

  // Adds a row. `answer`: the model's. `nearest`: the most similar photo of another room; none: no
  // row for the file of near photos.
  void add(const EditDraft& draft, const std::string& answer, std::optional<size_t> nearest);
  size_t size() const { return rows_.size(); }
  // FOLDER/SPLIT.json, and FOLDER/near.json with the same edits and M-Locality on the nearest
  // photos, unless it is empty.
  void commit(const std::string& split) const;

 private:
  std::string copied(const Photo& photo);
  void altered(nlohmann::json& row, const Photo& photo, const std::string& view);
  void locality(nlohmann::json& row, const Photo& photo, const std::string& prompt,
                const std::string& how);

  std::string folder_;
  const std::vector<Photo>& photos_;
  const std::vector<Photo>& elsewhere_;
  std::vector<TextFact> texts_;
  std::mt19937_64 rng_;
  nlohmann::json rows_ = nlohmann::json::array(), near_ = nlohmann::json::array();
};

}  // namespace emend::photos
