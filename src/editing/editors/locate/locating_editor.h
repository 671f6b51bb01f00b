#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/locate/contexts/edit_contexts.h"
#include "editing/editors/locate/locate_settings.h"
#include "editing/editors/locate/solve/picture_change.h"
#include "editing/statistics/covariance.h"

namespace emend {

struct LocatedEdit;

// The keys and residuals of a batch of edits at one site, float64.
struct SiteUpdate {
  const Site& site;
  at::Tensor keys;       // (in, n), means over the contexts
  at::Tensor bare_keys;  // (in, n), of the bare context
  at::Tensor residuals;  // (out, n)
  at::Tensor history;    // (in, h) keys of earlier edits; undefined: none
};

// How the defaults of an editor differ from its paper, with what all closed-form editors have in
// common; see EditorInfo::departures.
std::vector<std::string> with_common_departures(std::vector<std::string> own);

// The blocks that are edited by default, of `count`: the last `edited` blocks up to 36 % of the
// depth for keys at the subject and in text-only models (block 17 of 48 in GPT-2 XL, as published),
// and up to 75 % for other keys in models with pictures. Other modules than language: the last
// block.
std::vector<size_t> default_blocks(const Model& model, const std::string& module, size_t count,
                                   size_t edited, bool at_subject);

// Base of the editors that compute a change in closed form from keys and optimized values (ROME,
// MEMIT, AlphaEdit). The value is optimized at the last site. The residual of each site is what the
// last site still lacks, divided by the number of sites from this one on [MEMIT, arXiv 2210.07229,
// eq. 20]; keys and residuals are computed with the changes of earlier sites. The sum over sites is
// exact for pre-norm blocks.
class LocatingEditor : public Editor {
 public:
  size_t first_stage(const Model& model) const override;
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context) const override;

 protected:
  // These functions describe MEMIT's kind of edit unless an editor overrides them.

  // The number of blocks that layers=default selects in the language module.
  virtual size_t default_layer_count() const { return 5; }
  // Whether a batch of edits is one solve. Otherwise, they are made one after another.
  virtual bool solves_batches() const { return true; }
  // Whether the patch has the keys of its edits, for later edits.
  virtual bool keeps_keys() const { return true; }
  // Weights of the contexts in the mean key: (contexts) float32, with sum 1. One half for the bare
  // context, and the other half for all others [MEMIT].
  virtual at::Tensor key_weights(int64_t contexts) const;
  // What is added to a residual: the difference between the outputs in the bare context and the
  // mean outputs [R-ROME, arXiv 2403.07175] if true.
  virtual bool corrects_mean_output() const { return false; }

  virtual const LocateSettings& locate_settings() const = 0;
  // Is called for each site before values are optimized, so that errors are found early.
  virtual void prepare(const Site&, const Covariance*) const {}
  // The change of one site. covariance: null with statistics=none. Adds facts to `facts`.
  virtual WeightDelta update(const SiteUpdate& update, const Covariance* covariance,
                             nlohmann::json& facts) const = 0;

 private:
  struct Batch;
  // What the layers of an edit depend on.
  struct Choice {
    bool at_subject = false;                 // whether a key is at a subject
    std::vector<size_t> traced_blocks = {};  // with layers=traced
  };
  Choice choose(const Vlm& vlm, const std::vector<EditRequest>& requests,
                const EditContext& context) const;
  std::vector<Site> sites(const Model& model, const Choice& choice) const;
  // The change of `site` for the keys (in, n) of one edit.
  PictureChange picture_change(const Site& site, const at::Tensor& keys, const at::Tensor& history,
                               const Covariance* covariance) const;
  // Optimizes the values of the edits.
  std::vector<LocatedEdit> locate(const Vlm& vlm, const std::vector<EditRequest>& requests,
                                  const std::vector<Site>& sites, const EditContext& before) const;
  // Solves for the changes of the sites, one site after another.
  Batch distribute(const Vlm& vlm, std::vector<LocatedEdit> edits, const std::vector<Site>& sites,
                   bool contexts_are_keys, const EditContext& before) const;
  static void add_value_facts(const Batch& batch, Patch& patch);
  const std::vector<std::string>& prefixes(const Vlm& vlm) const;
  // `sites`: all sites of the edit.
  std::shared_ptr<const Covariance> covariance(const Vlm& vlm, const Site& site,
                                               const std::vector<Site>& sites) const;

  // Computed once per editor.
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<std::string>> prefixes_;  // by model
  mutable std::map<std::string, std::shared_ptr<const Covariance>> covariances_;
  SequenceChanges sequence_;
};

}  // namespace emend
