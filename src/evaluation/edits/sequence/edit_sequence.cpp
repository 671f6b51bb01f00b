#include "evaluation/edits/sequence/edit_sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "evaluation/edits/sequence/editor_files.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/hash.h"
#include "io/json/json_difference.h"

namespace emend {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

std::string request_hash(const EditRequest& request) {
  Hasher hasher;
  for (const auto& text : {request.prompt, request.target, request.subject})
    hasher.update_sized(text);
  if (!request.image.path.empty()) hasher.update_sized(read_file(request.image.path));
  return hasher.hex();
}

// Everything besides the requests that an edit depends on.
json setup_of(const Vlm& vlm, const EditJob& job) {
  auto base = json::array();
  if (job.base)
    for (const auto& patch : job.base->patches()) base.push_back(patch.id);
  auto setup = precision_facts(vlm.precision);
  setup.update({{"model", vlm.fingerprint()},
                {"device", vlm.model->device().str()},
                {"editor", job.editor->name()},
                {"settings", job.editor->settings()},
                {"files", editor_files(vlm.folder, job.editor->name(), job.editor->settings())},
                {"patches", base}});
  return setup;
}

}  // namespace

EditContext edit_context(const Vlm& vlm, const EditJob& job, const PatchStack& patches,
                         ActivationStore* store) {
  EditContext context;
  context.base = patches.interventions(vlm, store);
  context.history = patches.keys();
  context.store = store;
  context.on_step = job.on_step;
  return context;
}

EditSequence::EditSequence(const Vlm& vlm, const EditJob& job,
                           const std::vector<EditRequest>& requests, ActivationStore* store)
    : vlm_(vlm),
      job_(job),
      requests_(requests),
      store_(store),
      snapshots_(job.snapshots, job.snapshot_seconds) {
  if (job_.base) stack_ = *job_.base;
  if (job_.snapshots.empty()) return;
  setup_ = setup_of(vlm, job);
  for (const auto& request : requests) hashes_.push_back(request_hash(request));
  load();
}

void EditSequence::load() {
  json saved;
  const auto edits = snapshots_.load({&edits_}, SIZE_MAX, &saved);
  if (edits == 0) return;
  const auto refuse = [&](const std::string& difference) {
    throw Error("evaluation::edit_sequence",
                fmt::format("'{}' has the first {} edits of another job: {}", job_.snapshots, edits,
                            difference),
                "repeat the command of that job to continue it, use another output, or remove the "
                "folder to make all edits again");
  };
  if (!saved.is_object()) refuse("its facts are damaged");
  const auto effects = saved.value("effects", json());
  saved.erase("effects");
  if (edits > requests_.size()) refuse(fmt::format("this job has only {} edits", requests_.size()));
  if (const auto difference = first_json_difference(facts(edits), saved))
    refuse(difference->field.starts_with("requests")
               ? std::string("one of them is about another question, or has another target")
               : fmt::format("{} is {} here, and was {}", difference->field, difference->ours,
                             difference->theirs));
  if (!effects.is_array() || effects.size() != edits ||
      !std::all_of(effects.begin(), effects.end(), [](const json& one) { return one.is_object(); }))
    refuse("its list of effects is damaged");
  effects_ = effects.get<std::vector<json>>();
  add_to_stack(edits_.parts());
}

void EditSequence::add_to_stack(std::vector<Patch> patches) {
  for (auto& patch : patches) {
    for (auto& id : contained_ids(patch)) ids_.insert(std::move(id));
    stack_.apply(vlm_, std::move(patch));
  }
}

void EditSequence::make_next() {
  const auto begin = Clock::now();
  auto patch =
      job_.editor->edit(vlm_, {requests_[size()]}, edit_context(vlm_, job_, stack_, store_));
  effects_.push_back(patch.effect);
  if (ids_.insert(patch.id).second) {  // the same edit is added only once
    edits_.add(patch);
    if (!has_base() || patch.deltas.empty()) {
      stack_.apply(vlm_, std::move(patch));
    } else {
      // The sum of the edits is added to the base, as after an interrupt, and not each edit.
      auto parts = edits_.parts();
      stack_ = *job_.base;
      add_to_stack(parts.empty() ? std::vector{edits_.patch()} : std::move(parts));
    }
  }
  snapshots_.add_seconds(std::chrono::duration<double>(Clock::now() - begin).count());
}

void EditSequence::save_if_due(bool stopping) {
  if (job_.snapshots.empty() || !snapshots_.due(stopping)) return;
  auto now = facts(size());
  now["effects"] = effects_;
  snapshots_.save({&edits_}, size(), now);
}

json EditSequence::facts(size_t edits) const {
  auto facts = setup_;
  facts["requests"] = std::vector(hashes_.begin(), hashes_.begin() + static_cast<ptrdiff_t>(edits));
  return facts;
}

}  // namespace emend
