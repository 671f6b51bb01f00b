#pragma once

// A small run like those of emend bench: results.json and samples.jsonl are consistent.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend::testing {

struct ExampleRun {
  std::string suite = "e-vqa", mode = "single", fingerprint = "f00d", protocol = "mmedit-2024";
  int64_t seed = 0;
  std::vector<std::string> editors = {"ft:language"};  // in addition to base
  nlohmann::json settings = {{"steps", 15}};
  std::vector<std::string> groups = {"reliability", "text_generality", "image_generality",
                                     "text_locality", "image_locality"};
  int records = 4;
  int failing = 0;  // the number of first records that fail with every editor but base
  std::string answer = "yellow";  // text of a wrong answer
  bool samples = true;

  static bool stays(const std::string& group) { return group.find("locality") != group.npos; }

  // Every third (record, group) of an editor is wrong; base keeps all localities and knows no
  // target.
  double score(size_t editor, int record, size_t group) const {
    if (editor == 0) return stays(groups[group]) ? 1 : 0;
    return (static_cast<size_t>(record + seed) + group + editor) % 3 ? 1 : 0;
  }

  nlohmann::json sample(const std::string& label, size_t editor, int record) const {
    nlohmann::json line = {
        {"editor", label}, {"index", record}, {"record", suite + "-" + std::to_string(record)}};
    if (editor > 0 && record < failing) {
      line["stage"] = "editing";
      line["failed"] = "the loss is NaN";
      return line;
    }
    line.update({{"image", nullptr},
                 {"prompt", "What color is it?"},
                 {"target", "red"},
                 {"truth", nullptr},
                 {"probes", nlohmann::json::array()}});
    for (size_t g = 0; g < groups.size(); ++g) {
      auto right = score(editor, record, g);
      line["probes"].push_back({{"group", groups[g]},
                                {"text", "edited"},
                                {"picture", "none"},
                                {"image", nullptr},
                                {"prompt", "Question: What color is it? Short answer:"},
                                {"expected", "red"},
                                {"before", "blue"},
                                {"after", right > 0 ? "red" : answer},
                                {"score", right},
                                {"generated", right},
                                {"vqa", right}});
    }
    return line;
  }

  nlohmann::json editor_json(const std::string& label, size_t editor) const {
    nlohmann::json json = {{"label", label},
                           {"name", label.substr(0, label.find(':'))},
                           {"settings", editor ? settings : nlohmann::json::object()},
                           {"records", editor ? records - failing : records},
                           {"failed", nlohmann::json::array()},
                           {"groups", nlohmann::json::object()},
                           {"grid", nlohmann::json::array()}};
    int first = editor ? failing : 0;
    for (int r = 0; r < first; ++r)
      json["failed"].push_back({{"record", suite + "-" + std::to_string(r)},
                                {"stage", "editing"},
                                {"reason", "the loss is NaN"}});
    int n = records - first;
    for (size_t g = 0; g < groups.size() && n > 0; ++g) {
      double sum = 0, square = 0;
      for (int r = first; r < records; ++r) sum += score(editor, r, g);
      for (int r = first; r < records; ++r) square += std::pow(score(editor, r, g) - sum / n, 2);
      nlohmann::json error;
      if (n > 1) error = std::sqrt(square / (n - 1) / n);
      json["groups"][groups[g]] = {{"score", sum / n},
                                   {"stderr", error},
                                   {"generated", sum / n},
                                   {"vqa", sum / n},
                                   {"probes", n}};
    }
    if (editor > 0) json["patch"] = {{"sites", 2}, {"parameters", 4096}};
    return json;
  }

  std::vector<std::string> labels() const {
    std::vector<std::string> all = {"base"};
    all.insert(all.end(), editors.begin(), editors.end());
    return all;
  }

  nlohmann::json results() const {
    nlohmann::json root = {
        {"format", "emend-results"},
        {"version", 1},
        {"editors", nlohmann::json::array()},
        {"config",
         {{"emend", "0.1.0"},
          {"model", {{"folder", "models/tiny"}, {"fingerprint", fingerprint}}},
          {"suite",
           {{"name", suite},
            {"split", "eval"},
            {"seed", seed},
            {"read", records + 1},
            {"filtered", {{"empty alt", 1}}},
            {"kept", records},
            {"missing_images",
             {{"records", 0}, {"files", 0}, {"first", nlohmann::json::array()}}}}},
          {"protocol",
           {{"name", protocol},
            {"judged", "forced"},
            {"accuracy", "exact_match"},
            {"text_k", 1},
            {"image_k", 10},
            {"ties", "lowest_token_id"}}},
          {"mode", mode},
          {"limit", records},
          {"seed", seed},
          {"device", "cpu"},
          {"dtype", "fp32"},
          {"threads", 1},
          {"reuse", true},
          {"libtorch", "1.13.0"}}}};
    for (size_t e = 0; e < labels().size(); ++e) {
      auto label = labels()[e], key = suite + "|" + label;
      auto editor = editor_json(label, e);
      for (const auto& [group, scores] : editor["groups"].items())
        root["results"][key][group + "," + protocol] = scores["score"];
      if (editor["groups"].empty()) root["results"][key] = nlohmann::json::object();
      root["n-samples"][key] = {{"original", records}, {"effective", editor["records"]}};
      root["timings"][label] = {{"judge_seconds", 0.5}, {"judgements", records}};
      if (e > 0) root["timings"][label]["edit_seconds"] = 0.25;
      root["editors"].push_back(editor);
    }
    return root;
  }

  std::string lines() const {
    std::string text;
    for (int r = 0; r < records; ++r)
      for (size_t e = 0; e < labels().size(); ++e) text += sample(labels()[e], e, r).dump() + "\n";
    return text;
  }

  // Returns the folder.
  std::string write(const std::string& folder) const { return write(folder, results(), lines()); }
  std::string write(const std::string& folder, const nlohmann::json& root,
                    const std::string& text) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/results.json") << root.dump(1);
    if (samples) std::ofstream(folder + "/samples.jsonl") << text;
    return folder;
  }
};

}  // namespace emend::testing
