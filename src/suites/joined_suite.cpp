#include "suites/joined_suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kJoinedPlace = "suites::joined";

std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= list.size();) {
    const auto end = std::min(list.find(',', begin), list.size());
    items.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

// The path of each suite.
std::vector<std::string> paths_of(const char* option, const std::string& list, size_t suites) {
  auto paths = items_of(list);
  if (paths.size() == 1) paths.resize(suites, paths.front());
  if (paths.size() != suites)
    throw Error(kJoinedPlace,
                fmt::format("{} has {} paths for {} suites", option, paths.size(), suites),
                "give one path for each suite, in the same order, or one path for all");
  return paths;
}

class JoinedSuite : public Suite {
 public:
  JoinedSuite(std::vector<std::unique_ptr<Suite>> suites, size_t limit)
      : suites_(std::move(suites)) {
    // Record k of n is at (k + 1/2) / n, so that every part of the order has all suites.
    std::vector<std::pair<double, Place>> places;
    for (size_t suite = 0; suite < suites_.size(); ++suite) {
      const auto size = suites_[suite]->size();
      for (size_t record = 0; record < size; ++record)
        places.push_back({(static_cast<double>(record) + 0.5) / static_cast<double>(size),
                          {suite, record}});
    }
    std::sort(places.begin(), places.end());
    if (limit > 0 && places.size() > limit) places.resize(limit);
    for (const auto& [at, place] : places) order_.push_back(place);
  }

  size_t size() const override { return order_.size(); }
  Record record(size_t index) const override {
    if (index >= order_.size())
      throw Error(kJoinedPlace,
                  fmt::format("record {} is out of range (size {})", index, order_.size()),
                  "this is an error in emend; please report it");
    return suites_[order_[index].first]->record(order_[index].second);
  }
  bool completions() const override { return suites_.front()->completions(); }

  nlohmann::json metadata() const override {
    nlohmann::json all = nlohmann::json::array(), filtered = nlohmann::json::object();
    auto first = nlohmann::json::array();
    std::string names;
    size_t read = 0, records = 0, files = 0;
    for (const auto& suite : suites_) {
      const auto one = suite->metadata();
      names += (names.empty() ? "" : ",") + one.at("name").get<std::string>();
      read += one.at("read").get<size_t>();
      for (const auto& [reason, count] : one.at("filtered").items())
        filtered[reason] = filtered.value(reason, size_t{0}) + count.get<size_t>();
      const auto& missing = one.at("missing_images");
      records += missing.at("records").get<size_t>();
      files += missing.at("files").get<size_t>();
      first.insert(first.end(), missing.at("first").begin(), missing.at("first").end());
      all.push_back(one);
    }
    nlohmann::json joined = {
        {"name", names},
        {"read", read},
        {"filtered", filtered},
        {"missing_images", {{"records", records}, {"files", files}, {"first", first}}},
        {"kept", order_.size()},
        {"suites", all}};
    for (const char* option : {"split", "grid"})
      if (all[0].contains(option)) joined[option] = all[0][option];
    return joined;
  }

 private:
  using Place = std::pair<size_t, size_t>;  // a suite and its record

  std::vector<std::unique_ptr<Suite>> suites_;
  std::vector<Place> order_;
};

void check(const std::vector<std::string>& names,
           const std::vector<std::unique_ptr<Suite>>& suites) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      throw Error(kJoinedPlace, fmt::format("the suite '{}' is named twice", names[i]),
                  "name each suite once");
    if (suites[i]->records_together() > 1)
      throw Error(kJoinedPlace,
                  fmt::format("pairs of edits of '{}' must be in place together", names[i]),
                  "use this suite alone, or another --form");
    if (suites[i]->completions() != suites[0]->completions())
      throw Error(kJoinedPlace,
                  fmt::format("only one of '{}' and '{}' has texts to complete instead of "
                              "questions, and they cannot share a template",
                              names[0], names[i]),
                  "use them in separate runs");
  }
}

}  // namespace

std::vector<std::string> suites_in(const std::string& list) { return items_of(list); }

std::unique_ptr<Suite> open_joined(const std::vector<std::string>& names,
                                   const SuiteOptions& options) {
  const auto data = paths_of("--data", options.data, names.size());
  const auto images = paths_of("--images", options.images, names.size());
  const auto rephrase_images =
      paths_of("--rephrase-images", options.rephrase_images, names.size());
  std::vector<std::unique_ptr<Suite>> suites;
  for (size_t i = 0; i < names.size(); ++i) {
    auto own = options;
    own.data = data[i];
    own.images = images[i];
    own.rephrase_images = rephrase_images[i];
    // Scenes is generated and reads no files.
    if (names[i] == "scenes") own.data = own.images = own.rephrase_images = "";
    suites.push_back(open_suite(names[i], own));
  }
  check(names, suites);
  return std::make_unique<JoinedSuite>(std::move(suites), options.limit);
}

}  // namespace emend
