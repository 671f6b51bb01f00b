#include "editing/editors/ike/corpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "io/json/json.h"
#include "io/progress.h"

namespace emend {
namespace {

constexpr size_t kBatch = 32;

size_t stage_after(const Model& model, int64_t blocks) {
  const auto embed = model.first_stage(Module::language);
  const auto all = static_cast<int64_t>(model.stages().size() - embed) - 2;
  if (blocks > all)
    throw Error(
        "editing::ike",
        fmt::format("setting 'blocks' is {}, but the language module has {} blocks", blocks, all),
        "use a smaller number; 0 means half of the blocks");
  return embed + static_cast<size_t>(blocks > 0 ? blocks : (all + 1) / 2);
}

at::Tensor mean_states(const Vlm& vlm, size_t stage, const std::vector<std::string>& texts) {
  const auto& model = *vlm.model;
  Batch batch;
  for (const auto& text : texts) {
    auto row = vlm.processor.row(text);
    row.ids.resize(std::min(row.ids.size(), static_cast<size_t>(model.max_positions())));
    batch.rows.push_back(std::move(row));
  }
  auto pass = model.collate(batch);
  model.run(pass, stage);
  const auto padding = pass.mask.logical_not().unsqueeze(-1);
  const auto sums = pass.hidden.to(at::kFloat).masked_fill(padding, 0).sum(1);
  return (sums / pass.mask.sum(1, /*keepdim=*/true)).to(at::kCPU);
}

[[noreturn]] void reject_corpus(const std::string& file, const std::string& what) {
  throw Error("editing::ike", fmt::format("'{}' {}", file, what),
              "collect the demonstrations again with `emend train --editor ike`");
}

}  // namespace

TextEmbedding state_embedding(const Vlm& vlm, int64_t blocks) {
  const auto stage = stage_after(*vlm.model, blocks);
  return [&vlm, stage](const std::vector<std::string>& texts) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (size_t begin = 0; begin < texts.size(); begin += kBatch) {
      const auto end = std::min(begin + kBatch, texts.size());
      parts.push_back(mean_states(vlm, stage, {texts.begin() + begin, texts.begin() + end}));
    }
    return at::cat(parts);
  };
}

void IkeCorpusSettings::declare(SettingList& list) {
  list.whole("records", records, 1, 10000000,
             "number of records from which demonstrations are collected");
  list.text("embedding", embedding,
            "embedding of texts; states: hidden states of the model; otherwise the folder of a "
            "sentence encoder (all-MiniLM-L6-v2)");
  list.optional_text("encoder_id", encoder_id, "expected fingerprint of the sentence encoder");
  list.whole(
      "blocks", blocks, 0, 10000,
      "number of language blocks after which hidden states are taken; 0: half of the blocks");
  list.flag("images", images,
            "store the pictures of the records, so that demonstrations can show them");
  templates.declare(list);
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed of the suite");
}

void IkeCorpus::open_encoder(const Vlm& vlm) {
  if (settings.uses_hidden_states()) return;
  encoder = emend::open_encoder(
      {"ike", "embedding", settings.embedding, settings.encoder_id, SentenceEncoder::Pooling::mean},
      vlm.model->device());
  settings.encoder_id = encoder->fingerprint();
}

TextEmbedding IkeCorpus::embedding(const Vlm& vlm) const {
  if (!encoder) return state_embedding(vlm, settings.blocks);
  return
      [encoder = encoder](const std::vector<std::string>& texts) { return encoder->embed(texts); };
}

IkeCorpus IkeCorpus::of(const Vlm& vlm, std::vector<Demonstration> demonstrations,
                        const IkeCorpusSettings& settings) {
  if (demonstrations.empty())
    throw Error("editing::ike", "there are no demonstrations to store", "choose a larger split");
  IkeCorpus corpus;
  corpus.settings = settings;
  corpus.open_encoder(vlm);
  const auto embed = corpus.embedding(vlm);
  Progress progress("embedding demonstrations", static_cast<int64_t>(demonstrations.size()));
  std::vector<at::Tensor> parts;
  std::vector<std::string> texts;
  for (const auto& demonstration : demonstrations) {
    texts.push_back(settings.templates.format_demonstration(demonstration));
    if (texts.size() < kBatch && &demonstration != &demonstrations.back()) continue;
    parts.push_back(embed(texts));
    progress.advance(static_cast<int64_t>(texts.size()));
    texts.clear();
  }
  const auto all = at::cat(parts);
  corpus.mean = corpus.encoder ? at::zeros({all.size(1)}) : all.mean(0);
  corpus.embeddings = all - corpus.mean;
  corpus.demonstrations = std::move(demonstrations);
  return corpus;
}

EditorCheckpoint IkeCorpus::checkpoint(const Vlm& vlm, const nlohmann::json& training) const {
  EditorCheckpoint file;
  file.editor = "ike";
  file.base = vlm.fingerprint();
  file.settings = settings_json(settings);
  file.training = training;
  file.training["demonstrations"] = demonstrations_json(demonstrations);
  file.tensors = {{"embeddings", embeddings}, {"mean", mean}};
  if (pictures.defined()) file.tensors["pictures"] = pictures;
  return file;
}

IkeCorpus IkeCorpus::load(const Vlm& vlm, const std::string& file, const std::string& embedding) {
  const auto read = load_checkpoint(file, "ike", vlm.fingerprint());
  IkeCorpus corpus;
  corpus.settings = read_settings<IkeCorpusSettings>("ike", read.settings);
  corpus.settings.templates.check();
  if (!embedding.empty()) {
    if ((embedding == "states") != corpus.settings.uses_hidden_states())
      throw Error("editing::ike",
                  fmt::format("the demonstrations of '{}' were embedded by '{}', not by '{}'", file,
                              corpus.settings.embedding, embedding),
                  fmt::format("collect them again: emend train --editor ike --set embedding={}",
                              embedding));
    corpus.settings.embedding = embedding;
  }
  if (!corpus.settings.uses_hidden_states() && corpus.settings.encoder_id.empty())
    reject_corpus(file, "does not name the sentence encoder that embedded it");
  corpus.open_encoder(vlm);
  corpus.demonstrations =
      parse_demonstrations(json_get<nlohmann::json>(read.training, "demonstrations", file), file);
  for (const auto& [name, tensor] : read.tensors) {
    if (name == "embeddings")
      corpus.embeddings = tensor;
    else if (name == "mean")
      corpus.mean = tensor;
    else if (name == "pictures")
      corpus.pictures = tensor;
    else
      reject_corpus(file, fmt::format("has a tensor '{}' that no demonstration uses", name));
  }
  const auto count = static_cast<int64_t>(corpus.demonstrations.size());
  if (!corpus.embeddings.defined() || !corpus.mean.defined() || corpus.embeddings.dim() != 2 ||
      corpus.mean.dim() != 1 || corpus.embeddings.size(0) != count ||
      corpus.embeddings.size(1) != corpus.mean.size(0))
    reject_corpus(
        file, fmt::format("does not have one embedding for each of its {} demonstrations", count));
  if (corpus.pictures.defined() && corpus.pictures.dim() != 4)
    reject_corpus(file, "contains a malformed picture tensor");
  const auto pictures = corpus.pictures.defined() ? corpus.pictures.size(0) : 0;
  for (const auto& demonstration : corpus.demonstrations)
    if (demonstration.picture < -1 || demonstration.picture >= pictures)
      reject_corpus(file, fmt::format("refers to picture {}, but has {} pictures",
                                      demonstration.picture, pictures));
  return corpus;
}

std::vector<int64_t> IkeCorpus::nearest(const Vlm& vlm, const std::string& prompt,
                                        const std::string& target, int64_t k) const {
  const auto own =
      embedding(vlm)({settings.templates.format_demonstration(copy_of(prompt, target))});
  if (own.size(1) != mean.size(0))
    throw Error("editing::ike",
                fmt::format("embeddings have size {}, the model's hidden states have size {}",
                            mean.size(0), own.size(1)),
                "collect the demonstrations again with `emend train --editor ike`");
  return nearest_rows(embeddings, own[0] - mean, k);
}

std::vector<int64_t> nearest_rows(const at::Tensor& embeddings, const at::Tensor& query,
                                  int64_t k) {
  at::NoGradGuard no_grad;
  const auto rows = embeddings.to(at::kCPU, at::kDouble).contiguous();
  const auto wanted = query.to(at::kCPU, at::kDouble);
  // The products are computed row by row, so that equal rows give equal bits at any position.
  const auto dots = (rows * wanted).sum(1);
  const auto lengths = (rows * rows).sum(1).sqrt() * (wanted * wanted).sum().sqrt();
  const auto cosines = (dots / lengths.clamp_min(1e-300)).contiguous();
  std::vector<int64_t> order(static_cast<size_t>(cosines.size(0)));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const auto* cosine = cosines.data_ptr<double>();
  std::stable_sort(order.begin(), order.end(),
                   [cosine](int64_t a, int64_t b) { return cosine[a] > cosine[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(std::max<int64_t>(k, 0))));
  return order;
}

}  // namespace emend
