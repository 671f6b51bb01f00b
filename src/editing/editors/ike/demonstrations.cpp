#include "editing/editors/ike/demonstrations.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

const std::vector<std::string> kPlaces = {"prompt", "target", "question", "answer"};

bool has(const std::string& pattern, const std::string& place) {
  return pattern.find("{" + place + "}") != std::string::npos;
}

void check_places(const char* setting, const std::string& pattern,
                  const std::vector<std::string>& needed) {
  for (const auto& place : kPlaces) {
    const bool wanted = std::find(needed.begin(), needed.end(), place) != needed.end();
    if (has(pattern, place) == wanted) continue;
    throw Error("editing::ike",
                fmt::format("setting '{}' {} {{{}}}: {}", setting, wanted ? "lacks" : "cannot have",
                            place, pattern.substr(0, 200)),
                fmt::format("use {{{}}}, and no other placeholder", fmt::join(needed, "}, {")));
  }
}

}  // namespace

void IkeTemplates::declare(SettingList& list) {
  list.text(
      "demonstration", demonstration,
      "format of a demonstration: {prompt} and {target} of its fact, {question} and {answer}");
  list.text("fact", fact, "format of an edited fact: {prompt} and {target}");
  list.text("query", query, "format of the question: {question}");
}

void IkeTemplates::check() const {
  check_places("demonstration", demonstration, kPlaces);
  check_places("fact", fact, {"prompt", "target"});
  check_places("query", query, {"question"});
}

std::string IkeTemplates::format_demonstration(const Demonstration& d) const {
  return fill_placeholders(
      demonstration,
      {{"prompt", d.prompt}, {"target", d.target}, {"question", d.question}, {"answer", d.answer}});
}

std::string IkeTemplates::format_fact(const std::string& prompt, const std::string& target) const {
  return fill_placeholders(fact, {{"prompt", prompt}, {"target", target}});
}

std::pair<std::string, std::string> IkeTemplates::around_question() const {
  const std::string place = "{question}";
  const auto at = query.find(place);
  return {query.substr(0, at), query.substr(at + place.size())};
}

std::string fill_placeholders(const std::string& pattern,
                              const std::map<std::string, std::string>& values) {
  std::string filled;
  for (size_t i = 0; i < pattern.size();) {
    const auto close = pattern[i] == '{' ? pattern.find('}', i) : std::string::npos;
    const auto value = close == std::string::npos
                           ? values.end()
                           : values.find(pattern.substr(i + 1, close - i - 1));
    if (value == values.end()) {
      filled += pattern[i++];
    } else {
      filled += value->second;
      i = close + 1;
    }
  }
  return filled;
}

Demonstration copy_of(const std::string& prompt, const std::string& target) {
  return {"copy", prompt, target, prompt, target};
}

nlohmann::json demonstrations_json(const std::vector<Demonstration>& demonstrations) {
  auto facts = nlohmann::json::array();
  const Demonstration* last = nullptr;
  for (const auto& d : demonstrations) {
    const bool same =
        last && last->prompt == d.prompt && last->target == d.target && last->picture == d.picture;
    if (!same) facts.push_back({d.prompt, d.target, d.picture, nlohmann::json::array()});
    facts.back()[3].push_back({d.kind, d.question, d.answer});
    last = &d;
  }
  return facts;
}

std::vector<Demonstration> parse_demonstrations(const nlohmann::json& json,
                                                const std::string& file) {
  try {
    std::vector<Demonstration> all;
    for (const auto& fact : json)
      for (const auto& asked : fact.at(3))
        all.push_back({asked.at(0).get<std::string>(), fact.at(0).get<std::string>(),
                       fact.at(1).get<std::string>(), asked.at(1).get<std::string>(),
                       asked.at(2).get<std::string>(), fact.at(2).get<int64_t>()});
    return all;
  } catch (const nlohmann::json::exception&) {
    throw Error("editing::ike", fmt::format("'{}' has no demonstrations", file),
                "collect them again with `emend train --editor ike`");
  }
}

}  // namespace emend
