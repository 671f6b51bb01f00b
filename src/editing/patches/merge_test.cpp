#include "editing/patches/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/patch_stack.h"
#include "io/error.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

constexpr const char* kMergeSite = "language_model.model.decoder.layers.2.fc1";  // (64, 32)

class MergeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  static Patch patch(const std::string& prompt, const std::string& target) {
    Patch patch;
    patch.base = vlm_->fingerprint();
    patch.editor = "test";
    patch.settings = {{"seed", 1}};
    patch.request = {{"image", ""}, {"prompt", prompt}, {"target", target}};
    return patch;
  }
  static Patch finished(Patch patch) {
    patch.id = patch_id(patch);
    return patch;
  }
  static Patch weights(uint64_t seed, bool low_rank) {
    at::manual_seed(seed);
    auto result = patch("What?", std::to_string(seed));
    if (low_rank)
      result.deltas = {{kMergeSite, {{}, at::randn({64, 3}) * 0.3, at::randn({3, 32}) * 0.3}}};
    else
      result.deltas = {{kMergeSite, {at::randn({64, 32}) * 0.1, {}, {}}}};
    return finished(result);
  }
  static Patch remembering(const std::vector<std::string>& names) {
    auto result = patch("", "");
    result.request = nlohmann::json::array();
    result.memory.network["w"] = at::ones({2});
    result.memory.reading = {{"blocks", 2}};
    for (const auto& name : names) {
      nlohmann::json facts = {{"image", ""}, {"prompt", "Who?"}, {"target", name}};
      result.request.push_back(facts);
      result.memory.add({name, facts, {{"key", at::ones({1})}}});
    }
    if (names.size() == 1) result.request = nlohmann::json(result.request[0]);
    return finished(result);
  }
  static at::Tensor logits(const std::vector<Patch>& patches) {
    at::NoGradGuard no_grad;
    PatchStack stack;
    for (const auto& patch : patches) stack.apply(*vlm_, patch);
    Query query{*testing::noise_image(3), "What is this?"};
    return teacher_force(*vlm_, {query}, {" cat"}, stack.interventions(*vlm_)).at(0).logits;
  }
  static std::vector<std::string> names(const Patch& patch) {
    std::vector<std::string> all;
    for (const auto& entry : patch.memory.entries) all.push_back(entry.name);
    return all;
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> MergeTest::folder_;
std::unique_ptr<Vlm> MergeTest::vlm_;

TEST_F(MergeTest, MergedDeltasEqualTheStackBitForBit) {
  for (bool low_rank : {false, true}) {
    auto a = weights(1, low_rank), b = weights(2, low_rank), c = weights(3, low_rank);
    auto one = merged({a, b, c});
    ASSERT_EQ(one.deltas.size(), 1u);
    EXPECT_TRUE(at::equal(logits({one}), logits({a, b, c})));
    EXPECT_FALSE(at::equal(logits({one}), logits({a, b})));
    EXPECT_EQ(one.request.size(), 3u);
    EXPECT_EQ(one.request[1]["target"], "2");
    // The merged patch is an ordinary patch.
    save_patch(*folder_ / "merged.patch", one);
    EXPECT_EQ(load_patch(*folder_ / "merged.patch").id, one.id);
  }
}

TEST_F(MergeTest, MemoriesAreMergedAndLaterEntriesReplaceEarlierOnes) {
  auto first = remembering({"a", "b"}), second = remembering({"c", "a"});
  second.memory.entries[1].facts["target"] = "other";
  auto both = merged({first, finished(second)});
  EXPECT_EQ(names(both), (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_EQ(both.memory.entries[2].facts["target"], "other");
  EXPECT_EQ(both.memory.reading, first.memory.reading);
  save_patch(*folder_ / "both.patch", both);
  EXPECT_EQ(names(load_patch(*folder_ / "both.patch")), names(both));
}

// A setting that an earlier version did not have was at its default, or as the editor says.
TEST_F(MergeTest, MemoriesOfEarlierVersionsAreMerged) {
  auto earlier = remembering({"a"}), later = remembering({"b"});
  earlier.editor = later.editor = "ledger";
  earlier.settings = {{"answer_weight", 4.0}};
  earlier.memory.reading = {{"blocks", 2}};
  later.settings = {{"answer_weight", 4.0}, {"supersede", 0.5}, {"checkpoint", "elsewhere"}};
  later.memory.reading = {{"blocks", 2}, {"text_tokens", 0}};
  const auto both = merged({finished(earlier), finished(later)});
  EXPECT_EQ(names(both), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(both.settings, earlier.settings);
  later.memory.reading["text_tokens"] = 8;
  EXPECT_THAT(error_of([&] { merged({finished(earlier), finished(later)}); }),
              HasSubstr("different settings: text_tokens is 0 in one and 8 in the other"));
  later.memory.reading["text_tokens"] = 0;
  later.settings["consequence_confidence"] = 0.7;
  EXPECT_THAT(error_of([&] { merged({finished(earlier), finished(later)}); }),
              HasSubstr("consequence_confidence is 0 in one and 0.7 in the other"));
  later.settings["consequence_confidence"] = 0;
  later.memory.network["w"] = at::zeros({2});
  EXPECT_THAT(error_of([&] { merged({finished(earlier), finished(later)}); }),
              HasSubstr("different networks"));
}

// The random seed of an edit and the editor of its change do not matter when the memory is read.
TEST_F(MergeTest, MemoriesOfDifferentSettingsOfAnEditAreMerged) {
  auto earlier = remembering({"a"}), later = remembering({"b"});
  earlier.editor = later.editor = "ledger";
  earlier.settings = {{"seed", 0}, {"change", "lora"}, {"limit", 4}};
  later.settings = {{"seed", 3}, {"change", "none"}, {"limit", 4}};
  EXPECT_EQ(names(merged({finished(earlier), finished(later)})),
            (std::vector<std::string>{"a", "b"}));
  later.settings["limit"] = 5;
  EXPECT_THAT(error_of([&] { merged({finished(earlier), finished(later)}); }),
              HasSubstr("limit is 4 in one and 5 in the other"));
}

TEST_F(MergeTest, RequestsOfReplacedEntriesAreLeftOut) {
  auto first = remembering({"a"}), again = remembering({"a"}), other = remembering({"b"});
  again.request["target"] = again.memory.entries[0].facts["target"] = "later";
  other.request["prompt"] = other.memory.entries[0].facts["prompt"] = "Where?";
  auto all = merged({first, finished(again), finished(other)});
  ASSERT_EQ(all.request.size(), 2u);
  EXPECT_EQ(all.request[0]["target"], "later");
  EXPECT_EQ(all.request[1]["prompt"], "Where?");

  // A patch of an earlier version still has the request of the replaced entry.
  all.request.push_back(first.request);
  const auto rest = without_entry(all, "a");
  EXPECT_EQ(names(rest), (std::vector<std::string>{"b"}));
  EXPECT_EQ(rest.request["prompt"], "Where?");
}

TEST_F(MergeTest, EntryIsRemovedWithItsRequest) {
  auto patch = remembering({"a", "b", "c"});
  auto rest = without_entry(patch, "b");
  EXPECT_EQ(names(rest), (std::vector<std::string>{"a", "c"}));
  ASSERT_EQ(rest.request.size(), 2u);
  EXPECT_EQ(rest.request[1]["target"], "c");
  EXPECT_EQ(rest.id, patch_id(rest));
  auto last = without_entry(rest, "a");
  EXPECT_EQ(last.request["target"], "c");
  EXPECT_EQ(merged({last}).memory.entries.size(), 1u);
  EXPECT_THAT(error_of([&] { without_entry(last, "c"); }), HasSubstr("only entry"));
  EXPECT_THAT(error_of([&] { without_entry(patch, "d"); }), HasSubstr("a, b, c"));
  EXPECT_THAT(error_of([&] { without_entry(weights(1, false), "a"); }), HasSubstr("no entries"));
}

TEST_F(MergeTest, RejectsDuplicateEdits) {
  const auto a = weights(1, false), b = weights(2, false);
  EXPECT_THAT(error_of([&] { merged({a, b, a}); }), HasSubstr("count twice"));
  // The same change with another id.
  auto renamed = a;
  renamed.request["target"] = "other";
  EXPECT_THAT(error_of([&] { merged({a, finished(renamed)}); }), HasSubstr("count twice"));
  // As part of a merged patch.
  EXPECT_THAT(error_of([&] { merged({merged({a, b}), b}); }), HasSubstr("count twice"));
  EXPECT_THAT(error_of([&] {
                merged({merged({a, b}), merged({b, weights(3, false)})});
              }),
              HasSubstr("count twice"));
  // As part of a part.
  const auto nested = merged({merged({a, b}), weights(3, false)});
  EXPECT_THAT(error_of([&] { merged({nested, a}); }), HasSubstr("count twice"));
  const auto ids = contained_ids(nested);
  EXPECT_EQ(ids.front(), nested.id);
  for (const auto& id : {a.id, b.id, merged({a, b}).id, weights(3, false).id})
    EXPECT_EQ(std::count(ids.begin(), ids.end(), id), 1) << id;
  EXPECT_EQ(ids.size(), 5u);
  // Empty patches are not duplicates.
  auto nothing = a, neither = b;
  nothing.deltas.clear();
  neither.deltas.clear();
  EXPECT_EQ(merged({finished(nothing), finished(neither), a}).deltas.size(), 1u);
}

TEST_F(MergeTest, AddingOneByOneGivesTheSamePatch) {
  MergedPatch all;
  EXPECT_TRUE(all.empty());
  for (uint64_t seed : {1, 2, 3}) all.add(weights(seed, true));
  const auto one = merged({weights(1, true), weights(2, true), weights(3, true)});
  EXPECT_EQ(all.patch().id, one.id);
  // The sum of low-rank and dense deltas is dense.
  all.add(weights(4, false));
  const auto sum = all.patch();
  ASSERT_EQ(sum.deltas.size(), 1u);
  EXPECT_TRUE(at::allclose(sum.deltas[0].delta.dense, one.deltas[0].delta.materialized() +
                                                          weights(4, false).deltas[0].delta.dense));
}

// The sum of the first eight patches is dense, and the next ones have a low-rank sum of their own.
TEST_F(MergeTest, AccumulationContinuesFromSavedPartsWithTheSameBits) {
  for (const size_t saved : {1, 5, 7, 8, 10}) {
    MergedPatch whole;
    for (size_t i = 0; i < saved; ++i) whole.add(weights(i, true));
    std::vector<Patch> parts;
    for (const auto& part : whole.parts()) {
      save_patch(*folder_ / "part.patch", part);
      parts.push_back(load_patch(*folder_ / "part.patch"));
    }
    EXPECT_EQ(parts.size(), saved > 8 ? 2u : 1u);
    auto continued = MergedPatch::continued(parts);
    for (size_t i = saved; i < 16; ++i) {
      EXPECT_EQ(continued.patch().id, whole.patch().id) << i << " from " << saved;
      whole.add(weights(i, true));
      continued.add(weights(i, true));
    }
    const auto one = whole.merged().deltas(), two = continued.merged().deltas();
    ASSERT_EQ(one.size(), two.size());
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(at::equal(one[i].delta.materialized(), two[i].delta.materialized()));
  }
  MergedPatch whole;
  whole.add(remembering({"a"}));
  save_patch(*folder_ / "part.patch", whole.parts().at(0));
  auto continued = MergedPatch::continued({load_patch(*folder_ / "part.patch")});
  for (auto* all : {&whole, &continued}) all->add(remembering({"b"}));
  EXPECT_EQ(continued.patch().id, whole.patch().id);
  EXPECT_EQ(continued.merged().memories().size(), 1u);
  EXPECT_THAT(error_of([] { MergedPatch::continued({weights(1, true)}); }),
              HasSubstr("not a merged patch"));
  // The parts have dense deltas first.
  MergedPatch mixed;
  mixed.add(weights(1, true));
  mixed.add(weights(2, false));
  EXPECT_TRUE(mixed.parts().empty());
}

TEST_F(MergeTest, RejectsPatchesThatDoNotFit) {
  auto a = remembering({"a"});
  EXPECT_THAT(error_of([] { merged({}); }), HasSubstr("no patches to merge"));
  auto other = remembering({"b"});
  other.base = "another";
  EXPECT_THAT(error_of([&] { merged({a, other}); }), HasSubstr("another"));
  other = remembering({"b"});
  other.editor = "lora";
  EXPECT_THAT(error_of([&] { merged({a, other}); }), HasSubstr("lora"));
  for (int what = 0; what < 3; ++what) {
    other = remembering({"b"});
    if (what == 0) other.settings["seed"] = 2;
    if (what == 1) other.memory.reading["blocks"] = 3;
    if (what == 2) other.memory.network["w"] = at::zeros({2});
    const char* difference[] = {"settings: seed is 1 in one and 2 in the other",
                                "settings: blocks is 2 in one and 3 in the other", "networks"};
    EXPECT_THAT(error_of([&] { merged({a, finished(other)}); }),
                HasSubstr(std::string("different ") + difference[what]));
  }
  EXPECT_THAT(error_of([] {
                merged({weights(1, false), weights(2, true)});
              }),
              HasSubstr("dense deltas"));
}

}  // namespace
}  // namespace emend
