#include "editing/editors/locate/contexts/edit_contexts.h"

#include <algorithm>

#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/editors/locate/contexts/lookup.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"

namespace emend {
namespace {

// Whether the row ends as the first one, from the first lookup position.
bool same_tail(const Row& row, const Row& first, int64_t length) {
  return static_cast<int64_t>(row.ids.size()) > length &&
         std::equal(first.ids.end() - length, first.ids.end(), row.ids.end() - length);
}

bool fits(const Model& model, const Row& row) {
  return static_cast<int64_t>(row.ids.size()) <= model.max_positions();
}

}  // namespace

std::vector<int64_t> EditContexts::lookup_begins() const {
  std::vector<int64_t> begins;
  for (const auto& row : forced.batch.rows)
    begins.push_back(static_cast<int64_t>(row.ids.size()) - lookup.front());
  return begins;
}

EditContexts edit_contexts(const Vlm& vlm, const EditRequest& request,
                           const LocateSettings& settings,
                           const std::vector<std::string>& prefixes) {
  const bool language = module_part(settings.where.module) == Module::language;
  if (!language && !request.image.present())
    throw Error(
        "editing::locate",
        "the edit has no picture, so it does not pass through module '" + settings.where.module +
            "'",
        "without a picture, only the language module can be edited");
  EditContexts contexts;
  contexts.request = request;
  std::vector<EditRequest> requests = {request};
  if (language) {
    // Questions about a picture have altered pictures instead.
    if (!request.image.present())
      for (const auto& prefix : prefixes) requests.push_back(with_prefix(vlm, request, prefix));
  }
  for (auto& changed : with_altered_pictures(request, settings.altered_pictures,
                                             static_cast<uint64_t>(settings.seed)))
    requests.push_back(std::move(changed));
  const auto all = force_edits(vlm, requests, settings.end_of_answer);
  if (language) contexts.lookup = lookup_positions(vlm, request, settings.lookup, all);
  const auto& first = all.batch.rows.front();
  std::vector<EditRequest> kept;
  for (size_t r = 0; r < requests.size(); ++r)
    if (r == 0 || (fits(*vlm.model, all.batch.rows[r]) &&
                   (!language || same_tail(all.batch.rows[r], first, contexts.lookup.front()))))
      kept.push_back(requests[r]);
  contexts.forced =
      kept.size() == requests.size() ? all : force_edits(vlm, kept, settings.end_of_answer);
  return contexts;
}

at::Tensor at_lookup(const at::Tensor& hidden, const EditContexts& contexts) {
  // A tiled picture has one row for each tile.
  if (contexts.lookup.empty())
    return hidden.detach().to(at::kFloat).reshape({contexts.size(), -1, hidden.size(2)});
  std::vector<at::Tensor> rows;
  for (size_t r = 0; r < contexts.forced.batch.rows.size(); ++r) {
    const auto size = static_cast<int64_t>(contexts.forced.batch.rows[r].ids.size());
    std::vector<int64_t> positions;
    for (const auto distance : contexts.lookup) positions.push_back(size - distance);
    const auto index = at::tensor(positions, at::kLong).to(hidden.device());
    rows.push_back(hidden[static_cast<int64_t>(r)].index_select(0, index));
  }
  return at::stack(rows).detach().to(at::kFloat);
}

SiteValues read_site(const Model& model, const Pass& pass, const EditContexts& contexts,
                     const Site& site, const Interventions& base) {
  at::NoGradGuard no_grad;
  SiteValues values;
  auto all = base;
  // Pictures can run one by one.
  std::vector<at::Tensor> inputs, outputs;
  all.push_back(Intervention::input(site.name, [&](const at::Tensor& x) {
    inputs.push_back(x);
    return x;
  }));
  all.push_back(Intervention::output(site.name, [&](const at::Tensor& y) {
    outputs.push_back(y);
    return y;
  }));
  auto copy = pass;
  model.run(copy, site.stage, all);
  if (outputs.empty())
    throw Error("editing::locate", "the prompt does not pass through " + site.name,
                "without a picture, only layers of the language module can be edited");
  return {at_lookup(at::cat(inputs), contexts), at_lookup(at::cat(outputs), contexts)};
}

}  // namespace emend
