#include "evaluation/training/train_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "editing/editors/ledger/training.h"
#include "io/error.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Small records of noise. An interrupt can be requested at a record.
class NoiseSuite : public Suite {
 public:
  size_t size() const override { return 20; }
  Record record(size_t index) const override {
    if (interrupt_at_ > 0 && --interrupt_at_ == 0) std::raise(SIGINT);
    auto picture = [](size_t seed) { return Picture{"", testing::noise_image(seed, 16)}; };
    Record record;
    record.id = std::to_string(index);
    record.image = picture(index);
    record.prompt = "What?";
    record.target = index % 2 ? "a" : "b";
    record.probes = {
        {Group::reliability, record.image, "What?", record.target},
        {Group::text_generality, record.image, "And what?", record.target},
        {Group::text_locality, {}, "Who?", "me"},
        {Group::image_locality, picture(100 + index), "Where?", "here"},
        {Group::portability, record.image, "So?", "yes"},
    };
    return record;
  }
  nlohmann::json metadata() const override { return {{"name", "noise"}}; }

  mutable int interrupt_at_ = 0;
};

class TrainEditorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(*folder_ / "model");
    vlm_ = std::make_unique<Vlm>(load_vlm(*folder_ / "model"));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  TrainJob job(const std::string& output, bool resume = false) const {
    TrainJob job;
    job.suite = &suite_;
    job.protocol.generate_answers = false;
    job.output = *folder_ / output;
    job.resume = resume;
    return job;
  }
  static nlohmann::json settings() {
    return {{"rank", 2},
            {"steps", 8},
            {"batch", 2},
            {"validate", 3},
            {"validation", 2},
            {"rate", -1e-2},
            {"lr", 1e-3},
            {"accumulate", 2},
            {"decay", 0.5},
            {"depth", 1},
            {"include_edit_prompt", true}};
  }
  static nlohmann::json ke_settings() {
    return {{"lstm_width", 4}, {"condition_width", 4}, {"hidden_width", 3}, {"steps", 8},
            {"batch", 2},      {"validate", 3},        {"validation", 2},   {"lr", 1e-3},
            {"accumulate", 2}, {"depth", 1},           {"margin_held", 0}};
  }
  static nlohmann::json serac_settings() {
    return {{"patch_feature_width", 2},
            {"hidden", 4},
            {"embedding", 2},
            {"rank", 2},
            {"steps", 8},
            {"batch", 2},
            {"validate", 3},
            {"validation", 2},
            {"lr", 1e-3},
            {"decay", 0.5},
            {"texts", 0.5},
            {"accumulate", 2},
            {"answers", 1}};
  }
  static nlohmann::json liveedit_settings() {
    return {{"module_dim", 8}, {"heads", 2},    {"rank", 2},       {"lr", 0.01},
            {"steps", 8},      {"batch", 2},    {"validate", 3},   {"validation", 2}};
  }
  static nlohmann::json ledger_settings() {
    return {
        {"heads", 2}, {"head_width", 4}, {"hidden", 8},     {"embedding", 4},   {"rank", 2},
        {"steps", 8}, {"batch", 4},      {"validate", 3},   {"validation", 2},  {"calibration", 2},
        {"pool", 12}, {"neighbors", 1},  {"candidates", 6}, {"edit_weight", 0}, {"lr", 1e-3}};
  }
  static nlohmann::json ledger_settings_without_pool() {
    auto settings = ledger_settings();
    settings.update({{"pool", 0}, {"batch", 2}, {"calibration", 0}, {"edit_weight", 1}});
    return settings;
  }
  nlohmann::json train(const nlohmann::json& settings, const TrainJob& job,
                       const std::string& editor = "mend") const {
    auto trainable = make_trainable_editor(editor, *vlm_, settings, nullptr);
    return train_editor(*vlm_, *trainable, job);
  }

  NoiseSuite suite_;
  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> TrainEditorTest::folder_;
std::unique_ptr<Vlm> TrainEditorTest::vlm_;

TEST_F(TrainEditorTest, ExamplesContainTheProbesOfTheRecord) {
  auto example = example_of(suite_.record(3), Protocol(), /*own=*/true);
  EXPECT_EQ(example.edit.prompt, "Question: What? Short answer:");
  EXPECT_EQ(example.edit.target, " a");
  ASSERT_EQ(example.generality.size(), 2u);
  EXPECT_EQ(example.generality[0].prompt, example.edit.prompt);
  EXPECT_EQ(example.generality[1].prompt, "Question: And what? Short answer:");
  ASSERT_EQ(example.image_locality.size(), 1u);
  ASSERT_EQ(example.text_locality.size(), 1u);
  EXPECT_EQ(example.text_locality[0].prompt, "Who?");
  EXPECT_EQ(example_of(suite_.record(3), Protocol(), false).generality.size(), 1u);
}

TEST_F(TrainEditorTest, KeepsTheBestCheckpointAndTheHistory) {
  auto facts = train(settings(), job("best.safetensors"));
  EXPECT_EQ(facts["steps"], 8);
  EXPECT_EQ(facts["history"].size(), 3u);  // after 3, 6 and 8 steps
  double best = 0;
  for (const auto& entry : facts["history"]) {
    best = std::max(best, entry["mean_score"].get<double>());
    EXPECT_TRUE(entry["scores"].contains("reliability"));
  }
  EXPECT_EQ(facts["best"]["mean_score"], best);
  auto file = load_checkpoint(*folder_ / "best.safetensors", "mend", vlm_->fingerprint());
  EXPECT_EQ(file.settings["rank"], 2);
  EXPECT_EQ(file.training["suite"]["name"], "noise");
  auto editor = make_editor("mend", {{"checkpoint", *folder_ / "best.safetensors"}});
  auto edit = example_of(suite_.record(0), Protocol(), false).edit;
  EXPECT_EQ(editor->edit(*vlm_, {edit}).deltas.size(), 2u);
}

TEST_F(TrainEditorTest, ResumesToTheSameResult) {
  for (const std::string editor : {"mend", "mend-iterated", "ke", "serac", "liveedit", "ledger"}) {
    const auto settings = editor == "ke"         ? ke_settings()
                          : editor == "serac"    ? serac_settings()
                          : editor == "liveedit" ? liveedit_settings()
                          : editor == "ledger"   ? ledger_settings_without_pool()
                                                 : this->settings();
    auto whole = train(settings, job("whole.safetensors"), editor);
    // Two records for validation, then two per step: the interrupt is in the middle of step 5.
    suite_.interrupt_at_ = 2 + 2 * 4 + 1;
    auto stopped = train(settings, job("parts.safetensors"), editor);
    EXPECT_TRUE(stopped["interrupted"].get<bool>());
    EXPECT_EQ(stopped["steps"], 5);
    suite_.interrupt_at_ = 0;
    auto resumed = train(settings, job("parts.safetensors", /*resume=*/true), editor);
    EXPECT_FALSE(resumed["interrupted"].get<bool>());
    EXPECT_EQ(resumed["history"], whole["history"]);
    for (const std::string name : {"safetensors", "safetensors.state"}) {
      auto one = load_checkpoint(*folder_ / ("whole." + name), editor, vlm_->fingerprint());
      auto two = load_checkpoint(*folder_ / ("parts." + name), editor, vlm_->fingerprint());
      ASSERT_EQ(one.tensors.size(), two.tensors.size());
      for (const auto& [key, tensor] : one.tensors)
        EXPECT_TRUE(at::equal(tensor, two.tensors.at(key))) << editor << " " << name << " " << key;
    }
  }
}

// Two threads stand for processes of two machines: only the folder of rank 0 has the state.
TEST_F(TrainEditorTest, ProcessesResumeFromTheStateOfRank0) {
  const auto whole = train(settings(), job("shared-whole.safetensors"));
  suite_.interrupt_at_ = 2 + 2 * 4 + 1;
  const auto stopped = train(settings(), job("shared.safetensors"));
  EXPECT_EQ(stopped["steps"], 5);
  suite_.interrupt_at_ = 0;

  ProcessGroup group({"--processes", 0, 2, 2, "127.0.0.1", 0});
  nlohmann::json facts1;
  std::thread rank1([&] {
    ProcessGroup group1({"--processes", 1, 2, 2, "127.0.0.1", group.place().port});
    auto resumed = job("rank1.safetensors", /*resume=*/true);
    resumed.group = &group1;
    facts1 = train(settings(), resumed);
  });
  auto resumed = job("shared.safetensors", /*resume=*/true);
  resumed.group = &group;
  const auto facts0 = train(settings(), resumed);
  rank1.join();
  const auto& losses = whole["history"];
  for (const auto& of_rank : {facts0, facts1}) {
    EXPECT_EQ(of_rank["steps"], 8);
    ASSERT_EQ(of_rank["history"].size(), losses.size());
    for (size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(of_rank["history"][i]["generality"].get<double>(),
                  losses[i]["generality"].get<double>(), 1e-4);
  }
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "rank1.safetensors"));
}

// Draws its steps from a pool, and interrupts the training in the fifth one.
class InterruptedLedger : public TrainableLedger {
 public:
  using TrainableLedger::TrainableLedger;
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override {
    if (step == 4) std::raise(SIGINT);
    return TrainableLedger::losses(examples, step);
  }
};

TEST_F(TrainEditorTest, TrainingFromAPoolResumesToTheSameResult) {
  auto settings = ledger_settings();
  settings["text_tokens"] = 3;
  const auto whole = train(settings, job("pooled.safetensors"), "ledger");
  EXPECT_EQ(whole["steps"], 8);
  InterruptedLedger interrupted(*vlm_, settings, nullptr);
  const auto stopped = train_editor(*vlm_, interrupted, job("pooled-parts.safetensors"));
  EXPECT_TRUE(stopped["interrupted"].get<bool>());
  EXPECT_EQ(stopped["steps"], 5);
  const auto resumed = train(settings, job("pooled-parts.safetensors", /*resume=*/true), "ledger");
  EXPECT_EQ(resumed["history"], whole["history"]);
  const auto base = vlm_->fingerprint();
  const auto one = load_checkpoint(*folder_ / "pooled.safetensors.state", "ledger", base);
  const auto two = load_checkpoint(*folder_ / "pooled-parts.safetensors.state", "ledger", base);
  ASSERT_EQ(one.tensors.size(), two.tensors.size());
  for (const auto& [key, tensor] : one.tensors)
    EXPECT_TRUE(at::equal(tensor, two.tensors.at(key))) << key;

  auto both = settings;
  both["edit_weight"] = 1;
  EXPECT_THROW(make_trainable_editor("ledger", *vlm_, both, nullptr), Error);
}

TEST_F(TrainEditorTest, LedgerWithAnotherKeyNetworkStartsWithTheReadingOfACheckpoint) {
  auto settings = ledger_settings();
  settings.update({{"pool", 0}, {"edit_weight", 1}, {"batch", 2}});
  train(settings, job("reading.safetensors"), "ledger");
  const auto base = vlm_->fingerprint();
  const auto earlier = load_checkpoint(*folder_ / "reading.safetensors.state", "ledger", base);
  for (const int64_t tokens : {0, 3}) {
    auto other = ledger_settings();
    other.update({{"text_tokens", tokens}, {"lr", 0.0}});
    auto next = job("keys-" + std::to_string(tokens) + ".safetensors");
    next.from = *folder_ / "reading.safetensors.state";
    train(other, next, "ledger");
    const auto later = load_checkpoint(next.output, "ledger", base);
    size_t readings = 0;
    for (const auto& [name, tensor] : later.tensors) {
      const bool reading = name.starts_with("counterfactual.");
      readings += reading;
      if (reading || (name.starts_with("key.") && tokens == 0)) {
        EXPECT_TRUE(at::equal(tensor, earlier.tensors.at(name))) << name;
      }
    }
    EXPECT_GT(readings, 0u);
    EXPECT_EQ(later.tensors.count("key.token_score.weight"), tokens > 0 ? 1u : 0u);
    EXPECT_EQ(at::equal(later.tensors.at("key.value.weight"),
                        earlier.tensors.at("key.value.weight")),
              tokens == 0);
  }
}

// The key networks for consequences may exist in only one of the checkpoint and the training.
TEST_F(TrainEditorTest, LedgerKeepsItsKeysWithAndWithoutConsequences) {
  const auto base = vlm_->fingerprint();
  for (const bool consequences : {false, true}) {
    auto settings = ledger_settings();
    settings["consequences"] = consequences;
    const std::string name = consequences ? "with" : "without";
    train(settings, job(name + ".safetensors"), "ledger");
    const auto earlier = load_checkpoint(*folder_ / (name + ".safetensors.state"), "ledger", base);
    settings.update({{"consequences", !consequences}, {"lr", 0.0}});
    auto next = job(name + "-changed.safetensors");
    next.from = *folder_ / (name + ".safetensors.state");
    train(settings, next, "ledger");
    const auto later = load_checkpoint(next.output, "ledger", base);
    EXPECT_TRUE(at::equal(later.tensors.at("key.text.0.weight"),
                          earlier.tensors.at("key.text.0.weight")));
    EXPECT_EQ(later.tensors.count("key.consequence.text.0.weight"), consequences ? 0u : 1u);
  }
}

TEST_F(TrainEditorTest, FromStartsWithTheNetworksOfACheckpoint) {
  train(settings(), job("first.safetensors"));
  auto earlier = load_checkpoint(*folder_ / "first.safetensors", "mend", vlm_->fingerprint());
  auto other = settings();
  other["lr"] = 0.0;
  other["rates_lr"] = 0.0;
  other["edit_weight"] = 3.0;
  auto next = job("second.safetensors");
  next.from = *folder_ / "first.safetensors";
  auto facts = train(other, next);
  EXPECT_EQ(facts["from"]["settings"]["edit_weight"], earlier.settings["edit_weight"]);
  auto later = load_checkpoint(*folder_ / "second.safetensors", "mend", vlm_->fingerprint());
  const std::string name = "rates";
  EXPECT_TRUE(at::equal(later.tensors.at(name), earlier.tensors.at(name)));
  other["rank"] = 1;  // a lower rank has other shapes
  EXPECT_THAT(error_of([&] { train(other, next); }), HasSubstr("shape"));
  other["rank"] = 3;
  train(other, next);
  later = load_checkpoint(*folder_ / "second.safetensors", "mend", vlm_->fingerprint());
  EXPECT_TRUE(at::equal(later.tensors.at(name), earlier.tensors.at(name)));
}

TEST_F(TrainEditorTest, MendStartsFromMendIterated) {
  auto twice = settings();
  twice["rounds"] = 2;
  train(twice, job("twice.safetensors"), "mend-iterated");
  auto frozen = settings();
  frozen["lr"] = 0.0;
  frozen["rates_lr"] = 0.0;
  auto next = job("once.safetensors");
  next.from = *folder_ / "twice.safetensors";
  train(frozen, next, "mend");
  const auto base = vlm_->fingerprint();
  const auto two = load_checkpoint(*folder_ / "twice.safetensors", "mend-iterated", base);
  const auto one = load_checkpoint(*folder_ / "once.safetensors", "mend", base);
  const auto& rates = two.tensors.at("rates");
  EXPECT_TRUE(at::equal(one.tensors.at("rates"), rates.narrow(0, 0, rates.size(0) / 2)));
  EXPECT_FALSE(one.settings.contains("rounds"));
  // A checkpoint of another editor is refused.
  EXPECT_THAT(error_of([&] { train(ke_settings(), next, "ke"); }),
              HasSubstr("is a trained 'mend-iterated', not 'ke'"));
}

TEST_F(TrainEditorTest, StopsWhenValidationDoesNotImprove) {
  auto tired = settings();
  tired["lr"] = 0;
  tired["rates_lr"] = 0;
  tired["patience"] = 1;
  tired["validate"] = 1;
  tired["steps"] = 1000;
  EXPECT_LE(train(tired, job("tired.safetensors"))["steps"], 20);
}

TEST_F(TrainEditorTest, ResumingAFinishedTrainingConvertsTheOutput) {
  const auto facts = train(settings(), job("kept.safetensors"));
  const auto path = *folder_ / "kept.safetensors";
  const auto whole = load_checkpoint(path, "mend", vlm_->fingerprint());
  EXPECT_EQ(whole.dtype, at::kFloat);
  auto again = job("kept.safetensors", /*resume=*/true);
  again.dtype = at::kBFloat16;
  EXPECT_EQ(train(settings(), again)["history"], facts["history"]);
  const auto half = load_checkpoint(path, "mend", vlm_->fingerprint());
  EXPECT_EQ(half.dtype, at::kBFloat16);
  EXPECT_EQ(half.training, whole.training);
  for (const auto& [name, tensor] : whole.tensors)
    EXPECT_TRUE(at::equal(half.tensors.at(name), tensor.to(at::kBFloat16).to(at::kFloat))) << name;
  // Rounded tensors cannot be restored.
  again.dtype = at::kFloat;
  train(settings(), again);
  EXPECT_EQ(describe_checkpoint(path).dtype, at::kBFloat16);
}

TEST_F(TrainEditorTest, RestartRemovesTheEarlierTraining) {
  train(settings(), job("old.safetensors"));
  auto next = job("old.safetensors");
  next.restart = true;
  suite_.interrupt_at_ = 2 + 1;  // before the first validation
  EXPECT_TRUE(train(settings(), next)["interrupted"].get<bool>());
  suite_.interrupt_at_ = 0;
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "old.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "old.safetensors.state"));
}

TEST_F(TrainEditorTest, RefusesToResumeWithOtherSettings) {
  train(settings(), job("done.safetensors"));
  auto other = settings();
  other["lr"] = 1e-4;
  EXPECT_THAT(error_of([&] { train(other, job("done.safetensors", true)); }),
              AllOf(HasSubstr("other settings: settings.lr was "),
                    HasSubstr(" and is now 0.0001")));
  auto more = settings();
  more["steps"] = 1000;
  EXPECT_THAT(error_of([&] { train(more, job("done.safetensors", true)); }),
              AllOf(HasSubstr("settings.steps was "), HasSubstr(" and is now 1000"),
                    HasSubstr("done.safetensors.state'")));
  auto reseeded = job("done.safetensors", true);
  reseeded.seed += 1;
  EXPECT_THAT(error_of([&] { train(settings(), reseeded); }), HasSubstr(": seed was "));
  EXPECT_THAT(error_of([&] { train(settings(), job("never.safetensors", true)); }),
              HasSubstr("never.safetensors.state"));
  auto many = settings();
  many["validation"] = 20;
  EXPECT_THAT(error_of([&] { train(many, job("many.safetensors")); }),
              HasSubstr("needed for validation"));
}

}  // namespace
}  // namespace emend
