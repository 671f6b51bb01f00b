// The requirements of every editor in the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/patch_stack.h"
#include "editing/testing/every_editor.h"
#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class EditorsTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
    testing::write_trained_editors(*vlm_);
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }

  void SetUp() override {
    spec_ = parse_editors(GetParam()).at(0);
    spec_.settings.update(testing::quick_settings(kind()));
  }
  EditorInfo kind() const { return editor_info(spec_.name); }
  std::unique_ptr<Editor> editor() const { return make_editor(spec_.name, spec_.settings); }

  static EditRequest request(uint64_t picture = 1, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  // Logits at every position of a question with a picture and of one without.
  static at::Tensor logits(const Interventions& interventions, uint64_t picture = 1) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> all;
    const Query query{*testing::noise_image(picture), "What is this?"};
    for (const auto& row :
         teacher_force(*vlm_, {query, {{}, "Where is it?"}}, {" cat", " home"}, interventions))
      all.push_back(row.logits);
    return at::cat(all);
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
  EditorSpec spec_;
};
std::unique_ptr<TemporaryFolder> EditorsTest::folder_;
std::unique_ptr<Vlm> EditorsTest::vlm_;

TEST_P(EditorsTest, PatchChangesTheModelAndRemovingItRestoresAllBits) {
  auto plain = logits({});
  PatchStack stack;
  auto patch = editor()->edit(*vlm_, {request()});
  stack.apply(*vlm_, patch);
  EXPECT_FALSE(at::equal(logits(stack.interventions(*vlm_)), plain));
  EXPECT_EQ(patch.editor, spec_.name);
  EXPECT_EQ(patch.base, vlm_->fingerprint());
  EXPECT_EQ(patch.id, patch_id(patch));
  auto settings = editor()->settings();
  // A patch names the value that a negative one takes from the checkpoint.
  if (settings.contains("answer_weight")) settings["answer_weight"] = 4.0;
  EXPECT_EQ(patch.settings, settings);
  EXPECT_EQ(patch.request["target"], " cat");
  stack.remove(patch.id);
  EXPECT_TRUE(at::equal(logits(stack.interventions(*vlm_)), plain));
}

TEST_P(EditorsTest, NeverWritesBaseWeights) {
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : vlm_->model->parameters()) before[name] = tensor.clone();
  editor()->edit(*vlm_, {request()});
  for (const auto& [name, tensor] : vlm_->model->parameters()) {
    EXPECT_TRUE(at::equal(tensor, before[name])) << name;
    EXPECT_FALSE(tensor.requires_grad()) << name;
  }
}

TEST_P(EditorsTest, SavedAndLoadedPatchGivesTheSameLogits) {
  auto patch = editor()->edit(*vlm_, {request()});
  auto path = *folder_ / "saved.patch";
  save_patch(path, patch);
  auto loaded = load_patch(path);
  EXPECT_EQ(loaded.id, patch.id);
  EXPECT_TRUE(at::equal(logits(patch.interventions(*vlm_)), logits(loaded.interventions(*vlm_))));
}

TEST_P(EditorsTest, SameRequestGivesSamePatch) {
  EXPECT_EQ(editor()->edit(*vlm_, {request()}).id, editor()->edit(*vlm_, {request()}).id);
}

TEST_P(EditorsTest, SharedStoreDoesNotChangeThePatch) {
  ActivationStore store(ActivationStore::Options{});
  EditContext context;
  context.store = &store;
  auto alone = editor()->edit(*vlm_, {request()});
  EXPECT_EQ(editor()->edit(*vlm_, {request()}, context).id, alone.id);
  EXPECT_EQ(editor()->edit(*vlm_, {request()}, context).id, alone.id);
}

TEST_P(EditorsTest, ZeroStepsChangeNothing) {
  if (!kind().has_setting("steps")) GTEST_SKIP() << "this editor takes no steps";
  spec_.settings["steps"] = 0;
  auto patch = editor()->edit(*vlm_, {request()});
  EXPECT_TRUE(patch.interventions(*vlm_).empty());
  EXPECT_TRUE(at::equal(logits({}), logits(patch.interventions(*vlm_))));
}

TEST_P(EditorsTest, BatchEditGivesOnePatch) {
  auto patch = editor()->edit(*vlm_, {request(), request(2, " dog"), request(1, " x")});
  ASSERT_TRUE(patch.request.is_array());
  ASSERT_EQ(patch.request.size(), 3u);
  EXPECT_EQ(patch.request[1]["target"], " dog");
  auto edited = logits(patch.interventions(*vlm_));
  EXPECT_TRUE(at::isfinite(edited).all().item<bool>());
  EXPECT_FALSE(at::equal(edited, logits({})));
  EXPECT_NE(patch.id, editor()->edit(*vlm_, {request()}).id);
}

TEST_P(EditorsTest, SequentialEditsStack) {
  PatchStack stack;
  auto first = editor()->edit(*vlm_, {request()});
  stack.apply(*vlm_, first);
  auto after_first = logits(stack.interventions(*vlm_), 2);
  EditContext context;
  context.base = stack.interventions(*vlm_);
  auto second = editor()->edit(*vlm_, {request(2, " dog")}, context);
  // The second edit depends on the first, except for editors that only store entries. The entries
  // of WISE are trained on top of each other.
  const bool alike = second.id == editor()->edit(*vlm_, {request(2, " dog")}).id;
  EXPECT_EQ(alike, !second.memory.entries.empty() && !kind().has_setting("save_freq"));
  stack.apply(*vlm_, second);
  EXPECT_FALSE(at::equal(logits(stack.interventions(*vlm_), 2), after_first));
  stack.remove(second.id);
  EXPECT_TRUE(at::equal(logits(stack.interventions(*vlm_), 2), after_first));
}

TEST_P(EditorsTest, ChangesNothingBeforeItsFirstStage) {
  const auto& model = *vlm_->model;
  auto first = editor()->first_stage(model);
  ASSERT_LT(first, model.stages().size());
  auto changes = editor()->edit(*vlm_, {request()}).interventions(*vlm_);
  EXPECT_GE(first_changed_stage(model, changes), first);
  if (first == 0) return;
  at::NoGradGuard no_grad;
  Batch batch{vlm_->processor.pixels(*testing::noise_image(1)).unsqueeze(0),
              {vlm_->processor.row("What is this?", 0)}};
  auto before = model.collate(batch), after = model.collate(batch);
  model.run(before, first - 1);
  model.run(after, first - 1, changes);
  EXPECT_TRUE(at::equal(before.hidden, after.hidden));
  model.run(before);
  model.run(after, changes);
  EXPECT_FALSE(at::equal(before.hidden, after.hidden));
}

TEST_P(EditorsTest, SettingsAreStrictAndComplete) {
  auto settings = editor()->settings();
  EXPECT_EQ(make_editor(spec_.name, settings)->settings(), settings);
  size_t left_out = 0;  // texts that are empty
  for (const auto& setting : kind().settings) {
    if (!settings.contains(setting.name)) {
      EXPECT_EQ(setting.value, "") << setting.name;
      ++left_out;
    }
    auto wrong = spec_.settings;
    wrong[setting.name] = {{"x", 1}};
    EXPECT_THAT(error_of([&] { make_editor(spec_.name, wrong); }),
                AllOf(HasSubstr("'" + setting.name + "'"), HasSubstr("Hint: it must be")));
  }
  EXPECT_EQ(settings.size() + left_out, kind().settings.size());
  auto wrong = spec_.settings;
  wrong["no_such_setting"] = 1;
  EXPECT_THAT(error_of([&] { make_editor(spec_.name, wrong); }),
              AllOf(HasSubstr("no_such_setting"), HasSubstr("Hint: available settings")));
}

TEST_P(EditorsTest, RejectsInvalidRequests) {
  EXPECT_THAT(error_of([&] { editor()->edit(*vlm_, {}); }), HasSubstr("[editing::"));
  EXPECT_THAT(error_of([&] { editor()->edit(*vlm_, {request(1, "")}); }), HasSubstr("target"));
  auto empty = request();
  empty.prompt = "";
  EXPECT_THAT(error_of([&] { editor()->edit(*vlm_, {empty}); }), HasSubstr("prompt"));
}

INSTANTIATE_TEST_SUITE_P(Registry, EditorsTest, ::testing::ValuesIn(testing::editor_labels()),
                         [](const auto& info) { return testing::as_test_name(info.param); });

}  // namespace
}  // namespace emend
