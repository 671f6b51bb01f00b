#include "evaluation/training/collect_demonstrations.h"

#include <algorithm>
#include <chrono>

#include "io/progress.h"

namespace emend {
namespace {

const Probe* first_probe(const Record& record, Group group) {
  const auto& probes = record.probes;
  const auto found = std::find_if(probes.begin(), probes.end(),
                                  [group](const Probe& probe) { return probe.group == group; });
  return found == probes.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Demonstration> demonstrations_of(const Record& record, const Protocol& protocol) {
  const auto prompt = edit_prompt(protocol, record);
  std::vector<Demonstration> all = {copy_of(prompt, record.target)};
  if (const auto* probe = first_probe(record, Group::text_generality))
    all.push_back(
        {"update", prompt, record.target, probe_prompt(protocol, record, *probe), record.target});
  if (const auto* probe = first_probe(record, Group::text_locality))
    all.push_back(
        {"retain", prompt, record.target, probe_prompt(protocol, record, *probe), probe->answer});
  return all;
}

nlohmann::json collect_demonstrations(const Vlm& vlm, const CollectJob& job) {
  const auto begin = std::chrono::steady_clock::now();
  const auto records = std::min(job.suite->size(), static_cast<size_t>(job.settings.records));
  std::vector<Demonstration> all;
  std::vector<at::Tensor> pictures;
  nlohmann::json kinds = nlohmann::json::object();
  Progress progress("collecting demonstrations", static_cast<int64_t>(records));
  for (size_t i = 0; i < records; ++i) {
    const auto record = job.suite->record(i);
    int64_t picture = -1;
    if (job.settings.images && record.image.present()) {
      picture = static_cast<int64_t>(pictures.size());
      pictures.push_back(vlm.processor.pixels(record.image.load()));
    }
    for (auto& demonstration : demonstrations_of(record, job.protocol)) {
      demonstration.picture = picture;
      kinds[demonstration.kind] = kinds.value(demonstration.kind, 0) + 1;
      all.push_back(std::move(demonstration));
    }
    progress.advance();
  }
  auto corpus = IkeCorpus::of(vlm, std::move(all), job.settings);
  if (!Pictures(pictures).same_size())
    throw Error("evaluation::demonstrations",
                "the pictures of the demonstrations have different sizes",
                "collect demonstrations without pictures (--set images=false)");
  if (!pictures.empty()) corpus.pictures = at::stack(pictures);
  nlohmann::json facts = {{"suite", job.suite->metadata()},
                          {"protocol", to_json(job.protocol, vlm)},
                          {"records", records},
                          {"kinds", kinds}};
  save_checkpoint(job.output, corpus.checkpoint(vlm, facts), job.dtype);
  facts["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return facts;
}

}  // namespace emend
