#include "editing/tracing/restored_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "editing/targets/blocks.h"
#include "editing/tracing/repeat_rows.h"
#include "io/strings/glob.h"

namespace emend {
namespace {

// Masks on a square grid of `length` positions: each takes the mask of the place of the masks' grid
// in which it is. The blocks of a convolutional tower have grids of different sizes. (C, K, T) ->
// (C, K, length)
at::Tensor on_grid(const at::Tensor& masks, int64_t length) {
  if (masks.size(2) == length) return masks;
  const auto side_of = [](int64_t positions) {
    return static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(positions))));
  };
  const auto from = side_of(masks.size(2)), to = side_of(length);
  const auto place = at::div(at::arange(to, masks.options().dtype(at::kLong)) * from, to, "floor");
  return masks.view({masks.size(0), masks.size(1), from, from})
      .index_select(2, place)
      .index_select(3, place)
      .flatten(2);
}

// Clean states in place of those under the masks. x: (C * N * K, T, D) for C cells with N rows of K
// sequences; masks: (C, K, T') bool, T' = T except for grids of other sizes; clean: (K, T, D).
at::Tensor with_clean(const at::Tensor& x, const at::Tensor& cell_masks, const at::Tensor& clean) {
  const auto masks = on_grid(cell_masks, x.size(1));
  const auto cells = masks.size(0), sequences = masks.size(1), length = masks.size(2);
  const auto shaped = x.reshape({cells, -1, sequences, length, x.size(2)});
  return at::where(masks.view({cells, 1, sequences, length, 1}),
                   clean.to(x.options()).unsqueeze(0).unsqueeze(0), shaped)
      .reshape(x.sizes());
}

}  // namespace

RestoredRuns::RestoredRuns(const Vlm& vlm, const TracedRow& traced, const CorruptedRuns& runs,
                           const TraceOptions& options, const TraceContext& context)
    : model_(*vlm.model), traced_(traced), runs_(runs), options_(options), context_(context) {
  // As Hugging Face's models name the output projections of attention layers. The last layer of a
  // block ends its MLP.
  const Glob attention(
      "*.{self_attn.out_proj,self_attn.o_proj,self_attn.projection,attention.output.dense,"
      "crossattention.output.dense}");
  for (const auto& site : model_.sites()) {
    if (!is_block(model_.stages()[site.stage])) continue;
    if (attention.matches(site.name)) attention_[site.stage].push_back(site);
    mlp_[site.stage] = {site};
  }
  record_clean();
}

// Runs the clean pass to the end and keeps its states.
void RestoredRuns::record_clean() {
  auto pass = repeat_rows(model_, runs_.clean, 1, runs_.prefix.get());
  auto interventions = context_.base;
  const auto observe = [&](const std::map<size_t, std::vector<Site>>& sites) {
    for (const auto& [stage, own] : sites)
      for (const auto& site : own)
        interventions.push_back(Intervention::output(
            site.name, [this, name = site.name](const at::Tensor& y) -> at::Tensor {
              clean_outputs_[name] = y;
              return y;
            }));
  };
  const auto components = options_.component_list();
  const auto traces = [&](const char* component) {
    return std::find(components.begin(), components.end(), component) != components.end();
  };
  if (traces("attention")) observe(attention_);
  if (traces("mlp")) observe(mlp_);
  const auto head = model_.stages().size() - 1;
  clean_states_.resize(model_.stages().size());
  clean_states_[runs_.entry] = pass.hidden;
  while (pass.next < head) {
    const auto stage = pass.next;
    model_.run(pass, stage, interventions);
    clean_states_[stage] = pass.hidden;
  }
  clean_ = finish(std::move(pass), 1, context_.base)[0];
}

std::vector<TraceScore> RestoredRuns::finish(Pass pass, int64_t rows,
                                             const Interventions& interventions) const {
  const auto width = pass.ids.size(1);
  const auto all = pass.ids.size(0), tokens = static_cast<int64_t>(traced_.answer.size());
  // The first of the positions that predict the answer.
  const auto first =
      traced_.row.prompt_length - 1 -
      (width < static_cast<int64_t>(traced_.row.ids.size()) ? runs_.prefix_length : 0);
  const auto index = pass.ids.options();
  pass.logit_positions =
      (at::arange(all, index).unsqueeze(1) * width + first + at::arange(tokens, index)).flatten();
  model_.run(pass, interventions);
  const auto answer =
      at::tensor(traced_.answer, at::kLong).to(pass.ids.device()).repeat({all}).unsqueeze(1);
  const auto log = pass.logits().to(at::kFloat).log_softmax(-1).gather(1, answer);
  const auto by_row = log.view({-1, rows, tokens}).to(at::kDouble);
  const auto probability = by_row.select(2, 0).exp().mean(1).to(at::kCPU).contiguous();
  const auto mean = by_row.mean(2).mean(1).to(at::kCPU).contiguous();
  std::vector<TraceScore> scores;
  for (int64_t i = 0; i < mean.size(0); ++i)
    scores.push_back({probability.data_ptr<double>()[i], mean.data_ptr<double>()[i]});
  return scores;
}

std::vector<TokenGroup> RestoredRuns::groups_of(Module module,
                                                const std::vector<TokenGroup>& row) const {
  if (module == Module::language) return row;
  const auto& last = clean_states_
      [model_.first_stage(module == Module::connector ? Module::language : Module::connector) - 1];
  const auto tiles = last.size(0), length = last.size(1);
  const bool queries = module == Module::connector && !has_image_token_places(model_);
  std::vector<TokenGroup> groups = {{queries                       ? "query tokens"
                                     : module == Module::connector ? "image"
                                                                   : "all",
                                     {}}};
  const auto grid = PictureGrid::of(queries ? 0 : options_.grid, model_, traced_.tiles, length);
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> parts;
  for (int64_t i = 0; i < tiles * length; ++i) {
    groups[0].positions.push_back(i);
    if (const auto cell = grid.cell(i)) parts[*cell].push_back(i);
  }
  for (auto& [cell, positions] : parts)
    groups.push_back(
        {fmt::format("image {},{}", cell.first + 1, cell.second + 1), std::move(positions)});
  if (queries && options_.query_tokens)
    for (int64_t i = 0; i < length; ++i) groups.push_back({fmt::format("query {}", i + 1), {i}});
  return groups;
}

at::Tensor RestoredRuns::mask_of(Module module, const std::vector<int64_t>& positions) const {
  const auto& state =
      clean_states_[module == Module::language    ? model_.stages().size() - 2
                    : module == Module::connector ? model_.first_stage(Module::language) - 1
                                                  : model_.first_stage(Module::connector) - 1];
  auto mask = at::zeros({state.size(0) * state.size(1)}, at::kBool);
  const auto offset = module == Module::language ? runs_.prefix_length : 0;
  for (auto position : positions)
    if (position >= offset) mask.data_ptr<bool>()[position - offset] = true;
  return mask.view({state.size(0), state.size(1)}).to(state.device());
}

void RestoredRuns::add_maps(Module module, const std::vector<TokenGroup>& row, TraceRuns& result) {
  const auto& stages = model_.stages();
  const auto head = stages.size() - 1;
  std::vector<size_t> blocks, states;
  for (size_t s = 0; s < head; ++s) {
    if (stages[s].module != module) continue;
    if (is_block(stages[s])) blocks.push_back(s);
    if (s < runs_.entry) continue;
    // The query tokens do not depend on the picture.
    if (stages[s].name != "connector.embed") states.push_back(s);
  }
  if (states.empty()) return;
  const auto depth = static_cast<int64_t>(blocks.size());
  if (depth == 0 && options_.layers != "all") return;
  const auto layers = options_.layer_list(depth, module_name(module));
  const auto chosen = [&](size_t stage) {
    if (options_.layers == "all") return true;
    return std::any_of(layers.begin(), layers.end(),
                       [&](int64_t layer) { return blocks[layer] == stage; });
  };
  const auto groups = groups_of(module, row);
  std::vector<at::Tensor> masks;
  for (const auto& group : groups) masks.push_back(mask_of(module, group.positions));

  const auto add = [&](const std::string& component, int64_t window,
                       const std::vector<std::pair<size_t, size_t>>& spans,
                       const std::vector<size_t>& columns) {
    TraceMap map;
    map.module = module;
    map.component = component;
    map.window = window;
    for (auto stage : columns) map.layers.push_back(stages[stage].name);
    for (size_t g = 0; g < groups.size(); ++g) {
      map.groups.push_back(groups[g].name);
      map.effects.emplace_back(columns.size());
      // Earlier positions of the language module do not change, and have no effect.
      if (module == Module::language && groups[g].positions.back() < runs_.first_position) {
        unchanged_.emplace_back(result.maps.size(), g);
        continue;
      }
      for (size_t l = 0; l < columns.size(); ++l) {
        Cell cell{component, result.maps.size(), g, l, spans[l].first, spans[l].second, masks[g]};
        (component == "residual" ? residual_cells_ : window_cells_)[cell.first].push_back(
            std::move(cell));
        ++cells_;
      }
    }
    result.maps.push_back(std::move(map));
  };
  for (const auto& component : options_.component_list()) {
    if (component == "residual") {
      std::vector<size_t> columns;
      std::copy_if(states.begin(), states.end(), std::back_inserter(columns), chosen);
      std::vector<std::pair<size_t, size_t>> spans;
      for (auto stage : columns) spans.emplace_back(stage, stage);
      if (!columns.empty()) add(component, 1, spans, columns);
      continue;
    }
    if (depth == 0) continue;
    for (auto window : options_.window_list(depth)) {
      std::vector<std::pair<size_t, size_t>> spans;
      std::vector<size_t> columns;
      for (auto layer : layers) {
        const auto begin = layer - window / 2;
        spans.emplace_back(blocks[std::max<int64_t>(begin, 0)],
                           blocks[std::min(begin + window, depth) - 1]);
        columns.push_back(blocks[layer]);
      }
      add(component, window, spans, columns);
    }
  }
}

// The interventions that restore clean states in the rows of the cells, which are in the order of
// the cells.
Interventions RestoredRuns::restorations(const std::vector<Cell>& cells) const {
  auto all = context_.base;
  // Restores the cells that `restores` selects, at one point.
  const auto restore = [&](const auto& restores, const at::Tensor& clean, const auto& attach) {
    std::vector<at::Tensor> masks;
    bool any = false;
    for (const auto& cell : cells) {
      const bool restored = restores(cell);
      any = any || restored;
      masks.push_back(restored ? cell.mask : at::zeros_like(cell.mask));
    }
    if (any)
      all.push_back(attach([masks = at::stack(masks), clean](const at::Tensor& x) {
        return with_clean(x, masks, clean);
      }));
  };
  for (const auto& [component, sites] : {std::pair{"attention", &attention_}, {"mlp", &mlp_}})
    for (const auto& [stage, own] : *sites)
      for (const auto& site : own)
        if (const auto clean = clean_outputs_.find(site.name); clean != clean_outputs_.end())
          restore(
              [&, stage = stage, component = component](const Cell& cell) {
                return cell.component == component && cell.first <= stage && stage <= cell.last;
              },
              clean->second,
              [&](Transform transform) {
                return Intervention::output(site.name, std::move(transform));
              });
  return all;
}

std::vector<TraceScore> RestoredRuns::restored_batch(const Pass& from,
                                                     const std::vector<Cell>& cells) const {
  auto pass = repeat_rows(model_, from, static_cast<int64_t>(cells.size()), runs_.prefix.get());
  const bool residual = cells.front().component == "residual";
  if (residual) {
    std::vector<at::Tensor> masks;
    for (const auto& cell : cells) masks.push_back(cell.mask);
    pass.hidden = with_clean(pass.hidden, at::stack(masks), clean_states_[cells.front().first]);
  }
  return finish(std::move(pass), runs_.rows(), residual ? context_.base : restorations(cells));
}

// One complete pass for each noise row.
TraceScore RestoredRuns::score_of_cell(const Cell& cell) const {
  TraceScore mean;
  for (int64_t r = 0; r < runs_.rows(); ++r) {
    Batch batch;
    batch.rows = {runs_.batch.rows[r]};
    auto& images = batch.rows[0].images;
    if (!images.empty()) {
      const auto first = images.front();
      batch.pixels = runs_.batch.pixels.narrow(first, static_cast<int64_t>(images.size()));
      for (auto& image : images) image -= first;
    }
    auto pass = model_.collate(batch);
    pass.batched_pictures = true;
    auto interventions = runs_.corrupt(r);
    if (cell.component == "residual")
      interventions.push_back(
          Intervention::boundary(model_.stages()[cell.first].name, [&](const at::Tensor& x) {
            return with_clean(x, cell.mask.unsqueeze(0), clean_states_[cell.first]);
          }));
    for (auto& restoration : restorations({cell})) interventions.push_back(std::move(restoration));
    const auto score = finish(std::move(pass), 1, interventions)[0];
    mean.probability += score.probability / static_cast<double>(runs_.rows());
    mean.log_probability += score.log_probability / static_cast<double>(runs_.rows());
  }
  return mean;
}

// Restores every state after the stage at which the corruption enters.
TraceScore RestoredRuns::everything_restored() const {
  auto pass = repeat_rows(model_, runs_.corrupted, 1, runs_.prefix.get());
  const auto rows = runs_.rows();
  const auto all = [rows](const at::Tensor& clean) {
    return clean.defined() ? clean.repeat({rows, 1, 1}) : clean;
  };
  pass.hidden = all(runs_.clean.hidden);
  pass.features = all(runs_.clean.features);
  return finish(std::move(pass), rows, context_.base)[0];
}

void RestoredRuns::restore(const Pass& from, const std::vector<Cell>& cells, TraceRuns& result) {
  const auto width = std::max(from.ids.size(1), from.hidden.dim() == 3
                                                    ? from.hidden.size(0) * from.hidden.size(1) /
                                                          std::max<int64_t>(1, runs_.rows())
                                                    : 1);
  const auto together =
      static_cast<size_t>(std::max<int64_t>(1, options_.batch_positions / (width * runs_.rows())));
  for (size_t begin = 0; begin < cells.size();) {
    const auto size = context_.share ? std::min(together, cells.size() - begin) : 1;
    const std::vector<Cell> batch(cells.begin() + static_cast<int64_t>(begin),
                                  cells.begin() + static_cast<int64_t>(begin + size));
    const auto scores =
        context_.share ? restored_batch(from, batch) : std::vector{score_of_cell(batch[0])};
    for (size_t i = 0; i < size; ++i)
      result.maps[batch[i].map].effects[batch[i].group][batch[i].layer] = scores[i];
    begin += size;
    done_ += static_cast<int64_t>(size);
    if (context_.on_cell) context_.on_cell(done_, cells_);
  }
}

void RestoredRuns::run(const std::vector<TokenGroup>& groups, TraceRuns& result) {
  for (auto module : options_.module_list()) add_maps(module, groups, result);
  auto pass = repeat_rows(model_, runs_.corrupted, 1, runs_.prefix.get());
  const auto head = model_.stages().size() - 1;
  for (;;) {
    restore(pass, residual_cells_[pass.next - 1], result);
    if (pass.next == head) break;
    restore(pass, window_cells_[pass.next], result);
    model_.run(pass, pass.next, context_.base);
  }
  result.clean = clean_;
  result.score = finish(std::move(pass), runs_.rows(), context_.base)[0];
  result.restored = everything_restored();
  result.reversible =
      std::abs(result.restored.probability - clean_.probability) <= options_.tolerance ? 1 : 0;
  result.sigma = runs_.sigma;
  result.factor = runs_.factor;
  result.rows = runs_.rows();
  for (auto& map : result.maps)
    for (size_t g = 0; g < map.groups.size(); ++g)
      for (auto& effect : map.effects[g]) {
        effect.probability -= result.score.probability;
        effect.log_probability -= result.score.log_probability;
      }
  // Groups before the first corrupted position have no effect.
  for (const auto& [map, group] : unchanged_)
    for (auto& effect : result.maps[map].effects[group]) effect = {};
}

}  // namespace emend
