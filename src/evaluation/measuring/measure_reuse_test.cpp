#include <gtest/gtest.h>

#include "evaluation/measuring/probe_batches.h"
#include "evaluation/testing/tiny_record.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

// Sharing between probes, editors and runs must not change results.
class MeasureReuseTest : public TinyVlmTest {
 protected:
  static std::vector<size_t> kept_before(const CachedBatch& batch) {
    std::vector<size_t> stages;
    for (const auto& pass : batch.passes) stages.push_back(pass.next);
    return stages;
  }
};

// (positions, V) by probe: all logits of its teacher-forced row.
std::vector<at::Tensor> forced_logits(const Vlm& vlm, const Baseline& baseline,
                                      const Interventions& interventions) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> logits(baseline.queries.size());
  for (const auto& batch : baseline.batches) {
    auto pass = resume(vlm, batch.forced, interventions, baseline.store);
    vlm.model->run(pass, interventions);
    for (size_t r = 0; r < batch.probes.size(); ++r)
      logits[batch.probes[r]] = pass.logits()[static_cast<int64_t>(r)].narrow(
          0, 0, static_cast<int64_t>(batch.forced.batch.rows[r].ids.size()));
  }
  return logits;
}

// Kernels add in another order for other batch sizes: float32 logits differ by about 1e-6 of their
// size (measured on the bundled model: 1.7e-5 of logits up to 31). Pictures are encoded one by one
// in both cases, to the same bits.
void expect_near(const Vlm& vlm, const Record& record, const Interventions& edit,
                 const Protocol& protocol) {
  auto few = measure_baseline(vlm, record, protocol),
       naive = measure_baseline(vlm, record, protocol, {}, {.reuse = false});
  EXPECT_LT(few.batches.size(), naive.batches.size());
  EXPECT_EQ(naive.batches.size(), naive.queries.size());
  for (const auto& batch : naive.batches) {
    EXPECT_TRUE(batch.forced.passes.empty());
    EXPECT_TRUE(batch.prompts.passes.empty());
  }
  EXPECT_EQ(naive.store, nullptr);
  for (const auto& interventions : {Interventions{}, edit}) {
    auto a = forced_logits(vlm, few, interventions), b = forced_logits(vlm, naive, interventions);
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_LT((a[i] - b[i]).abs().max().item<double>(), 5e-5) << few.queries[i].prompt;
  }
  auto a = measure(vlm, few, edit), b = measure(vlm, naive, edit);
  for (size_t i = 0; i < a.probes.size(); ++i) {
    EXPECT_EQ(a.probes[i].before, b.probes[i].before);
    EXPECT_EQ(a.probes[i].after, b.probes[i].after);
    EXPECT_EQ(a.probes[i].score, b.probes[i].score) << a.probes[i].query.prompt;
  }
}

TEST_F(MeasureReuseTest, NoReuseGivesTheSameScores) {
  expect_near(vlm(), record(), noise("language_model.model.decoder.layers.2.*", 9, 0.04), {});
  expect_near(vlm(), record(), noise("qformer.*", 9, 0.04), make_protocol("easyedit-editor"));
}

TEST(MeasureBundledTest, NoReuseGivesTheSameScores) {
  auto vlm = load_vlm(EMEND_SOURCE_DIR "/models/scenes-blip2");
  Protocol protocol;
  for (uint64_t seed : {1, 2, 3}) {
    auto record = scenes::counterfactual(scenes::Split::eval, seed, {1, 1, 2, 2, 1});
    auto patch = make_editor("ft", {{"module", "language"}, {"steps", 10}})
                     ->edit(vlm, {{record.image, edit_prompt(protocol, record),
                                   continuation(protocol, record.target)}});
    expect_near(vlm, record, patch.interventions(vlm), protocol);
  }
}

TEST_F(MeasureReuseTest, KeepsOnlyPassesThatAreNeeded) {
  const auto& model = *vlm().model;
  const auto connector = model.first_stage(Module::connector),
             language = model.first_stage(Module::language), last = model.stages().size() - 2;
  auto kept = [&](std::vector<size_t> boundaries, const Interventions& base = {}) {
    return measure_baseline(vlm(), record(), {}, base, {.boundaries = std::move(boundaries)})
        .batches[0];
  };
  using Stages = std::vector<size_t>;
  EXPECT_EQ(kept_before(kept({}).forced), (Stages{connector, language}));
  EXPECT_EQ(kept_before(kept({last}).forced), Stages{last});
  EXPECT_EQ(kept_before(kept({last, connector, last}).forced), (Stages{connector, last}));
  // An editor that rewrites requests (0) keeps nothing. Generation starts before the language
  // module.
  EXPECT_EQ(kept_before(kept({0, last}).forced), Stages{last});
  EXPECT_EQ(kept_before(kept({0, last}).prompts), Stages{language});
  EXPECT_EQ(kept_before(kept({connector, last}).prompts), (Stages{connector, language}));
  // Passes that the base changes are not kept as passes of the unedited model.
  auto base = noise("qformer.*layer.1.*", 2, 0.1);
  const auto own = first_changed_stage(model, base);
  EXPECT_EQ(kept_before(kept({last}, base).forced), Stages{own});
}

TEST_F(MeasureReuseTest, BoundariesDoNotChangeResults) {
  const auto stages = vlm().model->stages().size();
  for (const std::string sites : {"language_model.model.decoder.layers.2.*", "qformer.*",
                                  "vision_model.*.layers.1.*", "*.lm_head"}) {
    auto edit = noise(sites, 9, 0.1);
    auto reference = measure(vlm(), measure_baseline(vlm(), record()), edit);
    for (size_t boundary : {size_t{1}, size_t{2}, size_t{5}, stages - 3, stages - 1, stages}) {
      auto baseline = measure_baseline(vlm(), record(), {}, {}, {.boundaries = {boundary}});
      expect_same(measure(vlm(), baseline, edit), reference);
    }
  }
}

TEST_F(MeasureReuseTest, BaseIsPartOfBothSides) {
  auto base = noise("qformer.*", 4, 0.2), edit = noise("*.layers.2.fc1", 5, 0.2);
  auto baseline = measure_baseline(vlm(), record(), {}, base);
  EXPECT_EQ(measure(vlm(), baseline, base).scores[Group::image_locality].score, 1);
  // Removing the base is a change like any other.
  auto off = measure(vlm(), baseline, {});
  EXPECT_LT(off.scores[Group::image_locality].score, 1);
  auto fresh = measure(vlm(), measure_baseline(vlm(), record()), {});
  for (size_t i = 0; i < off.probes.size(); ++i)
    EXPECT_EQ(off.probes[i].after, fresh.probes[i].after);
  auto both = base;
  both.insert(both.end(), edit.begin(), edit.end());
  EXPECT_LT(measure(vlm(), baseline, both).scores[Group::image_locality].score, 1);
}

TEST_F(MeasureReuseTest, SideBeforeIsReadFromTheStore) {
  TemporaryFolder folder;
  const ActivationStore::Options on_disk = {uint64_t{1} << 30, folder.path()};
  auto edit = noise("*.layers.2.*", 5, 0.1);
  for (const auto& name : protocol_names()) {
    auto protocol = make_protocol(name);
    auto reference = measure(vlm(), measure_baseline(vlm(), record(), protocol), edit);
    ActivationStore store(on_disk);
    expect_same(measure(vlm(), measure_baseline(vlm(), record(), protocol, {}, {&store}), edit),
                reference);
    auto misses = store.counts().misses;
    expect_same(measure(vlm(), measure_baseline(vlm(), record(), protocol, {}, {&store}), edit),
                reference);
    EXPECT_EQ(store.counts().misses, misses) << name;  // nothing is computed twice
    // A later run reads it from disk.
    ActivationStore later(on_disk);
    expect_same(measure(vlm(), measure_baseline(vlm(), record(), protocol, {}, {&later}), edit),
                reference);
    EXPECT_EQ(later.counts().misses, 0) << name;
    EXPECT_GT(later.counts().disk_hits, 0) << name;
  }
}

TEST_F(MeasureReuseTest, SideBeforeIsKeyedByEverythingItDependsOn) {
  ActivationStore store({});
  auto side = [&](const Record& record, const Protocol& protocol, const Interventions& base = {}) {
    auto misses = store.counts().misses;
    auto baseline = measure_baseline(vlm(), record, protocol, base, {&store});
    auto alone = measure_baseline(vlm(), record, protocol, base);
    EXPECT_EQ(baseline.answers, alone.answers);
    for (size_t b = 0; b < baseline.batches.size(); ++b)
      for (size_t r = 0; r < baseline.batches[b].ranks.size(); ++r)
        if (baseline.batches[b].ranks[r].defined()) {
          EXPECT_TRUE(at::equal(baseline.batches[b].ranks[r], alone.batches[b].ranks[r]));
        }
    return store.counts().misses - misses;
  };
  Protocol protocol;
  EXPECT_GT(side(record(), protocol), 0);
  EXPECT_EQ(side(record(), protocol), 0);
  auto other = record();
  other.probes[4].image = {"", testing::noise_image(77)};
  EXPECT_GT(side(other, protocol), 0);
  other = record();
  other.probes[2].answer = "France";  // other tokens of the same length
  EXPECT_GT(side(other, protocol), 0);
  auto cheap = protocol;
  cheap.generate_answers = false;
  EXPECT_GT(side(record(), cheap), 0);
  auto deeper = protocol;
  deeper.image_k = 5;
  EXPECT_GT(side(record(), deeper), 0);
  side(record(), protocol, noise("qformer.*", 4, 0.2));
  EXPECT_EQ(side(record(), protocol), 0);  // the side with a base did not replace it
}

TEST_F(MeasureReuseTest, EncodesEachPictureOnce) {
  ActivationStore store({});
  int64_t seen = 0;
  auto count = Intervention::boundary(vlm().model->stages()[0].name, [&](const at::Tensor& x) {
    seen += x.size(0);
    return x;
  });
  // An observer in the vision module makes it run, once for each picture of each batch.
  auto baseline = measure_baseline(vlm(), record(), {}, {}, {&store});
  auto misses = store.counts().misses;
  measure(vlm(), baseline, noise("*.layers.2.*", 5, 0.1));
  measure(vlm(), baseline, noise("qformer.*", 5, 0.1));
  EXPECT_EQ(store.counts().misses, misses);
  measure(vlm(), baseline, {count});
  EXPECT_EQ(seen, 2 * 3);  // teacher-forced and generating, three pictures
}

}  // namespace
}  // namespace emend
