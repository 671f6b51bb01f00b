#include "evaluation/tracing/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/tracing/canvas.h"
#include "evaluation/tracing/trace_page.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TraceMap effect_map(Module module, const std::string& component,
                    const std::vector<std::string>& groups, const std::vector<std::string>& layers,
                    const std::vector<std::vector<double>>& effects) {
  TraceMap map;
  map.module = module;
  map.component = component;
  map.groups = groups;
  map.layers = layers;
  for (const auto& row : effects) {
    map.effects.emplace_back();
    for (auto effect : row) map.effects.back().push_back({effect, effect});
  }
  return map;
}

// A picture whose left half matters.
TraceResult seen_result() {
  TraceRuns runs;
  runs.corrupted = "image";
  runs.kind = "gray";
  runs.clean = {0.9, -0.1};
  runs.score = {0.1, -2};
  runs.restored = runs.clean;
  runs.maps = {
      effect_map(Module::vision_tower, "residual",
                 {"all", "image 1,1", "image 1,2", "image 2,1", "image 2,2"},
                 {"vision_tower.embed", "vision_tower.block.0"},
                 {{0.8, 0.8}, {0.4, 0.1}, {0, 0}, {0.2, 0.1}, {-0.1, 0}}),
      effect_map(Module::connector, "mlp", {"query tokens"},
                 {"connector.layer.0", "connector.layer.1", "connector.layer.2"}, {{0, 0.3, 0.2}}),
      effect_map(Module::language, "mlp", {"image", "template", "last"},
                 {"language.block.0", "language.block.1"}, {{0.1, 0}, {0, 0}, {0, 0.6}})};
  TraceResult result;
  result.prompt = "What <color>?";
  result.target = "red";
  result.clean = runs.clean;
  result.runs = {runs};
  result.grid = 2;
  return result;
}

TEST(HeatMap, DrawsPanels) {
  const auto result = seen_result();
  const auto svg = heat_map_svg(result.runs[0], runs_title(result, result.runs[0]));
  EXPECT_THAT(svg, HasSubstr("vision tower: residual stream"));
  EXPECT_THAT(svg, HasSubstr("connector: MLP, 1 block"));
  EXPECT_THAT(svg, HasSubstr(">query tokens *<"));
  EXPECT_THAT(svg, HasSubstr(">image *<"));
  EXPECT_THAT(svg, HasSubstr(">last<"));
  EXPECT_THAT(svg, HasSubstr("<title>all, vision_tower.embed: +0.800</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("image 1,1")));
  EXPECT_THAT(svg, HasSubstr("Corrupted picture (gray): 0.900 to 0.100"));
  const auto image = heat_map_image(result.runs[0], "title");
  EXPECT_GT(image.width, 300);
  EXPECT_EQ(image.rgb.size(), 3u * image.width * image.height);
  // The strongest color of the residual stream and of the MLP.
  const auto has = [&](const Color& color) {
    for (size_t i = 0; i < image.rgb.size(); i += 3)
      if (std::equal(color.begin(), color.end(), image.rgb.begin() + static_cast<int64_t>(i)))
        return true;
    return false;
  };
  EXPECT_TRUE(has({84, 39, 143}));
  EXPECT_FALSE(has({0, 109, 44})) << "its largest effect is not the largest of all";
}

TEST(HeatMap, TintsThePicture) {
  Image picture{40, 40, std::vector<uint8_t>(3 * 40 * 40, 100)};
  const auto overlay = picture_overlay(picture, ImageProcessor(), seen_result());
  const auto redness = [&](int x, int y) {
    const auto* rgb = &overlay.rgb[3 * (static_cast<size_t>(y) * 40 + static_cast<size_t>(x))];
    return rgb[0] - rgb[1];
  };
  EXPECT_GT(redness(10, 10), redness(10, 30));
  EXPECT_GT(redness(10, 30), 20);
  EXPECT_EQ(redness(30, 10), 0);
  EXPECT_EQ(redness(30, 30), 0);
  // With a grid that is finer than the patches, a part without patches shows the nearest part.
  auto fine = seen_result();
  fine.grid = 4;
  for (auto& group : fine.runs[0].maps[0].groups)
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"image 1,1", "image 2,2"}, {"image 1,2", "image 2,4"}, {"image 2,1", "image 4,2"},
             {"image 2,2", "image 4,4"}})
      if (group == from) {
        group = to;
        break;
      }
  const auto finer = picture_overlay(picture, ImageProcessor(), fine);
  ASSERT_EQ(finer.width, 40);
  const auto redness_of_finer = [&](int x, int y) {
    const auto* rgb = &finer.rgb[3 * (static_cast<size_t>(y) * 40 + static_cast<size_t>(x))];
    return rgb[0] - rgb[1];
  };
  for (const int at : {5, 15}) EXPECT_EQ(redness_of_finer(at, at), redness(10, 10));
  EXPECT_EQ(redness_of_finer(15, 35), redness(10, 30));
  EXPECT_EQ(redness_of_finer(35, 5), 0);
  auto without = seen_result();
  without.grid = 0;
  EXPECT_EQ(picture_overlay(picture, ImageProcessor(), without).width, 0);
}

TEST(HeatMap, SummarizesLocations) {
  EXPECT_THAT(
      trace_summary(seen_result()),
      ElementsAre("seen: vision_tower.embed to block 0 (residual at all, indirect effect 0.80)",
                  "seen: connector.layer 1-2 (mlp at query tokens, indirect effect 0.30)",
                  "seen: language.block 0 (mlp at image, indirect effect 0.10)"));
  auto known = seen_result();
  known.runs[0].corrupted = "text";
  known.runs[0].maps = {};
  EXPECT_THAT(trace_summary(known), ElementsAre(HasSubstr("known: no state has an effect")));
}

TEST(TracePage, IsOneSafePage) {
  auto result = seen_result();
  result.prompt = "<script>alert(1)</script>";
  result.notes = {"A <b>note</b>."};
  const auto page = trace_page("Title & more", {{"a", "</pre><script>"}}, {{{}, result}});
  EXPECT_THAT(page, HasSubstr("Title &amp; more"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("A &lt;b&gt;note"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("</html>"));
}

}  // namespace
}  // namespace emend
