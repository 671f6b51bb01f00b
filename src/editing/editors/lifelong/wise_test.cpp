#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editors/lifelong/ties.h"
#include "editing/editors/lifelong/wise_memory.h"
#include "editing/patches/merge.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "models/prompting/request_batch.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

at::Tensor bools(std::vector<int64_t> values, at::IntArrayRef shape) {
  return at::tensor(values, at::kLong).view(shape).to(at::kBool);
}

TEST(WiseMask, IsDrawnForEachShard) {
  const auto mask = wise_mask(10000, 0.2, 1, 0);
  EXPECT_NEAR(static_cast<double>(mask.size(0)), 2000, 150);
  EXPECT_TRUE((mask.slice(0, 1) > mask.slice(0, 0, -1)).all().item<bool>());
  EXPECT_TRUE(at::equal(mask, wise_mask(10000, 0.2, 1, 0)));
  EXPECT_FALSE(at::equal(mask, wise_mask(10000, 0.2, 1, 1)));
  EXPECT_FALSE(at::equal(mask, wise_mask(10000, 0.2, 2, 0)));
  EXPECT_TRUE(at::equal(wise_mask(50, 1, 1, 0), at::arange(50)));
}

TEST(WiseRouting, ActivationIsAStatisticOfNormsAtPositions) {
  // Norms: 5, 13, 0 and 1, 2, 10.
  const auto change =
      at::tensor({3.f, 4.f, 5.f, 12.f, 0.f, 0.f, 1.f, 0.f, 0.f, 2.f, 6.f, 8.f}).view({2, 3, 2});
  const auto positions = bools({1, 1, 0, 0, 1, 1}, {2, 3});
  EXPECT_TRUE(at::allclose(routing_activation(change, positions, "mean"), at::tensor({9.f, 6.f})));
  EXPECT_TRUE(at::allclose(routing_activation(change, positions, "max"), at::tensor({13.f, 10.f})));
  EXPECT_TRUE(
      at::allclose(routing_activation(change, positions, "last"), at::tensor({13.f, 10.f})));
  const auto none = bools({0, 0, 0, 0, 0, 0}, {2, 3});
  for (const char* statistic : {"mean", "max", "last"})
    EXPECT_TRUE(at::equal(routing_activation(change, none, statistic), at::zeros({2})));
}

class WiseTest : public testing::TinyVlmTest {
 protected:
  static nlohmann::json settings(const nlohmann::json& more = {}) {
    nlohmann::json all = {{"steps", 8},         {"lr", 0.2},      {"prefixes", 1},
                          {"prefix_length", 3}, {"unrelated", 1}, {"altered_pictures", 1}};
    if (!more.is_null()) all.update(more);
    return all;
  }
  static EditRequest request(uint64_t picture = 1, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  // Edits one after another. The patches are in the order of the requests.
  static std::vector<Patch> sequence(const std::vector<EditRequest>& requests,
                                     const nlohmann::json& settings) {
    const auto editor = make_editor("wise", settings);
    std::vector<Patch> patches;
    PatchStack stack;
    for (const auto& request : requests) {
      EditContext context;
      context.base = stack.interventions(*vlm_);
      patches.push_back(editor->edit(*vlm_, {request}, context));
      stack.apply(*vlm_, patches.back());
    }
    return patches;
  }
  static std::vector<Query> queries() {
    return {{*testing::noise_image(1), "What is this?"},
            {*testing::noise_image(2), "What is this?"},
            {{}, "Where is it?"}};
  }
  // Teacher-forced logits of each question, in one batch.
  static std::vector<at::Tensor> logits(const Interventions& interventions) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> all;
    for (const auto& row :
         teacher_force(*vlm_, queries(), {" cat", " dog", " home"}, interventions))
      all.push_back(row.logits);
    return all;
  }
  static const WiseMemory& memory_of(const Interventions& interventions) {
    for (const auto& change : interventions)
      if (const auto* output = change.layer_mix.target<WiseOutput>()) return *output->memory;
    throw std::runtime_error("there is no memory of WISE");
  }
  static const Site& site() {
    return vlm_->model->site("language_model.model.decoder.layers.2.fc2");
  }
};

TEST_F(WiseTest, PromptPositionsAreTheTextOfThePrompt) {
  auto row = vlm_->processor.row("What is this?", 0);
  row.prompt_length = static_cast<int64_t>(row.ids.size());
  const auto images = std::count(row.ids.begin(), row.ids.end(), kImageToken);
  row.ids.insert(row.ids.end(), {5, 6});  // the answer
  Batch batch{vlm_->processor.pixels(*testing::noise_image(1)).unsqueeze(0), {row}};
  for (const auto pad : {PadSide::left, PadSide::right}) {
    auto two = batch;
    two.rows.push_back(vlm_->processor.row("Where?"));
    const auto positions = prompt_positions(vlm_->model->collate(two, pad));
    EXPECT_EQ(positions[0].sum().item<int64_t>(), row.prompt_length - images);
    EXPECT_EQ(positions[1].sum().item<int64_t>(), static_cast<int64_t>(two.rows[1].ids.size()));
  }
}

TEST_F(WiseTest, QuestionsBelowTheThresholdKeepTheirBits) {
  const auto plain = logits({});
  const auto patch = make_editor("wise", settings({{"act_ratio", 1}, {"activation", "last"}}))
                         ->edit(*vlm_, {request()});
  const auto changes = patch.interventions(*vlm_);
  const auto& memory = memory_of(changes);
  const auto edited = logits(changes);
  // The routes by hand: the activations of the questions against that of the edit.
  const auto& side = memory.memories().front();
  at::NoGradGuard no_grad;
  auto pass = vlm_->model->collate(request_batch(*vlm_, queries(), {}));
  at::Tensor input;
  vlm_->model->run(pass, {Intervention::input(site().name, [&](const at::Tensor& x) {
                     input = x;
                     return x;
                   })});
  int64_t kept = 0;
  for (int64_t r = 0; r < 3; ++r) {
    const auto last = pass.prompt_lengths[r].item<int64_t>() - 1;
    const auto activation = at::matmul(side.change, input[r][last]).norm().item<double>();
    const bool routed = activation >= side.threshold * (1 - 1e-5);
    EXPECT_EQ(at::equal(edited[static_cast<size_t>(r)], plain[static_cast<size_t>(r)]), !routed)
        << r;
    kept += !routed;
  }
  EXPECT_FALSE(at::equal(edited[0], plain[0])) << "the edit itself";
  EXPECT_GT(kept, 0);
}

TEST_F(WiseTest, GenerationIsRoutedAsTeacherForcing) {
  const auto changes = make_editor("wise", settings({{"steps", 40}}))
                           ->edit(*vlm_, {request(1, " cat dog home")})
                           .interventions(*vlm_);
  const auto batch = request_batch(*vlm_, {queries()[0]}, {});
  const auto tokens =
      generate_tokens(*vlm_->model, batch, {}, changes, {.max_new_tokens = 6}).at(0);
  EXPECT_NE(tokens, generate_tokens(*vlm_->model, batch, {}, {}, {.max_new_tokens = 6}).at(0));
  auto forced = batch;
  auto& row = forced.rows[0];
  row.prompt_length = static_cast<int64_t>(row.ids.size());
  row.ids.insert(row.ids.end(), tokens.begin(), tokens.end());
  at::NoGradGuard no_grad;
  auto pass = vlm_->model->collate(forced);
  vlm_->model->run(pass, changes);
  for (size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(
        pass.logits()[0][row.prompt_length - 1 + static_cast<int64_t>(i)].argmax().item<int64_t>(),
        tokens[i])
        << i;
}

TEST_F(WiseTest, ChangesOnlyTheMaskWithinTheNormConstraint) {
  const auto patch =
      make_editor("wise", settings({{"norm_constraint", 0.5}, {"lr", 0.3}, {"mask_ratio", 0.3}}))
          ->edit(*vlm_, {request()});
  const auto changes = patch.interventions(*vlm_);
  const auto& change = memory_of(changes).memories().front().change;
  const auto mask = wise_mask(change.numel(), 0.3, 0, 0);
  const auto outside = at::ones({change.numel()}).index_fill(0, mask, 0);
  EXPECT_EQ((change.flatten() * outside).abs().max().item<double>(), 0);
  const auto rms = vlm_->model->weight(site()).square().mean().sqrt().item<double>();
  EXPECT_NEAR(change.abs().max().item<double>(), 0.5 * rms, 1e-6);
}

TEST_F(WiseTest, ReportsActivationsThresholdAndMemory) {
  const auto effect =
      make_editor("wise", settings({{"act_ratio", 0.5}}))->edit(*vlm_, {request()}).effect;
  ASSERT_EQ(effect["edits"].size(), 1u);
  EXPECT_EQ(effect["edits"][0]["memory"], "side");
  EXPECT_GT(effect["edits"][0]["activation_in"], 0);
  EXPECT_GT(effect["edits"][0]["activation_out"], 0);
  EXPECT_NEAR(effect["thresholds"][0].get<double>(),
              0.5 * effect["edits"][0]["activation_in"].get<double>(), 1e-4);
  EXPECT_LT(effect["loss_after"], effect["loss_before"]);
}

TEST_F(WiseTest, RemovingAnEditLeavesTheOthersAsIfItHadNeverBeen) {
  const auto patches = sequence({request(), request(2, " dog"), request(3, " home")}, settings());
  PatchStack all, two;
  for (const auto& patch : patches) all.apply(*vlm_, patch);
  two.apply(*vlm_, patches[0]);
  two.apply(*vlm_, patches[2]);
  const auto three = logits(all.interventions(*vlm_));
  all.remove(patches[1].id);
  const auto removed = logits(all.interventions(*vlm_)), never = logits(two.interventions(*vlm_));
  for (size_t i = 0; i < removed.size(); ++i) EXPECT_TRUE(at::equal(removed[i], never[i])) << i;
  EXPECT_FALSE(at::equal(removed[0], three[0]));
  // One patch with all entries, without one.
  auto merged_two = without_entry(merged(patches), patches[1].memory.entries[0].name);
  const auto again = logits(merged_two.interventions(*vlm_));
  for (size_t i = 0; i < removed.size(); ++i) EXPECT_TRUE(at::equal(again[i], never[i])) << i;
}

TEST_F(WiseTest, ShardsAreMergedByTies) {
  const auto given = settings({{"save_freq", 2}, {"density", 0.1}});
  const auto patches =
      sequence({request(), request(2, " dog"), request(3, " home"), request(4, " cat")}, given);
  const auto read = read_settings<WiseSettings>("wise", given);
  std::vector<at::Tensor> shards;
  for (int64_t shard : {0, 1}) {
    auto change = at::zeros({site().out * site().in});
    const auto mask = wise_mask(change.size(0), 0.2, 0, shard);
    for (size_t i = 0; i < 2; ++i) {
      const auto& entry = patches[static_cast<size_t>(shard) * 2 + i].memory.entries.at(0);
      EXPECT_EQ(wise_shard(entry), shard);
      change.index_add_(0, mask, entry.tensors.at("values"));
    }
    shards.push_back(change.view({site().out, site().in}));
  }
  const auto all = merged(patches).interventions(*vlm_);
  ASSERT_EQ(memory_of(all).memories().size(), 1u);
  EXPECT_TRUE(at::allclose(memory_of(all).memories()[0].change, ties_merge(shards, 0.1)));
  EXPECT_EQ(memory_of(all).memories()[0].edits, 4);
}

TEST_F(WiseTest, RetrieveKeepsAMemoryForEachShard) {
  const auto patches =
      sequence({request(), request(2, " dog")}, settings({{"save_freq", 1}, {"retrieve", true}}));
  const auto all = merged(patches).interventions(*vlm_);
  ASSERT_EQ(memory_of(all).memories().size(), 2u);
  EXPECT_EQ(memory_of(all).memories()[1].edits, 1);
  EXPECT_THAT(patches[1].effect["edits"][0]["memory"].get<std::string>(), HasSubstr("side."));
}

TEST_F(WiseTest, ALaterEditOfTheSameQuestionReplacesTheEarlierOne) {
  const auto editor = make_editor("wise", settings());
  const auto patches = sequence({request(), request(1, " dog")}, settings());
  EXPECT_EQ(patches[1].id, editor->edit(*vlm_, {request(1, " dog")}).id);
  EXPECT_EQ(merged(patches).memory.entries.size(), 1u);
}

TEST_F(WiseTest, LayersAreChecked) {
  const auto error = [&](const nlohmann::json& more) {
    return error_of([&] { make_editor("wise", settings(more))->edit(*vlm_, {request()}); });
  };
  EXPECT_THAT(error({{"layer", 99}}), HasSubstr("layer 99 does not exist"));
  EXPECT_THAT(error({{"sites", "*.fc2"}}), HasSubstr("of which WISE needs one"));
  EXPECT_THAT(error({{"sites", "language_projection"}}), HasSubstr("in the language module"));
}

TEST_F(WiseTest, MalformedEntriesAreErrors) {
  const auto patch = make_editor("wise", settings())->edit(*vlm_, {request()});
  const auto error = [&](const std::function<void(MemoryEntry&)>& damage) {
    auto damaged = patch;
    damage(damaged.memory.entries.at(0));
    return error_of([&] { damaged.interventions(*vlm_); });
  };
  EXPECT_THAT(error([](MemoryEntry& entry) { entry.tensors.erase("values"); }),
              HasSubstr("has no 'values' of 1 dimensions"));
  EXPECT_THAT(error([](MemoryEntry& entry) { entry.tensors["values"] = at::zeros({3}); }),
              HasSubstr("has 3 values, expected"));
  EXPECT_THAT(error([](MemoryEntry& entry) {
                entry.tensors["keys"] = at::zeros({1, 3});
              }),
              HasSubstr("keys of another size"));
  EXPECT_THAT(error([](MemoryEntry& entry) { entry.facts["shard"] = -1; }),
              HasSubstr("invalid shard"));
  EXPECT_THAT(error([](MemoryEntry& entry) { entry.facts["site"] = "nowhere"; }),
              HasSubstr("nowhere"));
}

}  // namespace
}  // namespace emend
