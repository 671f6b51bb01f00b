#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "editing/editors/hyper/mend_training.h"
#include "editing/patches/patch_stack.h"
#include "editing/targets/target_modules.h"
#include "editing/testing/hyper_network_test.h"
#include "io/error.h"
#include "io/testing.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MendTest : public testing::HyperNetworkTest {
 protected:
  static nlohmann::json small(const std::string& module = "language") {
    return {{"module", module}, {"rank", 4},          {"rate", -1e-2}, {"lr", 1e-3},
            {"accumulate", 1},  {"edit_weight", 1.0}, {"steps", 40},   {"ranks_weight", 0.5}};
  }
  static std::unique_ptr<TrainableEditor> trained(nlohmann::json settings, int steps,
                                                  const std::string& editor = "mend") {
    auto trainable = make_trainable_editor(editor, vlm(), settings, nullptr);
    Trainer trainer(*trainable);
    for (int i = 0; i < steps; ++i) trainer.step({example(i), example(i + 1)});
    return trainable;
  }
  static std::string checkpoint(const TrainableEditor& trainable, const std::string& name) {
    EditorCheckpoint file{trainable.editor(),
                          vlm().fingerprint(),
                          trainable.settings(),
                          {{"steps", 1}},
                          trainable.tensors()};
    save_checkpoint(*folder_ / name, file);
    return *folder_ / name;
  }
  // Without `more`, an iterated editor takes only the rounds that it was trained for.
  static std::unique_ptr<Editor> editor(const TrainableEditor& trainable,
                                        const nlohmann::json& more = {}) {
    nlohmann::json settings = {{"checkpoint", checkpoint(trainable, "editor.safetensors")}};
    if (trainable.editor() == "mend-iterated") settings["rounds"] = 0;
    if (!more.is_null()) settings.update(more);
    return make_editor(trainable.editor(), settings);
  }
  static at::Tensor logits(const Interventions& interventions, int number = 1) {
    at::NoGradGuard no_grad;
    auto asked = request(number);
    return teacher_force(vlm(), {{asked.image.load(), asked.prompt}}, {" cat"}, interventions)
        .at(0)
        .logits;
  }
};

std::vector<std::string> names(const std::vector<Site>& sites) {
  std::vector<std::string> names;
  for (const auto& site : sites) names.push_back(site.name);
  return names;
}

TEST_F(MendTest, ModulesSelectSitesByOrder) {
  BlockSites where;
  EXPECT_EQ(names(where.find(model())),
            names(model().find_sites("language_model.model.decoder.layers.*.fc?")));
  where.depth = 1;
  EXPECT_EQ(names(where.find(model())),
            names(model().find_sites("language_model.model.decoder.layers.2.fc?")));
  where.module = "connector";
  where.depth = 0;
  EXPECT_EQ(names(where.find(model())), names(model().find_sites("qformer.*.output_query.dense")));
  where.module = "vision_tower";
  EXPECT_EQ(names(where.find(model())), names(model().find_sites("vision_model.*.mlp.fc?")));
  where.sites = "language_projection";
  EXPECT_THAT(names(where.find(model())), ElementsAre("language_projection"));
}

TEST_F(MendTest, FactorsMultiplyToTheWeightGradient) {
  // Two edits with one picture each, and sites of all three modules.
  auto sites = model().find_sites(
      "{vision_model.encoder.layers.1.mlp.fc1,qformer.encoder.layer.1.output_query.dense,"
      "language_model.model.decoder.layers.1.fc2}");
  std::vector<TargetQuery> queries;
  for (int i : {1, 2}) queries.push_back({request(i).image, request(i).prompt, " cat"});
  auto forced = force(vlm(), queries, false);
  auto factors = edit_factors(model(), forward_until(vlm(), forced.batch, 1), forced, sites, {});

  Interventions probes;
  std::vector<at::Tensor> leaves;
  for (const auto& site : sites) {
    leaves.push_back(at::zeros({site.out, site.in}).requires_grad_());
    auto change = Intervention::weight(site.name, {leaves.back(), {}, {}});
    probes.push_back(change);
  }
  auto pass = model().collate(forced.batch);
  pass.logit_positions = answer_positions(forced);
  model().run(pass, probes);
  // The answers have equal length, so the sum of the rows' means is twice the mean.
  auto loss = 2 * answer_loss(pass.logits(), answer_tokens(forced));
  auto gradients = torch::autograd::grad({loss}, leaves);
  EXPECT_NEAR(factors.loss, loss.item<double>() / 2, 1e-5);
  for (size_t i = 0; i < sites.size(); ++i) {
    auto sum = at::einsum("rto,rti->oi", {factors.sites[i].gradient, factors.sites[i].input});
    EXPECT_LT(relative_error(sum, gradients[i]), 1e-4) << sites[i].name;
  }
}

TEST_F(MendTest, EveryRowOfABatchGetsTheDeltaOfItsEdit) {
  for (const std::string module : {"language", "connector", "vision_tower"}) {
    MendNetwork::Options options;
    options.rank = 2;
    options.rate = -0.05;
    BlockSites where;
    where.module = module;
    auto sites = where.find(model());
    MendNetwork network(sites, options);
    std::vector<TargetQuery> queries;
    for (int i : {1, 2}) queries.push_back({request(i).image, request(i).prompt, " cat"});
    auto forced = force(vlm(), queries, false);
    auto first = first_stage_of(model(), sites);
    auto prefix = forward_until(vlm(), forced.batch, first);
    auto factors = edit_factors(model(), prefix, forced, sites, {}).sites;
    network.observe(factors);
    at::NoGradGuard no_grad;
    auto deltas = network.deltas(factors);

    EditIndex edit_index{at::tensor({1, 0}, at::kLong), at::tensor({1, 0}, at::kLong)};
    auto crossed = prefix;
    crossed.batched_pictures = true;
    model().run(crossed, attach(model(), deltas, edit_index));
    for (int64_t row : {0, 1}) {
      Interventions own;
      for (const auto& delta : deltas) {
        auto change = Intervention::weight(
            delta.site, {{}, delta.up[1 - row].t().contiguous(), delta.down[1 - row].contiguous()});
        own.push_back(change);
      }
      auto plain = prefix;
      model().run(plain, own);
      EXPECT_LT(relative_error(crossed.logits()[row], plain.logits()[row]), 1e-4) << module;
    }
  }
}

TEST_F(MendTest, GradientsAgreeWithFiniteDifferences) {
  for (const std::string module : {"language", "connector"}) {
    auto settings = small(module);
    settings["edit_weight"] = 20;  // far above the rounding error
    settings["ranks_weight"] = 0;  // the loss on ranks is not differentiable everywhere
    auto trainable = trained(settings, 2);
    const std::vector<EditExample> examples = {example(1), example(2)};
    // The statistics change with every example, so each starts from the same state.
    std::map<std::string, at::Tensor> state;
    for (const auto& [name, tensor] : trainable->tensors()) state[name] = tensor.detach().clone();
    auto loss_at = [&] { return trainable->losses(examples, 0).total; };
    std::vector<at::Tensor> leaves;
    for (const auto& one : trainable->parameters()) leaves.push_back(one.tensor);
    auto gradients = torch::autograd::grad({loss_at()}, leaves, {}, false, false, true);
    int compared = 0;
    for (size_t i = 0; i < leaves.size(); ++i) {
      ASSERT_TRUE(gradients[i].defined()) << trainable->parameters()[i].name;
      // In the direction of the gradient, where the change is largest relative to rounding.
      auto size = gradients[i].norm().item<double>();
      if (size < 1) continue;
      ++compared;
      auto direction = gradients[i] / size;
      const double step = 2e-3 * (trainable->parameters()[i].is_rate ? 0.1 : 1);
      double losses[2];
      for (int side : {0, 1}) {
        trainable->load(state, "the state");
        at::NoGradGuard no_grad;
        leaves[i].add_(direction, side ? step : -step);
        losses[side] = loss_at().item<double>();
      }
      trainable->load(state, "the state");
      EXPECT_NEAR((losses[1] - losses[0]) / (2 * step) / size, 1, 0.05)
          << module << " " << trainable->parameters()[i].name;
    }
    EXPECT_GE(compared, 6) << module;
  }
}

TEST_F(MendTest, TakesOneGradientEvenIfTheEditDoesNotHold) {
  const auto trainable = trained(small(), 2);
  for (const auto& own : {editor(*trainable), trainable->as_editor()}) {
    EXPECT_EQ(own->name(), "mend");
    const auto patch = own->edit(vlm(), {request()});
    EXPECT_EQ(patch.effect["steps"], 1);
    EXPECT_GT(patch.effect["loss_after"], 0.02);  // mend-iterated would continue
    EXPECT_EQ(patch.effect["losses"].size(), 2u);
    EXPECT_FALSE(patch.effect["holds"].get<bool>());
    EXPECT_EQ(patch.effect["stop_reason"], "step_limit");
    ASSERT_FALSE(patch.effect["failed_tokens"].empty());
    const auto& failed = patch.effect["failed_tokens"][0];
    EXPECT_NE(failed["expected"], failed["predicted"]);
    EXPECT_EQ(patch.editor, "mend");
  }
  for (const char* setting : {"rounds", "stop_loss"})
    EXPECT_THAT(error_of([&] { editor(*trainable, {{setting, 3}}); }), HasSubstr(setting));
  EXPECT_THAT(error_of([&] { trained({{"rounds", 2}}, 0); }), HasSubstr("rounds"));
}

TEST_F(MendTest, MendAndMendIteratedRejectEachOthersCheckpoints) {
  auto settings = small();
  const auto once = trained(settings, 2);
  settings["rounds"] = 2;
  const auto twice = trained(settings, 2, "mend-iterated");
  const auto refusal = [&](const TrainableEditor& trainable, const char* name) {
    const auto file = checkpoint(trainable, "one.safetensors");
    return error_of([&] { make_editor(name, {{"checkpoint", file}})->edit(vlm(), {request()}); });
  };
  EXPECT_THAT(refusal(*once, "mend-iterated"), HasSubstr("is a trained 'mend'"));
  EXPECT_THAT(refusal(*twice, "mend"), HasSubstr("is a trained 'mend-iterated'"));
  // A file of the version in which both editors had the same name.
  EditorCheckpoint old{"mend", vlm().fingerprint(), twice->settings(), nlohmann::json::object(),
                       twice->tensors()};
  save_checkpoint(*folder_ / "old.safetensors", old);
  MendEditor editor(nlohmann::json{{"checkpoint", *folder_ / "old.safetensors"}});
  EXPECT_THAT(error_of([&] { editor.edit(vlm(), {request()}); }), HasSubstr("mend takes one"));
}

TEST_F(MendTest, LaterRoundsUseTheChangedModel) {
  auto settings = small();
  settings["rounds"] = 2;
  auto patch = editor(*trained(settings, 4, "mend-iterated"))->edit(vlm(), {request()});
  settings["rounds"] = 1;
  auto once = editor(*trained(settings, 4, "mend-iterated"))->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), once.deltas.size());
  for (size_t i = 0; i < patch.deltas.size(); ++i)
    EXPECT_EQ(patch.deltas[i].delta.up.size(1), 2 * once.deltas[i].delta.up.size(1));
}

TEST_F(MendTest, RoundsContinueUntilTheEditHolds) {
  const auto iterated = [](const std::string& module, int steps) {
    auto settings = small(module);
    settings["rounds"] = 1;
    return trained(settings, steps, "mend-iterated");
  };
  const auto trainable = iterated("language", 20);
  const auto edit = [&](const nlohmann::json& settings, std::vector<EditRequest> requests) {
    return editor(*trainable, settings)->edit(vlm(), requests);
  };
  const auto loss = [](const Patch& patch) { return patch.effect["loss_after"].get<double>(); };
  const auto once = edit({{"rounds", 0}}, {request()});
  EXPECT_EQ(once.effect["steps"], 1);
  const double enough = 0.5 * loss(once);
  const auto more = edit({{"rounds", 100}, {"stop_loss", enough}}, {request()});
  EXPECT_GT(more.effect["steps"], 1);
  EXPECT_LT(more.effect["steps"], 100);
  EXPECT_LE(loss(more), enough);
  EXPECT_EQ(edit({{"rounds", 2}, {"stop_loss", 0}}, {request()}).effect["steps"], 2);
  // An edit that already holds is the same as alone, next to one that takes further rounds.
  const auto satisfied = edit({{"rounds", 100}, {"stop_loss", 2 * loss(once)}}, {request()});
  EXPECT_EQ(satisfied.effect["steps"], 1);
  for (const char* module : {"language", "connector"}) {
    const auto of_module = iterated(module, 20);
    const auto few = [&](int rounds, double until, std::vector<EditRequest> requests) {
      return editor(*of_module, {{"module", module}, {"rounds", rounds}, {"stop_loss", until}})
          ->edit(vlm(), requests);
    };
    const auto first = few(0, 0, {request(1)}), second = few(0, 0, {request(2)});
    const bool swap = loss(first) > loss(second);
    const auto low = swap ? request(2) : request(1), high = swap ? request(1) : request(2);
    const double between = (loss(first) + loss(second)) / 2;
    ASSERT_NE(loss(first), loss(second));
    auto both = few(3, between, {low, high}).deltas;
    auto alone = few(3, between, {low}).deltas, other = few(3, between, {high}).deltas;
    ASSERT_EQ(both.size(), alone.size());
    for (size_t i = 0; i < both.size(); ++i) {
      const auto sum = alone[i].delta.materialized() + other[i].delta.materialized();
      const auto off = (both[i].delta.materialized() - sum).norm() / sum.norm();
      EXPECT_LT(off.item<double>(), 1e-3) << module << both[i].site;
    }
  }
}

TEST_F(MendTest, TrainingReducesTheLoss) {
  auto settings = small();
  auto trainable = make_trainable_editor("mend", vlm(), settings, nullptr);
  Trainer trainer(*trainable);
  double begin = 0, end = 0;
  for (int i = 0; i < 60; ++i) {
    auto losses = trainer.step({example(i % 8), example(i % 8 + 1)});
    (i < 8 ? begin : end) += i < 8 || i >= 52 ? losses.generality : 0;
  }
  EXPECT_LT(end, 0.5 * begin);
  auto patch = trainable->as_editor()->edit(vlm(), {request(3)});
  EXPECT_LT(patch.effect["loss_after"].get<double>(),
            0.5 * patch.effect["loss_before"].get<double>());
}

TEST_F(MendTest, PatchIsSavedAsLowRank) {
  auto trainable = trained(small(), 3);
  auto patch = editor(*trainable)->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), 6u);
  for (const auto& change : patch.deltas) {
    ASSERT_TRUE(change.delta.low_rank()) << change.site;
    EXPECT_LE(change.delta.up.size(1), 30) << change.site;  // the edit's tokens
  }
  save_patch(*folder_ / "edit.patch", patch);
  auto loaded = load_patch(*folder_ / "edit.patch");
  EXPECT_EQ(loaded.id, patch.id);
  PatchStack stack;
  auto before = logits({});
  stack.apply(vlm(), loaded);
  EXPECT_TRUE(at::equal(logits(stack.interventions(vlm())), logits(patch.interventions(vlm()))));
  EXPECT_FALSE(at::equal(logits(stack.interventions(vlm())), before));
  stack.remove(loaded.id);
  EXPECT_TRUE(at::equal(logits(stack.interventions(vlm())), before));
}

TEST_F(MendTest, CheckpointGivesSameEditorAndBelongsToOneModel) {
  auto trainable = trained(small("connector"), 3);
  auto file = checkpoint(*trainable, "vision.safetensors");
  MendEditor editor(nlohmann::json{{"checkpoint", file}, {"module", "connector"}});
  auto patch = editor.edit(vlm(), {request()});
  auto fresh = trainable->as_editor()->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), fresh.deltas.size());
  for (size_t i = 0; i < patch.deltas.size(); ++i)
    EXPECT_TRUE(
        at::equal(patch.deltas[i].delta.materialized(), fresh.deltas[i].delta.materialized()));

  // The layers that a checkpoint must have been trained for.
  std::string all = "{";
  for (const auto& change : patch.deltas)
    all += change.site + (&change == &patch.deltas.back() ? "}" : ",");
  const auto requiring = [&](const std::string& sites) {
    return MendEditor({{"checkpoint", file}, {"module", "connector"}, {"sites", sites}});
  };
  EXPECT_EQ(requiring(all).edit(vlm(), {request()}).deltas.size(), patch.deltas.size());
  EXPECT_THAT(error_of([&] { requiring(patch.deltas[0].site).edit(vlm(), {request()}); }),
              HasSubstr("vision.safetensors' was trained for other layers than `"));

  testing::write_tiny_vlm(*folder_ / "other", 5);
  auto other = load_vlm(*folder_ / "other");
  EXPECT_THAT(error_of([&] { editor.edit(other, {request()}); }),
              HasSubstr("was trained for the base model"));
  // In a model folder, the checkpoint is found by its name.
  MendEditor unnamed(nlohmann::json{{"module", "connector"}});
  EXPECT_THAT(error_of([&] { unnamed.edit(vlm(), {request()}); }), HasSubstr("emend train"));
  std::filesystem::create_directories(*folder_ / "editors");
  std::filesystem::copy_file(file, *folder_ / "editors/mend-connector.safetensors");
  EXPECT_EQ(unnamed.edit(vlm(), {request()}).deltas.size(), patch.deltas.size());
  std::filesystem::remove_all(*folder_ / "editors");
}

TEST_F(MendTest, BatchEditIsTheSumOfItsEdits) {
  auto trainable = trained(small(), 3);
  auto editor = trainable->as_editor();
  auto one = editor->edit(vlm(), {request(1)}), two = editor->edit(vlm(), {request(2, " dog")});
  auto both = editor->edit(vlm(), {request(1), request(2, " dog")});
  ASSERT_EQ(both.deltas.size(), one.deltas.size());
  EXPECT_EQ(both.request.size(), 2u);
  for (size_t i = 0; i < both.deltas.size(); ++i)
    EXPECT_LT(
        relative_error(both.deltas[i].delta.materialized(),
                       one.deltas[i].delta.materialized() + two.deltas[i].delta.materialized()),
        1e-3);
}

TEST_F(MendTest, SequentialEditsStartFromEarlierOnes) {
  auto trainable = trained(small(), 3);
  auto editor = trainable->as_editor();
  PatchStack stack;
  stack.apply(vlm(), editor->edit(vlm(), {request(1)}));
  EditContext context;
  context.base = stack.interventions(vlm());
  auto second = editor->edit(vlm(), {request(2, " dog")}, context);
  EXPECT_NE(second.id, editor->edit(vlm(), {request(2, " dog")}).id);
  stack.apply(vlm(), second);
  EXPECT_TRUE(at::isfinite(logits(stack.interventions(vlm()), 2)).all().item<bool>());
}

TEST_F(MendTest, TextOnlyEditsWorkOnlyInTheLanguageModule) {
  EditRequest text{{}, "Where is it?", " home"};
  auto language = trained(small(), 2);
  EXPECT_FALSE(language->as_editor()->edit(vlm(), {text}).deltas.empty());
  auto vision = trained(small("connector"), 2);
  EXPECT_THAT(error_of([&] { vision->as_editor()->edit(vlm(), {text}); }),
              HasSubstr("no gradient at any layer"));
}

TEST_F(MendTest, RejectsInvalidSettings) {
  EXPECT_THAT(error_of([] {
                MendEditor(nlohmann::json{{"checkpint", "x"}});
              }),
              HasSubstr("checkpint"));
  EXPECT_THAT(error_of([] {
                MendEditor(nlohmann::json{{"module", "ears"}});
              }),
              HasSubstr("module"));
  MendEditor nowhere(nlohmann::json{{"checkpoint", *folder_ / "nowhere"}});
  EXPECT_THAT(error_of([&] { nowhere.edit(vlm(), {request()}); }), HasSubstr("nowhere"));
  MendEditor model_file(nlohmann::json{{"checkpoint", *folder_ / "model.safetensors"}});
  EXPECT_THAT(error_of([&] { model_file.edit(vlm(), {request()}); }),
              HasSubstr("is not a trained editor"));
  EXPECT_THAT(error_of([] { make_trainable_editor("ft", vlm(), {}, nullptr); }),
              HasSubstr("cannot be trained"));
  EXPECT_THAT(error_of([] {
                make_trainable_editor("mend", vlm(), {{"rnk", 3}}, nullptr);
              }),
              HasSubstr("rnk"));
}

}  // namespace
}  // namespace emend
