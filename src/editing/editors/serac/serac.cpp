#include "editing/editors/serac/serac.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/memory/language_sites.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/editors/serac/mixer.h"
#include "editing/editors/serac/training.h"
#include "editing/training/checkpoint.h"
#include "editing/training/encoder.h"
#include "editing/training/forced.h"
#include "editing/training/named_tensors.h"
#include "io/error.h"

namespace emend {
namespace {

const std::vector<std::string> kModules = {"repaired", "paper"};

// Opens the sentence encoder; null if the model's hidden states are used.
std::shared_ptr<const SentenceEncoder> encoder_of(const Model& model, const SeracConfig& shape,
                                                  std::shared_ptr<const SentenceEncoder> opened) {
  if (shape.encoder.empty() || (opened && opened->fingerprint() == shape.encoder_id)) return opened;
  return open_encoder(
      {"serac", "encoder", shape.encoder, shape.encoder_id, SentenceEncoder::Pooling::cls},
      model.device());
}

ScopeClassifier::Options scope_options(const Model& model, const SeracConfig& shape,
                                       const SentenceEncoder* encoder, uint64_t seed) {
  ScopeClassifier::Options options;
  options.text = encoder ? encoder->width() : text_width(model);
  options.states = encoder ? 1 : 2;
  if (!shape.paper()) {
    options.places = picture_places(model);
    options.picture = connector_width(model);
  }
  options.patch_feature_width = shape.patch_feature_width;
  options.hidden = shape.hidden;
  options.embedding = shape.embedding;
  options.seed = seed;
  options.device = model.device();
  return options;
}

}  // namespace

void SeracSettings::declare(SettingList& list) {
  list.choice("module", module, kModules,
              "variant; paper: as in EasyEdit, whose classifier sees the teacher-forced answer");
  list.text("checkpoint", checkpoint,
            "checkpoint of the trained editor; empty: the one in the model folder");
  list.text("encoder", encoder,
            "current folder of the sentence encoder used in training; empty: the same folder");
  list.choice("mix", mix, {"auto", "hard", "soft"},
              "mixing of logits; hard: counterfactual logits in scope; soft: probabilities "
              "weighted by the similarity; auto: hard (soft for paper)");
  list.number("threshold", threshold, 0, 1,
              "similarity from which a question is in scope (hard mixing)");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed of the projections (paper)");
}

void SeracConfig::declare(SettingList& list) {
  list.choice("module", module, kModules,
              "variant; paper: as in EasyEdit, whose classifier sees the teacher-forced answer");
  list.optional_text("encoder", encoder,
                     "folder of a sentence encoder (distilbert-base-cased) that embeds texts for "
                     "the classifier; empty: hidden states of the model");
  list.optional_text("encoder_id", encoder_id, "expected fingerprint of the sentence encoder");
  list.whole(
      "blocks", blocks, 0, 10000,
      "number of language blocks after which hidden states are taken; 0: half of the blocks");
  list.whole("patch_feature_width", patch_feature_width, 1, 100000,
             "size each image-patch feature is projected to");
  list.alias("narrow", "patch_feature_width");
  list.whole("hidden", hidden, 1, 100000, "hidden size of the classifier");
  list.whole("embedding", embedding, 1, 100000, "embedding size for text and for pictures");
  list.text("sites", sites, "glob of the layers that the counterfactual model changes; empty: all");
  list.whole("rank", rank, 1, 100000, "rank of the counterfactual model's weight changes");
  list.text("edit_prefix", edit_prefix,
            "template of the edit before a question: {prompt} and {target}");
  list.alias("told", "edit_prefix");
}

SeracState::SeracState(const Model& model, const SeracConfig& given, uint64_t seed,
                       std::shared_ptr<const SentenceEncoder> opened)
    : shape(given),
      features{text_stage(model, shape.blocks), shape.paper(), !shape.paper(),
               encoder_of(model, shape, std::move(opened))},
      scope(scope_options(model, shape, features.encoder.get(), seed)),
      counterfactual(counterfactual_sites(model, shape.sites), shape.rank, seed + 1,
                     model.device()) {
  if (features.encoder) shape.encoder_id = features.encoder->fingerprint();
}

std::vector<std::pair<std::string, at::Tensor>> SeracState::parameters() const {
  auto all = scope.parameters();
  for (auto& one : counterfactual.parameters()) all.push_back(std::move(one));
  return all;
}

std::map<std::string, at::Tensor> SeracState::tensors() const {
  return detached_tensors(parameters());
}

void SeracState::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) {
  copy_tensors(tensors, parameters(), "serac", file);
}

SeracEditor::SeracEditor(const nlohmann::json& settings)
    : settings_(read_settings<SeracSettings>("serac", settings)) {}

SeracEditor::SeracEditor(std::shared_ptr<const SeracState> state) : state_(state) {
  settings_.module = state->shape.module;
}

const SeracState& SeracEditor::state(const Vlm& vlm) const {
  return state_.of(vlm, [&](const std::string& base) { return loaded(vlm, base); });
}

std::shared_ptr<const SeracState> SeracEditor::loaded(const Vlm& vlm,
                                                      const std::string& base) const {
  const auto file = settings_.checkpoint.empty()
                        ? find_checkpoint(vlm, "serac", settings_.module == "paper" ? "paper" : "")
                        : settings_.checkpoint;
  auto checkpoint = load_checkpoint(file, "serac", base);
  auto read = read_known_settings<SeracConfig>("serac", checkpoint.settings);
  if (read.module != settings_.module)
    throw Error(
        "editing::serac",
        fmt::format("'{}' was trained as '{}', not '{}'", file, read.module, settings_.module),
        fmt::format("use it with --module {}", read.module));
  if (!settings_.encoder.empty()) {
    if (read.encoder.empty())
      throw Error(
          "editing::serac",
          fmt::format(
              "'{}' was trained on hidden states of the model, not with the sentence encoder '{}'",
              file, settings_.encoder),
          fmt::format("remove the setting 'encoder', or train with it: emend train --editor serac "
                      "--set encoder={}",
                      settings_.encoder));
    read.encoder = settings_.encoder;
  }
  if (!read.encoder.empty() && read.encoder_id.empty())
    throw Error(
        "editing::serac",
        fmt::format("'{}' does not name the sentence encoder that it was trained with", file),
        "train it again with `emend train --editor serac`");
  auto state = std::make_shared<SeracState>(*vlm.model, read);
  state->load(checkpoint.tensors, file);
  return state;
}

Patch SeracEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        const EditContext& context) const {
  at::NoGradGuard no_grad;
  const auto forced = force_edits(vlm, requests, /*end_of_answer=*/false);
  const auto& state = this->state(vlm);
  const auto& batch = forced.batch;
  const auto embedded =
      state.embed(vlm, batch, get_image_features(vlm, batch.pixels, context.store)).to(at::kCPU);

  auto patch = patch_for(*this, vlm, requests);
  patch.memory.network = state.tensors();
  patch.memory.reading = settings_json(state.shape);
  patch.memory.encoder = state.features.encoder;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& request = requests[i];
    MemoryEntry entry;
    entry.name = entry_name(request.prompt, batch, i);
    entry.facts = {
        {"prompt", request.prompt}, {"target", request.target}, {"image", request.image.path}};
    entry.tensors["embedding"] = embedded[static_cast<int64_t>(i)].clone();
    patch.memory.add(std::move(entry));
  }
  patch.effect = {{"steps", 0}};
  patch.id = patch_id(patch);
  return patch;
}

EditorInfo serac_editor() {
  return {"serac",
          "stores the edit; a trained classifier finds questions in its scope, and a trained "
          "counterfactual model answers them (train it first)",
          describe_settings<SeracSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<SeracEditor>(given); },
          [](const Vlm& vlm, const Patch& patch, ActivationStore* store) {
            auto mixer = std::make_shared<const SeracMixer>(vlm, patch, store);
            auto change =
                Intervention::logits_mix([mixer](const Pass& pass, const at::Tensor& logits) {
                  return mixer->mix(pass, logits);
                });
            return Interventions{change};
          },
          {"The teacher-forced answer is hidden from the classifier and the counterfactual model: "
           "EasyEdit shows it to both (module=paper does so).",
           "The classifier uses the picture and is trained to exclude unrelated pictures: "
           "EasyEdit's uses only texts (module=paper does so).",
           "A question is in scope from a similarity of 0.25 (threshold): the paper uses 0.5, and "
           "EasyEdit mixes softly.",
           "Texts are embedded by hidden states of the model, unless training names an encoder: "
           "the paper trains DistilBERT.",
           "The counterfactual model is the model with a trained low-rank change: the paper trains "
           "a separate small model (EasyEdit: OPT-125m)."},
          make_networks<TrainableSerac>,
          describe_settings<SeracTrainingSettings>()};
}

}  // namespace emend
