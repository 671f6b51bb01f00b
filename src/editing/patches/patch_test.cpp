#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "editing/patches/patch_file.h"
#include "editing/patches/patch_stack.h"
#include "io/error.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFc1 = "language_model.model.decoder.layers.2.fc1";  // (64, 32)
constexpr const char* kFc2 = "language_model.model.decoder.layers.2.fc2";  // (32, 64)
constexpr const char* kBridge = "language_projection";                     // (32, 16)

class PatchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(*folder_ / "a", 0);
    testing::write_tiny_vlm(*folder_ / "b", 1);
    vlm_ = std::make_unique<Vlm>(load_vlm(*folder_ / "a"));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }

  // Random deltas, about as large as the weights.
  static Patch patch(uint64_t seed, std::vector<std::string> sites = {kFc1, kFc2}) {
    at::manual_seed(seed);
    Patch patch;
    patch.base = vlm_->fingerprint();
    patch.editor = "test";
    patch.settings = {{"seed", seed}};
    patch.request = {{"prompt", "What?"}, {"target", " that"}};
    patch.effect = {{"loss", 0.25}};
    for (const auto& name : sites) {
      const auto& site = vlm_->model->site(name);
      patch.deltas.push_back({name, {at::randn({site.out, site.in}) * 0.1, {}, {}}});
    }
    patch.id = patch_id(patch);
    return patch;
  }
  static Patch low_rank_patch(uint64_t seed) {
    auto result = patch(seed, {});
    result.deltas.push_back({kFc1, {{}, at::randn({64, 3}) * 0.3, at::randn({3, 32}) * 0.3}});
    result.id = patch_id(result);
    return result;
  }
  static Patch remembering(uint64_t seed) {
    auto result = patch(seed);
    result.memory.network["w"] = at::randn({2, 3});
    for (const std::string name : {"a", "b"})
      result.memory.add({name, {{"target", name}}, {{"key", at::randn({4})}}});
    result.id = patch_id(result);
    return result;
  }
  static at::Tensor logits(const Interventions& interventions) {
    at::NoGradGuard no_grad;
    Query query{*testing::noise_image(3), "What is this?"};
    return teacher_force(*vlm_, {query}, {" cat"}, interventions).at(0).logits;
  }
  static at::Tensor logits(const std::vector<Patch>& patches) {
    PatchStack stack;
    for (const auto& one : patches) stack.apply(*vlm_, one);
    return logits(stack.interventions(*vlm_));
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> PatchTest::folder_;
std::unique_ptr<Vlm> PatchTest::vlm_;

TEST_F(PatchTest, SavedAndLoadedPatchIsEqual) {
  auto path = *folder_ / "saved.patch";
  auto made = patch(1, {kBridge, kFc2, kFc1});
  save_patch(path, made);
  auto loaded = load_patch(path);
  EXPECT_EQ(loaded.id, made.id);
  EXPECT_EQ(loaded.base, made.base);
  EXPECT_EQ(loaded.editor, "test");
  EXPECT_EQ(loaded.settings, made.settings);
  EXPECT_EQ(loaded.request, made.request);
  EXPECT_EQ(loaded.effect, made.effect);
  EXPECT_EQ(loaded.made_by, made.made_by);
  EXPECT_TRUE(has_checksums(path));
  ASSERT_EQ(loaded.deltas.size(), 3u);
  EXPECT_EQ(loaded.deltas[0].site, kBridge);  // the order is kept
  EXPECT_TRUE(at::equal(logits({made}), logits({loaded})));
  EXPECT_FALSE(at::equal(logits({loaded}), logits(Interventions{})));
}

TEST_F(PatchTest, MemoryIsSavedWithItsEntries) {
  auto path = *folder_ / "memory.patch";
  auto made = remembering(1);
  EXPECT_NE(made.id, patch(1).id);
  save_patch(path, made);
  auto loaded = load_patch(path);
  EXPECT_EQ(loaded.id, made.id);
  ASSERT_EQ(loaded.memory.entries.size(), 2u);
  EXPECT_EQ(loaded.memory.entries[1].name, "b");
  EXPECT_EQ(loaded.memory.entries[1].facts, made.memory.entries[1].facts);
  EXPECT_TRUE(at::equal(loaded.memory.entries[1].tensors.at("key"),
                        made.memory.entries[1].tensors.at("key")));
  EXPECT_TRUE(at::equal(loaded.memory.network.at("w"), made.memory.network.at("w")));
  // An editor without support for memories would ignore it silently.
  loaded.editor = "ft";
  EXPECT_THAT(error_of([&] { loaded.interventions(*vlm_); }), HasSubstr("does not support"));
}

TEST_F(PatchTest, EntriesAreRemovedByName) {
  auto memory = remembering(1).memory;
  memory.add({"a", {{"target", "new"}}, {}});
  ASSERT_EQ(memory.entries.size(), 2u);
  EXPECT_EQ(memory.entries[0].name, "b");
  EXPECT_EQ(memory.entries[1].facts.at("target"), "new");  // the latest entry is the last
  EXPECT_THAT(error_of([&] { memory.remove("c"); }), AllOf(HasSubstr("'c'"), HasSubstr("b, a")));
  memory.remove("a");
  ASSERT_EQ(memory.entries.size(), 1u);
  EXPECT_EQ(memory.entries[0].name, "b");
}

TEST_F(PatchTest, RemovingAPatchRestoresTheBase) {
  auto plain = logits(Interventions{});
  PatchStack stack;
  stack.apply(*vlm_, patch(1));
  EXPECT_FALSE(at::equal(logits(stack.interventions(*vlm_)), plain));
  stack.remove(patch(1).id);
  EXPECT_TRUE(stack.interventions(*vlm_).empty());
  EXPECT_TRUE(at::equal(logits(stack.interventions(*vlm_)), plain));
}

TEST_F(PatchTest, PatchesAreRemovedInAnyOrder) {
  std::vector<Patch> all = {patch(1), patch(2, {kFc2, kBridge}), low_rank_patch(3),
                            patch(4, {kFc1})};
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    PatchStack stack;
    for (const auto& one : all) stack.apply(*vlm_, one);
    std::vector<bool> on(all.size(), true);
    for (size_t off : order) {
      stack.remove(all[off].id);
      on[off] = false;
      std::vector<Patch> left;
      for (size_t i = 0; i < all.size(); ++i)
        if (on[i]) left.push_back(all[i]);
      ASSERT_TRUE(at::equal(logits(stack.interventions(*vlm_)), logits(left)));
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(PatchTest, DenseDeltasOfASiteAreSummed) {
  PatchStack stack;
  stack.apply(*vlm_, patch(1));
  stack.apply(*vlm_, patch(2));
  stack.apply(*vlm_, low_rank_patch(3));
  auto interventions = stack.interventions(*vlm_);
  ASSERT_EQ(interventions.size(), 3u);  // fc1 and fc2 are summed, the low-rank delta is unchanged
  EXPECT_TRUE(at::equal(interventions[0].delta.dense,
                        patch(1).deltas[0].delta.dense + patch(2).deltas[0].delta.dense));
  EXPECT_TRUE(interventions[2].delta.low_rank());
  EXPECT_EQ(stack.patches().size(), 3u);
  // The patches themselves are unchanged.
  EXPECT_TRUE(at::equal(stack.patches()[0].deltas[0].delta.dense, patch(1).deltas[0].delta.dense));
}

TEST_F(PatchTest, LowRankDeltasAreConcatenatedUntilDenseIsCheaper) {
  PatchStack stack;
  auto expected = at::zeros({64, 32});
  for (uint64_t seed = 1; seed <= 30; ++seed) {  // rank 3 each, in a layer of 64 x 32
    stack.apply(*vlm_, low_rank_patch(seed));
    expected = expected + low_rank_patch(seed).deltas[0].delta.materialized();
    auto interventions = stack.interventions(*vlm_);
    int64_t cost = 0;
    auto sum = at::zeros({64, 32});
    for (const auto& intervention : interventions) {
      const auto& delta = intervention.delta;
      cost += delta.low_rank() ? delta.up.numel() + delta.down.numel() : delta.dense.numel();
      sum = sum + delta.materialized();
    }
    ASSERT_LE(interventions.size(), 2u);
    ASSERT_LE(cost, 2 * 64 * 32);
    if (seed == 7) {
      EXPECT_EQ(interventions[0].delta.up.size(1), 21);
    }
    ASSERT_TRUE(at::allclose(sum, expected, 1e-4, 1e-4)) << seed;
  }
  EXPECT_EQ(stack.patches().size(), 30u);
  EXPECT_EQ(stack.patches()[0].deltas[0].delta.up.size(1), 3);  // the patches are unchanged
}

TEST_F(PatchTest, PatchesAreRemovedFromLongMixedStacks) {
  std::vector<Patch> all;
  for (uint64_t seed = 1; seed <= 24; ++seed)
    all.push_back(seed % 5 == 0 ? patch(seed, {kFc1, kBridge}) : low_rank_patch(seed));
  PatchStack stack;
  for (const auto& one : all) stack.apply(*vlm_, one);
  std::mt19937_64 rng(1);
  while (!all.empty()) {
    auto off = rng() % all.size();
    stack.remove(all[off].id);
    all.erase(all.begin() + static_cast<int64_t>(off));
    ASSERT_TRUE(at::equal(logits(stack.interventions(*vlm_)), logits(all))) << all.size();
  }
  EXPECT_TRUE(stack.interventions(*vlm_).empty());
}

TEST_F(PatchTest, LowRankEqualsItsDenseProduct) {
  auto low = low_rank_patch(5);
  auto dense = low;
  dense.deltas[0].delta = {low.deltas[0].delta.materialized(), {}, {}};
  dense.id = patch_id(dense);
  EXPECT_TRUE(at::allclose(logits({low}), logits({dense}), 1e-4, 1e-4));
  EXPECT_FALSE(at::allclose(logits({low}), logits(Interventions{}), 1e-4, 1e-4));

  auto path = *folder_ / "low.patch";
  save_patch(path, low);
  auto loaded = load_patch(path);
  ASSERT_TRUE(loaded.deltas[0].delta.low_rank());
  EXPECT_TRUE(at::equal(logits({low}), logits({loaded})));
}

TEST_F(PatchTest, IdDependsOnEverythingButTheEffect) {
  auto base = patch(1);
  auto changed = [&](const std::function<void(Patch&)>& change) {
    auto other = patch(1);
    change(other);
    return patch_id(other);
  };
  EXPECT_EQ(changed([](Patch& p) { p.effect = 3; }), base.id);
  EXPECT_NE(changed([](Patch& p) { p.settings["lr"] = 1; }), base.id);
  EXPECT_NE(changed([](Patch& p) { p.request["target"] = " x"; }), base.id);
  EXPECT_NE(changed([](Patch& p) { p.base = "x"; }), base.id);
  EXPECT_NE(changed([](Patch& p) { p.deltas.pop_back(); }), base.id);
  EXPECT_NE(changed([](Patch& p) { p.deltas[0].delta.dense[0][0] += 1; }), base.id);
}

TEST_F(PatchTest, RejectsAnotherBaseModel) {
  auto other = load_vlm(*folder_ / "b");
  PatchStack stack;
  EXPECT_THAT(error_of([&] { stack.apply(other, patch(1)); }),
              AllOf(HasSubstr(vlm_->fingerprint()), HasSubstr(other.fingerprint()),
                    HasSubstr("Hint: load the model")));
  EXPECT_TRUE(stack.patches().empty());
}

TEST_F(PatchTest, RejectsSitesThatDoNotFit) {
  PatchStack stack;
  auto absent = patch(1);
  absent.deltas[0].site = "language_model.model.decoder.layers.9.fc1";
  EXPECT_THAT(error_of([&] { stack.apply(*vlm_, absent); }),
              AllOf(HasSubstr("layers.9.fc1"), HasSubstr("Hint")));
  auto misshapen = patch(1);
  misshapen.deltas[0].delta.dense = at::ones({3, 5});
  EXPECT_THAT(error_of([&] { stack.apply(*vlm_, misshapen); }),
              AllOf(HasSubstr("(3, 5)"), HasSubstr("(64, 32)")));
  EXPECT_TRUE(stack.patches().empty());
}

TEST_F(PatchTest, RejectsRepeatedApplyAndUnknownRemove) {
  PatchStack stack;
  stack.apply(*vlm_, patch(1));
  EXPECT_THAT(error_of([&] { stack.apply(*vlm_, patch(1)); }), HasSubstr("already applied"));
  EXPECT_THAT(error_of([&] { stack.remove("nothing"); }),
              HasSubstr("patch nothing is not applied"));
  EXPECT_EQ(stack.patches().size(), 1u);
}

TEST_F(PatchTest, RejectsDeltasThatAreNotFinite) {
  auto path = *folder_ / "nan.patch";
  auto bad = patch(1);
  bad.deltas[1].delta.dense[0][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of([&] { save_patch(path, bad); }), HasSubstr("finite"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(PatchTest, LoadingIsStrict) {
  auto path = *folder_ / "strict.patch";
  auto rewrite = [&](const std::function<void(nlohmann::json&, std::map<std::string, at::Tensor>&,
                                              std::map<std::string, std::string>&)>& change) {
    save_patch(path, patch(1));
    std::map<std::string, at::Tensor> tensors;
    std::map<std::string, std::string> metadata;
    nlohmann::json description;
    {
      auto file = SafetensorsFile::open(path);
      for (const auto& [name, info] : file->tensors()) tensors[name] = file->tensor(name).clone();
      metadata = file->metadata();
      description = nlohmann::json::parse(metadata["patch"]);
    }
    change(description, tensors, metadata);
    if (metadata.count("patch")) metadata["patch"] = description.dump();
    write_safetensors(path, {tensors.begin(), tensors.end()}, metadata);
    return error_of([&] { load_patch(path); });
  };
  EXPECT_EQ(rewrite([](auto&, auto&, auto&) {}), "no error");
  EXPECT_THAT(rewrite([](auto&, auto&, auto& m) { m["version"] = "3"; }), HasSubstr("format 3"));
  EXPECT_THAT(rewrite([](auto&, auto&, auto& m) { m.erase("checksums"); }), HasSubstr("checksums"));
  // Errors name the changed field that the id does not cover.
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["effect"]["loss"] = 0.75; }),
              HasSubstr("field 'effect' that was changed"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["made_by"] = "emend 9"; }),
              HasSubstr("field 'made_by' that was changed"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["note"] = 1; }),
              HasSubstr("field 'note' that was changed"));
  // Format 1 had no checksums, so the file is read without verification.
  EXPECT_EQ(rewrite([](auto& d, auto&, auto& m) {
              m["version"] = "1";
              m.erase("checksums");
              d["effect"] = 3;
            }),
            "no error");
  EXPECT_FALSE(has_checksums(path));
  EXPECT_THAT(rewrite([](auto&, auto&, auto& m) { m.erase("format"); }), HasSubstr("not a patch"));
  EXPECT_THAT(rewrite([](auto&, auto&, auto& m) { m.erase("patch"); }), HasSubstr("description"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d.erase("base"); }), HasSubstr("'base'"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["editor"] = 3; }), HasSubstr("'editor'"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["sites"] = "fc1"; }), HasSubstr("not a list"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["sites"].push_back(kFc1); }),
              HasSubstr("twice"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["sites"].erase(0); }),
              HasSubstr("unlisted tensor"));
  EXPECT_THAT(rewrite([](auto&, auto& t, auto&) { t.erase(t.begin()); }),
              HasSubstr("is missing the tensor"));
  EXPECT_THAT(rewrite([](auto&, auto& t, auto&) { t.begin()->second[0][0] += 1; }),
              HasSubstr("changed after the patch was made"));
  EXPECT_THAT(rewrite([](auto&, auto& t, auto&) { t.begin()->second[0][0] = NAN; }),
              HasSubstr("not finite"));
  EXPECT_THAT(
      rewrite([](auto&, auto& t, auto&) { t.begin()->second = t.begin()->second.to(at::kDouble); }),
      HasSubstr("float32"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) {
                d["memory"] = {{"network", {"w"}}, {"entries", nlohmann::json::array()}};
              }),
              HasSubstr("memory.network.w"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) {
                d["memory"] = {{"entries", 3}};
              }),
              HasSubstr("'network'"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto&) { d["settings"]["seed"] = 7; }),
              HasSubstr("field 'settings' that was changed"));
  EXPECT_THAT(rewrite([](auto& d, auto&, auto& m) {
                m["version"] = "1";
                m.erase("checksums");
                d["settings"]["seed"] = 7;
              }),
              HasSubstr("its id differs"));
  EXPECT_THAT(error_of([&] { load_patch(*folder_ / "a/model.safetensors"); }),
              HasSubstr("not a patch"));
  EXPECT_THAT(error_of([&] { load_patch(*folder_ / "missing"); }), HasSubstr("missing"));
}

// Patch files are untrusted: with any bytes, a file loads as the original or is rejected.
TEST_F(PatchTest, DamagedFilesAreRejected) {
  Patch small = patch(1, {});
  small.deltas.push_back({"some.site", {at::randn({2, 3}), {}, {}}});
  small.deltas.push_back({"other.site", {{}, at::randn({2, 1}), at::randn({1, 3})}});
  small.id = patch_id(small);
  auto path = *folder_ / "fuzz.patch";
  save_patch(path, small);
  std::string good;
  {
    std::ifstream file(path, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::mt19937_64 rng(1);
  int refused = 0;
  for (int i = 0; i < 4000; ++i) {
    auto bytes = good;
    int edits = 1 + static_cast<int>(rng() % 3);
    for (int e = 0; e < edits; ++e) {
      size_t at = rng() % bytes.size();
      switch (rng() % 5) {
        case 0:
          bytes[at] = static_cast<char>(rng());
          break;
        case 1:
          bytes[at] ^= static_cast<char>(1u << (rng() % 8));
          break;
        case 2:
          bytes = bytes.substr(0, at) + bytes.substr(std::min(bytes.size(), at + 1 + rng() % 9));
          break;
        case 3:
          bytes.insert(bytes.begin() + static_cast<int64_t>(at), "[{\"0}\\"[rng() % 6]);
          break;
        default:
          bytes.resize(at + 1);
      }
      if (bytes.empty()) bytes.push_back('x');
    }
    testing::write_text(path, bytes);
    try {
      EXPECT_EQ(load_patch(path).id, small.id);  // only bytes that no hash covers were changed
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace emend
