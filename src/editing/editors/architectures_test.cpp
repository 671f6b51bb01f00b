// Every editor on every architecture, because editors are independent of architectures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/patch_stack.h"
#include "editing/testing/every_editor.h"
#include "io/error.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ArchitecturesTest
    : public ::testing::TestWithParam<std::tuple<testing::TinyModel, std::string>> {
 protected:
  static void TearDownTestSuite() { opened_.clear(); }
  const Vlm& vlm() {
    const auto& tiny = std::get<0>(GetParam());
    auto& opened = opened_[tiny.name];
    if (!opened.vlm) {
      opened.folder = std::make_unique<TemporaryFolder>();
      tiny.write(opened.folder->path(), 0);
      opened.vlm = std::make_unique<Vlm>(load_vlm(opened.folder->path()));
      testing::write_trained_editors(*opened.vlm);
    }
    return *opened.vlm;
  }
  bool sees() { return vlm().model->reads_pictures(); }
  EditRequest request() { return {testing::noise_picture(vlm(), 1), "What is this?", " cat"}; }
  // Logits at every position of the edited question, and of one without a picture.
  at::Tensor logits(const Interventions& interventions) {
    at::NoGradGuard no_grad;
    Query query{{}, "What is this?"};
    if (sees()) query.image = request().image.load();
    std::vector<at::Tensor> all;
    for (const auto& row :
         teacher_force(vlm(), {query, {{}, "Where is it?"}}, {" cat", " home"}, interventions))
      all.push_back(row.logits);
    return at::cat(all);
  }

 private:
  struct Opened {
    std::unique_ptr<TemporaryFolder> folder;
    std::unique_ptr<Vlm> vlm;
  };
  inline static std::map<std::string, Opened> opened_;
};

TEST_P(ArchitecturesTest, RemovingAPatchRestoresAllBits) {
  auto spec = parse_editors(std::get<1>(GetParam())).at(0);
  spec.settings.update(testing::quick_settings(editor_info(spec.name)));
  const auto editor = make_editor(spec.name, spec.settings);
  const auto module = spec.settings.value("module", std::string());
  if (!sees() && (editor_info(spec.name).needs_pictures || module == "connector" || module == "vision_tower" || module == "projector")) {
    try {
      editor->edit(vlm(), {request()});
      ADD_FAILURE() << "the model is text-only";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("[editing::"), HasSubstr("Hint: ")));
    }
    return;
  }

  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, tensor] : vlm().model->parameters()) weights[name] = tensor.clone();
  const auto plain = logits({});
  const auto patch = editor->edit(vlm(), {request()});
  for (const auto& [name, tensor] : vlm().model->parameters())
    EXPECT_TRUE(at::equal(tensor, weights[name])) << name;

  PatchStack stack;
  stack.apply(vlm(), patch);
  const auto edited = logits(stack.interventions(vlm()));
  EXPECT_TRUE(at::isfinite(edited).all().item<bool>());
  EXPECT_FALSE(at::equal(edited, plain));
  stack.remove(patch.id);
  EXPECT_TRUE(at::equal(logits(stack.interventions(vlm())), plain));

  const auto path = vlm().folder + "/saved.patch";
  save_patch(path, patch);
  EXPECT_TRUE(at::equal(logits(load_patch(path).interventions(vlm())), edited));

  ActivationStore store(ActivationStore::Options{});
  EditContext context;
  context.store = &store;
  EXPECT_EQ(editor->edit(vlm(), {request()}, context).id, patch.id) << "what is shared";
  EXPECT_EQ(editor->edit(vlm(), {request()}, context).id, patch.id);
}

INSTANTIATE_TEST_SUITE_P(Registry, ArchitecturesTest,
                         ::testing::Combine(::testing::ValuesIn(testing::kTinyModels),
                                            ::testing::ValuesIn(testing::editor_labels())),
                         [](const auto& info) {
                           return testing::as_test_name(std::get<0>(info.param).name +
                                                        std::string("_") + std::get<1>(info.param));
                         });

}  // namespace
}  // namespace emend
