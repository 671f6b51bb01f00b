#include "evaluation/report/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/bench/published.h"
#include "evaluation/report/merge.h"
#include "evaluation/report/tables.h"
#include "evaluation/report/words.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"
#include "tests/example_run.h"

namespace emend {
namespace {

using testing::ExampleRun;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<Run> read_all(const TemporaryFolder& folder, const std::vector<ExampleRun>& examples) {
  std::vector<Run> runs;
  for (const auto& example : examples)
    runs.push_back(read_run(example.write(folder.file(fmt::format("run{}", runs.size())))));
  return runs;
}

// `count` lines of a table, starting with the line that begins with `from`.
std::string part(const std::string& text, const std::string& from, int count) {
  auto begin = text.find("\n" + from) + 1;
  auto end = begin;
  for (int i = 0; i < count && end != std::string::npos; ++i) end = text.find('\n', end) + 1;
  return text.substr(begin, end - begin);
}

TEST(ReportTables, ScoresOfProbabilitiesAreColumnsWhereTheyWereMeasured) {
  TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    const bool second = std::string(name) == "b";
    ExampleRun example;
    example.seed = second;
    const auto file = example.write(folder.file(name)) + "/results.json";
    auto root = nlohmann::json::parse(read_file(file));
    root["editors"][1]["preferences"]["efficacy_score"] = {
        {"score", second ? 1 : 0.5}, {"magnitude", -0.25}, {"probes", 4}};
    write_file(file, root.dump());
  }
  const std::vector<emend::Run> runs = {read_run(folder.file("a")), read_run(folder.file("b"))};
  const auto merged = merge_runs(runs);
  const auto text = table_md(merged);
  EXPECT_THAT(text, HasSubstr("| M-Locality | Efficacy score |\n"));
  EXPECT_THAT(text, HasSubstr(" | 75.00 ± 35.36 |\n"));
  EXPECT_THAT(table_tex(merged), HasSubstr("& Efficacy score"));
  EXPECT_THAT(table_csv(merged), HasSubstr(",efficacy_score,0.5,,,,4,4,0\r\n"));
  EXPECT_THAT(table_wide_csv(merged), HasSubstr(",efficacy_score,efficacy_score_error\r\n"));
  EXPECT_THAT(table_md(merge_runs({runs[0]})), Not(HasSubstr("Paraphrase score")));

  auto root = nlohmann::json::parse(read_file(folder.file("a/results.json")));
  root["editors"][1]["preferences"]["efficacy_score"]["score"] = 2;
  write_file(folder.file("a/results.json"), root.dump());
  EXPECT_THAT(error_of([&] { read_run(folder.file("a")); }), HasSubstr("between 0 and 1"));
  root["editors"][1]["preferences"] = {{"other", {{"score", 1}, {"probes", 1}}}};
  write_file(folder.file("a/results.json"), root.dump());
  EXPECT_THAT(error_of([&] { read_run(folder.file("a")); }), HasSubstr("unknown score 'other'"));
}

TEST(ReportTables, MarkdownHasTheLayoutOfThePaper) {
  TemporaryFolder folder;
  auto runs = read_all(folder, {ExampleRun{}});
  auto text = table_md(merge_runs(runs));
  EXPECT_EQ(part(text, "| Method", 6),
            "| Method | Reliability | T-Generality | M-Generality | T-Locality | M-Locality |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: |\n"
            "| base | 0.00 ± 0.00 | 0.00 ± 0.00 | 0.00 ± 0.00 | 100.00 ± 0.00 | 100.00 ± 0.00 |\n"
            "| ft:language | 75.00 ± 25.00 | 75.00 ± 25.00 | 50.00 ± 28.87 | 75.00 ± 25.00 | "
            "75.00 ± 25.00 |\n"
            "| **Published** (E-VQA, BLIP-2 OPT (3.8 B)) |  |  |  |  |  |\n"
            "| *base, BLIP-2 OPT* (arXiv 2310.08475, Table 2) | 0.00 | 0.00 | - | 100.00 | 100.00 "
            "|\n");
  EXPECT_THAT(text, HasSubstr("| *MEND, BLIP-2 OPT* (arXiv 2310.08475, Table 2 (M-Generality: "
                              "EasyEdit README, March 2024)) | 99.40 | 98.80 | 99.40 | 99.94 | "
                              "96.65 |\n"));
  EXPECT_THAT(text, HasSubstr("| *MEND, MiniGPT-4*"));
  EXPECT_THAT(text, HasSubstr("Percent. ± is the standard error over records."));
  for (const char* told : {"4 records requested, 4 judged with every editor; 5 read; "
                           "1 left out because a field is empty (empty alt: 1); 0 left out because "
                           "a picture is missing",
                           "Ties: equal scores rank by the lowest token ID", "f00d",
                           "M-Locality compares: the best 10 tokens"})
    EXPECT_THAT(text, HasSubstr(told));
}

TEST(ReportTables, LatexUsesBooktabsAndEscapes) {
  ExampleRun example;
  example.editors = {"100%_\\&#{x}~^$<|>\"é"};
  example.suite = "scenes";
  TemporaryFolder folder;
  auto runs = read_all(folder, {example});
  auto text = table_tex(merge_runs(runs));
  EXPECT_THAT(text, HasSubstr("\\toprule\nMethod & Rel. & T-Gen. & M-Gen. & T-Loc. & M-Loc. \\\\\n"
                              "\\midrule\nbase & 0.00\\,{\\tiny$\\pm$0.00} & "));
  EXPECT_THAT(text, HasSubstr("\n100\\%\\_\\textbackslash{}\\&\\#\\{x\\}\\~{}\\^{}\\$$<$"
                              "\\textbar{}$>$''[U+00E9] & 75.00\\,{\\tiny$\\pm$25.00} & "));
  EXPECT_THAT(text, HasSubstr("Published: for orientation: E-VQA, BLIP-2 OPT (3.8 B)"));
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c > 0; }));
}

TEST(ReportTables, CsvHasARowPerRunEditorAndGroup) {
  ExampleRun example;
  example.groups = {"reliability"};
  example.editors = {"a,\"b\""};
  TemporaryFolder folder;
  auto runs = read_all(folder, {example});
  auto merged = merge_runs(runs);
  auto head =
      "run,seed,suite,split,protocol,mode,model,fingerprint,editor,settings,group,score,"
      "stderr,generated,vqa,probes,records,failed\r\n";
  auto block = "e-vqa,eval,mmedit-2024,single,models/tiny,f00d";
  EXPECT_EQ(table_csv(merged),
            fmt::format("{0}{1},0,{2},base,{{}},reliability,0,0,0,0,4,4,0\r\n"
                        "{1},0,{2},\"a,\"\"b\"\"\",\"{{\"\"steps\"\":15}}\",reliability,0.75,0.25,"
                        "0.75,0.75,4,4,0\r\n",
                        head, folder.file("run0"), block));
  EXPECT_THAT(table_wide_csv(merged),
              HasSubstr(fmt::format("\r\nemend,{},\"a,\"\"b\"\"\",1,4,0,75.00,25.00,", block)));
  EXPECT_THAT(table_wide_csv(merged), HasSubstr("\r\n\"published: arXiv 2310.08475, Table 2 "));
}

// Spreadsheets read a cell that begins with =, +, - or @ as a formula.
TEST(ReportTables, CsvCellsAreNotFormulas) {
  for (const char* first : {"=", "+", "-", "@"}) {
    ExampleRun example;
    example.editors = {std::string(first) + "cmd|' /C calc'!A0"};
    TemporaryFolder folder;
    auto run = example.write(folder.file("run"));
    write_report({run}, folder.file("out"));
    for (const char* name : {"table.csv", "table_wide.csv"}) {
      const auto text = read_file(folder.file(std::string("out/") + name));
      EXPECT_EQ(text.find(std::string(",") + first + "cmd"), std::string::npos) << text;
      EXPECT_NE(text.find(std::string(",'") + first + "cmd"), std::string::npos) << text;
    }
  }
}

TEST(ReportTables, DoesNotRoundUpToAHundred) {
  ExampleRun example;
  TemporaryFolder folder;
  auto root = example.results();
  root["editors"][1]["groups"]["image_locality"]["score"] = 0.99999;
  root["results"]["e-vqa|ft:language"].erase("image_locality,mmedit-2024");
  std::vector<emend::Run> runs = {read_run(example.write(folder.file("a"), root, ""))};
  EXPECT_THAT(table_md(merge_runs(runs)), HasSubstr("99.99 ± 25.00 |\n"));
}

TEST(ReportTables, UnmeasuredGroupsAreDashes) {
  ExampleRun example, portable;
  example.groups = {"reliability", "text_locality"};
  portable.groups = {"reliability", "portability"};
  portable.suite = "vlkeb";
  TemporaryFolder folder;
  auto runs = read_all(folder, {example, portable});
  auto text = table_md(merge_runs(runs));
  EXPECT_THAT(text, HasSubstr("| ft:language | 75.00 ± 25.00 | - | - | 75.00 ± 25.00 | - |\n"));
  EXPECT_THAT(text, HasSubstr("| T-Locality | M-Locality | Portability |\n"));
  EXPECT_THAT(text, HasSubstr("| ft:language | 75.00 ± 25.00 | - | - | - | - | 75.00 ± 25.00 |\n"));
}

TEST(ReportMerge, AveragesSeedsWithDeviation) {
  ExampleRun zero, one;
  one.seed = 2;
  zero.settings["seed"] = 0;
  one.settings["seed"] = 2;
  TemporaryFolder folder;
  auto runs = read_all(folder, {zero, one});
  auto merged = merge_runs(runs);
  ASSERT_EQ(merged.blocks.size(), 1u);
  ASSERT_EQ(merged.blocks[0].methods.size(), 2u);
  const auto& method = merged.blocks[0].methods[1];
  EXPECT_EQ(method.title, "ft:language");
  EXPECT_EQ(method.mean.records, 8);
  const auto& score = method.mean.groups.at(Group::reliability);
  EXPECT_DOUBLE_EQ(score.score, 0.625);  // 3/4 and 2/4
  EXPECT_DOUBLE_EQ(*score.error, 0.125 * std::sqrt(2.0));
  EXPECT_EQ(score.probes, 8);
  EXPECT_DOUBLE_EQ(*method.mean.edit_seconds, 0.25);
  EXPECT_THAT(merged.warnings, IsEmpty());
  EXPECT_EQ(error_sentence(merged.blocks[0]),
            "± is the standard deviation over runs with different seeds.");
}

TEST(ReportMerge, AveragesTheTimesOfCurves) {
  TemporaryFolder folder;
  std::vector<emend::Run> runs;
  for (int64_t seed : {1, 2}) {
    ExampleRun example;
    example.mode = "sequential";
    example.seed = seed;
    auto root = example.results();
    auto& editor = root["editors"][1];
    editor["curve"] = {{{"edits", 4}, {"judged", 4}, {"groups", editor["groups"]}}};
    root["timings"]["ft:language"]["curve"] = {
        {{"edits", 4}, {"edit_seconds", static_cast<double>(seed)}, {"judge_seconds", 1.0}},
        {{"edits", 9}, {"judge_seconds", 7.0}}};
    runs.push_back(read_run(example.write(folder.file(std::to_string(seed)), root, "")));
  }
  const auto merged = merge_runs(runs);
  const auto& curve = merged.blocks.at(0).methods.at(1).mean.curve;
  ASSERT_EQ(curve.size(), 1u);
  EXPECT_DOUBLE_EQ(*curve[0].edit_seconds, 1.5);
  EXPECT_DOUBLE_EQ(*curve[0].judge_seconds, 1);
}

TEST(ReportMerge, MergesEditorsOfSeveralRuns) {
  ExampleRun a, b;
  b.editors = {"ft:vision"};
  TemporaryFolder folder;
  auto runs = read_all(folder, {a, b});
  auto merged = merge_runs(runs);
  ASSERT_EQ(merged.blocks.size(), 1u);
  std::vector<std::string> titles;
  for (const auto& method : merged.blocks[0].methods) {
    titles.push_back(method.title);
    EXPECT_EQ(method.sources.size(), 1u);
  }
  EXPECT_THAT(titles, ::testing::ElementsAre("base", "ft:language", "ft:vision"));
}

TEST(ReportMerge, SeparatesSuitesProtocolsModesAndModels) {
  ExampleRun first, suite, protocol, mode, limit, model;
  suite.suite = "scenes";
  protocol.protocol = "strict";
  mode.mode = "batch";
  limit.records = 5;
  model.fingerprint = "beef";
  TemporaryFolder folder;
  auto runs = read_all(folder, {first, suite, protocol, mode, limit, model});
  auto merged = merge_runs(runs);
  EXPECT_EQ(merged.blocks.size(), 6u);
  ASSERT_EQ(merged.warnings.size(), 1u);
  EXPECT_THAT(merged.warnings[0], HasSubstr("another model (beef)"));
}

TEST(ReportMerge, SettingsDistinguishEqualLabels) {
  ExampleRun a, b;
  b.settings = {{"steps", 30}};
  TemporaryFolder folder;
  auto runs = read_all(folder, {a, b});
  auto merged = merge_runs(runs);
  ASSERT_EQ(merged.blocks[0].methods.size(), 3u);
  EXPECT_EQ(merged.blocks[0].methods[1].title, "ft:language (steps=15)");
  EXPECT_EQ(merged.blocks[0].methods[2].title, "ft:language (steps=30)");
}

TEST(ReportMerge, WarnsOfDifferentResultsForOneSeed) {
  ExampleRun a, b;
  b.failing = 1;
  TemporaryFolder folder;
  auto runs = read_all(folder, {a, b});
  auto merged = merge_runs(runs);
  ASSERT_EQ(merged.warnings.size(), 1u);
  EXPECT_THAT(merged.warnings[0], HasSubstr("ft:language was measured twice with seed 0"));
}

TEST(Published, SelectsMatchingTables) {
  EXPECT_EQ(published_tables("e-vqa", "single").size(), 2u);
  EXPECT_EQ(published_tables("e-ic", "single").size(), 2u);
  EXPECT_THAT(published_tables("scenes", "single").at(0).title, HasSubstr("for orientation"));
  EXPECT_THAT(published_tables("photo-vqa", "single").at(0).title, HasSubstr("tation: E-VQA"));
  EXPECT_THAT(published_tables("photo-caption", "single").at(0).title, HasSubstr("tation: E-IC"));
  EXPECT_THAT(published_tables("e-vqa", "sequential").at(0).note, HasSubstr("another protocol"));
  EXPECT_THAT(published_tables("vlkeb", "sequential").at(0).rows, IsEmpty());
  EXPECT_THAT(published_tables("mmedit-json", "single"), IsEmpty());
  EXPECT_THAT(published_tables("e-vqa", "batch"), IsEmpty());
  EXPECT_EQ(published_tables("counterfact", "single").size(), 2u);
  for (const char* suite : {"e-vqa", "e-ic", "scenes", "vlkeb", "counterfact"})
    for (const char* mode : {"single", "sequential", "batch"})
      for (const auto& table : published_tables(suite, mode))
        for (const auto& row : table.rows) {
          EXPECT_THAT(row.source, HasSubstr("arXiv 2"));
          for (const auto& [group, percent] : row.percent)
            EXPECT_TRUE(percent >= 0 && percent <= 100) << row.editor;
          for (const auto& [name, percent] : row.preferences)
            EXPECT_TRUE(percent >= 0 && percent <= 100) << row.editor;
        }
}

// The papers also have the harmonic mean of the three scores.
TEST(Published, CounterFactRowsHaveTheScoreOfTheirPaper) {
  const std::map<std::string, double> expected = {
      {"GPT-2 XL base", 30.5}, {"GPT-2 XL FT", 65.1},   {"GPT-2 XL FT+L", 66.9},
      {"GPT-2 XL KE", 52.2},   {"GPT-2 XL MEND", 57.9}, {"GPT-2 XL ROME", 89.2},
      {"GPT-J base", 23.6},    {"GPT-J FT", 25.5},      {"GPT-J FT+L", 68.7},
      {"GPT-J MEND", 63.2},    {"GPT-J ROME", 91.5},    {"batch FT-W", 67.6},
      {"batch MEND", 23.1},    {"batch ROME", 50.3},    {"batch MEMIT", 85.8}};
  size_t rows = 0;
  for (const char* mode : {"single", "batch"})
    for (const auto& table : published_tables("counterfact", mode))
      for (const auto& row : table.rows) {
        double inverse = 0;
        for (const auto& info : preference_infos()) inverse += 1 / row.preferences.at(info.name);
        const auto name = (std::string(mode) == "batch" ? mode : row.model) + " " + row.editor;
        EXPECT_NEAR(3 / inverse, expected.at(name), 0.11) << name;
        ++rows;
      }
  EXPECT_EQ(rows, expected.size());
}

TEST(Published, ScoresAreInEveryTable) {
  ExampleRun run;
  run.suite = "counterfact";
  TemporaryFolder folder;
  const auto runs = read_all(folder, {run});
  const auto merged = merge_runs(runs);
  EXPECT_THAT(table_wide_csv(merged), HasSubstr("published: arXiv 2202.05262, Table 4"));
  EXPECT_THAT(table_md(merged), HasSubstr("*ROME, GPT-2 XL* (arXiv 2202.05262, Table 4)"));
}

}  // namespace
}  // namespace emend
