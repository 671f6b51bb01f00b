#include "editing/editors/serac/mixer.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "io/json/json.h"
#include "models/generation/decode_step.h"

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
    projections_.push_back(Projection::draw(SeracState::picture_width(*vlm.model), seed, device));
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
        go_on(pass, *static_cast<Answer*>(kept.get()));
      }
      answer = *static_cast<Answer*>(kept.get());
    }
  }
  return answer.rows.numel() == 0 ? logits : mixed(answer, logits);
}

SeracMixer::Answer SeracMixer::begin(const Pass& pass) const {
  const auto& model = *vlm_.model;
  const auto batch = rows_of(pass);
  const auto seen = look_at(vlm_, batch.pixels, store_);
  auto [distance, nearest] = squared_distances(state_.embed(vlm_, batch, seen), embedded_).min(1);
  auto near = settings_.mixes_softly() ? at::ones_like(distance, at::kBool)
                                       : at::exp(at::neg(distance)) >= settings_.threshold;
  Answer answer;
  answer.rows = near.nonzero().squeeze(-1);
  answer.distance = distance.index_select(0, answer.rows);
  if (answer.rows.numel() == 0) return answer;

  // The index of a row in the list of rows in scope.
  std::vector<int64_t> index(batch.rows.size(), -1);
  std::vector<Row> rows;
  std::vector<const EditPrefix*> prefixes;
  std::vector<const Projection*> projections;
  const auto chosen = answer.rows.to(at::kCPU);
  const auto which = nearest.to(at::kCPU);
  for (int64_t i = 0; i < chosen.size(0); ++i) {
    const auto row = chosen.data_ptr<int64_t>()[i];
    const auto entry = static_cast<size_t>(which.data_ptr<int64_t>()[row]);
    index[static_cast<size_t>(row)] = i;
    rows.push_back(batch.rows[static_cast<size_t>(row)]);
    prefixes.push_back(&prefixes_[entry]);
    if (!projections_.empty()) projections.push_back(&projections_[entry]);
  }
  const auto pad = pass.cache ? PadSide::left : PadSide::right;
  auto made = counterfactual_pass(model, rows, prefixes, seen, projections, pad);

  const auto width = pass.ids.size(1);
  const auto wanted =
      (pass.logit_positions.defined() ? pass.logit_positions
                                      : at::arange(pass.ids.numel(), pass.ids.options()))
          .to(at::kCPU)
          .contiguous();
  const auto mask = pass.mask.to(at::kCPU).contiguous();
  std::vector<int64_t> lines, row_of, positions;
  for (int64_t line = 0; line < wanted.size(0); ++line) {
    const auto at = wanted.data_ptr<int64_t>()[line];
    const auto row = index[static_cast<size_t>(at / width)];
    if (row < 0 || !mask.data_ptr<bool>()[at]) continue;
    // Returns the number of positions before the index in its row, without padding.
    int64_t offset = 0;
    for (auto t = at / width * width; t < at; ++t) offset += mask.data_ptr<bool>()[t];
    lines.push_back(line);
    row_of.push_back(row);
    positions.push_back(made.position(row, offset));
  }
  const auto device = model.device();
  answer.lines = at::tensor(lines, at::kLong).to(device);
  answer.row_of = at::tensor(row_of, at::kLong).to(device);
  answer.pass = std::move(made.pass);
  answer.pass.logit_positions = at::tensor(positions, at::kLong).to(device);
  if (pass.cache) answer.pass.cache = std::make_shared<KvCache>();
  model.run(answer.pass, state_.counterfactual.interventions());
  return answer;
}

void SeracMixer::go_on(const Pass& pass, Answer& answer) const {
  if (answer.rows.numel() == 0) return;
  const auto& model = *vlm_.model;
  if (answer.pass.positions.max().item<int64_t>() + 1 >= model.max_positions())
    throw Error("editing::serac",
                fmt::format("an answer after an inserted edit exceeds the model's {} positions",
                            model.max_positions()),
                "generate fewer tokens (--max-new-tokens)");
  auto tokens = pass.ids.select(1, -1).index_select(0, answer.rows);
  answer.pass = decode_step(model, answer.pass, tokens);
  answer.lines = answer.rows;
  answer.row_of = at::arange(answer.rows.size(0), answer.rows.options());
  model.run(answer.pass, state_.counterfactual.interventions());
}

at::Tensor SeracMixer::mixed(const Answer& answer, const at::Tensor& logits) const {
  const auto flat = logits.reshape({-1, logits.size(-1)});
  auto said = answer.pass.logits();
  if (settings_.mixes_softly())
    said = mixed_softly(flat.index_select(0, answer.lines), said,
                        answer.distance.index_select(0, answer.row_of));
  return flat.index_copy(0, answer.lines, said.to(flat.scalar_type())).view(logits.sizes());
}

}  // namespace emend
