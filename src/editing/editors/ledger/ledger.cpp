#include "editing/editors/ledger/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/editors/ledger/entry.h"
#include "editing/editors/ledger/entry_change.h"
#include "editing/editors/ledger/recall.h"
#include "editing/editors/ledger/scopes/fact_codes.h"
#include "editing/editors/ledger/scopes/question_texts.h"
#include "editing/editors/ledger/training.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/memory/language_sites.h"
#include "editing/editors/memory/prompt_answers.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/training/checkpoint.h"
#include "editing/training/forced.h"
#include "editing/training/named_tensors.h"
#include "io/error.h"

namespace emend {
namespace {

KeyNetwork::Options key_options(const Model& model, const LedgerConfig& shape, uint64_t seed) {
  KeyNetwork::Options options;
  options.text = text_width(model);
  options.text_tokens = shape.text_tokens > 0;
  options.tokens = picture_places(model);
  options.picture = connector_width(model);
  options.heads = shape.heads;
  options.head_width = shape.head_width;
  options.hidden = shape.hidden;
  options.embedding = shape.embedding;
  options.consequences = shape.consequences;
  options.seed = seed;
  options.device = model.device();
  return options;
}

// EditorInfo::earlier_settings.
nlohmann::json earlier_settings() { return {{"consequence_confidence", 0}}; }

// steps, holds, and for each entry its change.
nlohmann::json effect_of(const std::vector<EntryChange>& changes, const std::vector<bool>& holds) {
  int64_t steps = 0;
  auto entries = nlohmann::json::array();
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto& own = changes[i].effect;
    steps += own.is_object() ? own.value("steps", int64_t{0}) : 0;
    entries.push_back({{"holds", holds[i]}, {"change", own}});
  }
  const bool all = std::all_of(holds.begin(), holds.end(), [](bool one) { return one; });
  return {{"steps", steps}, {"holds", all}, {"entries", entries}};
}

}  // namespace

void LedgerSettings::declare(SettingList& list) {
  list.text("checkpoint", checkpoint,
            "checkpoint of the trained editor; empty: the one in the model folder");
  list.choice("context", context, {"always", "never"},
              "always: questions in scope are answered with the edit in front of them; never: "
              "only with the entry's change");
  list.number("chain_limit", chain_limit, 0, 1e6,
              "squared distance below which a question that follows from an edit is answered with "
              "another edit: its prompt has no image, contains the target of the first edit, and "
              "is compared with the question; 0: never");
  list.choice("change", change, entry_change_names(),
              "editor that makes the change of an entry, if the context alone does not give the "
              "answer; none: no change");
  list.flag("end_of_answer", end_of_answer,
            "an edit holds only if the model ends its answer after the target; otherwise, the "
            "entry gets a change");
  list.choice("scope", scope, {"all", "text", "picture"},
              "parts of the key that are compared; all: text, picture and answer");
  list.number("risk", risk, 1e-6, 1,
              "largest rate of unrelated questions in the scope of any entry; 1: not calibrated");
  list.number("confidence", confidence, 0.5, 0.999999,
              "probability that the rate is not larger than `risk`");
  list.number("answer_weight", answer_weight, -1, 1e6,
              "weight of the part of a key that has the unedited model's answer; 0: not used; "
              "negative: the weight in the checkpoint");
  list.number("limit", limit, 0, 1e6, "largest squared distance of a question in scope");
  list.number(
      "consequence_weight", consequence_weight, 0, 1e6,
      "weight of the squared distance to the key of an edit's consequences, if the checkpoint "
      "was trained for them; 0: consequences are not in scope");
  list.number("consequence_confidence", consequence_confidence, 0, 1,
              "in the scope of consequences, a position of the answer changes only if the "
              "probability of its new best token is at least this value");
  list.number("supersede", supersede, 0, 1e6,
              "squared distance below which a later edit replaces an earlier one");
  list.whole("seed", seed, 0, INT64_MAX, "random seed of the changes of entries");
}

LedgerSettings LedgerSettings::of(const Patch& patch) {
  auto settings = earlier_settings();
  settings.update(patch.settings);
  return read_settings<LedgerSettings>("ledger", settings);
}

void LedgerConfig::declare(SettingList& list) {
  list.whole(
      "blocks", blocks, 0, 10000,
      "number of language blocks after which hidden states are taken; 0: half of the blocks");
  list.flag("exclude_first_token", exclude_first_token,
            "exclude the first token from the mean of a text's hidden states: in many language "
            "models, all positions attend to it, and its hidden state is very large; text_tokens "
            "does not include it either");
  list.whole("text_tokens", text_tokens, 0, 10000,
             "number of last tokens of a text that the key network attends to, in addition to the "
             "mean and the last of its hidden states; 0: no attention to tokens");
  list.whole("hidden", hidden, 1, 100000, "hidden size of the key network");
  list.whole("embedding", embedding, 1, 100000, "key size for text and for pictures");
  list.whole("heads", heads, 1, 1000, "attention heads of the key network");
  list.whole("head_width", head_width, 1, 10000, "width of an attention head");
  list.flag("consequences", consequences,
            "edits have a second key, for the questions that follow from them");
  list.text("sites", sites, "glob of the layers that learn to read an edit; empty: all");
  list.whole("rank", rank, 1, 100000, "rank of these layers' changes");
  list.number("answer_weight", answer_weight, 0, 1e6,
              "default answer_weight of edits with this checkpoint; use 0 if "
              "rewordings of a prompt start different answers (captions, sentence completion)");
  list.text("edit_prefix", edit_prefix,
            "template of the edit before a question: {prompt} and {target}");
}

LedgerState::LedgerState(const Model& model, const LedgerConfig& given, uint64_t seed)
    : shape(given),
      features{text_stage(model, shape.blocks),
               /*whole_rows=*/false,
               /*pictures=*/model.reads_pictures(),
               /*encoder=*/nullptr,
               /*exclude_first=*/shape.exclude_first_token,
               /*tokens=*/shape.text_tokens},
      keys(key_options(model, shape, seed)),
      counterfactual(counterfactual_sites(model, shape.sites), shape.rank, seed + 1,
                     model.device()),
      calibration(at::zeros({0, width()})) {}

NamedTensors LedgerState::parameters() const {
  auto all = keys.parameters();
  for (auto& one : counterfactual.parameters()) all.push_back(std::move(one));
  return all;
}

std::map<std::string, at::Tensor> LedgerState::tensors() const {
  auto all = detached_tensors(parameters());
  all["calibration"] = calibration;
  if (calibration_facts.defined()) all["calibration_facts"] = calibration_facts;
  if (calibration_texts.defined()) all["calibration_texts"] = calibration_texts;
  return all;
}

void LedgerState::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) {
  auto rest = tensors;
  const auto found = rest.find("calibration");
  if (found == rest.end() || found->second.dim() != 2 || found->second.size(1) != width())
    throw Error("editing::ledger", fmt::format("{} has no calibration keys of this shape", file),
                "train the editor again with `emend train --editor ledger`");
  calibration = found->second.to(keys.device());
  rest.erase(found);
  if (const auto facts = rest.find("calibration_facts"); facts != rest.end()) {
    check_fact_codes(facts->second, calibration.size(0), file);
    calibration_facts = facts->second;
    rest.erase(facts);
  }
  if (const auto texts = rest.find("calibration_texts"); texts != rest.end()) {
    texts_of_bytes(texts->second, calibration.size(0), file);
    calibration_texts = texts->second;
    rest.erase(texts);
  }
  copy_tensors(rest, parameters(), "ledger", file);
}

at::Tensor LedgerState::key_of(const Vlm& vlm, const Batch& batch, const at::Tensor& image_features,
                               const at::Tensor& answers) const {
  return key_of(question_features(vlm, batch, image_features, features), answers);
}

at::Tensor LedgerState::key_of(const QuestionFeatures& questions, const at::Tensor& answers) const {
  return at::cat({keys.keys(questions), answer_sketch(answers)}, 1);
}

at::Tensor LedgerState::consequence_key_of(const QuestionFeatures& questions) const {
  return shape.consequences ? keys.keys(questions, KeyNetwork::Key::consequence) : at::Tensor();
}

LedgerEditor::LedgerEditor(const nlohmann::json& settings)
    : settings_(read_settings<LedgerSettings>("ledger", settings)) {}

LedgerEditor::LedgerEditor(std::shared_ptr<const LedgerState> state) : state_(std::move(state)) {
  settings_.change = "none";
  settings_.risk = 1;
}

const LedgerState& LedgerEditor::state(const Vlm& vlm) const {
  return state_.of(vlm, [&](const std::string& base) {
    const auto file =
        settings_.checkpoint.empty() ? find_checkpoint(vlm, "ledger", "") : settings_.checkpoint;
    const auto checkpoint = load_checkpoint(file, "ledger", base);
    auto state = std::make_shared<LedgerState>(
        *vlm.model, read_known_settings<LedgerConfig>("ledger", checkpoint.settings));
    state->load(checkpoint.tensors, file);
    return state;
  });
}

Patch LedgerEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                         const EditContext& context) const {
  const auto& state = this->state(vlm);
  const auto forced = force_edits(vlm, requests, /*end_of_answer=*/false);
  const auto& batch = forced.batch;
  at::Tensor keys, consequences;
  {
    at::NoGradGuard no_grad;
    const auto image_features = get_image_features(vlm, batch.pixels, context.store);
    const auto questions = question_features(vlm, batch, image_features, state.features);
    keys = state.key_of(questions, prompt_answers(*vlm.model, batch, image_features)).to(at::kCPU);
    consequences = state.consequence_key_of(questions);
    if (consequences.defined()) consequences = consequences.to(at::kCPU);
  }

  auto patch = patch_for(*this, vlm, requests);
  if (settings_.answer_weight < 0) patch.settings["answer_weight"] = state.shape.answer_weight;
  patch.memory.network = state.tensors();
  patch.memory.reading = settings_json(state.shape);
  // An entry has a change of its own if the edit in front of the question is not enough.
  std::vector<EntryChange> changes(requests.size());
  auto fill = [&] {
    patch.memory.entries.clear();
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto& request = requests[i];
      nlohmann::json facts = {{"prompt", request.prompt},
                              {"target", request.target},
                              {"image", request.image.path},
                              {"has_image", !batch.rows[i].images.empty()}};
      if (!request.fact.empty())
        facts["fact"] = request.fact;
      else if (!request.subject.empty())
        facts["subject"] = request.subject;
      patch.memory.add(ledger_entry(
          entry_name(request.prompt, batch, i), std::move(facts), keys[static_cast<int64_t>(i)],
          consequences.defined() ? consequences[static_cast<int64_t>(i)] : at::Tensor(),
          changes[i].deltas));
    }
    return patch.interventions(vlm, context.store);
  };
  auto holds = edits_hold(vlm, requests, settings_.end_of_answer, fill(), context.store);
  const bool all_hold = std::all_of(holds.begin(), holds.end(), [](bool one) { return one; });
  if (!all_hold && settings_.change != "none") {
    for (size_t i = 0; i < requests.size(); ++i)
      if (!holds[i]) changes[i] = entry_change(vlm, requests[i], state, settings_, context);
    holds = edits_hold(vlm, requests, settings_.end_of_answer, fill(), context.store);
  }
  patch.effect = effect_of(changes, holds);
  patch.id = patch_id(patch);
  return patch;
}

EditorInfo ledger_editor() {
  EditorInfo info = {
      "ledger",
      "stores each edit with a key of its question and picture; questions near the key are "
      "answered with the edit, and all other answers are unchanged (train it first)",
      describe_settings<LedgerSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<LedgerEditor>(given); },
      [](const Vlm& vlm, const Patch& patch, ActivationStore* store) {
        auto recall = std::make_shared<const LedgerRecall>(vlm, patch, store);
        return Interventions{
            Intervention::logits_mix([recall](const Pass& pass, const at::Tensor& logits) {
              return recall->mix(pass, logits);
            })};
      }};
  info.make_trainable = make_networks<TrainableLedger>;
  info.training_settings = describe_settings<LedgerTrainingSettings>();
  info.memory_facts = [](const Patch& patch) { return LedgerScopes::of(patch)->facts(); };
  info.earlier_settings = earlier_settings();
  info.edit_time_settings = {"change", "end_of_answer", "seed"};
  return info;
}

}  // namespace emend
