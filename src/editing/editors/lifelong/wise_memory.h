#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "editing/settings/settings.h"

namespace emend {

// Settings of WISE, whose meanings `declare` has.
struct WiseSettings {
  int64_t layer = -1;
  std::string sites;
  int64_t steps = 70;
  double lr = 0.1;
  double norm_constraint = 5;
  bool relative = true;
  double stop_loss = 0.05;
  bool end_of_answer = true;
  double mask_ratio = 0.2;
  double margin_out = 0.1, margin_in = 0.4, margin_gap = 0.2;
  std::string activation = "last";
  double act_ratio = 0.5;
  int64_t unrelated = 10;
  int64_t prefixes = 5, prefix_length = 10, altered_pictures = 4;
  int64_t save_freq = 500;
  double density = 0.53;
  bool retrieve = false;
  int64_t seed = 0;

  void declare(SettingList& list);
};

// The positions of the side copy of a shard that training changes, as indices into the flattened
// weight: (n) int64, ascending. Each of `size` elements is drawn with probability `ratio`. The same
// seed and shard give the same positions on every machine.
at::Tensor wise_mask(int64_t size, double ratio, int64_t seed, int64_t shard);

// (B, T) bool: the text positions of the prompts in a pass, always with the last position of a
// prompt. Teacher-forced answers, image tokens and padding are excluded.
at::Tensor prompt_positions(const Pass& pass);

// (B) float32: the activation of each question, a statistic of the norms of `change` (B, T, out) at
// `positions` (B, T): their mean, their maximum, or the last one. Rows without positions have 0.
at::Tensor routing_activation(const at::Tensor& change, const at::Tensor& positions,
                              const std::string& statistic);

// One side memory: the change of the side copy against the weight, (out, in) float32.
struct SideMemory {
  at::Tensor change;
  double activation = 0;  // the smallest one of its edits
  double threshold = 0;   // questions with at least this activation are answered by this memory
  int64_t edits = 0;
};

// The memory of patches of WISE. An entry has what one edit changes: the values of the change at
// the positions of its shard's mask (`values`), and the inputs of the layer at the prompt of the
// edit (`keys`, (n, in)). A shard is the sum of its entries. Unless `retrieve` is set, all shards
// are merged to one side memory by TIES. All of this is computed from the entries in their order,
// so that removing an entry is exact.
class WiseMemory {
 public:
  // Throws emend::Error if the entries are malformed or do not fit the model.
  WiseMemory(const Model& model, const Patch& patch);

  const WiseSettings& settings() const { return settings_; }
  const nlohmann::json& settings_json() const { return settings_json_; }
  const std::string& site() const { return site_; }
  const std::vector<SideMemory>& memories() const { return memories_; }
  const std::vector<MemoryEntry>& entries() const { return entries_; }

  // The output of the layer: that of the side memory for questions that are routed to it. Other
  // rows keep their bits. input: (B, T, in), output: (B, T, out). A question is routed by the
  // activation of its prompt. During generation, the decision is made once and kept in the cache.
  at::Tensor answer(const Pass& pass, const at::Tensor& input, const at::Tensor& output) const;
  // (B) int64 on the CPU: the index of the side memory that answers each question, or -1 for the
  // main memory.
  at::Tensor route(const Pass& pass, const at::Tensor& input) const;

 private:
  WiseSettings settings_;
  nlohmann::json settings_json_;
  std::string site_;
  std::vector<MemoryEntry> entries_;
  std::vector<SideMemory> memories_;
};

// Intervention::layer_mix of a memory.
struct WiseOutput {
  std::shared_ptr<const WiseMemory> memory;

  at::Tensor operator()(const Pass& pass, const at::Tensor& input, const at::Tensor& output) const {
    return memory->answer(pass, input, output);
  }
};
Interventions wise_interventions(std::shared_ptr<const WiseMemory> memory);

// The shard of an entry. Throws emend::Error if the entry has none.
int64_t wise_shard(const MemoryEntry& entry);
// The sum of the entries of a shard, (out, in) float32: zeros if there are none.
at::Tensor shard_change(const std::vector<MemoryEntry>& entries, int64_t shard, const Site& site,
                        const WiseSettings& settings);

}  // namespace emend
