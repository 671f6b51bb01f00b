#include "suites/suite.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/strings/comma_list.h"
#include "suites/facts/counterfact.h"
#include "suites/joined_suite.h"
#include "suites/mmedit/mmedit.h"
#include "suites/scenes/suite.h"

namespace emend {
namespace {

SuiteInfo mmedit(const char* name, const char* title,
                 const std::set<std::string>& options = {"split", "missing-images"}) {
  return {name, title, [name](const SuiteOptions& given) { return open_mmedit(name, given); },
          options};
}

SuiteInfo facts(const char* name, const char* title) {
  return {name, title,
          [name](const SuiteOptions& options) { return open_counterfact(name, options); }, {}};
}

const SuiteInfo* find_suite(const std::string& name) {
  for (const auto& info : suite_infos())
    if (info.name == name) return &info;
  return nullptr;
}

}  // namespace

const std::vector<SuiteInfo>& suite_infos() {
  static const std::vector<SuiteInfo> all = {
      {"scenes", "Scenes", open_scenes, {"split", "form", "probes", "consequences"}},
      mmedit("e-vqa", "E-VQA"),
      mmedit("e-ic", "E-IC"),
      mmedit("vlkeb", "VLKEB"),
      mmedit("photo-vqa", "Photo VQA"),
      mmedit("photo-caption", "Photo captions"),
      mmedit("mmedit-json", "MMEdit JSON", {"missing-images"}),
      facts("counterfact", "CounterFact"),
      facts("zsre", "zsRE"),
      facts("knowedit", "KnowEdit"),
      facts("mquake", "MQuAKE")};
  return all;
}

std::vector<std::string> suite_names() {
  std::vector<std::string> names;
  for (const auto& info : suite_infos()) names.push_back(info.name);
  return names;
}

std::string suite_title(const std::string& name) {
  std::string title;
  for (const auto& one : comma_list(name)) {
    const auto* info = find_suite(one);
    title += (title.empty() ? "" : " and ") + (info ? info->title : one);
  }
  return title;
}

std::unique_ptr<Suite> open_suite(const std::string& name, const SuiteOptions& options) {
  if (const auto names = comma_list(name); names.size() > 1) return open_joined(names, options);
  if (const auto* info = find_suite(name)) return info->open(options);
  throw Error("suites::suite", fmt::format("unknown suite '{}'", name),
              fmt::format("use one of: {}", fmt::join(suite_names(), ", ")));
}

}  // namespace emend
