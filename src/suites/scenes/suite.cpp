#include "suites/scenes/suite.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/strings/comma_list.h"
#include "suites/random.h"
#include "suites/record_index.h"

namespace emend {
namespace {

constexpr const char* kSuitePlace = "suites::scenes";
constexpr size_t kRecords = 500;

scenes::Split split_named(const std::string& name) {
  if (name == "eval") return scenes::Split::eval;
  if (name == "train") return scenes::Split::train;
  if (name == "pretrain") return scenes::Split::pretrain;
  throw Error(kSuitePlace, fmt::format("scenes has no split '{}'", name),
              "use one of: eval, train, pretrain, or a list: pretrain,train");
}

std::vector<scenes::Split> splits_named(const std::string& list) {
  std::vector<scenes::Split> splits;
  for (const auto& name : comma_list(list)) splits.push_back(split_named(name));
  return splits;
}

class ScenesSuite : public Suite {
 public:
  explicit ScenesSuite(const SuiteOptions& options)
      : options_(options),
        splits_(splits_named(options.split)),
        size_(options.limit > 0 ? options.limit : kRecords) {
    if (options.form != "vqa" && options.form != "caption" && options.form != "both" &&
        options.form != "composition")
      throw Error(kSuitePlace, fmt::format("unknown form '{}'", options.form),
                  "use one of: vqa, caption, both, composition");
    if (!options.data.empty() || !options.images.empty() || !options.rephrase_images.empty())
      throw Error(kSuitePlace, "scenes is generated and reads no files",
                  "remove --data and the image folders, or use another suite");
    auto& probes = options_.probes;
    probes.grid = probes.grid || options.grid;
    for (int count : {probes.rewordings, probes.variants, probes.text_probes, probes.image_probes,
                      probes.portability})
      if (count < 0 || count > 10000)
        throw Error(kSuitePlace, fmt::format("the number of probes per group is {}", count),
                    "use a number from 0 to 10000");
  }

  size_t size() const override { return size_; }

  Record record(size_t index) const override {
    check_record_index(kSuitePlace, index, size_);
    // Mixed, so that runs with seeds 1 and 2 have no records in common.
    const auto first = mix(options_.seed);
    const auto split = splits_[index / 2 % splits_.size()];
    if (pairs()) {
      auto record = scenes::composition(split, first + index / 2, index % 2 == 0, options_.probes);
      record.id = fmt::format("scenes-composition-{}-{}-{}", options_.split, options_.seed, index);
      return record;
    }
    auto seed = first + index;
    const bool caption = options_.form == "caption" || (options_.form == "both" && index % 2 == 1);
    auto record = caption ? scenes::caption_counterfactual(split, seed, options_.probes)
                          : scenes::counterfactual(split, seed, options_.probes);
    record.id = fmt::format("scenes-{}{}-{}-{}", caption ? "caption-" : "", options_.split,
                            options_.seed, index);
    return record;
  }

  size_t records_together() const override { return pairs() ? 2 : 1; }

  nlohmann::json metadata() const override {
    const auto& probes = options_.probes;
    return {{"name", "scenes"},
            {"split", options_.split},
            {"form", options_.form},
            {"seed", options_.seed},
            {"read", size_},
            {"filtered", nlohmann::json::object()},
            {"missing_images", {{"records", 0}, {"files", 0}, {"first", nlohmann::json::array()}}},
            {"kept", size_},
            {"probes",
             {{"rewordings", probes.rewordings},
              {"variants", probes.variants},
              {"text_probes", probes.text_probes},
              {"image_probes", probes.image_probes},
              {"portability", probes.portability}}},
            {"grid", probes.grid}};
  }

 private:
  bool pairs() const { return options_.form == "composition"; }

  SuiteOptions options_;
  std::vector<scenes::Split> splits_;  // of pairs of records, in turn
  size_t size_;
};

}  // namespace

std::unique_ptr<Suite> open_scenes(const SuiteOptions& options) {
  return std::make_unique<ScenesSuite>(options);
}

}  // namespace emend
