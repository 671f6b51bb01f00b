#include "editing/editors/locate/locating_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/statistics.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/tracing/trace_edits.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LocatingEditorTest : public testing::TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    testing::write_statistics(*vlm_);
  }
  static EditRequest request(uint64_t picture = 1, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  // An edit has one key.
  static nlohmann::json quick(nlohmann::json more = nlohmann::json::object()) {
    nlohmann::json settings = {
        {"steps", 8},   {"stop_loss", 0},    {"prefixes", 2},         {"prefix_length", 4},
        {"ridge", 0.1}, {"weight_decay", 0}, {"altered_pictures", 2}, {"adaptive", false},
        {"lookup", "last"}};
    settings.update(more);
    return settings;
  }
  // The mean output of a site at the lookup positions of all contexts: (n, out).
  static at::Tensor mean_output(const nlohmann::json& settings, const std::string& site,
                                const Interventions& interventions) {
    LocateSettings locate;
    for (const char* name : {"module", "lookup"})
      if (settings.contains(name))
        (std::string(name) == "module" ? locate.where.module : locate.lookup) = settings[name];
    locate.altered_pictures = 2;
    const auto contexts = edit_contexts(*vlm_, request(), locate, {});
    const auto& where = vlm_->model->site(site);
    const auto pass = forward_until(*vlm_, contexts.forced.batch, where.stage);
    return read_site(*vlm_->model, pass, contexts, where, interventions).output.mean(0);
  }
  static double relative(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  }

  static constexpr const char* kSite = "language_model.model.decoder.layers.1.fc2";
};

// The edited layer maps the mean key to the optimized value: that of the bare prompt with offset.
TEST_F(LocatingEditorTest, RomeMapsTheMeanKeyToTheValue) {
  const auto settings = quick({{"layers", "1"}});
  const auto patch = make_editor("rome", settings)->edit(*vlm_, {request()});
  ASSERT_EQ(patch.deltas.size(), 1u);
  EXPECT_EQ(patch.deltas[0].site, kSite);
  EXPECT_EQ(patch.deltas[0].delta.up.size(1), 1) << "one key, rank 1";
  const auto before = mean_output(settings, kSite, {});
  const auto after = mean_output(settings, kSite, patch.interventions(*vlm_));
  const auto& value = patch.effect["values"][0];
  EXPECT_GT(relative(after, before), 0.05);
  EXPECT_LE(value["relative_norm"].get<double>(), 10.001);
  // With twice the offset, the mean output moves by the offset once more.
  auto twice = settings;
  twice["offset_scale"] = 2;
  const auto further = mean_output(
      settings, kSite, make_editor("rome", twice)->edit(*vlm_, {request()}).interventions(*vlm_));
  auto none = settings;
  none["offset_scale"] = 1e-6;
  const auto corrected = mean_output(
      settings, kSite, make_editor("rome", none)->edit(*vlm_, {request()}).interventions(*vlm_));
  EXPECT_LT(relative(further - after, after - corrected), 1e-3);
}

TEST_F(LocatingEditorTest, ContextsAsKeysMoveEveryContext) {
  auto settings = quick({{"layers", "1"}, {"keys", "contexts"}});
  const auto patch = make_editor("rome", settings)->edit(*vlm_, {request()});
  EXPECT_EQ(patch.deltas[0].delta.up.size(1), 3) << "the picture and two altered copies";
}

// An edit without a picture that does not hold with the mean key of its contexts has their keys, if
// its loss is then lower.
TEST_F(LocatingEditorTest, AnEditThatDoesNotHoldMayHaveAKeyForEachContext) {
  const EditRequest edit = {{}, "What is this?", " cat"};
  for (const bool own_keys : {false, true}) {
    SCOPED_TRACE(own_keys);
    auto settings = quick({{"layers", "1"}, {"steps", 30}, {"adaptive", true}});
    settings["lr"] = own_keys ? 0 : 0.05;
    settings["update_weight"] = own_keys ? 30 : 1e-6;
    std::map<std::string, Patch> patches;
    for (const std::string keys : {"auto", "mean", "contexts"}) {
      settings["keys"] = keys;
      patches[keys] = make_editor("memit", settings)->edit(*vlm_, {edit});
    }
    EXPECT_FALSE(patches["mean"].effect["holds"]);
    EXPECT_EQ(patches["contexts"].effect["loss_after"] < patches["mean"].effect["loss_after"],
              own_keys);
    const auto& expected = patches[own_keys ? "contexts" : "mean"];
    const auto& automatic = patches["auto"];
    EXPECT_EQ(automatic.deltas.at(0).delta.up.size(1), own_keys ? 3 : 1);
    EXPECT_TRUE(at::equal(automatic.deltas[0].delta.up, expected.deltas.at(0).delta.up));
    EXPECT_TRUE(at::equal(automatic.keys.at(0).keys, expected.keys.at(0).keys));
    EXPECT_EQ(automatic.effect["loss_after"], expected.effect["loss_after"]);
  }
}

TEST_F(LocatingEditorTest, EveryTokenOfTheAnswerHasAKey) {
  auto several = request();
  several.target = " a cat";
  const auto tokens = force_edits(*vlm_, {several}, /*end_of_answer=*/true).answers[0].size();
  ASSERT_GT(tokens, 2u);
  for (const char* name : {"rome", "memit", "alphaedit"}) {
    const auto patch = make_editor(name, quick({{"layers", "1"}, {"lookup", "auto"}}))
                           ->edit(*vlm_, {several});
    EXPECT_EQ(patch.deltas[0].delta.up.size(1), static_cast<int64_t>(tokens)) << name;
  }
}

TEST_F(LocatingEditorTest, MemitSpreadsTheResidualOverLayers) {
  const auto settings = quick({{"layers", "0-2"}, {"update_weight", 1e-6}});
  const auto editor = make_editor("memit", settings);
  const auto patch = editor->edit(*vlm_, {request()});
  ASSERT_EQ(patch.deltas.size(), 3u);
  EXPECT_EQ(patch.keys.size(), 3u);
  for (const auto& own : patch.keys) EXPECT_EQ(own.keys.size(0), 1) << own.site;
  EXPECT_LT(patch.effect["loss_after"].get<double>(), patch.effect["loss_before"].get<double>());
}

TEST_F(LocatingEditorTest, BatchIsOneSolve) {
  const auto settings = quick({{"layers", "1"}});
  const auto patch = make_editor("memit", settings)->edit(*vlm_, {request(), request(2, " dog")});
  ASSERT_EQ(patch.deltas.size(), 1u);
  EXPECT_EQ(patch.deltas[0].delta.up.size(1), 2);
  EXPECT_EQ(patch.keys[0].keys.size(0), 2);
}

// AlphaEdit and MEMIT change the outputs for keys of earlier edits less with a history.
TEST_F(LocatingEditorTest, HistoryPreservesEarlierEdits) {
  for (const char* name : {"memit", "alphaedit"}) {
    auto settings = quick({{"layers", "1"}});
    if (std::string(name) == "memit") settings["update_weight"] = 1e-3;
    if (std::string(name) == "alphaedit")
      settings.update({{"l2", 1e-3}, {"null_space_energy", 0.9}});
    const auto editor = make_editor(name, settings);
    PatchStack stack;
    stack.apply(*vlm_, editor->edit(*vlm_, {request()}));
    EditContext without;
    without.base = stack.interventions(*vlm_);
    auto with = without;
    with.history = stack.keys();
    ASSERT_EQ(with.history.size(), 1u);
    // The change of the output for the key of the first edit.
    const auto moved = [&](const EditContext& context) {
      const auto patch = editor->edit(*vlm_, {request(2, " dog")}, context);
      const auto& delta = patch.deltas.at(0).delta;
      return at::matmul(delta.up, at::matmul(delta.down, with.history[0].keys.t()))
          .norm()
          .item<double>();
    };
    EXPECT_LT(moved(with), 0.5 * moved(without)) << name;
  }
}

TEST_F(LocatingEditorTest, KeysAreSavedWithThePatchAndUndoneWithTheEdit) {
  const auto editor =
      make_editor("alphaedit", quick({{"layers", "1"}, {"null_space_energy", 0.9}}));
  const auto first = editor->edit(*vlm_, {request()});
  const auto path = *folder_ / "keys.patch";
  save_patch(path, first);
  const auto loaded = load_patch(path);
  ASSERT_EQ(loaded.keys.size(), 1u);
  EXPECT_EQ(loaded.keys[0].site, kSite);
  EXPECT_TRUE(at::equal(loaded.keys[0].keys, first.keys[0].keys));
  PatchStack stack;
  stack.apply(*vlm_, first);
  const auto second = editor->edit(*vlm_, {request(2, " dog")});
  stack.apply(*vlm_, second);
  ASSERT_EQ(stack.keys().size(), 1u);
  EXPECT_EQ(stack.keys()[0].keys.size(0), 2);
  stack.remove(first.id);
  EXPECT_TRUE(at::equal(stack.keys()[0].keys, second.keys[0].keys));
}

TEST_F(LocatingEditorTest, DestroyedFileOfKeysIsRefused) {
  auto patch = make_editor("memit", quick({{"layers", "1"}}))->edit(*vlm_, {request()});
  const auto id = patch.id;
  patch.keys[0].keys = patch.keys[0].keys + 1;
  EXPECT_NE(patch_id(patch), id);
  save_patch(*folder_ / "wrong.patch", patch);
  EXPECT_THAT(error_of([&] { load_patch(*folder_ / "wrong.patch"); }), HasSubstr("was changed"));
}

TEST_F(LocatingEditorTest, RefusesLayersThatTheModelDoesNotHave) {
  for (const char* layers : {"3", "0-3", "1,1", "2-1", "x", "1,", "-1", ""})
    EXPECT_THAT(error_of([&] {
                  make_editor("rome", quick({{"layers", layers}}))->edit(*vlm_, {request()});
                }),
                HasSubstr("is not a list of block numbers from 0 to 2"))
        << layers;
  EXPECT_NO_THROW(
      make_editor("rome", quick({{"layers", 1}, {"steps", 1}}))->edit(*vlm_, {request()}));
  EXPECT_NO_THROW(
      make_editor("memit", quick({{"layers", {0, 1}}, {"steps", 1}}))->edit(*vlm_, {request()}));
}

TEST_F(LocatingEditorTest, WithoutStatisticsTheErrorNamesTheCommand) {
  TemporaryFolder empty;
  testing::write_tiny_vlm(empty.path());
  const auto other = load_vlm(empty.path());
  EXPECT_THAT(error_of([&] { make_editor("rome", quick())->edit(other, {request()}); }),
              HasSubstr("emend stats"));
  EXPECT_NO_THROW(make_editor("rome", quick({{"statistics", "none"}}))->edit(other, {request()}));
  EXPECT_THROW(make_editor("alphaedit", quick({{"statistics", "none"}})), Error);
}

TEST_F(LocatingEditorTest, EffectHasTheStatisticsAndTheValues) {
  const auto patch =
      make_editor("alphaedit", quick({{"null_space_energy", 0.9}}))->edit(*vlm_, {request()});
  const auto& site = patch.effect["sites"][0];
  EXPECT_GT(site["statistics"].get<int64_t>(), 0);
  EXPECT_GT(site["condition"].get<double>(), 1);
  EXPECT_GT(site["null_space"].get<int64_t>(), 0);
  EXPECT_EQ(site["keys"], 1);
  EXPECT_EQ(patch.effect["values"][0]["losses"].size(), 9u);
  EXPECT_EQ(patch.effect["steps"], 8);
}

TEST_F(LocatingEditorTest, TracedLayersAreThoseOfTheTrace) {
  const auto settings = quick({{"layers", "traced"}});
  const auto editor = make_editor("rome", settings);
  EXPECT_EQ(editor->first_stage(*vlm_->model), vlm_->model->stage("language.block.0"));
  const auto patch = editor->edit(*vlm_, {request()});
  const auto found = trace_edits(*vlm_, {request()}, "", Module::language, {});
  const auto layers = traced_layers(found, Module::language, 1);
  ASSERT_EQ(patch.deltas.size(), 1u);
  EXPECT_EQ(patch.deltas[0].site,
            "language_model.model.decoder.layers." + std::to_string(layers.at(0)) + ".fc2");
  // The same from a file.
  const auto path = *folder_ / "trace.json";
  write_file(path, to_json(found).dump());
  const auto again =
      make_editor("rome", quick({{"layers", "traced"}, {"trace", path}}))->edit(*vlm_, {request()});
  EXPECT_EQ(again.deltas[0].site, patch.deltas[0].site);
  EXPECT_THROW(make_editor("rome", quick({{"layers", "traced"}, {"trace", path + ".none"}}))
                   ->edit(*vlm_, {request()}),
               Error);
}

TEST_F(LocatingEditorTest, DefaultLayersDependOnTheKey) {
  const auto editor = make_editor("rome", quick({{"lookup", "auto"}}));
  EXPECT_THAT(editor->edit(*vlm_, {request()}).deltas.at(0).site, HasSubstr("layers.2.fc2"));
  EditRequest subject{{}, "Where is the red dog now?", " at home"};
  subject.subject = "red dog";
  EXPECT_THAT(editor->edit(*vlm_, {subject}).deltas.at(0).site, HasSubstr("layers.1.fc2"));
  EXPECT_EQ(editor->first_stage(*vlm_->model), vlm_->model->stage("language.block.1"));
}

// No attention of a later block reads the output at the subject.
TEST_F(LocatingEditorTest, RefusesAKeyThatTheAnswerDoesNotDependOn) {
  EditRequest subject{{}, "Where is the red dog now?", " at home"};
  subject.subject = "red dog";
  EXPECT_THAT(
      error_of([&] {
        make_editor("rome", quick({{"layers", 2}, {"kl_factor", 0}, {"lookup", "subject"}}))
            ->edit(*vlm_, {subject});
      }),
      HasSubstr("the answer does not depend on"));
}

TEST_F(LocatingEditorTest, RefusesLayersThatThePromptDoesNotReach) {
  EditRequest text{{}, "Where is it?", " at home"};
  EXPECT_THAT(error_of([&] {
                make_editor("rome", quick({{"sites", "language_projection"}}))->edit(*vlm_, {text});
              }),
              HasSubstr("does not pass through"));
  EXPECT_THAT(error_of([&] {
                make_editor("memit", quick({{"sites", "*{fc2,language_projection}"}}))
                    ->edit(*vlm_, {request()});
              }),
              HasSubstr("in different modules"));
}

TEST_F(LocatingEditorTest, RefusesTracesOfOtherModels) {
  const auto found = trace_edits(*vlm_, {request()}, "", Module::language, {});
  const auto path = *folder_ / "other.json";
  const auto edit = [&](const nlohmann::json& trace) {
    write_file(path, trace.dump());
    return error_of([&] {
      make_editor("rome", quick({{"layers", "traced"}, {"trace", path}}))->edit(*vlm_, {request()});
    });
  };
  auto other = to_json(found);
  other["base"] = "0123";
  EXPECT_THAT(edit(other), HasSubstr("belongs to another model"));
  auto deep = to_json(found);
  for (auto& runs : deep["runs"])
    for (auto& map : runs["maps"]) map["layers"][0] = "language.block.99999999";
  EXPECT_THAT(edit(deep), HasSubstr("the trace names block 99999999"));
}

// What is optimized is the change that the patch has: the loss at the end of the optimization is
// that of the patch.
TEST_F(LocatingEditorTest, OptimizesTheChangeOfALayerThatReadsPictures) {
  for (const char* name : {"rome", "memit", "alphaedit"})
    for (const char* module : {"connector", "projector", "vision_tower"}) {
      auto settings = quick({{"module", module}, {"altered_pictures", 0}, {"lr", 0.02}});
      settings["clamp_norm_factor"] = 0.1;
      if (std::string(name) == "alphaedit") settings["null_space_energy"] = 0.9;
      const auto patch = make_editor(name, settings)->edit(*vlm_, {request()});
      const auto& value = patch.effect["values"][0];
      const double end = value["losses"].back();
      EXPECT_LT(end, value["losses"].front().get<double>()) << name << " " << module;
      EXPECT_NEAR(patch.effect["loss_after"].get<double>(), end, 1e-3) << name << " " << module;
      EXPECT_GT(value["disturbance"].get<double>(), 0);
      EXPECT_LE(value["disturbance"].get<double>(), 0.1 + 1e-6);
    }
}

TEST_F(LocatingEditorTest, OnlyOneLayerThatReadsPicturesHasAChange) {
  for (const auto& more : {nlohmann::json{{"module", "language"}},
                           nlohmann::json{{"module", "connector"}, {"layers", "0-1"}}}) {
    auto settings = quick(more);
    EXPECT_NO_THROW(make_editor("memit", settings)->edit(*vlm_, {request()}));
    settings["value"] = "change";
    EXPECT_THAT(error_of([&] { make_editor("memit", settings)->edit(*vlm_, {request()}); }),
                HasSubstr("value=change needs one layer that reads pictures"));
  }
}

TEST_F(LocatingEditorTest, NamesSettingsWithoutEffect) {
  const auto sentences = [](const char* name, const nlohmann::json& given) {
    return editor_info(name).without_effect(given);
  };
  EXPECT_THAT(sentences("memit", {{"steps", 9}, {"prefix_length", 3}, {"ridge", 0.1}}),
              ::testing::IsEmpty());
  EXPECT_THAT(
      sentences("memit", {{"module", "connector"}, {"lookup", "last"}, {"weight_decay", 1}}),
      ElementsAre("lookup has no effect outside of the language module",
                  "weight_decay has no effect with value=change"));
  EXPECT_THAT(sentences("memit", {{"statistics", "none"}, {"ridge", 1}, {"trace", "x"}}),
              ElementsAre("ridge has no effect with statistics=none",
                          "trace has no effect without layers=traced"));
  EXPECT_THAT(sentences("rome", {{"value_batch", 4}}),
              ElementsAre("value_batch has no effect: rome makes edits one by one"));
  EXPECT_THAT(sentences("alphaedit", {{"nullspace_threshold", 0.1}, {"null_space_energy", 0.1}}),
              ElementsAre("null_space_energy has no effect with nullspace_threshold"));
  EXPECT_FALSE(editor_info("ft").without_effect);
}

// It is found before the first value is optimized.
TEST_F(LocatingEditorTest, NullSpaceCanBeEmpty) {
  EditContext context;
  int64_t steps = 0;
  context.on_step = [&](int64_t, int64_t, double) { ++steps; };
  const auto editor = make_editor("alphaedit", quick({{"nullspace_threshold", 1e-12}}));
  EXPECT_THAT(error_of([&] { editor->edit(*vlm_, {request()}, context); }),
              HasSubstr("the null space of"));
  EXPECT_EQ(steps, 0);
}

}  // namespace
}  // namespace emend
