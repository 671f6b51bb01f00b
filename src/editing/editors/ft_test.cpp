#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editor.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/tracing/trace_edits.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class FtTest : public testing::TinyVlmTest {
 protected:
  const Vlm& vlm() const { return *vlm_; }

  EditRequest request(const std::string& target = " cat") const {
    return {{"", testing::noise_image(1)}, "What is this?", target};
  }
  Query query(const EditRequest& request) const {
    return {request.image.present() ? std::optional(request.image.load()) : std::nullopt,
            request.prompt};
  }
  at::Tensor logits(const Interventions& interventions) const {
    at::NoGradGuard no_grad;
    return teacher_force(vlm(), {query(request())}, {" cat"}, interventions).at(0).logits;
  }
};

const nlohmann::json kStrong = {{"lr", 0.02}, {"steps", 300}};

nlohmann::json with(nlohmann::json settings, const std::string& name, const nlohmann::json& value) {
  settings[name] = value;
  return settings;
}

TEST_F(FtTest, LanguageEditGivesTheTarget) {
  auto before = generate(vlm(), {query(request())}).at(0);
  EXPECT_NE(before, "cat");
  auto patch = make_editor("ft", kStrong)->edit(vlm(), {request()});
  EXPECT_EQ(generate(vlm(), {query(request())}, patch.interventions(vlm())).at(0), "cat");
  EXPECT_LT(patch.effect["loss_after"].get<double>(), patch.effect["loss_before"].get<double>());
  EXPECT_EQ(patch.deltas.size(), 2u);  // fc1 and fc2 of the last block
  for (const auto& change : patch.deltas) EXPECT_THAT(change.site, HasSubstr("layers.2.fc"));
}

TEST_F(FtTest, TracedSitesAreThoseOfOneBlock) {
  const auto found = trace_edits(vlm(), {request()}, "", Module::language, {});
  const auto block = traced_layers(found, Module::language, 1).at(0);
  const auto path = *folder_ / "trace.json";
  write_file(path, to_json(found).dump());
  const auto prefix = fmt::format("language_model.model.decoder.layers.{}.", block);
  const std::map<std::string, std::vector<std::string>> expected = {
      {"ft", {prefix + "fc1", prefix + "fc2"}},
      {"lora", {prefix + "self_attn.v_proj", prefix + "self_attn.q_proj"}}};
  for (const auto& [name, layers] : expected)
    for (const std::string& file : {std::string(), path}) {
      SCOPED_TRACE(name + " " + file);
      nlohmann::json settings = {{"sites", "traced"}, {"steps", 2}, {"adaptive", false}};
      if (!file.empty()) settings["trace"] = file;
      const auto editor = make_editor(name, settings);
      EXPECT_EQ(editor->settings().contains("trace"), !file.empty());
      EXPECT_EQ(editor->first_stage(*vlm().model), vlm().model->stage("language.block.0"));
      std::vector<std::string> edited;
      for (const auto& delta : editor->edit(vlm(), {request()}, {}).deltas)
        edited.push_back(delta.site);
      EXPECT_THAT(edited, ::testing::UnorderedElementsAreArray(layers));
    }
  EXPECT_THAT(error_of([&] {
                make_editor("ft", {{"sites", "traced"}, {"module", "projector"}})
                    ->edit(vlm(), {request()}, {});
              }),
              HasSubstr("no blocks"));
}

// With random weights, pictures have little effect. This test shows that the Q-Former alone changes
// the answer. The test of the bundled model shows that it reaches the target.
TEST_F(FtTest, VisionEditReducesTheLossByTheQFormerOnly) {
  nlohmann::json settings = {{"module", "connector"}, {"lr", 0.005}, {"steps", 100}};
  auto patch = make_editor("ft", settings)->edit(vlm(), {request(" b")});
  EXPECT_LT(patch.effect["loss_after"].get<double>(),
            patch.effect["loss_before"].get<double>() - 0.5);
  EXPECT_FALSE(patch.deltas.empty());
  for (const auto& change : patch.deltas) EXPECT_THAT(change.site, HasSubstr("qformer"));
}

TEST(FtBundledTest, BothModulesReachTheTarget) {
  const std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2";
  if (!std::filesystem::exists(folder + "/model.safetensors"))
    GTEST_SKIP() << "the bundled model is missing: " << folder;
  auto vlm = load_vlm(folder);
  for (uint64_t seed : {1, 2, 3}) {
    auto record = scenes::counterfactual(scenes::Split::eval, seed);
    EditRequest request{record.image,
                        "Question: " + record.prompt + " Short answer:", " " + record.target};
    for (const std::string module : {"language", "connector"}) {
      auto patch = make_editor("ft", {{"module", module}})->edit(vlm, {request});
      EXPECT_TRUE(patch.effect["holds"].get<bool>()) << module << " " << patch.effect;
      Query query{record.image.load(), request.prompt};
      EXPECT_EQ(generate(vlm, {query}, patch.interventions(vlm)).at(0), record.target) << module;
    }
  }
}

TEST_F(FtTest, SitesByPattern) {
  auto settings = with(kStrong, "sites", "language_model.model.decoder.layers.1.fc2");
  auto patch = make_editor("ft", settings)->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), 1u);
  EXPECT_EQ(patch.deltas[0].site, "language_model.model.decoder.layers.1.fc2");
  EXPECT_TRUE(patch.effect["holds"].get<bool>());
}

TEST_F(FtTest, TextOnlyEdit) {
  EditRequest text{{}, "Where is it?", " home"};
  auto patch = make_editor("ft", kStrong)->edit(vlm(), {text});
  EXPECT_EQ(generate(vlm(), {query(text)}, patch.interventions(vlm())).at(0), "home");
}

TEST_F(FtTest, BatchEditOfSeveralRequests) {
  EditRequest other{{"", testing::noise_image(2)}, "What is that?", " dog"};
  EditRequest text{{}, "Where?", " no"};
  auto patch = make_editor("ft", kStrong)->edit(vlm(), {request(), other, text});
  auto answers =
      generate(vlm(), {query(request()), query(other), query(text)}, patch.interventions(vlm()));
  EXPECT_EQ(answers, (std::vector<std::string>{"cat", "dog", "no"}));
  ASSERT_TRUE(patch.request.is_array());
  EXPECT_EQ(patch.request.size(), 3u);
}

TEST_F(FtTest, SameSeedSamePatchBitForBit) {
  auto editor = make_editor("ft", kStrong);
  EXPECT_EQ(editor->edit(vlm(), {request()}).id, editor->edit(vlm(), {request()}).id);
  auto other = make_editor("ft", with(kStrong, "steps", 299));
  EXPECT_NE(editor->edit(vlm(), {request()}).id, other->edit(vlm(), {request()}).id);
}

TEST_F(FtTest, EndOfAnswerIsASetting) {
  // Without the setting, only the tokens of the target are trained, as in MMEdit.
  auto with_end = make_editor("ft", kStrong)->edit(vlm(), {request()});
  auto without = make_editor("ft", with(kStrong, "end_of_answer", false))->edit(vlm(), {request()});
  auto prefix = generate(vlm(), {query(request())}, without.interventions(vlm())).at(0);
  EXPECT_EQ(prefix.rfind("cat", 0), 0u) << prefix;
  EXPECT_NE(with_end.id, without.id);
}

TEST_F(FtTest, ModulesSelectTheirLayers) {
  auto sites = [&](const std::string& module) {
    nlohmann::json settings = {{"module", module}, {"steps", 1}};
    std::vector<std::string> names;
    for (const auto& change : make_editor("ft", settings)->edit(vlm(), {request()}).deltas)
      names.push_back(change.site);
    return names;
  };
  EXPECT_EQ(sites("projector"), std::vector<std::string>{"language_projection"});
  auto tower = sites("vision_tower");
  EXPECT_EQ(tower.size(), 4u);
  for (const auto& name : tower) EXPECT_THAT(name, HasSubstr("vision_model.encoder.layers.1."));
}

TEST_F(FtTest, RejectsInvalidSettingsAndRequests) {
  EXPECT_THAT(error_of([&] { make_editor("nosuch", {}); }), HasSubstr("unknown editor 'nosuch'"));
  EXPECT_THAT(
      error_of([&] {
        make_editor("ft", {{"stepz", 3}});
      }),
      ::testing::AllOf(HasSubstr("no setting 'stepz'"), HasSubstr("Hint"), HasSubstr("steps")));
  EXPECT_THAT(error_of([&] { make_editor("ft", {{"steps", "many"}}); }), HasSubstr("whole number"));
  EXPECT_THAT(error_of([&] { make_editor("ft", {{"steps", -1}}); }), HasSubstr("between 0"));
  EXPECT_THAT(error_of([&] { make_editor("ft", {{"lr", -1.0}}); }), HasSubstr("lr"));
  EXPECT_THAT(error_of([&] { make_editor("ft", {{"module", "ears"}}); }), HasSubstr("connector"));

  auto editor = make_editor("ft", kStrong);
  EXPECT_THAT(error_of([&] { editor->edit(vlm(), {request("")}); }), HasSubstr("target"));
  auto empty = request();
  empty.prompt = "";
  EXPECT_THAT(error_of([&] { editor->edit(vlm(), {empty}); }), HasSubstr("prompt is empty"));
  EXPECT_THAT(error_of([&] { editor->edit(vlm(), {}); }), HasSubstr("no questions"));
  auto nowhere = make_editor("ft", {{"sites", "no.such.layer"}});
  EXPECT_THAT(error_of([&] { nowhere->edit(vlm(), {request()}); }), HasSubstr("Hint"));
  auto vision = make_editor("ft", {{"module", "connector"}});
  EditRequest text{{}, "Where?", " no"};
  EXPECT_THAT(error_of([&] { vision->edit(vlm(), {text}); }), HasSubstr("no gradient"));
}

// Each step multiplies the change by 1 - lr * weight_decay = -9999.
const nlohmann::json kDiverging = {
    {"optimizer", "sgd"}, {"lr", 1000}, {"weight_decay", 10}, {"steps", 60}, {"stop_loss", 0}};

TEST_F(FtTest, LossThatIsNotFiniteIsAnErrorWithFixedRate) {
  auto editor = make_editor("ft", kDiverging);
  EXPECT_THAT(error_of([&] { editor->edit(vlm(), {request()}); }),
              ::testing::AllOf(HasSubstr("the loss is"), HasSubstr("lower the learning rate")));
}

TEST_F(FtTest, AdaptiveRateBacksOffFromLossThatIsNotFinite) {
  auto patch = make_editor("ft", with(kDiverging, "adaptive", true))->edit(vlm(), {request()});
  EXPECT_LE(patch.effect["loss_after"].get<double>(), patch.effect["loss_before"].get<double>());
  EXPECT_EQ(patch.effect["losses"].size(), patch.effect["steps"].get<size_t>() + 1);
  for (const auto& change : patch.deltas)
    EXPECT_TRUE(at::isfinite(change.delta.dense).all().item<bool>()) << change.site;
}

TEST_F(FtTest, PresetsArePublishedSettings) {
  const auto vlkeb = make_editor("ft", {{"preset", "vlkeb"}})->settings();
  EXPECT_EQ(vlkeb["optimizer"], "adamw");
  EXPECT_EQ(vlkeb["lr"], 2e-4);
  EXPECT_EQ(vlkeb["steps"], 15);
  EXPECT_EQ(vlkeb["stop_loss"], 0);
  EXPECT_EQ(vlkeb["end_of_answer"], false);
  EXPECT_EQ(vlkeb["adaptive"], false);
  EXPECT_EQ(make_editor("ft", {{"preset", "vlkeb-minigpt4"}})->settings()["lr"], 1e-4);
  auto paper = make_editor("ft", {{"preset", "paper"}})->settings();
  paper["preset"] = "vlkeb";
  EXPECT_EQ(paper, vlkeb);

  const auto own = make_editor("ft", {{"preset", "vlkeb"}, {"steps", 3}, {"module", "connector"}});
  EXPECT_EQ(own->settings()["steps"], 3);
  EXPECT_EQ(own->settings()["lr"], 2e-4);
  EXPECT_EQ(own->settings()["module"], "connector");
  EXPECT_EQ(own->edit(vlm(), {request()}).effect["steps"], 3);
  EXPECT_THAT(error_of([] { make_editor("ft", {{"preset", "best"}}); }), HasSubstr("vlkeb"));
}

TEST_F(FtTest, PresetDisablesTheAdaptiveRate) {
  nlohmann::json plain = {{"optimizer", "adamw"},
                          {"lr", 2e-4},
                          {"steps", 15},
                          {"stop_loss", 0},
                          {"end_of_answer", false}};
  auto expected = make_editor("ft", plain)->edit(vlm(), {request()});
  auto patch = make_editor("ft", {{"preset", "vlkeb"}})->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), expected.deltas.size());
  for (size_t i = 0; i < patch.deltas.size(); ++i)
    EXPECT_TRUE(at::equal(patch.deltas[i].delta.dense, expected.deltas[i].delta.dense));
}

TEST_F(FtTest, GivenLearningRateIsFixedUnlessAdaptiveIsSet) {
  EXPECT_EQ(make_editor("ft", {})->settings()["adaptive"], true);
  EXPECT_EQ(make_editor("ft", {{"optimizer", "sgd"}})->settings()["adaptive"], true);
  EXPECT_EQ(make_editor("ft", {{"lr", 1e-3}})->settings()["adaptive"], false);
  EXPECT_EQ(make_editor("ft", {{"lr", 1e-3}, {"adaptive", true}})->settings()["adaptive"], true);
}

}  // namespace
}  // namespace emend
