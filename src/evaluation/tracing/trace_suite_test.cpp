#include "evaluation/tracing/trace_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// On the bundled model, whose world is known.
class TraceSuiteTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    vlm_ = std::make_unique<Vlm>(load_vlm(EMEND_SOURCE_DIR "/models/scenes-blip2"));
    set_bos(*vlm_, Protocol());
  }
  static void TearDownTestSuite() { vlm_.reset(); }

  static std::unique_ptr<Suite> suite(size_t records) {
    SuiteOptions options;
    options.limit = records;
    options.probes.text_probes = 2;
    return open_suite("scenes", options);
  }
  TraceSuiteOptions options(const std::string& name) {
    TraceSuiteOptions options;
    options.trace.rows = 4;
    options.trace.windows = "1";
    options.questions = "all";
    options.directory = folder_ / name;
    return options;
  }
  static TraceSuiteOutcome traced(const TraceSuiteOptions& options, size_t records) {
    ActivationStore store(ActivationStore::Options{});
    return trace_suite(*vlm_, *suite(records), options, &store);
  }

  inline static std::unique_ptr<Vlm> vlm_;
  TemporaryFolder folder_;
};

double largest(const TraceRuns& runs, Module module, const std::string& component) {
  for (const auto& location : locate(runs, component))
    if (location.module == module) return location.effect.probability;
  return 0;
}

// What only the picture answers is seen: the connector restores it. What only memory answers is
// known: the language module restores it at the subject.
TEST_F(TraceSuiteTest, SeenAndKnownAnswersTraceToDifferentModules) {
  const auto outcome = traced(options("run"), 12);
  ASSERT_TRUE(outcome.finished);
  const auto& edit = outcome.kinds.at("edit");
  const auto& text = outcome.kinds.at("text");
  EXPECT_GE(edit.traced, 6);
  EXPECT_GE(text.traced, 10);
  EXPECT_EQ(edit.traced + edit.wrong, 12);
  EXPECT_EQ(text.traced + text.wrong, 24);
  EXPECT_EQ(edit.failed + text.failed, 0) << edit.first_failure << text.first_failure;

  const auto& seen = edit.mean.runs.at(0);
  ASSERT_EQ(seen.corrupted, "image");
  EXPECT_GT(seen.total_effect(), 0.3);
  EXPECT_EQ(seen.reversible, 1);
  EXPECT_GT(largest(seen, Module::connector, "residual"), 0.5 * seen.total_effect());
  EXPECT_GT(largest(seen, Module::language, "residual"), 0.9 * seen.total_effect());

  ASSERT_EQ(text.mean.runs.size(), 1u);  // there is no picture
  const auto& known = text.mean.runs.at(0);
  ASSERT_EQ(known.corrupted, "text");
  EXPECT_GT(known.total_effect(), 0.3);
  EXPECT_EQ(known.reversible, 1);
  EXPECT_GT(largest(known, Module::language, "mlp"), 0.05);
  EXPECT_EQ(largest(known, Module::connector, "residual"), 0);
  EXPECT_EQ(known.records, text.traced);
  EXPECT_GT(known.error.probability, 0);

  // A picture beside such a question does not matter, and the same module has the answer.
  const auto& beside = outcome.kinds.at("beside").mean;
  ASSERT_EQ(beside.runs.size(), 2u);
  EXPECT_LT(beside.runs[0].total_effect(), 0.5 * seen.total_effect());
  EXPECT_GT(beside.runs[1].total_effect(), 0.3);

  const auto results = read_json(folder_ / "run/trace.json");
  EXPECT_EQ(results["kinds"]["text"]["traced"], text.traced);
  EXPECT_THAT(read_file(folder_ / "run/trace.html"), HasSubstr("Questions without a picture"));
}

TEST_F(TraceSuiteTest, ResumesWithTheSameBytes) {
  auto own = options("one");
  own.questions = "text";
  const auto whole = traced(own, 4);
  const auto lines = read_file(folder_ / "one/traces.jsonl");
  // An interrupted run: two lines, and an incomplete one.
  own.directory = folder_ / "two";
  const auto second = lines.find('\n', lines.find('\n') + 1) + 1;
  std::filesystem::create_directory(own.directory);
  std::filesystem::copy(folder_ / "one/run.json", folder_ / "two/run.json");
  write_file(folder_ / "two/traces.jsonl", lines.substr(0, second + 20));
  const auto resumed = traced(own, 4);
  EXPECT_EQ(read_file(folder_ / "two/traces.jsonl"), lines);
  EXPECT_EQ(resumed.results, whole.results);

  own.trace.rows = 5;
  EXPECT_THAT(error_of([&] { traced(own, 4); }), HasSubstr("config.trace.rows was 4 and is now 5"));
  own.restart = true;
  EXPECT_TRUE(traced(own, 1).finished);
}

TEST_F(TraceSuiteTest, RefusesWhatHasNoTraces) {
  auto own = options("failed");
  own.trace.image = "gray";
  own.questions = "text";  // there is no picture to corrupt
  EXPECT_THAT(error_of([&] { traced(own, 1); }), HasSubstr("there is no picture to corrupt"));
}

}  // namespace
}  // namespace emend
