#include "editing/editors/memory/question_features.h"

#include <algorithm>

#include "editing/editors/memory/language_sites.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

constexpr int64_t kGridSide = 4;  // of the grid over a picture of any size

// The text tokens of a row. Without `whole`, the teacher-forced answer is excluded.
std::vector<int64_t> row_text(const Row& row, bool whole) {
  const auto size = static_cast<int64_t>(row.ids.size());
  const auto end = whole || row.prompt_length < 0 ? size : std::min(row.prompt_length, size);
  std::vector<int64_t> text;
  std::copy_if(row.ids.begin(), row.ids.begin() + end, std::back_inserter(text),
               [](int64_t id) { return id != kImageToken; });
  return text;
}

// The hidden states of the last tokens of each text, at most `most`, then zeros: (B, T, W).
// states: (B, L, W), lengths and first, the token to begin with: (B).
at::Tensor last_token_states(const at::Tensor& states, const at::Tensor& lengths,
                             const at::Tensor& first, int64_t most) {
  const auto count = std::min(most, (lengths - first).max().item<int64_t>());
  const auto begin = first.maximum(lengths - most);
  const auto place = begin.unsqueeze(1) + at::arange(count, begin.options());  // (B, T)
  const auto absent = place >= lengths.unsqueeze(1);
  const auto index = place.masked_fill(absent, 0).unsqueeze(-1).expand({-1, -1, states.size(2)});
  return states.gather(1, index).masked_fill(absent.unsqueeze(-1), 0);
}

// (B, S, W)
at::Tensor text_states(const Model& model, const std::vector<Row>& rows,
                       const FeatureOptions& options) {
  Batch batch;
  for (const auto& row : rows) {
    Row text;
    text.ids = row_text(row, options.whole_rows);
    batch.rows.push_back(std::move(text));
  }
  auto pass = model.collate(batch);
  model.run(pass, options.stage);
  auto states = pass.hidden.to(at::kFloat);
  auto lengths = pass.mask.sum(1);
  auto counted = pass.mask;
  if (options.exclude_first) {
    counted = counted.clone();
    counted.select(1, 0).copy_(lengths == 1);
  }
  auto mean = states.masked_fill(counted.logical_not().unsqueeze(-1), 0).sum(1) /
              counted.sum(1).unsqueeze(-1);
  auto last = (lengths - 1).view({-1, 1, 1}).expand({-1, 1, states.size(2)});
  const auto pooled = at::stack({mean, states.gather(1, last).squeeze(1)}, 1);
  if (options.tokens == 0) return pooled;
  const auto first =
      options.exclude_first ? (lengths > 1).to(at::kLong) : at::zeros_like(lengths);
  return at::cat({pooled, last_token_states(states, lengths, first, options.tokens)}, 1);
}

// (B, 1, W)
at::Tensor text_embeddings(const Vlm& vlm, const std::vector<Row>& rows,
                           const FeatureOptions& options) {
  std::vector<std::string> texts;
  for (const auto& row : rows)
    texts.push_back(vlm.processor.tokenizer->decode(row_text(row, options.whole_rows)));
  return options.encoder->embed(texts).to(vlm.model->device()).unsqueeze(1);
}

// (cells, Q): weights that average the tokens nearest to the center of each cell of the grid, so
// that no cell is empty. places: (Q, 2).
at::Tensor shares_of_cells(const at::Tensor& all) {
  const auto places = at::nan_to_num(all, /*nan=*/1e3);  // a token without a place is in no cell
  const auto centers = (at::arange(kGridSide, at::kDouble) + 0.5) / kGridSide;
  const auto rows = centers.unsqueeze(1).expand({kGridSide, kGridSide}).flatten();
  const auto columns = centers.repeat({kGridSide});
  const auto distance = (rows.unsqueeze(1) - places.select(1, 0))
                            .abs()
                            .maximum((columns.unsqueeze(1) - places.select(1, 1)).abs());
  const auto radius = distance.amin(1, /*keepdim=*/true).clamp_min(0.5 / kGridSide);
  const auto near = (distance <= radius + 1e-9).to(at::kFloat);
  return near / near.sum(1, /*keepdim=*/true);
}

}  // namespace

int64_t picture_places(const Model& model) {
  return model.num_image_tokens() == Model::kVariable ? kGridSide * kGridSide
                                                      : model.num_image_tokens();
}

at::Tensor place_features(const Model& model, const Pictures& pixels,
                          const at::Tensor& image_features) {
  if (!image_features.defined() || model.num_image_tokens() != Model::kVariable)
    return image_features;
  const auto width = connector_width(model);
  std::vector<at::Tensor> features;
  for (int64_t i = 0; i < pixels.size(); ++i) {
    const auto count = model.image_tokens(pixels[i]);
    // Without the features that follow the image tokens and enter later blocks (DeepStack).
    const auto tokens = image_features[i].narrow(0, 0, count).narrow(1, 0, width).to(at::kFloat);
    const auto shares = shares_of_cells(model.places(pixels[i], count)).to(tokens.device());
    features.push_back(at::matmul(shares, tokens));
  }
  return at::stack(features).to(image_features.scalar_type());
}

at::Tensor get_image_features(const Vlm& vlm, const Pictures& pixels, ActivationStore* store,
                              bool batched) {
  if (!pixels.defined()) return {};
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  Pass pass;
  pass.pixels = pixels.to(model.device());
  pass.batched_pictures = batched;
  if (store || !batched) {
    set_image_features(vlm, pass, store);
  }
  const auto language = model.first_stage(Module::language);
  if (language > 0) model.run(pass, language - 1);
  return pass.hidden;
}

QuestionFeatures question_features(const Vlm& vlm, const Batch& batch,
                                   const at::Tensor& image_features,
                                   const FeatureOptions& options) {
  at::NoGradGuard no_grad;
  QuestionFeatures features;
  features.text = options.encoder ? text_embeddings(vlm, batch.rows, options)
                                  : text_states(*vlm.model, batch.rows, options);
  if (!options.pictures) return features;
  const auto rows = static_cast<int64_t>(batch.rows.size());
  const auto on = features.text.options();
  features.has_image = at::zeros({rows}, on);
  if (!image_features.defined()) return features;
  const auto placed = place_features(*vlm.model, batch.pixels, image_features);
  std::vector<at::Tensor> pictures;
  for (int64_t r = 0; r < rows; ++r) {
    const auto& images = batch.rows[static_cast<size_t>(r)].images;
    if (images.empty()) {
      pictures.push_back(at::zeros({placed.size(1), placed.size(2)}, on));
      continue;
    }
    auto which = at::tensor(images, at::kLong).to(placed.device());
    pictures.push_back(placed.index_select(0, which).to(at::kFloat).mean(0));
    features.has_image[r] = 1;
  }
  features.pictures = at::stack(pictures);
  return features;
}

}  // namespace emend
