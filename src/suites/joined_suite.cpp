#include "suites/joined_suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "io/error.h"
#include "io/strings/comma_list.h"
#include "suites/record_index.h"

namespace emend {
namespace {

constexpr const char* kJoinedPlace = "suites::joined";

// The path of each suite.
std::vector<std::string> paths_of(const char* option, const std::string& list, size_t suites) {
  auto paths = comma_list(list);
  std::error_code error;
  if (paths.size() == 1 && std::filesystem::is_regular_file(paths.front(), error))
    throw Error(kJoinedPlace, fmt::format("'{}' is one file for {} suites", list, suites),
                "give the folder of the dataset, or one file for each suite, separated by commas");
  if (paths.size() == 1) paths.resize(suites, paths.front());
  if (paths.size() != suites)
    throw Error(kJoinedPlace,
                fmt::format("{} has {} paths for {} suites", option, paths.size(), suites),
                "give one path for each suite, in the same order, or one path for all");
  return paths;
}

void add_counts(nlohmann::json& sums, const nlohmann::json& more) {
  for (const auto& [name, count] : more.items())
    sums[name] = sums.value(name, size_t{0}) + count.get<size_t>();
}

// Suite::metadata: the missing images of one more suite.
void add_missing(nlohmann::json& all, const nlohmann::json& more) {
  if (all.is_null()) {
    all = more;
    return;
  }
  for (const char* count : {"records", "files"})
    all[count] = all.at(count).get<size_t>() + more.at(count).get<size_t>();
  all["first"].insert(all["first"].end(), more.at("first").begin(), more.at("first").end());
  if (more.contains("dropped_probes")) add_counts(all["dropped_probes"], more["dropped_probes"]);
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
    check_record_index(kJoinedPlace, index, order_.size());
    return suites_[order_[index].first]->record(order_[index].second);
  }
  bool completions() const override { return suites_.front()->completions(); }

  nlohmann::json metadata() const override {
    nlohmann::json all = nlohmann::json::array(), filtered = nlohmann::json::object(), missing;
    std::string names;
    size_t read = 0;
    for (size_t suite = 0; suite < suites_.size(); ++suite) {
      auto one = suites_[suite]->metadata();
      // `limit` may leave out some of its records.
      one["kept"] = std::count_if(order_.begin(), order_.end(),
                                  [&](const Place& place) { return place.first == suite; });
      names += (names.empty() ? "" : ",") + one.at("name").get<std::string>();
      read += one.at("read").get<size_t>();
      add_counts(filtered, one.at("filtered"));
      add_missing(missing, one.at("missing_images"));
      all.push_back(one);
    }
    nlohmann::json joined = {{"name", names},
                             {"read", read},
                             {"filtered", filtered},
                             {"missing_images", missing},
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

void check(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (std::count(names.begin(), names.end(), name) > 1)
      throw Error(kJoinedPlace, fmt::format("the suite '{}' is named twice", name),
                  "name each suite once");
    if (name == "scenes")
      throw Error(kJoinedPlace, "scenes is generated and cannot be mixed with other suites",
                  "use it alone, for example with --form both");
  }
}

}  // namespace

std::unique_ptr<Suite> open_joined(const std::vector<std::string>& names,
                                   const SuiteOptions& options) {
  check(names);
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
    suites.push_back(open_suite(names[i], own));
    if (suites[i]->completions() != suites[0]->completions())
      throw Error(kJoinedPlace,
                  fmt::format("only one of '{}' and '{}' has texts to complete instead of "
                              "questions, and they cannot share a template",
                              names[0], names[i]),
                  "use them in separate runs");
  }
  return std::make_unique<JoinedSuite>(std::move(suites), options.limit);
}

}  // namespace emend
