#include "editing/tracing/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "editing/testing/every_editor.h"
#include "editing/tracing/token_groups.h"
#include "io/error.h"
#include "io/testing.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// Traces of tiny models with random weights of every architecture.
class TraceTest : public ::testing::TestWithParam<testing::TinyModel> {
 protected:
  static void TearDownTestSuite() { opened_.clear(); }
  const Vlm& vlm() {
    auto& opened = opened_[GetParam().name];
    if (!opened.vlm) {
      opened.folder = std::make_unique<TemporaryFolder>();
      GetParam().write(opened.folder->path(), 0);
      opened.vlm = std::make_unique<Vlm>(load_vlm(opened.folder->path()));
    }
    return *opened.vlm;
  }
  bool sees() { return GetParam().sees; }
  TraceQuery query(bool sees) {
    TraceQuery query;
    if (sees) query.image = testing::noise_picture(vlm(), 1);
    query.prompt = query.question = "What is this cat?";
    query.subject = "this cat";
    query.target = " no";
    return query;
  }
  // SmolVLM divides the picture into tiles, so its rows are long.
  // Models whose rows or pictures are so long that a part of the cases is enough.
  static bool is_long() {
    const std::string name = GetParam().name;
    return name == "smolvlm" || name == "llava_onevision" || name == "qwen3_vl";
  }
  static TraceOptions quick() {
    TraceOptions options;
    options.rows = is_long() ? 1 : 2;
    options.windows = is_long() ? "2" : "1,2";
    return options;
  }

 private:
  struct Opened {
    std::unique_ptr<TemporaryFolder> folder;
    std::unique_ptr<Vlm> vlm;
  };
  inline static std::map<std::string, Opened> opened_;
};

const TraceRuns& runs_of(const TraceResult& result, const std::string& corrupted) {
  for (const auto& runs : result.runs)
    if (runs.corrupted == corrupted) return runs;
  throw Error("test", "there are no runs of " + corrupted, "");
}

const TraceMap& map_of(const TraceRuns& runs, Module module, const std::string& component) {
  for (const auto& map : runs.maps)
    if (map.module == module && map.component == component) return map;
  throw Error("test", "there is no map of " + component, "");
}

void expect_same(const TraceRuns& a, const TraceRuns& b) {
  EXPECT_NEAR(a.score.probability, b.score.probability, 1e-5);
  EXPECT_NEAR(a.score.log_probability, b.score.log_probability, 1e-4);
  ASSERT_EQ(a.maps.size(), b.maps.size());
  for (size_t m = 0; m < a.maps.size(); ++m) {
    const auto &x = a.maps[m], &y = b.maps[m];
    EXPECT_EQ(x.groups, y.groups);
    EXPECT_EQ(x.layers, y.layers);
    for (size_t g = 0; g < x.groups.size(); ++g)
      for (size_t l = 0; l < x.layers.size(); ++l) {
        EXPECT_NEAR(x.effects[g][l].probability, y.effects[g][l].probability, 1e-5)
            << x.component << " " << x.groups[g] << " " << x.layers[l];
        EXPECT_NEAR(x.effects[g][l].log_probability, y.effects[g][l].log_probability, 1e-4)
            << x.component << " " << x.groups[g] << " " << x.layers[l];
      }
  }
}

TEST_P(TraceTest, SharedRunsEqualCompletePasses) {
  auto with = query(sees());
  with.other_image = {{}, testing::noise_image(7)};
  std::vector<std::string> kinds = {"noise"};
  if (sees()) kinds = {"noise", "mean", "swap", "gray", "pixel_noise"};
  if (is_long()) kinds = {"noise", "gray"};
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind);
    auto options = quick();
    options.text = kind == "swap" ? "swap" : "noise";
    options.grid = kind == "gray" && GetParam().name != std::string("smolvlm") ? 2 : 0;
    if (is_long()) options.components = kind == "gray" ? "residual" : "mlp";
    options.batch_positions = 300;  // several batches
    if (sees()) options.image = kind;
    TraceContext naive;
    naive.share = false;
    const auto shared = trace(vlm(), with, options);
    const auto alone = trace(vlm(), with, options, naive);
    ASSERT_EQ(shared.runs.size(), alone.runs.size());
    EXPECT_EQ(shared.runs.size(), sees() ? 2u : 1u);
    for (size_t i = 0; i < shared.runs.size(); ++i) expect_same(shared.runs[i], alone.runs[i]);
  }
}

// What is known of every model: all states at the first layer, and the corrupted tokens before any
// layer, give the clean run.
TEST_P(TraceTest, RestoredStatesGiveTheCleanRun) {
  const auto result = trace(vlm(), query(sees()), quick());
  for (const auto& runs : result.runs) {
    SCOPED_TRACE(runs.corrupted);
    EXPECT_EQ(runs.reversible, 1);
    EXPECT_NEAR(runs.restored.log_probability, runs.clean.log_probability, 1e-4);
    EXPECT_NE(runs.score.log_probability, runs.clean.log_probability);
    const auto total = runs.clean.log_probability - runs.score.log_probability;
    const auto& residual = map_of(runs, Module::language, "residual");
    EXPECT_EQ(residual.layers.front(), "language.embed");
    // The corrupted tokens themselves, before any layer.
    const auto corrupted = runs.corrupted == "text" ? "subject" : "image";
    const auto first = residual.effects[residual.row(corrupted)].front().log_probability;
    if (runs.corrupted == "image" && GetParam().name == std::string("qwen3_vl"))
      EXPECT_NE(first, 0);  // DeepStack: features of the picture also enter later layers
    else
      EXPECT_NEAR(first, total, 1e-4);
    for (const char* component : {"attention", "mlp"}) {
      const auto& map = map_of(runs, Module::language, component);
      EXPECT_EQ(map.layers.front(), "language.block.0");
      EXPECT_NE(map.effects[map.row(corrupted)][0].log_probability, 0) << component;
    }
    if (runs.corrupted == "text") {
      for (const auto& map : runs.maps) EXPECT_EQ(map.module, Module::language);
      if (const auto image = residual.row("image"); image >= 0) {
        for (const auto& effect : residual.effects[image]) EXPECT_EQ(effect.log_probability, 0);
      }
    } else {
      // A vision stage that is restored completely gives the clean run.
      const auto& seen = map_of(runs, Module::vision_tower, "residual");
      EXPECT_EQ(seen.layers.front(), "vision_tower.embed");
      for (const auto& effect : seen.effects[seen.row("all")])
        EXPECT_NEAR(effect.log_probability, total, 1e-4);
      EXPECT_NO_THROW(map_of(runs, Module::connector, "residual"));
    }
  }
}

// An answer of one token is read from the last residual stream at the last token of the prompt.
TEST_P(TraceTest, TheLastTokenGivesTheAnswer) {
  auto asked = query(sees());
  asked.target = "x";
  ASSERT_EQ(vlm().processor.target("x").size(), 1u);
  const auto result = trace(vlm(), asked, quick());
  for (const auto& runs : result.runs) {
    const auto& map = map_of(runs, Module::language, "residual");
    const auto& last = map.effects[map.row("last")];
    EXPECT_NEAR(last.back().probability, runs.total_effect(), 1e-5);
    EXPECT_NEAR(last.back().log_probability,
                runs.clean.log_probability - runs.score.log_probability, 1e-4);
    EXPECT_NEAR(last.front().probability, 0, 1e-6) << "its embedding is not corrupted";
    EXPECT_EQ(map.row("answer"), -1);
    EXPECT_NEAR(std::exp(runs.clean.log_probability), runs.clean.probability, 1e-6);
  }
}

TEST_P(TraceTest, EqualSeedsGiveEqualBits) {
  auto options = quick();
  const auto first = trace(vlm(), query(sees()), options);
  ActivationStore store(ActivationStore::Options{});
  TraceContext context;
  context.store = &store;
  EXPECT_EQ(to_json(first).dump(), to_json(trace(vlm(), query(sees()), options, context)).dump());
  EXPECT_EQ(to_json(first).dump(), to_json(trace(vlm(), query(sees()), options, context)).dump());
  options.seed = 2;
  EXPECT_NE(to_json(first).dump(), to_json(trace(vlm(), query(sees()), options)).dump());
}

TEST_P(TraceTest, TracesTheModelsAnswer) {
  auto asked = query(sees());
  asked.target = "";
  auto options = quick();
  options.max_new_tokens = 3;
  int64_t done = 0, total = 0;
  TraceContext context;
  context.on_cell = [&](int64_t now, int64_t all) {
    EXPECT_GT(now, 0);
    done = now;
    total = all;
  };
  const auto result = trace(vlm(), asked, options, context);
  EXPECT_EQ(result.answer, result.target);
  EXPECT_EQ(done, total);
  EXPECT_GT(result.clean.probability, 1.0 / vlm().model->vocabulary());
  const auto& map = map_of(runs_of(result, "text"), Module::language, "residual");
  EXPECT_GE(map.row("answer"), 0);
  EXPECT_EQ(map.groups.back(), "answer");
}

TEST_P(TraceTest, RefusesWhatCannotBeTraced) {
  const auto refusal = [&](TraceQuery asked, TraceOptions options) {
    return error_of([&] { trace(vlm(), asked, options); });
  };
  auto asked = query(false);
  asked.subject = "dog";
  EXPECT_THAT(refusal(asked, quick()), HasSubstr("does not contain the subject 'dog'"));
  asked.subject = "";
  EXPECT_THAT(refusal(asked, quick()), HasSubstr("nothing is corrupted"));
  auto options = quick();
  options.image = "gray";
  EXPECT_THAT(refusal(asked, options), HasSubstr("there is no picture to corrupt"));
  options = quick();
  options.text = "swap";
  EXPECT_THAT(refusal(asked, options), HasSubstr("no subject is given"));
  options = quick();
  options.layers = "0,90";
  EXPECT_THAT(refusal(query(false), options),
              HasSubstr("layers '0,90' is not a list of block numbers from 0 to"));
  options.layers = "2-1";
  EXPECT_THAT(refusal(query(false), options),
              HasSubstr("layers '2-1' is not a list of block numbers"));
  options = quick();
  options.modules = "vision_tower,connector";
  EXPECT_THAT(
      refusal(query(false), options),
      HasSubstr("no state of 'vision_tower,connector' can be restored: a question without a "
                "picture does not reach them"));
  if (sees()) {
    options.modules = "vision_tower";
    options.image = "mean";
    EXPECT_THAT(refusal(query(true), options),
                HasSubstr("the corruption does not change these modules"));
  }
  options = quick();
  options.components = "mlp,heads";
  EXPECT_THAT(refusal(query(false), options), HasSubstr("the setting components is"));
  options = quick();
  options.modules = "language,head";
  EXPECT_THAT(refusal(query(false), options), HasSubstr("the setting modules is"));
  options = quick();
  options.windows = "0";
  EXPECT_THAT(refusal(query(false), options), HasSubstr("the setting windows is"));
  if (!sees()) {
    asked.image = {{}, testing::noise_image(1)};
    EXPECT_THAT(refusal(asked, quick()), HasSubstr("reads text only"));
    return;
  }
  options = quick();
  options.image = "swap";
  EXPECT_THAT(refusal(query(true), options), HasSubstr("no other picture is given"));
}

INSTANTIATE_TEST_SUITE_P(Folders, TraceTest, ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emend
