#include "serving/api/storage/patch_listing.h"

#include "editing/patches/patch_facts.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

using nlohmann::json;

std::string text_in(const json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_string()) return {};
  return object[name].get<std::string>();
}

// The prompt without the template that the patch names.
std::string bare_prompt(const Patch& patch, const std::string& prompt) {
  const json::json_pointer place("/metrics/protocol/question_template");
  if (!patch.effect.is_object() || !patch.effect.contains(place)) return prompt;
  const auto pattern = patch.effect.at(place).is_string()
                           ? patch.effect.at(place).get<std::string>()
                           : std::string("{}");
  const auto at = pattern.find("{}");
  if (at == std::string::npos || prompt.size() + 2 < pattern.size()) return prompt;
  const auto head = pattern.substr(0, at), tail = pattern.substr(at + 2);
  if (!prompt.starts_with(head) || !prompt.ends_with(tail)) return prompt;
  return prompt.substr(head.size(), prompt.size() - head.size() - tail.size());
}

json listed_edits(const Patch& patch) {
  auto all = json::array();
  const auto& effect = patch.effect;
  const auto requests = patch.request.is_array() ? patch.request : json::array({patch.request});
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& request = requests[i];
    if (!request.is_object()) continue;
    json edit = {{"prompt", bare_prompt(patch, text_in(request, "prompt"))},
                 {"target", trimmed(text_in(request, "target"))},
                 {"image", !text_in(request, "image").empty()}};
    if (!effect.is_object()) continue;
    if (requests.size() == 1 && effect.contains("holds"))
      edit["holds"] = effect["holds"];
    else if (effect.contains("edits") && effect["edits"].is_array() &&
             effect["edits"].size() == requests.size() && effect["edits"][i].is_object() &&
             effect["edits"][i].contains("holds"))
      edit["holds"] = effect["edits"][i]["holds"];
    all.push_back(std::move(edit));
  }
  return all;
}

int64_t parameters_of(const Patch& patch) {
  int64_t count = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) count += tensor.numel();
  };
  for (const auto& change : patch.deltas) {
    add(change.delta.dense);
    add(change.delta.up);
    add(change.delta.down);
  }
  for (const auto& [name, tensor] : patch.memory.network) add(tensor);
  for (const auto& entry : patch.memory.entries)
    for (const auto& [name, tensor] : entry.tensors) add(tensor);
  return count;
}

json or_null(const std::string& text) { return text.empty() ? json() : json(text); }

}  // namespace

json patch_summary(const Patch& patch) {
  const bool memory = !patch.memory.entries.empty();
  const auto facts = memory_facts(patch);
  const auto fact = [&](const char* name, json otherwise) {
    return facts.is_object() && facts.contains(name) ? facts[name] : otherwise;
  };
  auto part = text_in(patch.settings, "sites");
  if (part.empty()) part = text_in(patch.settings, "module");
  return {{"id", patch.id},
          {"editor", patch.editor},
          {"module", or_null(part)},
          {"kind", !memory                ? "weights"
                   : patch.deltas.empty() ? "memory"
                                          : "both"},
          {"edits", listed_edits(patch)},
          {"parameters", parameters_of(patch)},
          {"certificate", fact("certificate", nullptr)},
          {"superseded", fact("superseded", json::array())}};
}

json patch_details(const Patch& patch) {
  auto sites = json::array();
  for (const auto& change : patch.deltas) sites.push_back(change.site);
  return {{"effect", patch.effect},   {"settings", patch.settings},
          {"request", patch.request}, {"sites", sites},
          {"made_by", patch.made_by}, {"entries", describe_entries(patch)}};
}

}  // namespace emend
