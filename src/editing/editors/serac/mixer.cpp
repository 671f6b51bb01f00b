#include "editing/editors/serac/mixer.h"

#include <fmt/format.h>

#include <cmath>

#include "editing/editors/memory/language_sites.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kPatch = "the patch's memory";

SeracState read_trained(const Vlm& vlm, const Patch& patch) {
  SeracState state(*vlm.model, read_settings<SeracConfig>("serac", patch.memory.reading),
                   /*seed=*/0, patch.memory.encoder);
  state.load(patch.memory.network, kPatch);
  return state;
}

at::Tensor embedding_of(const MemoryEntry& entry, int64_t width) {
  auto found = entry.tensors.find("embedding");
  if (found == entry.tensors.end() || found->second.sizes() != at::IntArrayRef{width})
    throw Error(
        "editing::serac",
        fmt::format("{} is missing the embedding of entry '{}'", kPatch, entry.name.substr(0, 200)),
        "make the patch again with `emend edit`");
  return found->second;
}

}  // namespace

SeracMixer::SeracMixer(const Vlm& vlm, const Patch& patch, ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<SeracSettings>("serac", patch.settings)),
      state_(read_trained(vlm, patch)) {
  const auto device = vlm.model->device();
  std::vector<at::Tensor> embedded;
  for (const auto& entry : patch.memory.entries) {
    auto fact = [&](const char* name) { return json_get<std::string>(entry.facts, name, kPatch); };
    prefixes_.push_back(
        EditPrefix::of(vlm.processor, state_.shape.edit_prefix, fact("prompt"), fact("target")));
    embedded.push_back(embedding_of(entry, state_.scope.width()).to(device));
    if (!state_.shape.paper()) continue;
    const auto seed = projection_seed(settings_.seed, entry.name, fact("target"));
    projections_.push_back(Projection::draw(connector_width(*vlm.model), seed, device));
  }
  embedded_ = at::stack(embedded);
}

at::Tensor SeracMixer::mix(const Pass& pass, const at::Tensor& logits) const {
  Answer answer;
  {
    at::NoGradGuard no_grad;
    if (!pass.cache) {
      answer = begin(pass);
    } else {
      auto& kept = pass.cache->kept[this];
      if (!kept) {
        kept = std::make_shared<Answer>(begin(pass));
      } else {
        static_cast<Answer*>(kept.get())->scoped.next(*vlm_.model, pass);
      }
      answer = *static_cast<Answer*>(kept.get());
    }
  }
  return answer.scoped.empty() ? logits : mixed(answer, logits);
}

SeracMixer::Answer SeracMixer::begin(const Pass& pass) const {
  const auto& model = *vlm_.model;
  const auto batch = rows_of(pass);
  const auto image_features = get_image_features(vlm_, batch.pixels, store_);
  auto [distance, nearest] =
      squared_distances(state_.embed(vlm_, batch, image_features), embedded_).min(1);
  auto near = settings_.uses_soft_mixture() ? at::ones_like(distance, at::kBool)
                                            : at::exp(at::neg(distance)) >= settings_.threshold;
  const auto chosen = near.nonzero().squeeze(-1);
  const auto rows = chosen.to(at::kCPU).contiguous();
  const auto which = nearest.to(at::kCPU).contiguous();
  ScopedRows scoped;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const auto row = rows.data_ptr<int64_t>()[i];
    const auto entry = static_cast<size_t>(which.data_ptr<int64_t>()[row]);
    scoped.rows.push_back(row);
    scoped.prefixes.push_back(&prefixes_[entry]);
    if (!projections_.empty()) scoped.projections.push_back(&projections_[entry]);
  }
  return {ScopedAnswer(model, pass, batch, image_features, scoped,
                       state_.counterfactual.interventions()),
          distance.index_select(0, chosen)};
}

at::Tensor SeracMixer::mixed(const Answer& answer, const at::Tensor& logits) const {
  auto said = answer.scoped.logits();
  if (settings_.uses_soft_mixture())
    said =
        soft_mixture(logits.reshape({-1, logits.size(-1)}).index_select(0, answer.scoped.lines()),
                     said, answer.distance.index_select(0, answer.scoped.row_of()));
  return answer.scoped.replaced(logits, said);
}

}  // namespace emend
