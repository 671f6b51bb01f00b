#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/core/intervention.h"
#include "models/core/pass.h"
#include "models/core/weights.h"

namespace emend {

struct Builder;

enum class Module { vision, bridge, language };

struct Stage {
  std::string name;  // vision.embed, vision.block.0, ..., bridge.layer.0, ..., language.head
  Module module;
};

struct Site {
  std::string name;  // Hugging Face path of the linear layer, without `.weight`
  size_t stage;
  int64_t in, out;
};

// A model is a fixed row of stages; any of them can be run from the state after the one before it.
class Model {
 public:
  virtual ~Model() = default;

  const std::vector<Stage>& stages() const { return stages_; }
  const std::vector<Site>& sites() const { return sites_; }
  // Sites whose name matches a glob (`*.layers.{2,3}.fc*`), in model order; names of older and
  // newer releases of transformers are both understood. Throws emend::Error when none does, naming
  // near ones.
  std::vector<Site> find_sites(const std::string& pattern) const;
  const Site& site(const std::string& name) const;
  size_t stage(const std::string& name) const;
  size_t first_stage(Module module) const;
  at::Tensor weight(const Site& site) const;  // (out, in) as stored
  // The glob of the sites that one edits by default in a module, so that no editor knows an
  // architecture. language: the linear layers of the last decoder block's FFN; bridge: all of the
  // Q-Former's, or of the projector; empty where the model names none.
  virtual std::string default_sites(Module) const { return {}; }

  // All parameters by the architecture's own names, which are those of the released folders.
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }

  // Pads the rows into a pass that stands before the first stage.
  Pass begin(const Batch& batch, PadSide pad = PadSide::right) const;
  // Runs the stages pass.next .. last, both included, under the interventions (request points were
  // applied by `begin`'s caller). A text-only pass skips vision and bridge. Pictures go through the
  // vision module one by one: a picture's features are the same bits beside any others.
  void run(Pass& pass, const Interventions& interventions = {}) const;
  void run(Pass& pass, size_t last, const Interventions& interventions = {}) const;

  // The table that text's tokens are looked up in: (V, D), as stored.
  virtual at::Tensor word_embeddings() const = 0;

  // How many positions one image fills (0: the model reads text only), and the width of the
  // vocabulary.
  virtual int64_t image_slots() const = 0;
  virtual int64_t vocabulary() const = 0;
  // How long a row may be.
  virtual int64_t max_positions() const = 0;

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

 protected:
  // Takes dtype, device and tensors' names from there; what derives takes the tensors.
  Model(Weights& weights, NameMap names);
  // What takes a part's tensors and keeps the books of them; its sites begin at `stage`.
  Builder builder(Weights& weights, size_t stage);
  // NAME, or NAME.0, NAME.1, ... where a count is given.
  void add_stage(const std::string& name, Module module);
  void add_stages(const std::string& name, Module module, int64_t count);
  // Those that run_language_stage runs.
  void add_language_stages(int64_t blocks);
  // Runs one stage on pass.hidden. The head runs at pass.wanted only, where that is set.
  virtual void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const = 0;

  std::vector<Stage> stages_;
  std::vector<Site> sites_;
  std::vector<at::Tensor> site_weights_;  // by site number
  std::map<std::string, at::Tensor> parameters_;
  at::ScalarType dtype_;
  at::Device device_;

 private:
  NameMap names_;

  struct Plan;
  Plan plan(const Pass& pass, size_t last, const Interventions& interventions) const;
  Plan for_picture(const Plan& plan, int64_t picture) const;
  void run_stages(Pass& pass, size_t last, const Plan& plan) const;
  void run_pictures(Pass& pass, size_t last, const Plan& plan) const;
};

}  // namespace emend
