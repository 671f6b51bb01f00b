#include "evaluation/edits/edit_sequence.h"

#include <chrono>

#include "io/files/file.h"
#include "io/hash.h"
#include "io/log.h"

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
  return {{"model", vlm.fingerprint()},
          {"editor", job.editor->name()},
          {"settings", job.editor->settings()},
          {"base", base}};
}

}  // namespace

EditSequence::EditSequence(const Vlm& vlm, const EditJob& job,
                           const std::vector<EditRequest>& requests, ActivationStore* store)
    : vlm_(vlm),
      job_(job),
      requests_(requests),
      store_(store),
      snapshots_(job.snapshots, job.snapshot_seconds) {
  if (job_.base) stack_ = *job_.base;
  if (!job_.snapshots.empty()) load();
}

void EditSequence::load() {
  json saved;
  const auto edits = snapshots_.load({&edits_}, requests_.size(), &saved);
  if (edits == 0) return;
  auto same = facts(edits);
  same["effects"] = saved.value("effects", json::array());
  if (saved != same || same["effects"].size() != edits) {
    logger().warn(
        "'{}' has edits that were made with other settings, patches or questions: all edits are "
        "made again",
        job_.snapshots);
    edits_ = {};
    snapshots_.remove();
    return;
  }
  effects_ = saved["effects"].get<std::vector<json>>();
  for (auto& part : edits_.parts()) {
    for (auto& id : contained_ids(part)) ids_.insert(std::move(id));
    stack_.apply(vlm_, std::move(part));
  }
}

void EditSequence::make_next() {
  const auto begin = Clock::now();
  EditContext context;
  context.base = stack_.interventions(vlm_, store_);
  context.history = stack_.keys();
  context.store = store_;
  context.on_step = job_.on_step;
  auto patch = job_.editor->edit(vlm_, {requests_[size()]}, context);
  effects_.push_back(patch.effect);
  if (ids_.insert(patch.id).second) {  // the same edit is added only once
    edits_.add(patch);
    stack_.apply(vlm_, std::move(patch));
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
  auto facts = setup_of(vlm_, job_);
  facts["requests"] = json::array();
  for (size_t i = 0; i < edits; ++i) facts["requests"].push_back(request_hash(requests_[i]));
  return facts;
}

}  // namespace emend
