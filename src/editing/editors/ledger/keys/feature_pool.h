#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "editing/editors/ledger/keys/key_network.h"
#include "editing/training/edit_example.h"
#include "models/vlm.h"

namespace emend {

// The pairs of a text and a picture of a training step, and which of them are in the scope of each
// of its edits. The first L pairs are the questions of the L edits.
struct PooledStep {
  at::Tensor text;      // (U, S, W): QuestionFeatures::text of the distinct texts
  at::Tensor pictures;  // (N, Q, D) of the distinct pictures; undefined: none
  // (P) the text and the picture (-1: none) of each pair
  std::vector<int64_t> which_text, which_picture;
  // (L, P) bool. Pairs in neither are not known, and an edit's own question is in neither.
  at::Tensor in_scope, out_of_scope;
  // (L, P) bool: pairs that follow from an edit, and pairs that do not. Pairs in neither are not
  // known.
  at::Tensor follows, does_not_follow;
};

// Features of the questions of examples, which the model computes once: they do not change during
// the training of the key network.
class FeaturePool {
 public:
  // Computes the features of the questions of examples, their texts in one batch.
  void add(const Vlm& vlm, const std::vector<EditExample>& examples, ActivationStore* store,
           const FeatureOptions& options);
  size_t size() const { return examples_.size(); }

  // Chooses the examples of a step, which depend only on its number, the seed and the network: one
  // of `group` is drawn at random, and the others are those of `candidates` random ones whose keys
  // are nearest to its key (edits that are hard to tell apart). group = 1: all are random.
  std::vector<size_t> choose(int64_t step, int64_t seed, int64_t count, int64_t group,
                             int64_t candidates, const KeyNetwork& keys) const;
  // In scope: the texts of an example with its pictures, and those of examples with the same fact.
  // Out of scope: all other pairs of the step. These are, for each example, its unrelated
  // questions; its edit's text with an unrelated picture and without a picture; an unrelated text
  // with its pictures; its consequences; and the texts of the `crossed` other edits that are
  // nearest to its own and of a random one, with its pictures. The first `bare` examples lose their
  // pictures.
  PooledStep step(const std::vector<size_t>& chosen, int64_t number, size_t bare, int64_t crossed,
                  const KeyNetwork& keys) const;

 private:
  using Pair = std::pair<int64_t, int64_t>;  // a text and a picture, -1: none
  struct Example {
    std::vector<int64_t> texts, pictures;  // in scope; the first are those of the edit
    std::vector<Pair> unrelated, consequences;
    int64_t fact;  // -1: not known
  };

  void add_example(const Vlm& vlm, const EditExample& example, ActivationStore* store,
                   const FeatureOptions& options);
  // Computes the features of the texts that are new.
  void add_texts(const Vlm& vlm, const std::vector<std::string>& prompts,
                 const FeatureOptions& options);
  at::Tensor text_rows(const std::vector<int64_t>& which) const;  // (U, S, W) float32
  at::Tensor picture_rows(const std::vector<int64_t>& which) const;  // float32, on the device
  // Texts that are rewordings of each other have the same group.
  int64_t group_of(int64_t text) const;
  // The groups of texts of edits, each with a group of texts that follow from such an edit in an
  // example.
  std::set<Pair> consequence_groups() const;
  at::Tensor edit_keys(const std::vector<size_t>& which, const KeyNetwork& keys) const;

  std::vector<Example> examples_;
  std::map<std::string, int64_t> texts_, facts_;
  // The text of an edit and that of a question that follows from it.
  std::set<Pair> text_consequences_;
  std::vector<int64_t> groups_;          // for each text, another one of its group, or itself
  // (S, W) each; with the states of tokens, which are many, normalized and in float16
  std::vector<at::Tensor> text_states_;
  std::vector<at::Tensor> pictures_;     // (Q, D) float16 each
};

}  // namespace emend
