#include "evaluation/bench/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <new>

#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class OneRecord : public Suite {
 public:
  size_t size() const override { return 1; }
  Record record(size_t) const override {
    Record record;
    record.id = "one";
    record.image.drawn = testing::noise_image(1);
    record.prompt = "What is this?";
    record.target = "cat";
    return record;
  }
  nlohmann::json metadata() const override { return {}; }
};

// An editor whose behavior at the last site is set by the test.
class FakeEditor : public Editor {
 public:
  using Act = std::function<Patch(const Vlm&)>;
  explicit FakeEditor(Act act) : act_(std::move(act)) {}
  std::string name() const override { return "fake"; }
  nlohmann::json settings() const override { return nlohmann::json::object(); }
  size_t first_stage(const Model& model) const override { return model.sites().back().stage; }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>&, const EditContext&) const override {
    return act_(vlm);
  }

 private:
  Act act_;
};

Patch patch_of(const Vlm& vlm, double value) {
  const auto site = vlm.model->find_sites("*.layers.2.fc2").front();
  Patch patch;
  patch.deltas.push_back({site.name, {at::full({site.out, site.in}, value, at::kFloat), {}, {}}});
  return patch;
}

nlohmann::json sample_of(FakeEditor::Act act) {
  static TemporaryFolder folder;
  static bool written = (testing::write_tiny_vlm(folder.path()), true);
  static Vlm vlm = load_vlm(folder.path());
  EXPECT_TRUE(written);
  OneRecord suite;
  std::vector<Candidate> candidates;
  candidates.push_back({"fake", std::make_unique<FakeEditor>(std::move(act)), {}});
  candidates[0].protocol.max_new_tokens = 2;
  Judge judge(vlm, suite, nullptr, true, candidates);
  std::vector<RecordState> states;
  states.push_back({0});
  auto edit = judge.make(candidates[0], states, false);
  return judge.judge(candidates[0], states[0], &edit).sample;
}

TEST(Judge, FailuresOfARecordAreInItsLine) {
  auto memory = sample_of([](const Vlm&) -> Patch { throw std::bad_alloc(); });
  EXPECT_EQ(memory["stage"], "editing");
  EXPECT_EQ(memory["failed"], "out of memory");
  EXPECT_EQ(memory["record"], "one");
  EXPECT_FALSE(memory.contains("probes"));

  auto device = sample_of([](const Vlm&) -> Patch { TORCH_CHECK(false, "no more memory\nat x"); });
  EXPECT_EQ(device["stage"], "editing");
  EXPECT_EQ(device["failed"], "no more memory");

  auto broken = sample_of([](const Vlm& vlm) { return patch_of(vlm, std::nan("")); });
  EXPECT_EQ(broken["stage"], "judging");
  EXPECT_THAT(broken["failed"].get<std::string>(), HasSubstr("NaN"));
  EXPECT_FALSE(broken.contains("probes"));

  auto sound = sample_of([](const Vlm& vlm) { return patch_of(vlm, 0.001); });
  EXPECT_FALSE(sound.contains("failed"));
  EXPECT_EQ(sound["probes"].size(), 1u);
  EXPECT_EQ(sound["patch"]["sites"], 1);
}

TEST(Judge, ErrorsOfTheProgramAreNotHidden) {
  EXPECT_THROW(sample_of([](const Vlm&) -> Patch { throw std::logic_error("a bug"); }),
               std::logic_error);
}

}  // namespace
}  // namespace emend
