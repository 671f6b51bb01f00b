#include "evaluation/edits/edit_sequence.h"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "evaluation/testing/tiny_record.h"
#include "io/error.h"
#include "io/runtime.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class EditSequenceTest : public TinyVlmTest {
 protected:
  EditJob job(const Editor& editor, const std::vector<std::string>& prompts) {
    EditJob job;
    job.editor = &editor;
    job.sequential = true;
    job.base = &base_;
    job.snapshots = folder_ / "out.patch.edits";
    job.snapshot_seconds = 0;
    for (const auto& prompt : prompts) {
      EditQuestion question;
      question.prompt = prompt;
      question.target = "dog";
      job.edits.push_back({question, protocol_});
    }
    job.on_edited = [this](const nlohmann::json&) { ++made_; };
    return job;
  }
  // Runs the job and interrupts it after one edit.
  EditOutcome interrupted(EditJob job) {
    job.on_edited = [](const nlohmann::json&) { ::raise(SIGINT); };
    return run_edits(vlm(), job);
  }

  Protocol protocol_ = [] {
    Protocol protocol;
    protocol.question_template = "{}";
    protocol.generate_answers = false;
    return protocol;
  }();
  PatchStack base_;
  int made_ = 0;  // edits by the last jobs
  TemporaryFolder folder_;
};

TEST_F(EditSequenceTest, ContinuesAfterAnInterruptWithTheSameBits) {
  for (const auto& [name, settings] :
       std::vector<std::pair<std::string, nlohmann::json>>{{"ft", {{"steps", 3}, {"lr", 0.01}}},
                                                           {"lora", {{"steps", 3}, {"lr", 0.01}}},
                                                           {"ultraedit", {{"lr", 0.001}}},
                                                           {"grace", {{"steps", 3}}}}) {
    SCOPED_TRACE(name);
    const auto editor = make_editor(name, settings);
    auto whole = job(*editor, {"Who?", "What?", "Where?"});
    whole.snapshots = "";
    const auto expected = run_edits(vlm(), whole);

    const auto stopped = interrupted(job(*editor, {"Who?", "What?"}));
    ASSERT_EQ(stopped.interrupted_after, 1u);
    EXPECT_EQ(InterruptGuard::signal(), SIGINT);
    made_ = 0;
    // Edits may be added to a file of which the first edits are saved.
    const auto resumed = run_edits(vlm(), job(*editor, {"Who?", "What?", "Where?"}));
    EXPECT_FALSE(resumed.interrupted_after);
    EXPECT_EQ(made_, 2);
    EXPECT_EQ(resumed.patch.id, expected.patch.id);
    ASSERT_EQ(resumed.edits.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(resumed.edits[i].after, expected.edits[i].after);
      EXPECT_EQ(resumed.edits[i].effect["steps"], expected.edits[i].effect["steps"]);
    }
    std::filesystem::remove_all(folder_ / "out.patch.edits");
  }
}

TEST_F(EditSequenceTest, EditsOfAnotherJobAreMadeAgain) {
  const auto editor = make_editor("ft", {{"steps", 1}, {"lr", 0.01}});
  const auto other = make_editor("ft", {{"steps", 2}, {"lr", 0.01}});
  interrupted(job(*editor, {"Who?", "What?"}));
  ASSERT_TRUE(std::filesystem::exists(folder_ / "out.patch.edits/000001"));
  ::testing::internal::CaptureStderr();
  run_edits(vlm(), job(*other, {"Who?", "What?"}));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("other settings"));
  EXPECT_EQ(made_, 2);

  made_ = 0;
  run_edits(vlm(), job(*other, {"Whom?", "What?"}));
  EXPECT_EQ(made_, 2);
}

TEST_F(EditSequenceTest, EditsBeforeAnEditThatFailsAreSaved) {
  const auto editor = make_editor("ft", {{"steps", 1}, {"lr", 0.01}});
  auto broken = job(*editor, {"Who?", "What?"});
  broken.snapshot_seconds = 1e6;
  broken.on_step = [&](int64_t, int64_t, double) {
    if (made_ > 0) throw Error("test", "no memory", "add memory");
  };
  try {
    run_edits(vlm(), broken);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("edit 2 of 2: [test] no memory"));
  }
  made_ = 0;
  run_edits(vlm(), job(*editor, {"Who?", "What?"}));
  EXPECT_EQ(made_, 1);
}

}  // namespace
}  // namespace emend
