#include "evaluation/bench/files/samples_writer.h"

#include <filesystem>

#include "io/files/path.h"

namespace emend {

void add_facts(nlohmann::json& line, const Record& record) {
  auto text_or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  line["record"] = record.id;
  line["image"] = text_or_null(picture_name(record.image));
  line["prompt"] = record.prompt;
  line["target"] = record.target;
  line["truth"] = text_or_null(record.truth);
}

nlohmann::json patch_facts(const Patch& patch) {
  nlohmann::json json;
  for (const char* key : {"steps", "holds", "demonstrations"})
    if (patch.effect.contains(key)) json[key] = patch.effect[key];
  int64_t parameters = 0;
  for (const auto& [site, delta] : patch.deltas)
    parameters += delta.low_rank() ? delta.up.numel() + delta.down.numel() : delta.dense.numel();
  for (const auto& entry : patch.memory.entries)
    for (const auto& [name, tensor] : entry.tensors) parameters += tensor.numel();
  json["patch"] = {{"sites", patch.deltas.size()}, {"parameters", parameters}};
  if (!patch.memory.entries.empty()) json["patch"]["entries"] = patch.memory.entries.size();
  return json;
}

void add_facts(nlohmann::json& line, const RecordResult& measured) {
  line["probes"] = nlohmann::json::array();
  for (const auto& probe : measured.probes) line["probes"].push_back(to_json(probe));
}

void PictureFolder::keep(const Record& record) {
  keep(record.image);
  for (const auto& probe : record.probes) keep(probe.image);
}

void PictureFolder::keep(const Picture& picture) {
  if (!picture.path.empty() || !picture.drawn) return;
  auto name = picture_name(picture);
  if (!written_.insert(name).second) return;
  auto path = std::filesystem::path(directory_) / name;
  if (path_exists(path)) return;
  make_folders(path.parent_path());
  write_png(path.string(), *picture.drawn);
}

}  // namespace emend
