#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "io/error.h"
#include "models/core/model.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"

namespace emend {
namespace {

using fixtures::Fixture;

Batch mixed_batch(const Fixture& fixture) {
  auto batch = fixture.batch("image_right");
  const auto text = fixture.batch("text_right");
  batch.rows.insert(batch.rows.begin() + 1, text.rows.begin(), text.rows.end());
  return batch;
}

at::Tensor logits(const Model& model, const Batch& batch, PadSide pad = PadSide::right) {
  auto pass = model.collate(batch, pad);
  model.run(pass);
  return pass.logits();
}

class Stages : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadGuard threads_{1};
  at::NoGradGuard no_grad;
  Fixture fixture = Fixture::open(GetParam());
  std::unique_ptr<Model> model = fixtures::load(fixture);
};
INSTANTIATE_TEST_SUITE_P(All, Stages, ::testing::ValuesIn(fixtures::pictured_fixtures()),
                         fixtures::test_name);

TEST_P(Stages, ResumingGivesTheSameBits) {
  for (const auto& batch :
       {fixture.batch("image_right"), fixture.batch("text_right"), mixed_batch(fixture)}) {
    const auto whole = logits(*model, batch);
    for (size_t cut = 0; cut < model->stages().size(); ++cut) {
      auto pass = model->collate(batch);
      model->run(pass, cut);
      EXPECT_EQ(pass.next, cut + 1);
      const auto kept = pass;  // a copy, which later stages do not change
      model->run(pass);
      EXPECT_TRUE(at::equal(pass.logits(), whole)) << model->stages()[cut].name;
      auto again = kept;
      model->run(again);
      EXPECT_TRUE(at::equal(again.logits(), whole)) << model->stages()[cut].name;
    }
  }
}

// Counts what runs, by an observer at every boundary and at every linear layer.
struct Counter {
  explicit Counter(const Model& model)
      : stages(model.stages().size(), 0), sites(model.sites().size(), 0) {
    for (size_t i = 0; i < stages.size(); ++i)
      observers.push_back(Intervention::boundary(model.stages()[i].name, count(stages[i])));
    for (size_t i = 0; i < sites.size(); ++i)
      observers.push_back(Intervention::input(model.sites()[i].name, count(sites[i])));
  }
  static Transform count(int& counter) {
    return [&counter](const at::Tensor& x) {
      ++counter;
      return x;
    };
  }
  std::vector<int> stages, sites;
  Interventions observers;
};

TEST_P(Stages, ResumingRunsNoEarlierStage) {
  for (size_t cut = 0; cut < model->stages().size(); ++cut) {
    Counter counter(*model);
    auto pass = model->collate(mixed_batch(fixture));
    if (cut > 0) model->run(pass, cut - 1);
    model->run(pass, counter.observers);
    // Vision stages run once for each picture, as does the connector for pictures of different
    // sizes. The others run once.
    const auto times = [&](size_t stage) -> int64_t {
      if (stage < cut) return 0;
      const auto module = model->stages()[stage].module;
      const bool alone = module == Module::vision_tower ||
                         (module == Module::connector && !pass.pixels.same_size());
      return alone ? pass.pixels.size() : 1;
    };
    for (size_t i = 0; i < counter.stages.size(); ++i)
      EXPECT_EQ(counter.stages[i], times(i)) << model->stages()[i].name;
    for (size_t i = 0; i < counter.sites.size(); ++i)
      EXPECT_EQ(counter.sites[i], times(model->sites()[i].stage)) << model->sites()[i].name;
  }
}

TEST_P(Stages, TextOnlyRunsNoVisionAndNoBridge) {
  Counter counter(*model);
  auto pass = model->collate(fixture.batch("text_right"));
  model->run(pass, model->stage("connector.project"), counter.observers);
  EXPECT_EQ(pass.next, model->stage("language.embed"));
  EXPECT_FALSE(pass.hidden.defined());
  model->run(pass, counter.observers);
  for (size_t i = 0; i < counter.stages.size(); ++i)
    EXPECT_EQ(counter.stages[i], model->stages()[i].module == Module::language);
}

TEST_P(Stages, WantedPositionsGiveTheSameLogits) {
  const auto batch = mixed_batch(fixture);
  const auto all = logits(*model, batch);
  auto pass = model->collate(batch);
  pass.logit_positions = at::tensor(std::vector<int64_t>{3, 0, all.size(1) + 1});
  model->run(pass);
  const auto expected = all.flatten(0, 1).index_select(0, pass.logit_positions);
  EXPECT_LT(fixtures::relative_error(pass.logits(), expected), 1e-5);
}

// Questions that share a picture in one row are answered as in separate rows.
TEST_P(Stages, SegmentsDoNotAttendToEachOther) {
  const auto shown = fixture.batch("image_right"), asked = fixture.batch("text_right");
  const auto& prefix = shown.rows[0];
  Row packed = prefix;
  packed.segments.assign(prefix.ids.size(), 0);
  Batch separate{shown.pixels, {}};
  for (size_t s = 0; s < asked.rows.size(); ++s) {
    const auto& ids = asked.rows[s].ids;
    Row alone = prefix;
    alone.ids.insert(alone.ids.end(), ids.begin(), ids.end());
    separate.rows.push_back(alone);
    packed.ids.insert(packed.ids.end(), ids.begin(), ids.end());
    packed.segments.insert(packed.segments.end(), ids.size(), static_cast<int64_t>(s) + 1);
  }
  // Interleaved with an ordinary row, and padded.
  const auto together = logits(*model, {shown.pixels, {packed, shown.rows[1]}}, PadSide::left);
  const auto apart = logits(*model, separate);
  const int64_t shared = prefix.ids.size();
  int64_t at = shared;
  for (size_t s = 0; s < asked.rows.size(); ++s) {
    const int64_t length = asked.rows[s].ids.size();
    const auto mine = together[0].slice(0, at, at + length);
    const auto theirs = apart[s].slice(0, shared, shared + length);
    EXPECT_LT(fixtures::relative_error(mine, theirs), 1e-5);
    at += length;
  }
  const auto ordinary = logits(*model, {shown.pixels, {shown.rows[1]}})[0];
  EXPECT_LT(fixtures::relative_error(together[1].slice(0, at - ordinary.size(0)), ordinary), 1e-5);
}

TEST_P(Stages, ThreadsShareAModel) {
  const auto images = fixture.batch("image_right"), text = fixture.batch("text_right");
  const auto expected = std::make_pair(logits(*model, images), logits(*model, text));
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      at::NoGradGuard none;
      for (int i = 0; i < 5; ++i)
        equal[t] += at::equal(logits(*model, t % 2 ? images : text),
                              t % 2 ? expected.first : expected.second);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(equal, ::testing::Each(5));
}

TEST_P(Stages, RejectsInvalidBatches) {
  const auto good = fixture.batch("image_right");
  const auto refused = [&](const std::function<void(Batch&)>& spoil, const char* says) {
    auto batch = good;
    spoil(batch);
    try {
      model->collate(batch);
      ADD_FAILURE() << "accepted: " << says;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(says));
    }
  };
  const auto width = model->vocabulary();
  refused([](Batch& b) { b.rows.clear(); }, "no rows");
  refused([](Batch& b) { b.rows[1].ids.clear(); }, "row 1 is empty");
  refused([&](Batch& b) { b.rows[2].ids.back() = width; }, "row 2 has token id");
  refused([](Batch& b) { b.rows[0].ids.back() = -7; }, "row 0 has token id -7");
  refused([](Batch& b) { *std::find(b.rows[0].ids.begin(), b.rows[0].ids.end(), kImageToken) = 3; },
          "image tokens");
  refused([](Batch& b) { b.rows[0].images[0] = 9; },
          fmt::format("uses image 9, but the batch has {} images", good.pixels.size()).c_str());
  refused([](Batch& b) { b.pixels = at::Tensor(); }, "the batch has 0");
  refused([](Batch& b) { b.rows[0].segments = {0}; }, "segments");
  const auto most = model->max_positions();
  refused([&](Batch& b) { b.rows[0].ids.resize(most + 12, 5); },
          fmt::format("needs {} positions, but the model has only {}", most + 12, most).c_str());
}

}  // namespace
}  // namespace emend
