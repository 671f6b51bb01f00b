#include "evaluation/edits/sequence/edit_sequence.h"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "editing/testing/every_editor.h"
#include "evaluation/testing/tiny_record.h"
#include "io/error.h"
#include "io/files/file.h"
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

  std::string error_of(const EditJob& job) {
    try {
      run_edits(vlm(), job);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
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
  EXPECT_THAT(
      error_of(job(*other, {"Who?", "What?"})),
      HasSubstr("has the first 1 edits of another job: settings.steps is 2 here, and was 1"));
  EXPECT_THAT(error_of(job(*editor, {"Whom?", "What?"})), HasSubstr("another question"));
  EXPECT_THAT(error_of(job(*editor, {})), HasSubstr("has only 0 edits"));
  base_.apply(vlm(), editor->edit(vlm(), {{{}, "Where?", " sea"}}));
  EXPECT_THAT(error_of(job(*editor, {"Who?", "What?"})), HasSubstr("patches"));
  base_ = {};
  EXPECT_EQ(made_, 0);
  run_edits(vlm(), job(*editor, {"Who?", "What?"}));
  EXPECT_EQ(made_, 1);
}

// The files that an editor reads belong to the job, too.
TEST_F(EditSequenceTest, AnotherCheckpointIsAnotherJob) {
  const auto checkpoint = folder_ / "ledger.safetensors";
  std::filesystem::create_directories(vlm().folder + "/editors");
  testing::write_trained_editor(editor_info("ledger"), vlm(), "");
  const auto standard = vlm().folder + "/editors/ledger.safetensors";
  std::filesystem::copy_file(standard, checkpoint);
  const auto editor =
      make_editor("ledger", {{"risk", 1}, {"change", "none"}, {"checkpoint", checkpoint}});
  interrupted(job(*editor, {"Who?", "What?"}));
  std::filesystem::resize_file(checkpoint, std::filesystem::file_size(checkpoint) - 1);
  EXPECT_THAT(error_of(job(*editor, {"Who?", "What?"})), HasSubstr("files."));
}

TEST_F(EditSequenceTest, OnTopOfDenseChangesTheBitsAreTheSame) {
  const auto editor = make_editor("ft", {{"steps", 3}, {"lr", 0.01}});
  base_.apply(vlm(), editor->edit(vlm(), {{{}, "Where?", " sea"}}));
  auto whole = job(*editor, {"Who?", "What?", "Which?"});
  whole.snapshots = "";
  const auto expected = run_edits(vlm(), whole).patch.id;
  interrupted(job(*editor, {"Who?", "What?", "Which?"}));
  EXPECT_EQ(run_edits(vlm(), job(*editor, {"Who?", "What?", "Which?"})).patch.id, expected);
}

TEST_F(EditSequenceTest, DamagedSnapshotsAreMadeAgain) {
  const auto editor = make_editor("ft", {{"steps", 1}, {"lr", 0.01}});
  const auto snapshot = folder_ / "out.patch.edits/000001";
  for (const char* file : {"index.json", "0.1.patch"}) {
    for (const char* content : {"", "[]", "null", "{\"ids\": 5}"}) {
      SCOPED_TRACE(std::string(file) + " " + content);
      interrupted(job(*editor, {"Who?", "What?"}));
      const auto path = snapshot + "/" + file;
      ASSERT_TRUE(std::filesystem::exists(path));
      if (*content)
        testing::write_text(path, content);
      else
        std::filesystem::remove(path);
      made_ = 0;
      run_edits(vlm(), job(*editor, {"Who?", "What?"}));
      EXPECT_EQ(made_, 2);

      // A damaged snapshot is also replaced by one of as many edits.
      std::filesystem::remove_all(folder_ / "out.patch.edits");
      interrupted(job(*editor, {"Who?", "What?"}));
      testing::write_text(path, "[]");
      interrupted(job(*editor, {"Who?", "What?"}));
      made_ = 0;
      run_edits(vlm(), job(*editor, {"Who?", "What?"}));
      EXPECT_EQ(made_, 1);
      EditSnapshots(folder_ / "out.patch.edits", 0).remove();
      EXPECT_FALSE(std::filesystem::exists(folder_ / "out.patch.edits"));
    }
  }
}

TEST_F(EditSequenceTest, OtherFilesInTheFolderAreKept) {
  const auto folder = folder_ / "out.patch.edits";
  std::filesystem::create_directories(folder);
  testing::write_text(folder + "/notes.txt", "mine");
  const auto editor = make_editor("ft", {{"steps", 1}, {"lr", 0.01}});
  run_edits(vlm(), job(*editor, {"Who?"}));
  EditSnapshots(folder, 0).remove();
  EXPECT_FALSE(std::filesystem::exists(folder + "/000001"));
  EXPECT_EQ(read_file(folder + "/notes.txt"), "mine");
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
    EXPECT_THAT(error.what(), HasSubstr("The first 1 edits are saved in"));
  }
  made_ = 0;
  run_edits(vlm(), job(*editor, {"Who?", "What?"}));
  EXPECT_EQ(made_, 1);
}

}  // namespace
}  // namespace emend
