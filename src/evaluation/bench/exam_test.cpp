#include "evaluation/bench/exam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/tiny_vlm_test.h"
#include "evaluation/bench/runner.h"
#include "io/error.h"
#include "io/files/file.h"

namespace emend {
namespace {

// Record i edits fact i, and has a locality question about fact i + 10, and two about i + 20, one
// of which is about a picture.
class ExamSuite : public Suite {
 public:
  explicit ExamSuite(size_t size) : size_(size) {}
  size_t size() const override { return size_; }
  Record record(size_t index) const override {
    Record record;
    record.id = std::to_string(index);
    record.prompt = "What is number " + std::to_string(index) + "?";
    record.target = "cat";
    record.fact = std::to_string(index);
    record.image.drawn = testing::noise_image(index);
    const auto other = std::to_string(index + 10), third = std::to_string(index + 20);
    record.probes.push_back({Group::text_generality, record.image, "What?", "cat"});
    record.probes.push_back(
        {Group::text_locality, {}, "Where is " + other + "?", "here", false, {}, other});
    record.probes.push_back(
        {Group::text_locality, {}, "Where is " + third + "?", "there", false, {}, third});
    record.probes.push_back({Group::image_locality,
                             {"", testing::noise_image(index + 50)},
                             "What?",
                             "green",
                             false,
                             {},
                             third});
    return record;
  }
  nlohmann::json metadata() const override { return {{"name", "exam"}, {"kept", size_}}; }

 private:
  size_t size_;
};

class ExamTest : public testing::TinyVlmTest {
 protected:
  static RunOptions options(const std::string& name, const Suite& exam) {
    RunOptions options;
    options.directory = *folder_ / name;
    options.mode = RunOptions::Mode::sequential;
    options.judge_at = {1};
    options.protocol.max_new_tokens = 3;
    options.protocol.generate_answers = false;
    options.exam = &exam;
    options.exam_questions = 4;
    return options;
  }
  static RunOutcome run(const RunOptions& options) {
    auto specs = parse_editors("ft:language");
    specs[0].settings.update({{"steps", 3}, {"lr", 0.05}});
    return Runner(ExamSuite(2), specs, options).run(*vlm_);
  }
};

TEST_F(ExamTest, LeavesOutEditedFactsAndCountsRightAnswers) {
  const ExamSuite source(3);
  EXPECT_EQ(Exam(source, {}, 6, {}).size(), 6u);
  // Facts 20, 21 and 22 have a question without and one with a picture each.
  EXPECT_EQ(Exam(source, {"10", "11", "12"}, 6, {}).size(), 6u);
  EXPECT_THROW(Exam(source, {"10", "11", "12", "20"}, 6, {}), Error);
  EXPECT_THROW(Exam(source, {}, 10, {}), Error);

  const Exam exam(source, {}, 4, {});
  EXPECT_EQ(exam.right(*vlm_, {}, nullptr), 0u);
  // An edit of one of the questions makes it right.
  const auto spec = parse_editors("ft:language").front();
  const auto editor = make_editor(spec.name, {{"steps", 100}, {"lr", 0.02}});
  const auto patch = editor->edit(*vlm_, {{{}, "Where is 10?", " here"}});
  EXPECT_GE(exam.right(*vlm_, patch.interventions(*vlm_), nullptr), 1u);
}

TEST_F(ExamTest, IsHeldBeforeTheEditsAndAtEachPoint) {
  const ExamSuite source(3);
  const auto outcome = run(options("run", source));
  const auto& lines = outcome.results.at("exam");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["editor"], "base");
  EXPECT_EQ(lines[0]["after_edits"], 0);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(lines[i]["editor"], "ft:language");
    EXPECT_EQ(lines[i]["after_edits"], i);
    EXPECT_EQ(lines[i]["questions"], 4);
  }
  EXPECT_EQ(outcome.results.at("config").at("exam"), 4);
}

// A run that was killed during the last exam repeats the edits and holds only this exam.
TEST_F(ExamTest, ResumesWithTheSameBytes) {
  const ExamSuite source(3);
  const auto once = options("once", source), again = options("again", source);
  run(once);
  run(again);
  const auto whole = read_file(once.directory + "/exam.jsonl");
  write_file(again.directory + "/exam.jsonl", whole.substr(0, whole.rfind("{\"after")));
  const auto outcome = run(again);
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(read_file(again.directory + "/exam.jsonl"), whole);
  EXPECT_EQ(read_file(again.directory + "/samples.jsonl"),
            read_file(once.directory + "/samples.jsonl"));
}

TEST_F(ExamTest, NeedsEditsThatAccumulate) {
  const ExamSuite source(3);
  auto single = options("single", source);
  single.mode = RunOptions::Mode::single;
  EXPECT_THROW(run(single), Error);
}

}  // namespace
}  // namespace emend
