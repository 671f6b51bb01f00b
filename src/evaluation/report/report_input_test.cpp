#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "evaluation/report/merge.h"
#include "evaluation/report/report.h"
#include "evaluation/report/samples.h"
#include "evaluation/report/tables.h"
#include "io/error.h"
#include "io/testing.h"
#include "tests/example_run.h"

namespace emend {
namespace {

using nlohmann::json;
using testing::ExampleRun;
using ::testing::HasSubstr;

std::string report_error(const TemporaryFolder& folder) {
  auto problem = error_of([&] { write_report({folder.file("run")}, folder.file("out")); });
  EXPECT_FALSE(std::filesystem::exists(folder.file("out")));
  return problem;
}

TEST(ReportInput, ErrorsNameTheField) {
  const std::pair<const char*, json> cases[] = {
      {"/format", "lm-eval"},
      {"/version", 2},
      {"/editors", json::array()},
      {"/editors/1/label", 7},
      {"/editors/1/label", "base"},
      {"/editors/1/records", -1},
      {"/editors/1/groups/reliability/score", 1.5},
      {"/editors/1/groups/reliability/score", nullptr},
      {"/editors/1/groups/reliability/stderr", -1},
      {"/editors/1/groups/luck", json::object()},
      {"/editors/1/failed", "none"},
      {"/editors/1/grid", {{{"text", "red"}}}},
      {"/editors/1/patch", 4},
      {"/config/mode", "twice"},
      {"/config/suite/name", nullptr},
      {"/config/sweep", 3},
      {"/config/sweep", {{"editor", "ft:language"}, {"setting", "steps"}, {"values", 1}}},
      {"/config/sweep", {{"editor", "ft:language"}, {"setting", "steps"}, {"values", {"1"}}}},
      {"/config/sweep",
       {{"editor", "ft:language"}, {"setting", "steps"}, {"values", json::array()}}},
      {"/config/protocol", "strict"},
      {"/config/model/fingerprint", 12},
      {"/timings/ft:language/edit_seconds", -2},
      {"/exam", 1},
      {"/exam", {{{"editor", "ike"}, {"after_edits", 1}, {"questions", 2}, {"right", 1}}}},
      {"/exam", {{{"editor", "base"}, {"after_edits", 0}, {"questions", 2}, {"right", 3}}}},
      {"/n-samples/e-vqa|ft:language", 3},
      {"/results/e-vqa|ft:language/reliability,mmedit-2024", 0.5},
  };
  for (const auto& [pointer, value] : cases) {
    SCOPED_TRACE(pointer + value.dump());
    TemporaryFolder folder;
    ExampleRun example;
    auto root = example.results();
    root[json::json_pointer(pointer)] = value;
    example.write(folder.file("run"), root, example.lines());
    auto problem = report_error(folder);
    EXPECT_THAT(problem, HasSubstr("run/results.json"));
    auto field = std::string(pointer).substr(std::string(pointer).rfind('/') + 1);
    if (field != "1" && field != "label") {
      EXPECT_THAT(problem, HasSubstr(field));
    }
  }
}

TEST(ReportInput, ErrorsNameTheLine) {
  const std::pair<const char*, std::string> cases[] = {
      {"/editor", "line 2: 'editor' is 'mend'"},
      {"/record", "line 3: duplicate line"},
      {"/prompt", "line 2: 'prompt' or 'target'"},
      {"/probes/0/group", "line 2, probes[0]': unknown group"},
      {"/probes/1/score", "line 2, probes[1]': 'score' should be a number"},
      {"/probes/2/after", "line 2, probes[2]': 'after' should be a string"},
      {"/probes", "line 2': 'probes' should be a list"}};
  for (const auto& [pointer, said] : cases) {
    SCOPED_TRACE(pointer);
    TemporaryFolder folder;
    ExampleRun example;
    auto line = example.sample("ft:language", 1, 0);
    line[json::json_pointer(pointer)] = "mend";
    if (said.find("after'") != said.npos) line[json::json_pointer(pointer)] = 1;
    if (said.find("duplicate") != said.npos) line = example.sample("base", 0, 0);
    auto lines =
        example.sample("base", 0, 0).dump() + "\n" +
        (said.find("duplicate") != said.npos ? example.sample("ft:language", 1, 0) : line).dump() +
        "\n" + line.dump() + "\n";
    example.write(folder.file("run"), example.results(), lines);
    auto problem = report_error(folder);
    EXPECT_THAT(problem, HasSubstr("run/samples.jsonl"));
    EXPECT_THAT(problem, HasSubstr(said));
  }
}

TEST(ReportInput, RefusesSamplesOfAnotherRun) {
  TemporaryFolder folder;
  ExampleRun example, other;
  other.seed = 1;
  example.write(folder.file("run"), example.results(), other.lines());
  EXPECT_THAT(report_error(folder), HasSubstr("results.json has"));
  auto half = example.lines();
  half.resize(half.size() - 9);
  example.write(folder.file("run"), example.results(), half);
  EXPECT_THAT(report_error(folder), HasSubstr("samples.jsonl, line 8"));
}

TEST(ReportInput, RefusesSamplesWithMissingLines) {
  for (const char* mode : {"single", "batch", "sequential"}) {
    SCOPED_TRACE(mode);
    TemporaryFolder folder;
    ExampleRun example;
    example.mode = mode;
    const auto lines = example.lines();
    const auto one_less = lines.substr(0, lines.rfind('\n', lines.size() - 2) + 1);
    for (const std::string& less : {std::string(), one_less}) {
      example.write(folder.file("run"), example.results(), less);
      EXPECT_THAT(report_error(folder), HasSubstr("results.json has"));
    }
  }
  // An empty file lacks all lines; it is not the same as no file.
  TemporaryFolder folder;
  ExampleRun example;
  auto partial = example.results();
  partial["partial"] = true;
  example.write(folder.file("run"), partial, "");
  EXPECT_THAT(report_error(folder), HasSubstr("no lines"));
}

TEST(ReportInput, CountsRepeatedJudgments) {
  TemporaryFolder folder;
  ExampleRun example;
  example.mode = "sequential";
  auto root = example.results();
  for (auto& editor : root["editors"])
    editor["curve"] = {{{"edits", 4}, {"judged", 4}, {"groups", editor["groups"]}}};
  auto again = example.lines();
  std::string all;
  std::istringstream stream(again);
  for (std::string line; std::getline(stream, line);) {
    auto json = nlohmann::json::parse(line);
    json["after_edits"] = 4;
    json["reevaluated"] = true;
    all += line + "\n" + json.dump() + "\n";
  }
  example.write(folder.file("run"), root, all);
  EXPECT_NO_THROW(write_report({folder.file("run")}, folder.file("whole")));
  example.write(folder.file("run"), root, again);
  EXPECT_THAT(report_error(folder), HasSubstr("judged again after 4 edits"));
}

TEST(ReportInput, WarnsOfAnUnfinishedRun) {
  TemporaryFolder folder;
  ExampleRun example;
  auto root = example.results();
  root["partial"] = true;
  auto half = example.lines();
  half.resize(half.size() - 9);
  example.write(folder.file("run"), root, half);
  auto warnings = write_report({folder.file("run")}, folder.file("out"));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("not finished"));
}

TEST(ReportInput, RefusesFoldersThatAreNotRuns) {
  TemporaryFolder folder;
  EXPECT_THAT(report_error(folder), HasSubstr("results.json"));
  // A run that was killed has run.json only.
  std::filesystem::create_directories(folder.file("killed"));
  testing::write_text(folder.file("killed/run.json"), "{}");
  EXPECT_THAT(error_of([&] { write_report({folder.file("killed")}, folder.file("out")); }),
              HasSubstr("killed' contains a run that is not finished"));
  EXPECT_THAT(error_of([&] { write_report({}, folder.file("out")); }),
              HasSubstr("no run is given"));
  auto run = ExampleRun{}.write(folder.file("run"));
  EXPECT_THAT(error_of([&] {
                write_report({run, run + "/."}, folder.file("out"));
              }),
              HasSubstr("given twice"));
  std::filesystem::remove(run + "/samples.jsonl");
  std::filesystem::create_directory(run + "/samples.jsonl");
  EXPECT_THAT(error_of([&] { write_report({run}, folder.file("out")); }),
              HasSubstr("cannot be read"));
}

TEST(ReportInput, DamagedFilesAreErrorsOrReadable) {
  TemporaryFolder folder;
  ExampleRun example, sequential;
  example.failing = 1;
  sequential.mode = "sequential";
  auto root = sequential.results();
  root["editors"][1]["curve"] = {
      {{"edits", 1}, {"judged", 1}, {"groups", root["editors"][1]["groups"]}}};
  root["editors"][1]["grid"] = {{{"text", "edited"},
                                 {"image", "none"},
                                 {"expects", "unchanged"},
                                 {"score", 0.5},
                                 {"generated", 0.5},
                                 {"probes", 3}}};
  root["timings"]["ft:language"]["curve"] = {{{"edits", 1}, {"edit_seconds", 0.5}}};
  auto path = folder.file("run");
  int read = 0;
  auto wrong = fuzz({example.results().dump(), root.dump()}, 3000, 1, [&](const std::string& text) {
    std::filesystem::create_directories(path);
    std::ofstream(path + "/results.json", std::ios::binary) << text;
    std::vector<emend::Run> runs = {read_run(path)};
    auto merged = merge_runs(runs);
    ++read;
    table_md(merged) + table_tex(merged) + table_csv(merged) + table_wide_csv(merged);
  });
  EXPECT_EQ(wrong, "");
  EXPECT_GT(read, 20);

  auto run = read_run(sequential.write(path));
  read = 0;
  wrong = fuzz({example.lines(), sequential.lines()}, 3000, 2, [&](const std::string& text) {
    std::ofstream(path + "/samples.jsonl", std::ios::binary) << text;
    survey_samples(run);
    ++read;
  });
  EXPECT_EQ(wrong, "");
  EXPECT_GT(read, 20);
}

}  // namespace
}  // namespace emend
