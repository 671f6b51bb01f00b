#pragma once

#include <functional>
#include <string>
#include <vector>

#include "editing/checkpoint.h"
#include "editing/editors/ike_demonstrations.h"

namespace emend {

// Texts to vectors, (n, D) float32, near where texts are alike. What embeds is a function, so that
// a sentence encoder can stand beside the model's own states.
using TextEmbedding = std::function<at::Tensor(const std::vector<std::string>&)>;

// The mean over a text's tokens of the language module's stream after `blocks` blocks (0: half of
// them), without a picture and without edits. Refers to `vlm`. A text longer than the model's
// positions counts with its beginning. Throws emend::Error when there are fewer blocks.
TextEmbedding state_embedding(const Vlm& vlm, int64_t blocks);

// How demonstrations are collected.
struct IkeCorpusSettings {
  int64_t records = 1000;
  std::string embedding = "states";
  int64_t blocks = 0;
  bool images = false;
  IkeTemplates templates;  // of the texts that are embedded
  int64_t seed = 0;

  void declare(SettingList& list);
  TextEmbedding embed(const Vlm& vlm) const;
};

// Demonstrations to choose from.
struct IkeCorpus {
  std::vector<Demonstration> demonstrations;
  at::Tensor embeddings;  // (n, D) float32, of the demonstrations as they are shown, less `mean`
  at::Tensor mean;        // (D) what all texts have in common
  at::Tensor pictures;    // (P, 3, H, W) float32 as the model sees them; undefined: none were kept
  IkeCorpusSettings settings;

  // Embeds them.
  static IkeCorpus of(const Vlm& vlm, std::vector<Demonstration> demonstrations,
                      const IkeCorpusSettings& settings);
  // `training`: where they are from.
  EditorCheckpoint checkpoint(const Vlm& vlm, const nlohmann::json& training) const;
  // Throws emend::Error when the file is damaged or belongs to another model.
  static IkeCorpus load(const Vlm& vlm, const std::string& file);

  // The k demonstrations nearest to the fact's own copy demonstration, nearest first.
  std::vector<int64_t> nearest(const Vlm& vlm, const std::string& prompt, const std::string& target,
                               int64_t k) const;
};

// The k rows of `embeddings` (n, D) with the largest cosine to `query` (D), in double precision;
// largest first, ties to the lowest index. All where k > n.
std::vector<int64_t> nearest_rows(const at::Tensor& embeddings, const at::Tensor& query, int64_t k);

}  // namespace emend
