#include "models/caching/prefix.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <fstream>

#include "io/error.h"
#include "models/testing/thread_guard.h"
#include "tests/stored_folder.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

struct Case {
  const char* model;  // tiny, or the bundled model
  // The dtype of computation of the tiny model. The bundled model is opened in its stored dtype
  // with default options, because bfloat16 takes many minutes on a processor without fast support.
  at::ScalarType dtype;
};

Intervention delta(const Model& model, const std::string& pattern, double size,
                   std::vector<bool> rows = {}) {
  const auto site = model.find_sites(pattern).back();
  at::manual_seed(7);
  auto change = Intervention::weight(site.name, {at::randn({site.out, site.in}) * size, {}, {}})
                    .on_rows(std::move(rows));
  return change;
}

class PrefixTest : public ::testing::TestWithParam<Case> {
 protected:
  ThreadGuard threads_{1};

  PrefixTest() {
    if (bundled()) {
      testing::copy_folder(EMEND_SOURCE_DIR "/models/scenes-blip2", folder / "model",
                           GetParam().dtype);
      vlm = load_vlm(folder / "model", {std::nullopt, at::kCPU});
    } else {
      testing::write_tiny_vlm(folder / "model");
      vlm = load_vlm(folder / "model", {GetParam().dtype, at::kCPU});
    }
    std::vector<at::Tensor> pixels;
    for (uint64_t i = 0; i < 3; ++i) pixels.push_back(vlm.processor.pixels(picture(i)));
    const auto& p = vlm.processor;
    // Shared pictures, text only, and two pictures in a row.
    batch = {at::stack(pixels),
             {p.row("What colour is the star?", 0), p.row("Where does Bo live?"),
              p.row("How many?", 1), p.row("What shape?", 0), p.row("Which?", 2)}};
    auto& both = batch.rows.back();
    both.ids.insert(both.ids.begin(), p.layout.num_image_tokens, kImageToken);
    both.images = {2, 1};
  }
  bool bundled() const { return std::string(GetParam().model) == "bundled"; }
  const Model& model() const { return *vlm.model; }
  static Image picture(uint64_t seed) { return *testing::noise_image(seed); }
  std::string cache() const { return folder / "cache"; }
  ActivationStore store(uint64_t memory = uint64_t{1} << 28) const {
    return ActivationStore({memory, cache(), uint64_t{1} << 30});
  }
  // Large enough that every answer changes.
  std::vector<std::pair<const char*, Interventions>> edits() const {
    return {{"none", {}},
            {"vision", {delta(model(), "vision_model*fc1", 0.3)}},
            {"connector", {delta(model(), "qformer*output_query.dense", 0.3)}},
            {"language", {delta(model(), "language_model*fc2", 0.3)}},
            {"stacked",
             {delta(model(), "language_model*fc2", 0.3), delta(model(), "qformer*value", 0.3)}}};
  }
  at::Tensor plain(const Batch& of, const Interventions& interventions,
                   PadSide pad = PadSide::right) const {
    auto pass = model().collate(of, pad);
    model().run(pass, interventions);
    return pass.logits();
  }
  at::Tensor resumed(const Batch& of, size_t first, const Interventions& interventions,
                     ActivationStore* store, PadSide pad = PadSide::right) const {
    auto pass = forward_until(vlm, of, first, interventions, store, pad);
    model().run(pass, interventions);
    return pass.logits();
  }

  TemporaryFolder folder;
  Vlm vlm;
  Batch batch;
  at::NoGradGuard no_grad;
};
INSTANTIATE_TEST_SUITE_P(All, PrefixTest,
                         ::testing::Values(Case{"tiny", at::kFloat}, Case{"tiny", at::kBFloat16},
                                           Case{"bundled", at::kFloat},
                                           Case{"bundled", at::kBFloat16}),
                         [](const auto& info) {
                           return std::string(info.param.model) +
                                  (info.param.dtype == at::kFloat ? "Fp32" : "Bf16");
                         });

// From every stage, without entries, with entries in memory, and with entries on disk: the bits are
// those of a run without a store. The bundled model takes long, so it has only two of the edits.
TEST_P(PrefixTest, EveryStageGivesTheBitsOfAFullRun) {
  const Batch single{batch.pixels.narrow(0, 1), {batch.rows[0]}};
  for (const auto& of : {batch, single}) {
    const auto untouched = plain(of, {});
    auto warm = store();
    for (const auto& [name, edit] : edits()) {
      if (bundled() && !edit.empty() && edit.size() != 2) continue;  // none, and stacked
      const auto expected = plain(of, edit);
      EXPECT_EQ(at::equal(expected, untouched), edit.empty()) << name;
      for (size_t first = 0; first <= model().stages().size(); ++first) {
        const auto at = fmt::format("{} before stage {}", name, first);
        EXPECT_TRUE(at::equal(resumed(of, first, edit, nullptr), expected)) << at;
        EXPECT_TRUE(at::equal(resumed(of, first, edit, &warm), expected)) << at;
        EXPECT_TRUE(at::equal(resumed(of, first, edit, &warm), expected)) << at;
        auto from_disk = store(0);
        EXPECT_TRUE(at::equal(resumed(of, first, edit, &from_disk), expected)) << at;
        EXPECT_EQ(forward_until(vlm, of, first, edit, &warm).next, first) << at;
        EXPECT_EQ(from_disk.counts().rejected, 0);
      }
    }
  }
}

TEST_P(PrefixTest, PadSidesAndBatchesHaveDifferentKeys) {
  auto shared = store();
  const auto head = model().stages().size() - 1;
  auto fewer = batch;
  fewer.rows.resize(3);
  auto other = batch;
  other.pixels = batch.pixels.stacked().flip(0);
  for (int round = 0; round < 2; ++round)
    for (const auto& of : {batch, fewer, other})
      for (auto pad : {PadSide::right, PadSide::left})
        for (auto first : {head - 1, head})
          EXPECT_TRUE(at::equal(resumed(of, first, {}, &shared, pad), plain(of, {}, pad)));
}

TEST_P(PrefixTest, TextOnlyBatchesAreStoredWithoutPictures) {
  Batch text{{}, {batch.rows[1], vlm.processor.row("And who?")}};
  const auto language = model().first_stage(Module::language);
  auto shared = store();
  for (size_t first = 0; first <= language; ++first) {
    EXPECT_TRUE(at::equal(resumed(text, first, {}, &shared), plain(text, {})));
    EXPECT_EQ(forward_until(vlm, text, first, {}, &shared).next, first);
  }
  EXPECT_EQ(shared.counts().misses, 0);
  EXPECT_TRUE(at::equal(resumed(text, language + 2, {}, &shared), plain(text, {})));
  EXPECT_TRUE(at::equal(resumed(text, language + 2, {}, &shared), plain(text, {})));
  EXPECT_EQ(shared.counts().misses, 1);
  EXPECT_EQ(shared.counts().memory_hits, 1);
}

TEST_P(PrefixTest, FeaturesDoNotDependOnOtherPictures) {
  for (int threads : {1, 2}) {
    const ThreadGuard guard(threads);
    auto pass = model().collate(batch);
    model().run(pass, model().first_stage(Module::connector) - 1);
    auto shared = store();
    for (int64_t i = 0; i < 3; ++i) {
      const auto pixels = batch.pixels.narrow(i, 1);
      const auto mine = pass.hidden.narrow(0, i, 1);
      EXPECT_TRUE(at::equal(picture_features(vlm, pixels, nullptr), mine));
      EXPECT_TRUE(at::equal(picture_features(vlm, pixels, &shared), mine));
      EXPECT_TRUE(at::equal(picture_features(vlm, pixels.stacked(), &shared), mine));
      auto from_disk = store(0);
      EXPECT_TRUE(at::equal(picture_features(vlm, pixels, &from_disk), mine));
      EXPECT_EQ(from_disk.counts().disk_hits, 1);
    }
    EXPECT_EQ(shared.counts().memory_hits, 3);
    EXPECT_EQ(shared.counts().misses, 3);
    auto turned = model().collate({batch.pixels.stacked().flip(0), batch.rows});
    model().run(turned, model().first_stage(Module::connector) - 1);
    EXPECT_TRUE(at::equal(turned.hidden.flip(0), pass.hidden));
  }
}

TEST_P(PrefixTest, BatchedPicturesDifferOnlyByRounding) {
  auto apart = model().collate(batch), together = apart;
  together.batched_pictures = true;
  const auto connector = model().first_stage(Module::connector);
  const Interventions scoped{delta(model(), "vision_model*fc1", 0.3, {0, 0, 0, 0, 1})};
  // Rows 2 and 4 share picture 1, so both must be in scope.
  auto edit = scoped;
  edit[0].rows[2] = true;
  model().run(apart, connector - 1, edit);
  model().run(together, connector - 1, edit);
  const double tolerance = GetParam().dtype == at::kFloat ? 1e-4 : 0.1;
  EXPECT_TRUE(at::allclose(apart.hidden.to(at::kFloat), together.hidden.to(at::kFloat), tolerance,
                           tolerance));
  // The picture out of scope has the bits without the edit.
  EXPECT_TRUE(at::equal(apart.hidden.narrow(0, 0, 1),
                        picture_features(vlm, batch.pixels.narrow(0, 1), nullptr)));
  EXPECT_FALSE(at::allclose(
      apart.hidden[1].to(at::kFloat),
      picture_features(vlm, batch.pixels.narrow(1, 1), nullptr)[0].to(at::kFloat), 1e-2, 1e-2));
  EXPECT_THROW(forward_until(vlm, batch, connector, scoped), Error);
}

TEST_P(PrefixTest, EditsOfTheVisionModuleDoNotUseTheStore) {
  auto shared = store();
  const auto head = model().stages().size() - 1;
  const auto edit = edits()[1].second;
  forward_until(vlm, batch, head, edit, &shared);
  // An observer must be called, so the stage that it attaches to must run.
  int seen = 0;
  const Interventions watch{Intervention::boundary("vision_tower.norm", [&](const at::Tensor& x) {
    EXPECT_EQ(x.size(0), 1);
    ++seen;
    return x;
  })};
  forward_until(vlm, batch, head, watch, &shared);
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(shared.counts().misses + shared.counts().memory_hits, 0);
}

TEST_P(PrefixTest, PassesContinueFromStageToStage) {
  auto shared = store();
  const Interventions edit{delta(model(), "qformer*value", 0.3)};
  const auto connector = model().first_stage(Module::connector);
  auto pass = forward_until(vlm, batch, connector, {}, &shared);
  std::vector<Pass> kept{pass};
  for (size_t s = connector; s + 1 < model().stages().size(); ++s) {
    model().run(pass, s, {});
    kept.push_back(pass);
  }
  for (auto& at : kept) {
    model().run(at);
    EXPECT_TRUE(at::equal(at.logits(), plain(batch, {})));
  }
  auto again = forward_until(vlm, batch, connector, edit, &shared);
  model().run(again, edit);
  EXPECT_TRUE(at::equal(again.logits(), plain(batch, edit)));
}

TEST_P(PrefixTest, DamagedEntriesAreComputedAgain) {
  const auto first = model().stages().size() - 1;
  auto fresh = store();
  forward_until(vlm, batch, first, {}, &fresh);
  int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cache())) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-2, std::ios::end).put('\x5a').put('\x5a');
    ++files;
  }
  EXPECT_EQ(files, 4);  // three pictures and the pass
  auto later = store();
  EXPECT_TRUE(at::equal(resumed(batch, first, {}, &later), plain(batch, {})));
  EXPECT_EQ(later.counts().rejected, 4);
  auto last = store();
  EXPECT_TRUE(at::equal(resumed(batch, first, {}, &last), plain(batch, {})));
  EXPECT_EQ(last.counts().rejected, 0);
  EXPECT_EQ(last.counts().disk_hits, 1);
}

TEST_P(PrefixTest, KeysContainEverythingThatChangesBits) {
  const auto key = store_key(vlm, "x");
  EXPECT_EQ(store_key(vlm, "x"), key);
  EXPECT_NE(store_key(vlm, "y"), key);
  EXPECT_THAT(key, ::testing::HasSubstr(vlm.fingerprint()));
  {
    const ThreadGuard two(2);
    EXPECT_NE(store_key(vlm, "x"), key);
  }
  const auto dtype = GetParam().dtype == at::kFloat ? at::kBFloat16 : at::kFloat;
  EXPECT_NE(store_key(load_vlm(vlm.folder, {dtype, at::kCPU}), "x"), key);
  testing::write_tiny_vlm(folder / "other", 1);
  EXPECT_NE(store_key(load_vlm(folder / "other", {GetParam().dtype, at::kCPU}), "x"), key);
}

TEST_P(PrefixTest, FeaturesNeedOnePicture) {
  EXPECT_THROW(picture_features(vlm, batch.pixels, nullptr), Error);
}

TEST_P(PrefixTest, GenerationFromAStoreIsEqual) {
  const std::vector<Query> queries{{picture(1), "What colour is the star?"},
                                   {std::nullopt, "Where does Bo live?"},
                                   {picture(2), "How many?"},
                                   {picture(1), "What shape?"}};
  const GenerationOptions options{.max_new_tokens = 6};
  auto warm = store();
  for (const auto& [name, edit] : edits()) {
    const auto expected = generate(vlm, queries, edit, options);
    EXPECT_EQ(generate(vlm, queries, edit, options, &warm), expected) << name;
    EXPECT_EQ(generate(vlm, queries, edit, options, &warm), expected) << name;
    auto from_disk = store(0);
    EXPECT_EQ(generate(vlm, queries, edit, options, &from_disk), expected) << name;
    EXPECT_EQ(from_disk.counts().disk_hits > 0, std::string(name) != "vision") << name;
    EXPECT_EQ(from_disk.counts().misses, 0) << name;
  }
}

TEST_P(PrefixTest, PassCanBeUsedForSeveralGenerations) {
  const auto language = model().first_stage(Module::language);
  const GenerationOptions options{.max_new_tokens = 5};
  auto shared = store();
  const auto kept = forward_until(vlm, batch, language, {}, &shared, PadSide::left);
  for (const auto& [name, edit] : edits()) {
    if (first_changed_stage(model(), edit) < language) continue;
    EXPECT_EQ(generate_tokens(model(), kept, {}, edit, options),
              generate_tokens(model(), batch, {}, edit, options))
        << name;
  }
  auto beyond = forward_until(vlm, batch, language + 1, {}, nullptr, PadSide::left);
  EXPECT_THROW(generate_tokens(model(), beyond, {}, {}, options), Error);
  auto right = forward_until(vlm, batch, language, {}, nullptr, PadSide::right);
  EXPECT_THROW(generate_tokens(model(), right, {}, {}, options), Error);
}

// For edits of any module, each token with a cache is the most likely one of a pass without a
// cache, except for rounding.
TEST_P(PrefixTest, CacheGivesTheTokensOfFullPassesWithEdits) {
  const double rounding = model().dtype() == at::kFloat ? 1e-5 : 0.02;
  for (const auto& [name, edit] : edits()) {
    const auto cached = generate_tokens(model(), batch, {}, edit, {.max_new_tokens = 4});
    auto grown = batch;
    for (size_t step = 0; step < 4; ++step) {
      const auto logits = plain(grown, edit, PadSide::left).select(1, -1).to(at::kFloat);
      for (size_t r = 0; r < grown.rows.size(); ++r) {
        const auto best = logits[r].max(), range = best - logits[r].min();
        EXPECT_LE((best - logits[r][cached[r][step]]).item<double>(),
                  rounding * range.item<double>())
            << name << " " << r;
        grown.rows[r].ids.push_back(cached[r][step]);
      }
    }
  }
}

TEST_P(PrefixTest, GradientsFlowThroughPictures) {
  at::AutoGradMode gradients(true);
  const auto connector = model().first_stage(Module::connector);
  const auto gradient = [&](bool together) {
    auto edit = delta(model(), "vision_model*fc1", 0.1);
    edit.delta.dense.requires_grad_();
    auto pass = model().collate(batch);
    pass.batched_pictures = together;
    model().run(pass, connector - 1, {edit});
    const auto loss = pass.hidden.to(at::kFloat).pow(2).mean();
    return torch::autograd::grad({loss}, {edit.delta.dense})[0];
  };
  const auto apart = gradient(false), together = gradient(true);
  EXPECT_GT(apart.abs().max().item<double>(), 0);
  const double tolerance = GetParam().dtype == at::kFloat ? 1e-4 : 0.1;
  EXPECT_LT((apart - together).abs().max().item<double>(),
            tolerance * together.abs().max().item<double>());
}

}  // namespace
}  // namespace emend
