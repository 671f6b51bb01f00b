#include "editing/tracing/trace_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TraceMap sample_map(const std::string& component, int64_t window,
                    const std::vector<double>& subject) {
  TraceMap map;
  map.component = component;
  map.window = window;
  map.groups = {"subject", "last"};
  for (size_t l = 0; l < subject.size(); ++l)
    map.layers.push_back("language.block." + std::to_string(l));
  map.effects.resize(2);
  for (auto effect : subject) {
    map.effects[0].push_back({effect, 2 * effect});
    map.effects[1].push_back({0.9, 0.9});
  }
  return map;
}

TraceResult sample_trace(const std::vector<double>& narrow, const std::vector<double>& wide) {
  TraceRuns runs;
  runs.corrupted = "text";
  runs.kind = "noise";
  runs.sigma = 0.5;
  runs.factor = 3;
  runs.rows = 10;
  runs.clean = {0.8, -0.3};
  runs.score = {0.2, -1.5};
  runs.restored = {0.8, -0.3};
  runs.maps = {sample_map("mlp", 1, narrow), sample_map("mlp", 2, wide)};
  TraceResult result;
  result.prompt = "Where does \"Mipo\" live?";
  result.subject = "Mipo";
  result.target = result.answer = "the lake";
  result.clean = runs.clean;
  result.runs = {runs};
  result.notes = {"A note."};
  return result;
}

TEST(TraceResult, SurvivesJson) {
  const auto result = sample_trace({0.1, 0.5, 0.2}, {0.3, 0.4, 0.1});
  const auto json = to_json(result);
  const auto read = trace_from_json(nlohmann::json::parse(json.dump()), "trace.json");
  EXPECT_EQ(to_json(read).dump(), json.dump());
  EXPECT_DOUBLE_EQ(read.runs[0].maps[1].effects[0][1].log_probability, 0.8);
}

// Every value that is removed or replaced is an error that names the file.
TEST(TraceResult, RefusesDamagedJson) {
  const auto json = to_json(sample_trace({0.1, 0.5}, {0.3, 0.4}));
  const auto flat = json.flatten();
  size_t refused = 0;
  for (const auto& [pointer, value] : flat.items()) {
    auto damaged = json;
    damaged[nlohmann::json::json_pointer(pointer)] = nlohmann::json::object({{"x", 1}});
    const auto error = error_of([&] { trace_from_json(damaged, "trace.json"); });
    EXPECT_THAT(error, HasSubstr("trace.json")) << pointer;
    ++refused;
  }
  EXPECT_GT(refused, 30u);
  auto shorter = json;
  shorter["runs"][0]["maps"][0]["indirect_effect"]["probability"][0].erase(0);
  EXPECT_THAT(error_of([&] { trace_from_json(shorter, "trace.json"); }),
              HasSubstr("another number of layers"));
}

TEST(TraceResult, ReadsFiles) {
  TemporaryFolder folder;
  const auto file = folder / "trace.json";
  const auto narrow = sample_trace({0.1, 0.5}, {0.3, 0.4});
  write_json(file, to_json(narrow));
  EXPECT_EQ(to_json(load_trace(file)).dump(), to_json(narrow).dump());

  auto seen = sample_trace({0.1, 0.2}, {0.1, 0.2});
  seen.runs.push_back(seen.runs[0]);
  seen.runs[0].corrupted = "image";
  seen.runs[0].maps[0].component = "residual";
  write_json(file, {{"format", "emend-trace-suite"},
                    {"kinds",
                     {{"edit", {{"trace", to_json(seen)}}},
                      {"text", {{"trace", to_json(narrow)}}},
                      {"beside", {{"traced", 0}}}}}});
  const auto both = load_trace(file);
  ASSERT_EQ(both.runs.size(), 2u);
  EXPECT_EQ(both.runs[0].corrupted, "image");
  EXPECT_EQ(both.runs[0].maps[0].component, "residual");
  EXPECT_DOUBLE_EQ(both.runs[1].maps[0].effects[0][1].probability, 0.5);  // without a picture
  for (const char* wrong :
       {"[]", "{}", R"({"format": "emend-trace-suite", "kinds": {}})",
        R"({"format": "emend-trace-suite", "kinds": {"edit": {"trace": 1}}})"}) {
    write_file(file, wrong);
    EXPECT_THAT(error_of([&] { load_trace(file); }), HasSubstr("trace.json")) << wrong;
  }
}

TEST(TraceResult, FindsTheLayers) {
  const auto result = sample_trace({0.1, 0.5, 0.2, 0.0}, {0.3, 0.0, 0.4, 0.1});
  // Sums over windows: 0.4, 0.5, 0.6, 0.1.
  EXPECT_THAT(traced_layers(result, Module::language, 1), ElementsAre(2));
  EXPECT_THAT(traced_layers(result, Module::language, 2), ElementsAre(1, 2));
  EXPECT_THAT(traced_layers(result, Module::language, 9), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(error_of([&] { traced_layers(result, Module::connector, 1); }),
              HasSubstr("the trace has no MLP effects in connector"));
  const auto found = locate(result.runs[0], "mlp");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].layer, "language.block.1");
  EXPECT_EQ(found[0].group, "subject");
  EXPECT_DOUBLE_EQ(found[0].effect.probability, 0.5);
  EXPECT_TRUE(locate(result.runs[0], "attention").empty());
}

TEST(TraceResult, Averages) {
  auto a = sample_trace({0.1, 0.5}, {0.3, 0.4}), b = sample_trace({0.3, 0.5}, {0.3, 0.0});
  b.runs[0].reversible = 0;
  b.runs[0].clean = {0.6, -0.5};
  b.runs[0].maps[0].groups[1] = "answer";
  const auto mean = average_traces({a, b});
  EXPECT_EQ(mean.records, 2);
  const auto& runs = mean.runs.at(0);
  EXPECT_EQ(runs.records, 2);
  EXPECT_DOUBLE_EQ(runs.clean.probability, 0.7);
  EXPECT_DOUBLE_EQ(runs.reversible, 0.5);
  const auto& map = runs.maps.at(0);
  EXPECT_THAT(map.groups, ElementsAre("subject", "last", "answer"));
  EXPECT_DOUBLE_EQ(map.effects[0][0].probability, 0.2);
  EXPECT_NEAR(map.errors[0][0].probability, 0.1, 1e-12);
  EXPECT_NEAR(map.errors[0][0].log_probability, 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(map.errors[0][1].probability, 0);
  EXPECT_DOUBLE_EQ(map.effects[1][0].probability, 0.9);  // of one record
  EXPECT_EQ(to_json(trace_from_json(to_json(mean), "mean.json")).dump(), to_json(mean).dump());
  b.runs[0].maps[1].layers.pop_back();
  EXPECT_THAT(error_of([&] { average_traces({a, b}); }), HasSubstr("different layers"));
  EXPECT_THAT(error_of([] { average_traces({}); }), HasSubstr("no traces"));
}

}  // namespace
}  // namespace emend
