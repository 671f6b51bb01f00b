#pragma once

#include <vector>

#include "editing/editors/locate/contexts/edit_contexts.h"

namespace emend {

// The contexts of several edits as one batch, from a site to the logits, with an offset of the
// site's output for each edit. What does not depend on the offsets runs once: the stages before the
// site, and in the language module also the positions before the lookup positions. Edits do not
// depend on each other.
class ValueForward {
 public:
  // Whether the rows of an edit can be in one batch with those of other edits: there is a lookup
  // position, and no image token from there on.
  static bool can_join(const EditContexts& edit, const Interventions& base);

  // `edits`: any number for which can_join is true, or one other edit.
  ValueForward(const Vlm& vlm, const std::vector<const EditContexts*>& edits, const Site& site,
               const LocateSettings& settings, const EditContext& context);

  // The site's output in the bare context of each edit: (n, out) float32. Throws emend::Error if a
  // prompt does not pass through the site.
  std::vector<at::Tensor> outputs() const;

  // The logits of each edit with its offset (n, out), or with its change (n, out) if the contexts
  // have coordinates: (K, V) float32 at the positions that predict
  // the answers of all contexts. The prompt "{subject} is a" at its last subject token follows as
  // one more position if the setting kl_factor is used.
  std::vector<at::Tensor> logits(const std::vector<at::Tensor>& offsets) const;

  // Keeps these edits (ascending indices) and removes all others.
  void keep(const std::vector<size_t>& edits);

 private:
  // A position in the rows of an edit.
  struct Position {
    int64_t row, column;
    int64_t offset = 0;  // the index of the offset that is added there
  };
  struct EditRows {
    int64_t rows = 0;
    std::vector<Position> changed;     // positions to which an offset is added
    std::vector<Position> predicting;  // positions whose logits are read
    int64_t offsets = 0;               // n; 0: offset i is added to position i of each picture
  };

  void run_shared_positions(const std::vector<const EditContexts*>& edits,
                            const LocateSettings& settings, const EditContext& context);
  void index_positions();
  Pass fresh() const;
  at::Tensor to_index(const std::vector<int64_t>& values) const;

  const Vlm& vlm_;
  const Model& model_;
  const Site& site_;
  const Interventions& base_;
  std::vector<EditRows> edits_;
  Pass start_;              // before the stage of the site
  at::Tensor coordinates_;  // see EditContexts
  // (M) positions in the flattened (rows * T) to which an offset is added, and its index in the
  // offsets of all edits. Undefined for pictures.
  at::Tensor positions_, offsets_;
};

}  // namespace emend
