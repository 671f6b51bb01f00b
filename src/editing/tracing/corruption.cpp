#include "editing/tracing/corruption.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "editing/tracing/repeat_rows.h"
#include "io/error.h"
#include "io/strings/blank.h"
#include "models/caching/prefix.h"
#include "models/caching/shared_prefix.h"
#include "suites/random.h"

namespace emend {
namespace {

constexpr const char* kCorruptPlace = "editing::trace";

at::Tensor normal_noise(at::IntArrayRef shape, int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  return at::randn(shape, generator, at::TensorOptions(at::kFloat));
}

// The standard deviation of the entries of the embeddings of the prompt's tokens.
double embedding_sigma(const Model& model, const Row& row) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < row.prompt_length; ++i)
    if (row.ids[i] >= 0) ids.push_back(row.ids[i]);
  const auto table = model.word_embeddings();
  const auto chosen = table.index_select(0, at::tensor(ids, at::kLong).to(table.device()));
  return chosen.to(at::kFloat).std(/*unbiased=*/false).item<double>();
}

// A token that can replace another one in a text: letters, with the same space before them.
bool is_like(const Tokenizer& tokenizer, int64_t id, bool spaced) {
  const auto token = tokenizer.token(id);
  const auto text = tokenizer.decode({id}, /*skip_special=*/true);
  const auto begin = text.find_first_not_of(' ');
  if (begin == text.npos || text.size() - begin < 2) return false;
  const bool space = text[0] == ' ' || token.starts_with("\u2581") || token.starts_with("\u0120");
  return space == spaced && std::all_of(text.begin() + static_cast<int64_t>(begin), text.end(),
                                        [](unsigned char c) { return std::isalpha(c) != 0; });
}

// Random tokens like those at `positions`, for each row.
std::vector<std::vector<int64_t>> random_words(const Tokenizer& tokenizer, const Row& row,
                                               const std::vector<int64_t>& positions, int64_t rows,
                                               int64_t seed) {
  std::vector<int64_t> spaced, joined;
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    if (is_like(tokenizer, id, true)) spaced.push_back(id);
    if (is_like(tokenizer, id, false)) joined.push_back(id);
  }
  // A vocabulary without words, such as one of bytes: any tokens.
  if (spaced.empty() && joined.empty())
    for (int64_t id = 0; id < tokenizer.size(); ++id) joined.push_back(id);
  std::mt19937_64 rng(mix(static_cast<uint64_t>(seed)));
  std::vector<std::vector<int64_t>> words(rows);
  for (auto& word : words)
    for (auto position : positions) {
      const auto old = row.ids[position];
      const bool space = old < tokenizer.size() && is_like(tokenizer, old, true);
      const auto& pool = spaced.empty() || (!space && !joined.empty()) ? joined : spaced;
      auto chosen = pick(pool, rng);
      for (int again = 0; chosen == old && again < 8; ++again) chosen = pick(pool, rng);
      word.push_back(chosen);
    }
  return words;
}

// The tokens of the given words, repeated or cut to `count` tokens.
std::vector<int64_t> given_words(const Processor& processor, const std::string& words,
                                 size_t count) {
  const auto ids = processor.target(words.starts_with(' ') ? words : " " + words);
  std::vector<int64_t> fitting;
  for (size_t i = 0; i < count; ++i) fitting.push_back(ids[i % ids.size()]);
  return fitting;
}

Batch with_pictures(const TracedRow& traced, const std::vector<Row>& rows) {
  return {traced.tiles.pixels, rows};
}

// Runs both passes through the next stage.
void enter(const Vlm& vlm, CorruptedRuns& runs, const Interventions& base) {
  for (auto* pass : {&runs.clean, &runs.corrupted}) {
    pass->batched_pictures = true;
    vlm.model->run(*pass, pass->next, base);
  }
  runs.entry = runs.clean.next - 1;
}

// Changes `hidden` (R, T, D) at `positions` by `change` (R, P, D).
at::Tensor added_at(const at::Tensor& hidden, const at::Tensor& positions,
                    const at::Tensor& change) {
  return hidden.index_add(1, positions, change.to(hidden.options()));
}

// The picture with noise of `sigma` on its 8-bit values.
Image noisy_picture(const Image& image, double sigma, int64_t seed) {
  const auto noise = normal_noise({static_cast<int64_t>(image.rgb.size())}, seed);
  const auto* values = noise.data_ptr<float>();
  Image noisy = image;
  for (size_t i = 0; i < noisy.rgb.size(); ++i)
    noisy.rgb[i] = static_cast<uint8_t>(
        std::clamp(std::round(image.rgb[i] + sigma * static_cast<double>(values[i])), 0.0, 255.0));
  return noisy;
}

double pixel_sigma(const Image& image) {
  double sum = 0, squares = 0;
  for (auto value : image.rgb) {
    sum += value;
    squares += double{1} * value * value;
  }
  const auto count = static_cast<double>(std::max<size_t>(image.rgb.size(), 1));
  return std::sqrt(std::max(0.0, squares / count - sum / count * sum / count));
}

std::vector<Image> corrupted_pictures(const TraceQuery& query, const std::string& kind,
                                      const TraceOptions& options, CorruptedRuns& runs) {
  if (kind == "swap") {
    if (!query.other_image.present())
      throw Error(kCorruptPlace, "no other picture is given for image=swap",
                  "give one (--other-image FILE), or use another corruption");
    return {query.other_image.load()};
  }
  const auto image = query.image.load();
  if (kind == "gray") {
    auto gray = image;
    std::fill(gray.rgb.begin(), gray.rgb.end(), uint8_t{128});
    return {gray};
  }
  runs.sigma = pixel_sigma(image);
  runs.factor = options.image_factor;
  std::vector<Image> noisy;
  for (int64_t r = 0; r < options.rows; ++r)
    noisy.push_back(noisy_picture(image, runs.sigma * runs.factor,
                                  static_cast<int64_t>(mix(mix(options.seed) + r) >> 1)));
  return noisy;
}

// The corruption of the picture before it is preprocessed.
CorruptedRuns corrupt_pixels(const Vlm& vlm, const TracedRow& traced, const std::string& kind,
                             const TraceQuery& query, const TraceOptions& options,
                             const TraceContext& context) {
  const auto& model = *vlm.model;
  CorruptedRuns runs;
  const auto& clean = traced.tiles;
  for (const auto& image : corrupted_pictures(query, kind, options, runs)) {
    auto tiles = vlm.processor.tiles(image);
    if (tiles.pixels.sizes() != clean.pixels.sizes() || tiles.rows != clean.rows ||
        tiles.columns != clean.columns)
      throw Error(kCorruptPlace, "the other picture has another size or other tiles",
                  "use a picture with the same width and height, or another corruption");
    auto row = traced.row;
    for (auto& index : row.images) index += runs.batch.pixels.size();
    runs.batch.rows.push_back(std::move(row));
    runs.batch.pixels.append(tiles.pixels);
  }
  runs.corrupt = [](int64_t) { return Interventions(); };
  const auto begin = model.first_stage(options.module_list().front());
  const auto to_begin = [&](const Batch& batch) {
    return forward_until(vlm, batch, begin, context.base, context.store);
  };
  runs.clean = to_begin(with_pictures(traced, {traced.row}));
  runs.corrupted = to_begin(runs.batch);
  enter(vlm, runs, context.base);
  return runs;
}

// The corruption of the projected image tokens.
CorruptedRuns corrupt_image_tokens(const Vlm& vlm, const TracedRow& traced, const std::string& kind,
                                   const TraceOptions& options, const TraceContext& context) {
  const auto& model = *vlm.model;
  CorruptedRuns runs;
  const auto language = model.first_stage(Module::language);
  runs.clean = forward_until(vlm, with_pictures(traced, {traced.row}), language, context.base,
                             context.store);
  const auto tokens = runs.clean.hidden.to(at::kFloat);  // (tiles, Q, D)
  const int64_t rows = kind == "noise" ? options.rows : 1;
  at::Tensor changed;  // (rows, tiles, Q, D)
  if (kind == "noise") {
    runs.sigma = tokens.std(/*unbiased=*/false).item<double>();
    runs.factor = options.image_factor;
    const auto noise =
        normal_noise({rows, tokens.size(0), tokens.size(1), tokens.size(2)}, options.seed);
    changed = tokens.unsqueeze(0) + noise.to(tokens.device()) * (runs.sigma * runs.factor);
  } else {
    changed = tokens.mean(at::IntArrayRef{0, 1}, /*keepdim=*/true).expand_as(tokens).unsqueeze(0);
  }
  changed = changed.to(runs.clean.hidden.scalar_type()).contiguous();
  runs.corrupted = repeat_rows(model, runs.clean, rows, nullptr);
  runs.corrupted.hidden = changed.flatten(0, 1);
  runs.batch = with_pictures(traced, std::vector<Row>(rows, traced.row));
  const auto last = model.stages()[language - 1].name;
  runs.corrupt = [changed, last](int64_t row) -> Interventions {
    return {Intervention::boundary(last, [=](const at::Tensor&) { return changed[row]; })};
  };
  enter(vlm, runs, context.base);
  return runs;
}

}  // namespace

CorruptedRuns corrupt_text(const Vlm& vlm, const TracedRow& traced,
                           const std::vector<int64_t>& positions, const std::string& kind,
                           const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context) {
  const auto& model = *vlm.model;
  const auto language = model.first_stage(Module::language);
  const auto length = static_cast<int64_t>(traced.row.ids.size());
  CorruptedRuns runs;
  runs.first_position = positions.front();
  const bool given = kind == "swap" && !is_blank(query.other_words);
  const int64_t count = given ? 1 : options.rows;
  auto& rows = runs.batch.rows;
  rows.assign(count, traced.row);
  runs.batch.pixels = traced.tiles.pixels;
  if (kind == "swap") {
    std::vector<std::vector<int64_t>> words;
    if (given)
      words = {given_words(vlm.processor, query.other_words, positions.size())};
    else
      words = random_words(*vlm.processor.tokenizer, traced.row, positions, count, options.seed);
    for (int64_t r = 0; r < count; ++r)
      for (size_t i = 0; i < positions.size(); ++i) rows[r].ids[positions[i]] = words[r][i];
  }

  auto all = runs.batch;
  all.rows.insert(all.rows.begin(), traced.row);
  const std::vector<int64_t> ends(all.rows.size(), length - runs.first_position);
  std::optional<SharedPrefix> shared;
  if (context.share && runs.first_position > 0)
    shared = share_prefixes(vlm, all, ends, context.base, context.store, PadSide::right);
  if (shared) {
    auto prefix = std::make_shared<KvCache>();
    for (const auto& keys : shared->pass.cache->keys) prefix->keys.push_back(keys.narrow(0, 0, 1));
    for (const auto& values : shared->pass.cache->values)
      prefix->values.push_back(values.narrow(0, 0, 1));
    runs.prefix_length = length - shared->pass.ids.size(1);
    runs.clean = repeat_rows(model, narrow_rows(shared->pass, 0, 1), 1, prefix.get());
    runs.corrupted = repeat_rows(model, narrow_rows(shared->pass, 1, count), 1, prefix.get());
    runs.prefix = std::move(prefix);
  } else {
    runs.clean = forward_until(vlm, with_pictures(traced, {traced.row}), language, context.base,
                               context.store);
    runs.corrupted = forward_until(vlm, runs.batch, language, context.base, context.store);
  }
  enter(vlm, runs, context.base);
  runs.corrupt = [](int64_t) { return Interventions(); };
  if (kind == "noise") {
    runs.sigma = embedding_sigma(model, traced.row);
    runs.factor = options.text_factor;
    const auto& hidden = runs.corrupted.hidden;
    const auto noise =
        (normal_noise({count, static_cast<int64_t>(positions.size()), hidden.size(2)},
                      options.seed) *
         (runs.sigma * runs.factor))
            .to(hidden.device());
    const auto where = at::tensor(positions, at::kLong).to(hidden.device());
    runs.corrupted.hidden = added_at(hidden, where - runs.prefix_length, noise);
    const auto embed = model.stages()[language].name;
    runs.corrupt = [=](int64_t row) -> Interventions {
      return {Intervention::boundary(
          embed, [=](const at::Tensor& x) { return added_at(x, where, noise.narrow(0, row, 1)); })};
    };
  }
  return runs;
}

CorruptedRuns corrupt_image(const Vlm& vlm, const TracedRow& traced, const std::string& kind,
                            const TraceQuery& query, const TraceOptions& options,
                            const TraceContext& context) {
  auto runs = kind == "noise" || kind == "mean"
                  ? corrupt_image_tokens(vlm, traced, kind, options, context)
                  : corrupt_pixels(vlm, traced, kind, query, options, context);
  const auto& ids = traced.row.ids;
  runs.first_position = std::find(ids.begin(), ids.end(), kImageToken) - ids.begin();
  return runs;
}

}  // namespace emend
