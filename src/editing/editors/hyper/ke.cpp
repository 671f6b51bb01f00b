#include "editing/editors/hyper/ke.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/editors/hyper/ke_training.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/strings/blank.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

constexpr int64_t kAnswerTokens = 16;  // maximum length of the model's own answer

// Returns the standard deviation of an embedding table, which can be stored in 16 bits. LibTorch
// does not compute it for half on the CPU, and a float32 copy of the whole table would be large.
double deviation_of(const at::Tensor& table) {
  constexpr int64_t kRows = 4096;
  double sum = 0, squares = 0;
  for (const auto& block : table.split(kRows)) {
    const auto wide = block.to(at::kDouble);
    sum += wide.sum().item<double>();
    squares += wide.pow(2).sum().item<double>();
  }
  const auto count = static_cast<double>(table.numel());
  return std::sqrt(std::max(0.0, (squares - sum * sum / count) / (count - 1)));
}

// Returns texts as right-padded word vectors of standard deviation 1 (which makes them independent
// of the model's scale), and their lengths.
std::pair<at::Tensor, at::Tensor> read_words(const Vlm& vlm,
                                             const std::vector<std::string>& texts) {
  auto table = vlm.model->word_embeddings();
  std::vector<std::vector<int64_t>> ids;
  size_t longest = 0;
  for (const auto& text : texts) {
    ids.push_back(vlm.processor.tokenizer->encode(text, false));
    longest = std::max(longest, ids.back().size());
  }
  auto padded =
      at::zeros({static_cast<int64_t>(ids.size()), static_cast<int64_t>(longest)}, at::kLong);
  auto lengths = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    padded[row].narrow(0, 0, static_cast<int64_t>(ids[i].size())).copy_(at::tensor(ids[i]));
    lengths[row] = static_cast<int64_t>(ids[i].size());
  }
  auto words = at::embedding(table, padded.to(table.device())).to(at::kFloat);
  return {words / std::max(deviation_of(table), 1e-12), lengths};
}

// (N, B): weights that average, for each picture, the rows that show it.
at::Tensor rows_of_pictures(const Pass& pass) {
  auto shares =
      at::zeros({pass.pixels.size(), pass.ids.size(0)}, pass.ids.options().dtype(at::kFloat));
  shares.index_put_({pass.image_rows.select(1, 0), pass.image_rows.select(1, 1)},
                    at::ones({}, shares.options()));
  return shares / shares.sum(1, true).clamp_min(1);
}

// (B, width): the mean picture features of each row, or zeros without a picture. In the language
// module, features are taken at the image tokens; before it, at all positions of the pictures.
at::Tensor pictures_of_rows(const Model& model, const Pass& pass, int64_t width) {
  const auto rows = pass.ids.size(0);
  if (!pass.pixels.defined()) return at::zeros({rows, width}, pass.ids.options().dtype(at::kFloat));
  if (!pass.hidden.defined() || pass.hidden.size(-1) != width)
    throw Error("editing::ke", "the network cannot read picture features before these layers",
                "train with image=false, or choose layers inside blocks (sites)");
  at::Tensor which, parts;  // the row of each position
  if (model.stages()[pass.next].module == Module::language && pass.hidden.size(0) == rows &&
      pass.hidden.size(1) == pass.ids.size(1)) {
    which = at::div(pass.image_positions, pass.ids.size(1), "floor");
    parts = pass.hidden.flatten(0, 1).index_select(0, pass.image_positions);
  } else {
    which = pass.image_rows.select(1, 1);
    parts = pass.mean_picture_states().index_select(0, pass.image_rows.select(1, 0));
  }
  auto seen = at::zeros({rows, width}, pass.hidden.options().dtype(at::kFloat))
                  .index_add(0, which, parts.to(at::kFloat));
  return at::layer_norm(seen, {width});
}

// The width of the residual stream before a stage. The first layers of a block read the stream.
int64_t stream_width(const Model& model, size_t stage) {
  for (const auto& site : model.sites())
    if (site.stage == stage) return site.in;
  return 0;
}

}  // namespace

void KeConfig::declare(SettingList& list) {
  where.declare(list);
  list.whole("lstm_width", lstm_width, 1, 100000,
             "hidden size of the LSTM that reads the edit, for each direction");
  list.whole("condition_width", condition_width, 1, 100000, "size of the conditioning vector");
  list.whole("hidden_width", hidden_width, 1, 100000, "hidden size of the network of each layer");
  list.number("max_scale", max_scale, 1e-9, 1e6, "maximum scale of a weight change");
  list.flag("unit_gradient", unit_gradient,
            "normalize the gradient before it is used; false: use its norm, too, as in the "
            "authors' code");
  list.flag("image", image, "also condition on the picture");
  list.alias("reader", "lstm_width");
  list.alias("condition", "condition_width");
  list.alias("hidden", "hidden_width");
}

KeNetwork KeConfig::network(const Model& model, double init, int64_t seed) const {
  auto sites = where.find(model);
  KeNetwork::Options options;
  options.words = model.word_embeddings().size(1);
  if (image) options.picture = stream_width(model, first_stage_of(model, sites));
  options.lstm_width = lstm_width;
  options.condition_width = condition_width;
  options.hidden_width = hidden_width;
  options.max_scale = max_scale;
  options.unit_gradient = unit_gradient;
  options.init = init;
  options.seed = static_cast<uint64_t>(seed);
  options.device = model.device();
  return KeNetwork(sites, options);
}

std::vector<std::string> edit_texts(const Vlm& vlm, const std::vector<EditRequest>& requests,
                                    const Interventions& base, ActivationStore* store) {
  std::vector<std::string> wrong;
  std::vector<Query> unknown;
  for (const auto& request : requests) {
    wrong.push_back(request.before);
    if (!request.before.empty()) continue;
    unknown.push_back({request.image.present() ? std::optional(request.image.load()) : std::nullopt,
                       request.prompt});
  }
  if (!unknown.empty()) {
    GenerationOptions options;
    options.max_new_tokens = kAnswerTokens;
    auto answers = generate(vlm, unknown, base, options, store);
    for (size_t i = 0, next = 0; i < requests.size(); ++i)
      if (requests[i].before.empty()) wrong[i] = answers[next++];
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < requests.size(); ++i)
    texts.push_back(fmt::format("{} >> {} || {}", trimmed(wrong[i], " \t\n"),
                                trimmed(requests[i].target, " \t\n"),
                                trimmed(requests[i].prompt, " \t\n")));
  return texts;
}

KeState::Edit KeState::make(const Vlm& vlm, const Pass& prefix, const ForcedBatch& forced,
                            const std::vector<std::string>& texts,
                            const Interventions& base) const {
  const auto& model = *vlm.model;
  const auto& sites = network.sites();
  auto factors = edit_factors(model, prefix, forced, sites, base);
  auto [words, lengths] = read_words(vlm, texts);
  at::Tensor seen;
  if (network.options().picture > 0)
    seen = pictures_of_rows(model, prefix, network.options().picture);
  auto of_rows = network.condition(words, lengths, seen);
  at::Tensor of_pictures;
  if (prefix.pixels.defined()) of_pictures = rows_of_pictures(prefix).matmul(of_rows);
  std::vector<at::Tensor> conditions;
  for (const auto& site : sites)
    conditions.push_back(model.stages()[site.stage].module == Module::language ? of_rows
                                                                               : of_pictures);
  return {network.deltas(factors.sites, conditions), factors.loss};
}

KeEditor::KeEditor(const nlohmann::json& settings)
    : KeEditor(read_settings<KeSettings>("ke", settings)) {}

KeState KeEditor::load(const Model& model, EditorCheckpoint& checkpoint, const std::string& module,
                       const std::string& file) const {
  auto settings = read_settings<KeTrainingSettings>("ke", checkpoint.settings);
  require_module(module, settings.shape.where.module, file);
  for (const char* name : TrainableKe::kOnlyTraining) checkpoint.tensors.erase(name);
  return {settings.shape.network(model, 0, 0), settings.weights.end_of_answer};
}

HyperEdit KeEditor::propose(const Vlm& vlm, const KeState& state,
                            const std::vector<EditRequest>& requests, const Pass& prefix,
                            const ForcedBatch& forced, const EditContext& context) const {
  const auto texts = edit_texts(vlm, requests, context.base, context.store);
  auto made = state.make(vlm, prefix, forced, texts, context.base);
  const auto reads = texts.size() == 1 ? nlohmann::json(texts[0]) : nlohmann::json(texts);
  return {std::move(made.deltas), {made.loss}, 1, "step_limit", {{"reads", reads}}};
}

EditorInfo ke_editor() {
  return {"ke",
          "a trained network reads the edit and masks its gradient (train it first)",
          describe_settings<KeSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<KeEditor>(given); },
          {},
          {"Training normalizes every gradient (unit_gradient): the authors use it unscaled.",
           "Training uses Adam and plain labels: the authors use RMSprop and label smoothing.",
           "The networks have no weight normalization: the authors' code has.",
           "A batch edit is the sum of its single edits: the paper uses one gradient of all "
           "requests."},
          make_networks<TrainableKe>,
          describe_settings<KeTrainingSettings>()};
}

}  // namespace emend
