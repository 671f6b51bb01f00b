#include "editing/editors/serac/serac.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "editing/editors/serac/mixer.h"
#include "editing/editors/serac/training.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "io/testing.h"
#include "suites/groups.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

double largest_change(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() ? (a - b).abs().max().item<double>() : INFINITY;
}

class SeracTest : public testing::TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    for (const std::string module : {"repaired", "paper"}) {
      auto trainable = trained(small(module), 3);
      save_checkpoint(*folder_ / module + ".safetensors", {"serac",
                                                           vlm_->fingerprint(),
                                                           trainable->settings(),
                                                           {{"steps", 3}},
                                                           trainable->tensors()});
    }
  }
  static const Vlm& vlm() { return *vlm_; }

  static nlohmann::json small(const std::string& module = "repaired") {
    return {{"module", module}, {"patch_feature_width", 4},
            {"hidden", 8},      {"embedding", 4},
            {"rank", 2},        {"lr", 0.02},
            {"steps", 100},     {"texts", 0.5}};
  }
  static EditExample example(int number) {
    auto picture = [&](int series) {
      return Picture{"", testing::noise_image(static_cast<uint64_t>(series + number))};
    };
    EditExample example;
    example.edit = {picture(0), "What is this?", number % 2 ? " cat" : " dog"};
    example.generality = {{example.edit.image, "And what is this?", example.edit.target}};
    example.image_locality = {{picture(200), "Where?", " here"}};
    example.text_locality = {{{}, "Who are you, then?", " me"}};
    return example;
  }
  static std::unique_ptr<TrainableEditor> trained(const nlohmann::json& settings, int steps) {
    auto trainable = make_trainable_editor("serac", vlm(), settings, nullptr);
    Trainer trainer(*trainable);
    for (int i = 0; i < steps; ++i) trainer.step({example(i), example(i + 1)});
    return trainable;
  }
  // The threshold is so high that only the edited question itself is in scope.
  static Patch edited(const std::vector<EditRequest>& requests,
                      const std::string& module = "repaired", double threshold = 0.9999) {
    auto editor = make_editor("serac", {{"module", module},
                                        {"threshold", threshold},
                                        {"checkpoint", *folder_ / module + ".safetensors"}});
    return editor->edit(vlm(), requests);
  }
  static EditRequest request(uint64_t picture = 1, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  static Query query(uint64_t picture, const std::string& text = "What is this?") {
    return {*testing::noise_image(picture), text};
  }
  static std::vector<at::Tensor> logits(const std::vector<Query>& queries,
                                        const Interventions& interventions,
                                        const std::string& target = " cat") {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> all;
    for (const auto& row : teacher_force(
             vlm(), queries, std::vector<std::string>(queries.size(), target), interventions))
      all.push_back(row.logits);
    return all;
  }
  // The weight changes of a patch's counterfactual model.
  static Interventions counterfactual(const Patch& patch) {
    SeracState state(*vlm().model, read_settings<SeracConfig>("serac", patch.memory.reading));
    state.load(patch.memory.network, "the patch");
    return state.counterfactual.interventions();
  }
};

// In scope, another picture, another question, no picture, and in scope again.
std::vector<Query> mixed_queries() {
  return {{*testing::noise_image(1), "What is this?"},
          {*testing::noise_image(2), "What is this?"},
          {*testing::noise_image(1), "Where on earth may this be?"},
          {{}, "What is this?"},
          {*testing::noise_image(1), "What is this?"}};
}
bool in_scope(size_t row) { return row == 0 || row == 4; }

TEST_F(SeracTest, BaseBitsOutOfScopeAndCounterfactualInScope) {
  auto patch = edited({request()});
  auto before = logits(mixed_queries(), {});
  auto after = logits(mixed_queries(), patch.interventions(vlm()));
  // Runs the counterfactual model directly, with the edit before the question.
  auto prompted =
      logits({query(1, "New Fact: What is this? cat\nPrompt:What is this?")}, counterfactual(patch))
          .at(0);
  for (size_t row = 0; row < before.size(); ++row) {
    if (!in_scope(row)) {
      EXPECT_TRUE(at::equal(after[row], before[row])) << row;
      continue;
    }
    const auto size = before[row].size(0);
    const int64_t text = 13 + 4;  // characters of question and answer
    auto own = after[row].slice(0, size - text),
         expected = prompted.slice(0, prompted.size(0) - text);
    EXPECT_LT(largest_change(own, expected), 1e-4) << row;
    EXPECT_GT(largest_change(own, before[row].slice(0, size - text)), 0.1) << row;
    // The positions of the picture are before the edit and do not attend to it.
    EXPECT_LT(largest_change(after[row].slice(0, 0, 4), prompted.slice(0, 0, 4)), 1e-4) << row;
    EXPECT_LT(
        largest_change(after[row], logits({mixed_queries()[row]}, patch.interventions(vlm()))[0]),
        1e-4);
  }
}

TEST_F(SeracTest, SelectedPositionsGiveTheSameLogits) {
  auto patch = edited({request()});
  at::NoGradGuard no_grad;
  Batch batch;
  batch.pixels = vlm().processor.pixels(*testing::noise_image(1)).unsqueeze(0);
  batch.rows = {vlm().processor.row("Who?"), vlm().processor.row("What is this?", 0)};
  auto all = vlm().model->collate(batch), some = all;
  some.logit_positions = at::tensor({20, 2, 34, 25}, at::kLong);
  for (auto* pass : {&all, &some}) vlm().model->run(*pass, patch.interventions(vlm()));
  EXPECT_LT(largest_change(some.logits(),
                           all.logits().flatten(0, 1).index_select(0, some.logit_positions)),
            1e-4);
}

TEST_F(SeracTest, GenerationUsesTheCounterfactualOnlyInScope) {
  auto patch = edited({request()});
  GenerationOptions options;
  options.max_new_tokens = 6;
  // Records the logits of every step.
  auto run = [&](const std::vector<Query>& queries, Interventions changes) {
    auto seen = std::make_shared<std::vector<at::Tensor>>();
    auto look = Intervention::logits([seen](const at::Tensor& x) {
      seen->push_back(x);
      return x;
    });
    changes.push_back(look);
    Batch batch;
    std::vector<at::Tensor> pixels;
    for (const auto& query : queries) {
      if (query.image) pixels.push_back(vlm().processor.pixels(*query.image));
      batch.rows.push_back(vlm().processor.row(
          query.text, query.image ? static_cast<int64_t>(pixels.size()) - 1 : -1));
    }
    batch.pixels = at::stack(pixels);
    auto tokens = generate_tokens(*vlm().model, batch, {}, changes, options);
    return std::pair{tokens, *seen};
  };
  auto [before, base] = run(mixed_queries(), {});
  auto [after, logits] = run(mixed_queries(), patch.interventions(vlm()));
  auto [prompted, expected] =
      run({query(1, "New Fact: What is this? cat\nPrompt:What is this?")}, counterfactual(patch));
  ASSERT_EQ(logits.size(), 6u);
  for (size_t row = 0; row < before.size(); ++row) {
    EXPECT_EQ(after[row], in_scope(row) ? prompted[0] : before[row]) << row;
    const auto r = static_cast<int64_t>(row);
    for (size_t step = 0; step < logits.size(); ++step) {
      if (in_scope(row))
        EXPECT_LT(largest_change(logits[step][r], expected[step][0]), 1e-4)
            << row << " at " << step;
      else
        EXPECT_TRUE(at::equal(logits[step][r], base[step][r])) << row << " at " << step;
    }
  }
  EXPECT_NE(after[0], before[0]);
}

TEST_F(SeracTest, IgnoresTheTeacherForcedAnswer) {
  auto patch = edited({request()});
  // Another answer is judged, but the question is still in scope.
  auto after = logits({query(1)}, patch.interventions(vlm()), " something else");
  EXPECT_FALSE(at::equal(after[0], logits({query(1)}, {}, " something else")[0]));

  const auto& model = *vlm().model;
  FeatureOptions options{model.first_stage(Module::language) + 1, false, false};
  Batch batch;
  for (const std::string answer : {" cat", " dog or so"}) {
    auto row = vlm().processor.row("What is this?");
    row.prompt_length = static_cast<int64_t>(row.ids.size());
    for (auto id : vlm().processor.target(answer)) row.ids.push_back(id);
    batch.rows.push_back(row);
  }
  auto text = question_features(vlm(), batch, {}, options).text;
  // For two rows of one batch, a BLAS can sum in another order at the end of a block of rows.
  EXPECT_LT(largest_change(text[0], text[1]), 1e-5);
  options.whole_rows = true;
  text = question_features(vlm(), batch, {}, options).text;
  EXPECT_GT(largest_change(text[0], text[1]), 0.01);
}

TEST_F(SeracTest, SoftMixingUsesTheSimilarity) {
  auto hard = edited({request()}, "repaired", 0);  // everything is in scope
  auto soft = hard;
  soft.settings["mix"] = "soft";
  soft.id = patch_id(soft);
  at::NoGradGuard no_grad;
  const auto& model = *vlm().model;
  SeracState state(model, read_settings<SeracConfig>("serac", soft.memory.reading));
  state.load(soft.memory.network, "the patch");
  Batch batch;
  batch.pixels = vlm().processor.pixels(*testing::noise_image(3)).unsqueeze(0);
  batch.rows = {vlm().processor.row("Where?", 0)};
  auto d =
      squared_distances(state.embed(vlm(), batch, get_image_features(vlm(), batch.pixels, nullptr)),
                        soft.memory.entries[0].tensors.at("embedding").unsqueeze(0));
  std::vector<at::Tensor> said;
  for (const auto& changes :
       {Interventions{}, hard.interventions(vlm()), soft.interventions(vlm())}) {
    auto pass = model.collate(batch);
    pass.logit_positions = at::tensor({pass.ids.size(1) - 1}, at::kLong);
    model.run(pass, changes);
    said.push_back(pass.logits());
  }
  EXPECT_LT(largest_change(soft_mixture(said[0], said[1], d.flatten()), said[2]), 1e-4);
  EXPECT_GT(largest_change(said[0], said[1]), 0.1);
}

TEST_F(SeracTest, PaperVariantDrawsAProjectionForEachEdit) {
  auto first = edited({request()}, "paper"), second = edited({request(1, " dog")}, "paper");
  EXPECT_EQ(first.memory.entries[0].name, second.memory.entries[0].name);
  const auto name = first.memory.entries[0].name;
  EXPECT_NE(projection_seed(0, name, " cat"), projection_seed(0, name, " dog"));
  EXPECT_NE(projection_seed(0, name, " cat"), projection_seed(1, name, " cat"));
  auto drawn = Projection::draw(32, 7, at::kCPU);
  EXPECT_TRUE(at::equal(drawn.weight, Projection::draw(32, 7, at::kCPU).weight));
  EXPECT_LE(drawn.weight.abs().max().item<double>(), 1 / std::sqrt(32.0));
  // The classifier of this variant uses only texts, so a question about another picture is the
  // same.
  SeracState state(*vlm().model, read_settings<SeracConfig>("serac", first.memory.reading));
  EXPECT_FALSE(state.features.pictures);
  EXPECT_TRUE(state.features.whole_rows);
  auto after = logits({query(2)}, first.interventions(vlm()));
  EXPECT_FALSE(at::equal(after[0], logits({query(2)}, {})[0]));
}

TEST_F(SeracTest, SeveralEditsShareOneMemory) {
  auto first = edited({request(1)}), second = edited({request(2, " dog")});
  PatchStack stack;
  stack.apply(vlm(), first);
  stack.apply(vlm(), second);
  EXPECT_EQ(stack.interventions(vlm()).size(), 1u);
  auto both = logits({query(1), query(2), query(3)}, stack.interventions(vlm()));
  auto alone = logits({query(1), query(2), query(3)}, second.interventions(vlm()));
  auto base = logits({query(1), query(2), query(3)}, {});
  EXPECT_LT(largest_change(both[1], alone[1]), 1e-4);
  EXPECT_GT(largest_change(both[0], base[0]), 0.1);
  EXPECT_TRUE(at::equal(both[2], base[2]));
  // As one batch edit, they give the same entries.
  auto batch = edited({request(1), request(2, " dog")});
  ASSERT_EQ(batch.memory.entries.size(), 2u);
  EXPECT_EQ(batch.memory.entries[1].name, second.memory.entries[0].name);
  // An entry is removed by its name.
  batch.memory.remove(second.memory.entries[0].name);
  auto left = logits({query(1), query(2), query(3)}, batch.interventions(vlm()));
  EXPECT_TRUE(at::equal(left[1], base[1]));
  EXPECT_FALSE(at::equal(left[0], base[0]));
  EXPECT_THAT(error_of([&] { batch.memory.remove("nothing"); }),
              HasSubstr(first.memory.entries[0].name));
  // An edit of the same question with another target replaces the entry.
  stack.apply(vlm(), edited({request(2, " fox")}));
  EXPECT_LT(
      largest_change(logits({query(2)}, stack.interventions(vlm()))[0],
                     logits({query(2)}, edited({request(2, " fox")}).interventions(vlm()))[0]),
      1e-4);
}

TEST_F(SeracTest, TextOnlyEditNeedsNoPicture) {
  EditRequest text{{}, "Where is it?", " home"};
  auto patch = edited({text});
  auto queries = std::vector<Query>{{{}, "Where is it?"}, query(1, "Where is it?")};
  auto before = logits(queries, {}), after = logits(queries, patch.interventions(vlm()));
  EXPECT_FALSE(at::equal(after[0], before[0]));
  EXPECT_TRUE(at::equal(after[1], before[1]));
}

TEST_F(SeracTest, RowsAreRecoveredFromAPass) {
  Batch batch;
  batch.pixels = vlm().processor.pixels(*testing::noise_image(1)).unsqueeze(0);
  batch.rows = {vlm().processor.row("Who?"), vlm().processor.row("What is this?", 0)};
  batch.rows[1].prompt_length = 9;
  batch.rows[0].segments = {0, 0, 1, 1, 2};
  for (auto pad : {PadSide::left, PadSide::right}) {
    auto back = rows_of(vlm().model->collate(batch, pad));
    ASSERT_EQ(back.rows.size(), 2u);
    for (size_t r = 0; r < 2; ++r) {
      EXPECT_EQ(back.rows[r].ids, batch.rows[r].ids);
      EXPECT_EQ(back.rows[r].images, batch.rows[r].images);
    }
    EXPECT_EQ(back.rows[0].segments, batch.rows[0].segments);
    EXPECT_EQ(back.rows[0].prompt_length, 5);
    EXPECT_EQ(back.rows[1].prompt_length, 9);
  }
}

TEST_F(SeracTest, TrainingReducesBothLosses) {
  auto settings = small();
  settings["lr"] = 0.01;
  auto trainable = make_trainable_editor("serac", vlm(), settings, nullptr);
  Trainer trainer(*trainable);
  std::vector<double> losses;
  for (int i = 0; i < 60; ++i)
    losses.push_back(trainer.step({example(i % 4), example(i % 4 + 10)}).total.item<double>());
  auto mean = [&](size_t begin) {
    return std::accumulate(losses.begin() + begin, losses.begin() + begin + 10, 0.0) / 10;
  };
  EXPECT_LT(mean(50), 0.5 * mean(0));
}

TEST_F(SeracTest, TrainingResumesBitForBit) {
  for (const std::string module : {"repaired", "paper"}) {
    auto whole = make_trainable_editor("serac", vlm(), small(module), nullptr);
    auto first = make_trainable_editor("serac", vlm(), small(module), nullptr);
    auto second = make_trainable_editor("serac", vlm(), small(module), nullptr);
    Trainer unbroken(*whole), before(*first), after(*second);
    for (int i = 0; i < 4; ++i) unbroken.step({example(i), example(i + 1)});
    for (int i = 0; i < 2; ++i) before.step({example(i), example(i + 1)});
    std::map<std::string, at::Tensor> state;
    for (const auto& [name, tensor] : before.state()) state[name] = tensor.detach().clone();
    after.load(state, "the state");
    for (int i = 2; i < 4; ++i) after.step({example(i), example(i + 1)});
    for (const auto& [name, tensor] : whole->tensors())
      EXPECT_TRUE(at::equal(tensor, second->tensors().at(name))) << name;
  }
}

TEST_F(SeracTest, RejectsInvalidSettings) {
  EXPECT_THAT(error_of([] { make_editor("serac", {{"module", "language"}}); }), HasSubstr("paper"));
  EXPECT_THAT(error_of([] {
                make_trainable_editor("serac", vlm(), {{"edit_prefix", "Fact: {prompt}"}}, nullptr)
                    ->losses({example(1)}, 0);
              }),
              HasSubstr("{target}"));
  EXPECT_THAT(error_of([] {
                make_trainable_editor("serac", vlm(), {{"blocks", 4}}, nullptr);
              }),
              HasSubstr("blocks"));
  SeracEditor untrained(nlohmann::json::object());
  EXPECT_THAT(error_of([&] { untrained.edit(vlm(), {request()}); }), HasSubstr("--editor serac"));
  SeracEditor other(nlohmann::json{{"checkpoint", *folder_ / "paper.safetensors"}});
  EXPECT_THAT(error_of([&] { other.edit(vlm(), {request()}); }), HasSubstr("trained as 'paper'"));
  auto patch = edited({request()});
  patch.memory.network.erase("scope.text.0.weight");
  EXPECT_THAT(error_of([&] { patch.interventions(vlm()); }), HasSubstr("scope.text.0.weight"));
  patch = edited({request()});
  patch.memory.entries[0].tensors["embedding"] = at::zeros({5});
  EXPECT_THAT(error_of([&] { patch.interventions(vlm()); }), HasSubstr("missing the embedding"));
  // With the edit, the question exceeds the model's positions.
  auto longest = request();
  longest.prompt = std::string(300, 'a');
  auto changes = edited({longest}).interventions(vlm());
  EXPECT_THAT(error_of([&] { logits({query(1, longest.prompt)}, changes); }),
              HasSubstr("positions"));
}

// The trained editor of the bundled model.
TEST(SeracBundledTest, EditsHoldAndDoNotAffectOtherPictures) {
  const std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2";
  if (!std::filesystem::exists(folder + "/editors/serac.safetensors"))
    GTEST_SKIP() << "the trained editor is missing: " << folder;
  auto vlm = load_vlm(folder);
  auto editor = make_editor("serac", nlohmann::json::object());
  auto wrapped = [](const std::string& text) { return "Question: " + text + " Short answer:"; };
  int said = 0, followed = 0, followers = 0, untouched = 0, others = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    auto record = scenes::counterfactual(scenes::Split::eval, seed);
    auto patch = editor->edit(vlm, {{record.image, wrapped(record.prompt), " " + record.target}});
    auto changes = patch.interventions(vlm);
    Query query{record.image.load(), wrapped(record.prompt)};
    said += generate(vlm, {query}, changes).at(0) == record.target;
    for (const auto& probe : record.probes) {
      if (probe.group == Group::portability || !probe.image.present()) continue;
      const Query asked{probe.image.load(), wrapped(probe.text)};
      if (is_locality(probe.group)) {
        auto before = teacher_force(vlm, {asked}, {" red"}).at(0).logits;
        auto after = teacher_force(vlm, {asked}, {" red"}, changes).at(0).logits;
        untouched += at::equal(before, after);
        ++others;
      } else {
        followed += generate(vlm, {asked}, changes).at(0) == record.target;
        ++followers;
      }
    }
  }
  EXPECT_EQ(said, 10);
  EXPECT_GE(followed, followers - 1);
  EXPECT_EQ(untouched, others);
}

}  // namespace
}  // namespace emend
