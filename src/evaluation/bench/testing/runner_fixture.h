#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <sstream>

#include "evaluation/bench/runner.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "tests/tiny_vlm.h"

// For tests only: runs of two editors on a suite of random records.
namespace emend {

// Random pictures with random questions. Record 3 has no picture.
class FakeSuite : public Suite {
 public:
  explicit FakeSuite(size_t size) : size_(size) {}
  size_t size() const override { return size_; }
  Record record(size_t index) const override {
    read.insert(index);
    if (index == unreadable) throw Error("suites::fake", "record 'r2' is torn", "mend it");
    if (index == interrupting) ::raise(SIGINT);
    Record record;
    record.id = "r" + std::to_string(index);
    record.prompt = "What is number " + std::to_string(index) + "?";
    record.target = index % 2 ? "cat" : "dog";
    record.truth = "a thing";
    if (index != 3) record.image.drawn = testing::noise_image(index);
    record.probes.push_back({Group::text_generality, record.image, "What?", record.target});
    record.probes.push_back({Group::text_locality, {}, "Where is Rome?", "Italy"});
    record.probes.push_back(
        {Group::image_locality, {"", testing::noise_image(99)}, "What color?", "green"});
    return record;
  }
  nlohmann::json metadata() const override { return {{"name", "fake"}, {"kept", size_}}; }

  size_t records_together() const override { return together; }

  size_t together = 1;
  size_t unreadable = SIZE_MAX, interrupting = SIZE_MAX;
  mutable std::set<size_t> read;  // indices

 private:
  size_t size_;
};

class RunnerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(*model_ / "a");
    testing::write_tiny_vlm(*model_ / "b", 1);
    vlm_ = std::make_unique<Vlm>(load_vlm(*model_ / "a"));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    model_.reset();
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  RunOptions options(const std::string& name, RunOptions::Mode mode = RunOptions::Mode::single) const {
    RunOptions options;
    options.directory = path(name);
    options.mode = mode;
    if (mode == RunOptions::Mode::batch) options.batch_size = 2;
    if (mode == RunOptions::Mode::sequential) {
      options.judge_at = {1, 2};
      options.judge_sample = 2;
    }
    options.protocol.max_new_tokens = 3;
    options.facts = {{"limit", 0}};
    return options;
  }
  static std::vector<EditorSpec> editors() {
    auto specs = parse_editors("ft:language,ft:vision");
    for (auto& spec : specs) spec.settings.update({{"steps", 3}, {"lr", 0.02}});
    return specs;
  }
  static RunOutcome run(const Suite& suite, const RunOptions& options,
                        const std::vector<EditorSpec>& specs = editors()) {
    ActivationStore store({});
    return Runner(suite, specs, options).run(*vlm_, &store);
  }
  static std::vector<nlohmann::json> lines(const std::string& file) {
    std::vector<nlohmann::json> all;
    std::istringstream text(read_file(file));
    for (std::string line; std::getline(text, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  static nlohmann::json without_timings(const std::string& file) {
    auto json = read_json(file);
    json.erase("timings");
    return json;
  }
  template <class F>
  static std::string refusal(F&& act) {
    try {
      act();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  static inline std::unique_ptr<TemporaryFolder> model_;
  static inline std::unique_ptr<Vlm> vlm_;
};

}  // namespace emend
