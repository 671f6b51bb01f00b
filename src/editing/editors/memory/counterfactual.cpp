#include "editing/editors/memory/counterfactual.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

std::string filled(std::string pattern, const std::string& hole, const std::string& text) {
  const auto at = pattern.find(hole);
  if (at == std::string::npos)
    throw Error("editing::serac", fmt::format("the template of an edit lacks {}", hole),
                "set 'edit_prefix' to a template such as: New Fact: {prompt}{target}, then Prompt: "
                "on a new line");
  return pattern.replace(at, hole.size(), text);
}

// Projects the image tokens (1, Q, D); features that follow them (DeepStack) do not change.
at::Tensor projected(const at::Tensor& picture, const Projection& projection) {
  const auto width = projection.weight.size(1);
  const auto tokens =
      at::linear(picture.narrow(-1, 0, width).to(at::kFloat), projection.weight, projection.bias)
          .to(picture.scalar_type());
  return picture.size(-1) == width ? tokens : at::cat({tokens, picture.slice(-1, width)}, -1);
}

}  // namespace

Batch rows_of(const Pass& pass) {
  if (pass.mask.sizes() != pass.ids.sizes())
    throw Error("editing::memory", "a row cannot be read if part of it is in the KV cache",
                "disable prefix sharing (--no-reuse)");
  Batch batch;
  batch.pixels = pass.pixels;
  auto ids = pass.ids.to(at::kCPU).contiguous();
  auto mask = pass.mask.to(at::kCPU).contiguous();
  auto asked =
      pass.prompt_lengths.defined() ? pass.prompt_lengths.to(at::kCPU).contiguous() : at::Tensor();
  auto segments = pass.segments.defined() ? pass.segments.to(at::kCPU).contiguous() : at::Tensor();
  const int64_t rows = ids.size(0), length = ids.size(1);
  for (int64_t r = 0; r < rows; ++r) {
    Row row;
    for (int64_t t = r * length; t < (r + 1) * length; ++t) {
      if (!mask.data_ptr<bool>()[t]) continue;
      row.ids.push_back(ids.data_ptr<int64_t>()[t]);
      if (segments.defined()) row.segments.push_back(segments.data_ptr<int64_t>()[t]);
    }
    if (asked.defined()) row.prompt_length = asked.data_ptr<int64_t>()[r];
    batch.rows.push_back(std::move(row));
  }
  auto users = pass.image_rows.to(at::kCPU).contiguous();
  const auto* pair = users.data_ptr<int64_t>();
  for (int64_t i = 0; i < users.size(0); ++i, pair += 2)
    batch.rows[static_cast<size_t>(pair[1])].images.push_back(pair[0]);
  return batch;
}

std::string filled_edit_prefix(const std::string& pattern, const std::string& prompt,
                               const std::string& target) {
  return filled(filled(pattern, "{target}", target), "{prompt}", prompt);
}

EditPrefix EditPrefix::of(const Processor& processor, const std::string& pattern,
                          const std::string& prompt, const std::string& target) {
  const auto text = filled_edit_prefix(pattern, prompt, target);
  EditPrefix prefix;
  prefix.tokens = processor.tokenizer->encode(text, /*special=*/false);
  const auto whole = processor.tokenizer->encode(text, /*special=*/true);
  auto found = std::search(whole.begin(), whole.end(), prefix.tokens.begin(), prefix.tokens.end());
  if (found != whole.end()) prefix.begin.assign(whole.begin(), found);
  return prefix;
}

int64_t EditPrefix::place_in(const Row& row) const {
  auto slot = std::find(row.ids.rbegin(), row.ids.rend(), kImageToken);
  auto place = slot.base();  // after the last image token, or the first position of the row
  if (slot == row.ids.rend()) place = row.ids.begin();
  const auto left = row.ids.end() - place;
  if (left >= static_cast<std::ptrdiff_t>(begin.size()) &&
      std::equal(begin.begin(), begin.end(), place))
    place += static_cast<std::ptrdiff_t>(begin.size());
  return place - row.ids.begin();
}

LowRankChange::LowRankChange(const std::vector<Site>& sites, int64_t rank, uint64_t seed,
                             at::Device device) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const auto& site : sites) {
    const auto own = std::min({rank, site.in, site.out});
    WeightDelta delta;
    delta.up = at::zeros({site.out, own}, at::device(device).dtype(at::kFloat));
    delta.down =
        at::mul(at::randn({own, site.in}, generator), 1 / std::sqrt(static_cast<double>(site.in)))
            .to(device);
    delta.up.requires_grad_();
    delta.down.requires_grad_();
    deltas_.push_back({site.name, delta});
  }
}

std::vector<std::pair<std::string, at::Tensor>> LowRankChange::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  for (const auto& [site, delta] : deltas_) {
    all.emplace_back("counterfactual." + site + ".up", delta.up);
    all.emplace_back("counterfactual." + site + ".down", delta.down);
  }
  return all;
}

Projection Projection::draw(int64_t width, uint64_t seed, at::Device device) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const double bound = 1 / std::sqrt(static_cast<double>(width));
  auto uniform = [&](at::IntArrayRef shape) {
    return at::mul(at::rand(shape, generator) * 2 - 1, bound).to(device);
  };
  auto weight = uniform({width, width});
  return {weight, uniform({width})};
}

uint64_t projection_seed(int64_t seed, const std::string& entry, const std::string& target) {
  const auto hex = hash_hex(fmt::format("{} {} {}", seed, entry, target));
  return std::stoull(hex.substr(0, 13), nullptr, 16);
}

int64_t CounterfactualPass::position(int64_t row, int64_t offset) const {
  const auto r = static_cast<size_t>(row);
  const auto moved = offset + 1 < edit_begin[r] ? offset : offset + edit_length[r];
  return row * pass.ids.size(1) + first[r] + moved;
}

CounterfactualPass counterfactual_pass(const Model& model, const Batch& questions,
                                       const std::vector<const EditPrefix*>& prefixes,
                                       const at::Tensor& image_features,
                                       const std::vector<const Projection*>& projections,
                                       PadSide pad) {
  CounterfactualPass made;
  Batch batch;
  std::vector<at::Tensor> pictures;
  for (size_t r = 0; r < questions.rows.size(); ++r) {
    auto row = questions.rows[r];
    const auto& tokens = prefixes[r]->tokens;
    const auto at = prefixes[r]->place_in(row);
    made.edit_begin.push_back(at);
    made.edit_length.push_back(static_cast<int64_t>(tokens.size()));
    row.ids.insert(row.ids.begin() + at, tokens.begin(), tokens.end());
    if (!row.segments.empty()) row.segments.insert(row.segments.begin() + at, tokens.size(), 0);
    row.prompt_length = -1;
    // Each row gets a copy of its pictures, because rows can have different projections.
    for (auto& image : row.images) {
      auto picture = image_features.narrow(0, image, 1);
      if (!projections.empty()) picture = projected(picture, *projections[r]);
      batch.pixels.append(questions.pixels.narrow(image, 1));
      image = static_cast<int64_t>(pictures.size());
      pictures.push_back(picture);
    }
    batch.rows.push_back(std::move(row));
  }
  made.pass = model.collate(batch, pad);
  if (!pictures.empty()) {
    made.pass.hidden = at::cat(pictures);
    made.pass.next = model.first_stage(Module::language);
  }
  const auto width = made.pass.ids.size(1);
  for (const auto& row : batch.rows)
    made.first.push_back(pad == PadSide::left ? width - static_cast<int64_t>(row.ids.size()) : 0);
  return made;
}

}  // namespace emend
