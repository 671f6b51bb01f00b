#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/core/intervention.h"
#include "models/core/loading/weights.h"
#include "models/core/pass.h"

namespace emend {

struct Builder;

// The parts of a vision-language model.
enum class Module { vision_tower, connector, language };

// A step of a pass, after which its state can be kept.
struct Stage {
  std::string
      name;  // vision_tower.embed, vision_tower.block.0, ..., connector.layer.0, ..., language.head
  Module module;
};

// A linear layer that can be edited. Its weight is (out, in).
struct Site {
  std::string name;  // Hugging Face name of the linear layer, without `.weight`
  size_t stage;
  int64_t in, out;
};

// A model is a fixed sequence of stages. Any stage can run from the output of the stage before it.
class Model {
 public:
  virtual ~Model() = default;

  const std::vector<Stage>& stages() const { return stages_; }
  const std::vector<Site>& sites() const { return sites_; }
  // The sites whose name matches a glob (`*.layers.{2,3}.fc*`), in model order. Names of older and
  // newer releases of transformers are accepted. Throws emend::Error, which lists similar names, if
  // there is no match, or none for a name or number that is listed in braces.
  std::vector<Site> find_sites(const std::string& pattern) const;
  const Site& site(const std::string& name) const;
  size_t stage(const std::string& name) const;
  size_t first_stage(Module module) const;
  at::Tensor weight(const Site& site) const;  // (out, in), in the stored dtype
  // The glob of the sites that are edited by default in a module, so that editors are independent
  // of the architecture. language: the linear layers in the FFN of the last decoder block;
  // connector: all of the Q-Former's or of the projector's; empty if the model defines none.
  virtual std::string default_sites(Module) const { return {}; }

  // All parameters by the architecture's names, which are those of released folders.
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }

  // Pads the rows and makes a pass before the first stage. Throws emend::Error if a row is invalid.
  Pass collate(const Batch& batch, PadSide pad = PadSide::right) const;
  // Runs the stages pass.next to last (inclusive) with the interventions, whose request
  // interventions the caller of `collate` has applied. A text-only pass skips vision and connector.
  // Pictures run through the vision module one by one, so that the bits of a picture's features do
  // not depend on the batch. Pictures of different sizes also run through the connector one by one,
  // so that no stage gets padding.
  void run(Pass& pass, const Interventions& interventions = {}) const;
  void run(Pass& pass, size_t last, const Interventions& interventions = {}) const;

  // The embedding table of tokens: (V, D), as stored.
  virtual at::Tensor word_embeddings() const = 0;

  // The number of image tokens of one picture, or of a tile: 0 for a text-only model, and
  // kVariable if it depends on the size of the picture.
  virtual int64_t num_image_tokens() const = 0;
  static constexpr int64_t kVariable = -1;
  bool reads_pictures() const { return num_image_tokens() != 0; }
  // The number of image tokens of this preprocessed picture.
  virtual int64_t image_tokens(const at::Tensor& /*picture*/) const { return num_image_tokens(); }
  // The places in the picture that `count` positions of its state show, as row and column of their
  // centers from 0 to 1: (count, 2) float64; NaN: a position that shows no place. Undefined: the
  // positions are a square grid, row by row, after an optional class token, or they have no places
  // (the queries of a Q-Former).
  virtual at::Tensor places(const at::Tensor& /*picture*/, int64_t /*count*/) const { return {}; }
  // The vocabulary size.
  virtual int64_t vocabulary() const = 0;
  // The maximum length of a row.
  virtual int64_t max_positions() const = 0;

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

 protected:
  // Sets dtype, device and tensor names from `weights`. The derived class takes the tensors.
  Model(Weights& weights, NameMap names);
  // The builder of a module, whose sites start at `stage`.
  Builder builder(Weights& weights, size_t stage);
  // Adds the stage NAME, or NAME.0, NAME.1, ... if a count is given.
  void add_stage(const std::string& name, Module module);
  void add_stages(const std::string& name, Module module, int64_t count);
  // Adds the stages of run_language_stage.
  void add_language_stages(int64_t blocks);
  // The rotary positions of a row, (A, T) int64, if they have several axes; undefined: `positions`,
  // which are counted without padding.
  virtual at::Tensor rotary_positions(const Row& /*row*/, const std::vector<int64_t>& /*positions*/,
                                      const Pictures& /*pixels*/) const {
    return {};
  }
  // Runs one stage on pass.hidden. The head runs only at pass.logit_positions, if that is set.
  virtual void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const = 0;

  std::vector<Stage> stages_;
  std::vector<Site> sites_;
  std::vector<at::Tensor> site_weights_;  // by the index of the site
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
