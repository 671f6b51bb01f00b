#include "exports/gguf/gguf_adapter.h"

#include <fmt/format.h>

#include <algorithm>

#include "exports/folder_name.h"
#include "exports/gguf/gguf_names.h"
#include "exports/gguf/gguf_source.h"
#include "exports/weight_changes.h"
#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kGgufAdapterPlace = "exports::gguf_adapter";

at::Tensor with_rank(const at::Tensor& factor, int64_t dim, int64_t rank) {
  auto missing = factor.sizes().vec();
  missing[dim] = rank - factor.size(dim);
  return missing[dim] > 0 ? at::cat({factor, at::zeros(missing, factor.options())}, dim) : factor;
}

// The name of the layer's weight in the language model. Layers that llama.cpp cannot adapt are
// refused.
std::string adapted_name(const GgufSource& source, const std::string& site) {
  const auto name = source.language_name(site + ".weight");
  if (!name || !gguf_llama_name(*name))
    throw Error(kGgufAdapterPlace,
                fmt::format("the patch changes '{}', but adapters of llama.cpp change the language "
                            "model only",
                            site),
                "use --to gguf");
  if (*name == "lm_head.weight" && source.language.tied)
    throw Error(kGgufAdapterPlace,
                "the patch changes the output layer, whose weight is that of the embeddings in "
                "llama.cpp, so an adapter cannot change only the output",
                "use --to gguf, which gives the layer a separate weight");
  return *name;
}

}  // namespace

std::vector<AdaptedLayer> write_gguf_adapter(const Vlm& vlm, const PatchStack& stack,
                                             const std::string& output,
                                             const LowRankOptions& options) {
  const GgufSource source(vlm.folder);
  check_gguf_output(output);
  std::vector<AdaptedLayer> layers;
  std::vector<std::pair<std::string, LowRankFactors>> factors;
  int64_t rank = 0;
  for (const auto& [site, change] : weight_changes(stack)) {
    const auto name = adapted_name(source, site);
    factors.emplace_back(name, factors_of(site, change, options));
    const auto& found = factors.back().second;
    layers.push_back({site, found.down.size(0), found.error});
    rank = std::max(rank, found.down.size(0));
  }
  std::vector<GgufTensor> tensors;
  for (const auto& [name, found] : factors) {
    const auto down = with_rank(found.down, 0, rank);
    const auto up = source.in_llama_cpp_order(name, with_rank(found.up, 1, rank));
    for (const auto& [ending, factor] : {std::pair{".lora_a", down}, std::pair{".lora_b", up}})
      tensors.push_back({*gguf_llama_name(name) + ending, GgufType::f32, factor.sizes().vec(),
                         [factor = factor] { return factor; }});
  }
  const GgufMetadata metadata = {{"general.architecture", source.architecture},
                                 {"general.type", "adapter"},
                                 {"general.name", folder_name(source.folder) + " edits"},
                                 {"general.file_type", gguf_file_type(GgufType::f32)},
                                 {"general.quantization_version", uint32_t{2}},
                                 {"adapter.type", "lora"},
                                 {"adapter.lora.alpha", static_cast<float>(rank)}};
  stream_gguf(output, metadata, tensors);
  return layers;
}

}  // namespace emend
