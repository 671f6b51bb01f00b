#include "evaluation/report/html.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "evaluation/report/report.h"
#include "io/files/file.h"
#include "io/image/image.h"
#include "io/image/thumbnail.h"
#include "io/testing.h"
#include "tests/example_run.h"

namespace emend {
namespace {

using nlohmann::json;
using testing::ExampleRun;
using ::testing::HasSubstr;
using ::testing::Not;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

// Extracts the data of the page as its script reads it.
json data_of(const std::string& page) {
  std::string open = "<script type=\"application/json\" id=\"data\">";
  auto begin = page.find(open) + open.size();
  return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

struct Reported {
  std::string page;
  json data;
};
Reported report(const TemporaryFolder& folder, const std::vector<ExampleRun>& examples,
                size_t records = 200) {
  std::vector<std::string> folders;
  for (const auto& example : examples)
    folders.push_back(example.write(folder.file(fmt::format("run{}", folders.size()))));
  write_report(folders, folder.file("out"), {records});
  auto page = read_file(folder.file("out/report.html"));
  return {page, data_of(page)};
}

TEST(ReportHtml, EscapesTextsOfTheData) {
  ExampleRun example;
  const std::string evil =
      "</script><script>alert(1)</script><img src=x onerror=alert(1)><!--{{js}}&amp;\u2028";
  example.answer = evil;
  example.editors = {evil};
  example.fingerprint = evil;
  TemporaryFolder folder;
  auto [page, data] = report(folder, {example});
  EXPECT_EQ(data["blocks"][0]["methods"][1]["title"], evil);
  EXPECT_EQ(count(page, "<script"), 2u);
  EXPECT_EQ(count(page, "</script>"), 2u);
  EXPECT_EQ(count(page, "onerror"), count(page, "\\u003cimg src=x onerror=alert(1)\\u003e"));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_EQ(count(page, "'use strict'"), 1u);
  auto md = read_file(folder.file("out/table.md"));
  EXPECT_THAT(md, Not(HasSubstr("<img")));
  EXPECT_THAT(md, Not(HasSubstr("<script")));
}

TEST(ReportHtml, IsSelfContained) {
  TemporaryFolder folder;
  auto page = report(folder, {ExampleRun{}}).page;
  for (const char* outside :
       {"src=\"", "<link", "@import", "url(", "fetch(", "XMLHttp", "innerHTML", "eval("})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  // The SVG namespace is the only address in the page.
  EXPECT_EQ(count(page, "http:") + count(page, "https:"),
            count(page, "http://www.w3.org/2000/svg"));
  std::smatch nonce;
  ASSERT_TRUE(std::regex_search(page, nonce, std::regex("script-src 'nonce-([0-9a-f]{32})'")));
  EXPECT_THAT(page, HasSubstr("<script nonce=\"" + nonce.str(1) + "\">"));
}

TEST(ReportHtml, DescribesTheMeasurement) {
  ExampleRun example;
  example.failing = 1;
  TemporaryFolder folder;
  auto data = report(folder, {example}).data;
  const auto& block = data["blocks"][0];
  EXPECT_EQ(block["title"], "E-VQA eval, single edits, protocol mmedit-2024");
  auto text = block["facts"].dump() + block["protocol"].dump();
  for (const char* told : {"4 records requested, 3 to 4 judged", "1 left out because a field",
                           "ft:language: 1", "f00d", "lowest token ID", "exact match", "best 10"})
    EXPECT_THAT(text, HasSubstr(told));
  EXPECT_EQ(block["methods"][1]["failed"][0], json({"e-vqa-0", "editing", "the loss is NaN"}));
  EXPECT_EQ(block["published"].size(), 2u);
}

// Runs of a sweep with other seeds are one figure, and its points are the merged rows.
TEST(ReportHtml, ShowsTheSweep) {
  ExampleRun zero, one;
  zero.editors = one.editors = {"lora", "ft steps=1", "ft steps=15"};
  one.seed = 2;
  const json sweep = {{"editor", "ft"}, {"setting", "steps"}, {"values", {"1", "15"}}};
  TemporaryFolder folder;
  std::vector<std::string> runs;
  for (const auto& example : {zero, one}) {
    auto root = example.results();
    root["config"]["sweep"] = sweep;
    root["editors"][2]["settings"]["steps"] = 1;
    runs.push_back(folder.file(fmt::format("run{}", runs.size())));
    example.write(runs.back(), root, example.lines());
  }
  write_report(runs, folder.file("out"));
  const auto page = read_file(folder.file("out/report.html"));
  EXPECT_EQ(data_of(page)["blocks"][0]["sweeps"],
            json::parse(R"([{"editor": "ft", "setting": "steps", "points": [
              {"value": "1", "method": 2}, {"value": "15", "method": 3}]}])"));
  EXPECT_EQ(report(folder, {ExampleRun{}}).data["blocks"][0]["sweeps"], json::array());
}

TEST(ReportHtml, RecordsContainEveryEditor) {
  ExampleRun a, b;
  b.editors = {"ft:vision"};
  TemporaryFolder folder;
  auto data = report(folder, {a, b}).data;
  const auto& records = data["blocks"][0]["records"];
  EXPECT_EQ(records["total"], 4);
  ASSERT_EQ(records["shown"].size(), 4u);
  const auto& record = records["shown"][0];
  EXPECT_EQ(record["target"], "red");
  EXPECT_EQ(record["probes"].size(), 5u);
  ASSERT_EQ(record["columns"].size(), 3u);  // base once, and both editors
  EXPECT_EQ(record["columns"][1]["cells"]["0"], json({"red", 1.0, 1.0, 1.0, false}));
  EXPECT_EQ(record["columns"][1]["cells"]["2"], json({"yellow", 0.0, 0.0, 0.0, true}));
}

TEST(ReportHtml, SelectsFirstAndWorstRecords) {
  ExampleRun example;
  example.records = 30;
  example.failing = 0;
  TemporaryFolder folder;
  auto root = example.results();
  // The last record alone is wrong in all groups.
  auto data = report(folder, {example}, 4).data;
  const auto& records = data["blocks"][0]["records"];
  EXPECT_EQ(records["total"], 30);
  ASSERT_EQ(records["shown"].size(), 4u);
  EXPECT_EQ(records["shown"][0]["id"], "e-vqa-0");
  EXPECT_EQ(records["shown"][1]["id"], "e-vqa-1");
  for (int i : {2, 3}) {
    int wrong = 0;
    for (const auto& cell : records["shown"][i]["columns"][1]["cells"]) wrong += cell[4] == true;
    EXPECT_EQ(wrong, 2);
  }
  EXPECT_EQ(report(folder, {example}, 0).data["blocks"][0]["records"]["shown"].size(), 0u);
}

TEST(ReportHtml, EmptyAndLargeRuns) {
  ExampleRun base, empty, none, many;
  base.editors = {};
  empty.samples = false;
  none.records = 1;
  none.failing = 1;
  many.editors.clear();
  for (int i = 0; i < 300; ++i) many.editors.push_back(fmt::format("ft:site{}", i));
  for (const auto& example : {base, empty, none, many}) {
    TemporaryFolder folder;
    auto data = report(folder, {example}).data;
    EXPECT_EQ(data["blocks"][0]["methods"].size(), example.editors.size() + 1);
    EXPECT_EQ(data["blocks"][0]["records"]["total"], example.samples ? example.records : 0);
    EXPECT_EQ(count(read_file(folder.file("out/table.tex")), "ft:site"),
              example.editors.size() == 300 ? 300u : 0u);
  }
}

TEST(ReportHtml, EmbedsEachPictureOnceAsThumbnail) {
  ExampleRun example;
  TemporaryFolder folder;
  auto run = example.write(folder.file("run"));
  Image image{400, 200, std::vector<uint8_t>(400 * 200 * 3, 90)};
  std::filesystem::create_directories(run + "/pictures");
  write_png(run + "/pictures/a.png", image);
  std::string lines;
  for (int r = 0; r < example.records; ++r)
    for (size_t e = 0; e < 2; ++e) {
      auto line = example.sample(example.labels()[e], e, r);
      line["image"] = "pictures/a.png";
      line["probes"][0]["image"] = "pictures/a.png";
      line["probes"][1]["image"] = "pictures/gone.png";
      lines += line.dump() + "\n";
    }
  example.write(run, example.results(), lines);
  write_report({run}, run);
  auto data = data_of(read_file(run + "/report.html"));
  ASSERT_EQ(data["pictures"].size(), 1u);
  EXPECT_THAT(data["pictures"][0].get<std::string>(), ::testing::StartsWith("data:image/"));
  EXPECT_EQ(data["unreadable_pictures"], 1);
  const auto& record = data["blocks"][0]["records"]["shown"][0];
  EXPECT_EQ(record["image"], 0);
  EXPECT_EQ(record["probes"][1]["image"], -1);
}

// A run may come from somebody else, so pictures outside of its folder are not shown.
TEST(ReportHtml, OmitsPicturesOutsideTheRunFolder) {
  namespace fs = std::filesystem;
  TemporaryFolder folder;
  Image image{8, 8, std::vector<uint8_t>(8 * 8 * 3, 90)};
  fs::create_directories(folder.file("photos/below"));
  write_png(folder.file("secret.png"), image);
  write_png(folder.file("photos/below/b.png"), image);
  ExampleRun example;
  auto run = example.write(folder.file("run"));
  fs::create_symlink(folder.file("secret.png"), run + "/link.png");
  const auto shown = [&](const std::string& name, const ReportOptions& options = {}) {
    std::string lines;
    for (int r = 0; r < example.records; ++r)
      for (size_t e = 0; e < 2; ++e) {
        auto line = example.sample(example.labels()[e], e, r);
        line["image"] = name;
        lines += line.dump() + "\n";
      }
    example.write(run, example.results(), lines);
    auto warnings = write_report({run}, folder.file("out"), options);
    auto data = data_of(read_file(folder.file("out/report.html")));
    const bool is_shown = !data["pictures"].empty();
    EXPECT_EQ(data["pictures_elsewhere"], is_shown ? 0 : 1);
    EXPECT_EQ(warnings.size(), is_shown ? 0u : 1u);
    return is_shown;
  };
  EXPECT_FALSE(shown("../secret.png"));
  EXPECT_FALSE(shown(folder.file("secret.png")));
  EXPECT_FALSE(shown("link.png"));
  const auto photo = folder.file("photos/below/b.png");
  EXPECT_FALSE(shown(photo));
  EXPECT_TRUE(shown(photo, {200, {folder.file("photos")}}));
  EXPECT_TRUE(shown(photo, {200, {folder.file("photos/")}}));
  EXPECT_FALSE(shown(folder.file("secret.png"), {200, {folder.file("photos")}}));
  EXPECT_FALSE(shown(folder.file("photos/../secret.png"), {200, {folder.file("photos")}}));
}

TEST(Thumbnail, FitsTheSizeAndCanBeRead) {
  Image image{300, 100, std::vector<uint8_t>(300 * 100 * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * i / 7);
  for (int side : {1, 7, 160, 1000}) {
    auto small = thumbnail(image, side);
    auto back = decode_image(reinterpret_cast<const uint8_t*>(small.bytes.data()),
                             small.bytes.size(), small.type);
    EXPECT_EQ(back.width, std::min(side, 300));
    EXPECT_EQ(back.height, side >= 300 ? 100 : std::max(1, (side + 1) / 3));
  }
}

}  // namespace
}  // namespace emend
